"""Frames that came out equal to the truth: PSNR is infinite, and the value that stands for it moves every mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from harness.outcome.difference import difference
from harness.outcome.pairs import ArmOutcome, Column, PairOutcome

if TYPE_CHECKING:
    import pandas as pd

PERFECT = 100.0
"""dB given to a frame without error, by `harness.metrics.pixelwise`, which imports torch."""

NAMED = 3  # triplets of a column


def exact_in(rows: pd.DataFrame) -> dict[Column, list[str]]:
    """Ids of the triplets whose frame is equal to the truth, by column."""
    if rows.empty or "psnr" not in rows:
        return {}
    exact = rows["psnr"] >= PERFECT
    found: dict[Column, list[str]] = {}
    if not exact.any():  # as nearly always, and soon told
        return found
    for test, level, triplet in rows[exact][["test", "level", "triplet"]].itertuples(index=False):
        found.setdefault(Column(test, level), []).append(triplet)
    return found


def without_exact(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of all other triplets."""
    return rows[~(rows["psnr"] >= PERFECT)]


def moving_difference(pair: PairOutcome) -> pd.DataFrame:
    """`difference` of arms that are both evaluated, over triplets that neither has exactly."""
    gained = difference(pair)
    assert gained is not None
    exact = {(*at, triplet) for arm in pair.arms for at, ids in exact_in(arm.rows).items() for triplet in ids}
    keys = gained[["test", "level", "triplet"]].itertuples(index=False, name=None)
    return gained[[key not in exact for key in keys]]


def static_notes(arms: Iterable[ArmOutcome], labels: Mapping[Column, str]) -> list[str]:
    """Which triplets these are in the columns that have a label, once for each arm."""
    notes: dict[str, None] = {}
    for arm in arms:
        for at, ids in exact_in(arm.rows).items():
            if at not in labels:
                continue
            named = ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")
            total = int(((arm.rows["test"] == at.test) & (arm.rows["level"] == at.level)).sum())
            notes[
                f"{arm.label}, {labels[at]}: {len(ids)} of {total} frames are equal to the truth, which counts as "
                f"{PERFECT:g} dB: {named}."
            ] = None
    return list(notes)
