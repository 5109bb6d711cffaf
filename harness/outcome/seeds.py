"""One comparison over several seeds: the pairs that differ in nothing else, and how sure their difference is."""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from harness.errors import HarnessError
from harness.outcome.pairs import Column, PairOutcome, read_pair
from harness.results.store import Store, differences
from harness.statistics.estimate import LEVEL, Estimate, estimate, holm, noise_floor

log = logging.getLogger("harness")

OWN_TO_A_SEED = ("seed", "initial_weights")  # of a fingerprint

Key = TypeVar("Key", bound=Hashable)


def of_all_seeds(store: Store, pair: PairOutcome) -> list[PairOutcome]:
    """The evaluated pairs that were asked for alike but for their seed, by seed; this one too, or where there is no
    evaluated one, this one alone."""
    if any(arm.run is not None and not arm.run.config.exists() for arm in pair.arms):
        return [pair]  # never started: there is nothing yet to hold others against
    found = {pair.record["seed"]: pair} if all(arm.evaluated for arm in pair.arms) else {}
    for other in _asked_alike(store, pair, {}) if len(pair.arms) == 2 else []:
        seed = other.record["seed"]
        if seed in found or other.name == pair.name or not all(arm.evaluated for arm in other.arms):
            continue
        if changed := differing(pair, other):
            log.warning("%s is left out: made under other settings: %s", other.name, changed[0])
        else:
            found[seed] = other
    if found and pair.record.get("seed") not in found:
        log.warning("%s is not finished: it is left out", pair.name)
    return [found[seed] for seed in sorted(found)] or [pair]


@dataclass(frozen=True)
class Certainty:
    """Of one cell of a table: the estimate of the difference in PSNR (dB), its p-value among all cells (Holm), and
    whether to claim that there is a difference."""

    estimate: Estimate
    adjusted: float | None = None
    claimed: bool = False


def estimates(pairs: Sequence[PairOutcome]) -> dict[Column, Estimate]:
    """Of the difference in PSNR (dB), at each column that all seeds have; `pairs` are one a seed.

    Empty where there is no difference yet. Raises HarnessError where arms are not matched, unless that is to be shown.
    """
    rows = []
    for pair in pairs:
        difference = pair.difference()
        if difference is None:
            return {}
        rows.append(difference.assign(seed=pair.record["seed"], value=difference["psnr"]))
    found: dict[Column, Estimate] = {}
    for (test, level), values in pd.concat(rows).groupby(["test", "level"], sort=False):
        try:
            found[Column(str(test), str(level))] = estimate(values[["seed", "clip", "triplet", "value"]])
        except HarnessError as error:
            log.warning("%s: %s %s: %s", pairs[0].name, test, level, error)
    return found


def certainty(cells: Mapping[Key, Estimate]) -> dict[Key, Certainty]:
    """Of all cells that are read together: Holm's correction is over every one of them that has a p-value."""
    p_values = {at: found.p_value for at, found in cells.items() if found.p_value is not None}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return {
        at: Certainty(found, adjusted.get(at), found.different and adjusted.get(at, 1.0) < LEVEL)
        for at, found in cells.items()
    }


def floor(store: Store, pair: PairOutcome) -> tuple[int, dict[Column, float]]:
    """The noise floor: how far two trainings of the plain baseline differ, from the A/A pairs (`--with null`) in the
    store that were otherwise asked for alike. Their number, and dB by column."""
    controls = [
        control
        for control in _asked_alike(store, pair, {"plugins": "null", "masks": "", "test_masks": ""})
        if all(arm.evaluated for arm in control.arms)
        and not control.unmatched()
        and not differences(_trained(pair, 0), _trained(control, 0))
        and all(control.record[name] == pair.record[name] for name in ("tests", "protocol"))
    ]
    values: dict[Column, list[float]] = {}
    for control in controls:
        one, other = (arm.means() for arm in control.arms)
        for at in pair.columns:
            if at in one and at in other:
                values.setdefault(at, []).append(other[at]["psnr"] - one[at]["psnr"])
    floors = {at: noise_floor(found) for at, found in values.items()}
    return len(controls), {at: found for at, found in floors.items() if found is not None}


def _asked_alike(store: Store, pair: PairOutcome, other: Mapping[str, str]) -> list[PairOutcome]:
    """Pairs whose words are those of this one, with `other` words in their place and any seed."""
    if "asked" not in pair.record:
        return []  # given weights, which were not asked for as a pair
    wanted = _words(pair.record) | dict(other)
    found = []
    for name in reversed(store.pairs()):
        try:
            record = json.loads(store.pair_file(name).read_text("utf-8"))
            if {**_words(record), **{key: record["asked"][key] for key in other}} == wanted:
                found.append(read_pair(store, name))
        except (OSError, ValueError, KeyError, TypeError, HarnessError):
            continue  # damaged: it is in no table, and the command that asks for it says why
    return found


def _words(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record["asked"].items() if key not in ("seed", "metrics")}


def differing(pair: PairOutcome, other: PairOutcome, arm: int = -1) -> list[str]:
    """What, besides the seed, an arm of two pairs does not have in common: how it was trained, and how tested."""
    tested = ("tests", "protocol")
    one, two = ({name: each.record[name] for name in tested} for each in (pair, other))
    return differences(_trained(pair, arm), _trained(other, arm)) + differences(one, two)


def _trained(pair: PairOutcome, arm: int) -> dict[str, Any]:
    """All that decides the weights of an arm, but for its seed."""
    run = pair.arms[arm].run
    fingerprint = run.settings().get("fingerprint", {}) if run is not None else {}
    return {key: value for key, value in fingerprint.items() if key not in OWN_TO_A_SEED}
