"""Frames that came out equal to the truth: PSNR is infinite, and the value that stands for it moves every mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.outcome.pairs import Column, Outcome

if TYPE_CHECKING:
    import pandas as pd

PERFECT = 100.0
"""dB given to a frame without error."""

NAMED = 3  # triplets of a column


def exact_in(rows: pd.DataFrame) -> dict[Column, list[str]]:
    """Ids of the triplets whose frame is equal to the truth, by column."""
    if rows.empty or "psnr" not in rows:
        return {}
    exact = rows[rows["psnr"] >= PERFECT]
    found: dict[Column, list[str]] = {}
    for test, level, triplet in exact[["test", "level", "triplet"]].itertuples(index=False):
        found.setdefault(Column(test, level), []).append(triplet)
    return found


def without_exact(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of all other triplets."""
    return rows[~(rows["psnr"] >= PERFECT)]


def static_notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Which triplets these are, once for each arm."""
    notes: dict[str, None] = {}
    for outcome in outcomes:
        for arm in (outcome.reference, *outcome.arms):
            for at, ids in exact_in(arm.rows).items():
                named = ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")
                total = int(((arm.rows["test"] == at.test) & (arm.rows["level"] == at.level)).sum())
                notes[
                    f"{arm.label}, {outcome.column_label(at)}: {len(ids)} of {total} frames are equal to the truth, "
                    f"which counts as {PERFECT:g} dB: {named}."
                ] = None
    return list(notes)
