"""One comparison over several seeds: the pairs that differ in nothing else, and how sure their difference is."""

from __future__ import annotations

import logging
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from harness.errors import HarnessError
from harness.outcome.control import FAST, judged
from harness.outcome.difference import difference
from harness.outcome.pairs import ROW_KEYS, Column, PairOutcome, readable
from harness.outcome.refusals import refusals
from harness.results.comparison import differences
from harness.results.records import PairRecord
from harness.results.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from harness.statistics.estimate import Estimate

log = logging.getLogger("harness")

PLUGINS = ("plugins", "masks", "test_masks")
"""Of a comparison: what a control and the pair that it is for do not have in common."""

Key = TypeVar("Key", bound=Hashable)


def of_all_seeds(
    store: Store, pair: PairOutcome, records: dict[str, PairRecord], known: Mapping[str, PairOutcome] | None = None
) -> list[PairOutcome]:
    """Of the store's pairs, `records`, the evaluated ones of the same comparison, by seed; this one too, or where there
    is no evaluated one, this one alone. Pairs that the same words ask for and that are another comparison are named.
    `known` are pairs that were read already, all that can be."""
    if any(arm.run is not None and not arm.run.started for arm in pair.arms):
        return [pair]  # never started: there is nothing yet to hold others against
    found = {pair.record.seed: pair} if all(arm.evaluated for arm in pair.arms) else {}
    compared = pair.record.comparison
    alike = {
        name: record
        for name, record in reversed(records.items())
        if len(pair.arms) == 2
        and name != pair.name
        and record.seed not in found
        and (compared.is_same(record.comparison) or compared.is_called_the_same(record.comparison))
    }
    for other in readable(store, alike) if known is None else (known[name] for name in alike if name in known):
        if other.record.seed in found or not all(arm.evaluated for arm in other.arms):
            continue
        if changed := changes(pair.record, other.record):
            log.warning("%s is left out: made under other settings: %s", other.name, changed[0])
        else:
            found[other.record.seed] = replace(other, show_unmatched=pair.show_unmatched)
    if found and pair.record.seed not in found:
        log.warning("%s is not finished: it is left out", pair.name)
    return [found[seed] for seed in sorted(found)] or [pair]


def changes(one: PairRecord, other: PairRecord, but: Collection[str] = ()) -> list[str]:
    """In what two pairs differ, so that no mean is taken over both: their comparisons, `but` for these fields; and the
    masks that `psnr@inside` is by, of which the comparison of an arm that needs none says nothing."""
    regions = differences(one.regions, other.regions, "masks of psnr@inside")
    return [*one.comparison.differences(other.comparison, but), *regions]


@dataclass(frozen=True)
class Certainty:
    """Of one cell of a table: the estimate of the difference, in PSNR (dB) or another metric, its p-value among all
    cells (Holm), and whether to claim that there is a difference."""

    estimate: Estimate
    adjusted: float | None = None
    claimed: bool = False


def estimates(pairs: Sequence[PairOutcome], metric: str = "psnr") -> dict[Column, Estimate]:
    """Of the difference in PSNR (dB), or in what fills another column of rows, at each column that all seeds have;
    `pairs` are one a seed. Triplets that have no such part of a frame (`epe@fast`) are left out, as in a mean.

    Empty where there is no difference yet, or no such metric. Raises HarnessError where arms are not matched, unless
    that is to be shown.
    """
    import pandas as pd

    from harness.statistics.estimate import estimate  # imports scipy, which a table without differences does not need

    rows = []
    for pair in pairs:
        gained = difference(pair)
        if gained is None or metric not in gained:
            return {}
        rows.append(gained.assign(seed=pair.record.seed, value=gained[metric]))
    found: dict[Column, Estimate] = {}
    table = pd.concat(rows)
    if "@" in metric:
        table = table.dropna(subset=["value"])
    for (test, level), values in table.groupby(["test", "level"], sort=False):
        if values["seed"].nunique() < len(pairs):
            continue
        try:
            found[Column(str(test), str(level))] = estimate(values[["seed", "clip", "triplet", "value"]])
        except HarnessError as error:
            log.warning("%s: %s %s: %s", pairs[0].name, test, level, error)
    return found


def triplet_differences(pairs: Sequence[PairOutcome]) -> pd.DataFrame | None:
    """`difference` of each triplet, the mean over seeds of what all have; `pairs` are one a seed. None until all are
    evaluated. Raises HarnessError as `difference`."""
    import pandas as pd

    found = [gained for pair in pairs if (gained := difference(pair)) is not None]
    if len(found) < len(pairs):
        return None
    together = pd.concat(found, join="inner").groupby(ROW_KEYS, sort=False)
    means = together.sum(min_count=len(found)) / len(found)
    return means[together.size() == len(found)].reset_index()


def certainty(cells: Mapping[Key, Estimate]) -> dict[Key, Certainty]:
    """Of all cells that are read together: Holm's correction is over every one of them that has a p-value and several
    seeds. Of a single one nothing is claimed, so that it makes no other less sure."""
    if not cells:
        return {}
    from harness.statistics.estimate import LEVEL, holm

    p_values = {at: p for at, found in cells.items() if (p := found.p_value) is not None and not found.single_seed}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return {
        at: Certainty(found, adjusted.get(at), found.different and adjusted.get(at, 1.0) < LEVEL)
        for at, found in cells.items()
    }


def _holds(control: PairOutcome) -> bool:
    """Whether it is finished, its arms were matched, and it does not fail."""
    try:
        finished = all(arm.evaluated for arm in control.arms)
        return finished and not refusals(control) and not judged(control).startswith("FAIL")
    except HarnessError as error:
        log.warning("%s is left out: %s", control.name, error)
        return False


def floor(store: Store, pair: PairOutcome, records: Mapping[str, PairRecord]) -> tuple[int, dict[Column, float]]:
    """The noise floor: how far two trainings of the plain baseline differ, from the A/A pairs (`--with null`) of the
    store's, `records`, that are otherwise of the same comparison; one that fails gives none. Their number, and dB by
    column. None where equal trainings are equal bit for bit: a floor of 0 dB would say nothing of another seed, nor do
    controls from there of a pair that was trained where they differ."""
    if pair.record.tier != FAST:
        return 0, {}
    found = {
        name: record
        for name, record in records.items()
        if record.is_control and record.tier == FAST and record.comparison.is_same(pair.record.comparison, PLUGINS)
    }
    controls = [each for each in readable(store, found) if _holds(each)]
    if not controls:
        return 0, {}
    from harness.statistics.estimate import noise_floor

    values: dict[Column, list[float]] = {}
    for control in controls:
        one, other = (arm.means for arm in control.arms)
        for at in pair.columns:
            if "psnr" in one.get(at, {}) and "psnr" in other.get(at, {}):
                values.setdefault(at, []).append(other[at]["psnr"] - one[at]["psnr"])
    floors = {at: noise_floor(of_column) for at, of_column in values.items()}
    return len(controls), {at: floor_ for at, floor_ in floors.items() if floor_ is not None}
