"""Whether a pair has been run and tested already: asked before it is handed to a machine far away."""

from __future__ import annotations

from harness.outcome.pairs import readable
from harness.pair.comparison import comparison_of
from harness.pair.plan import Plan
from harness.results.records import PairRecord
from harness.results.store import Store


def finished(plan: Plan, store: Store) -> str:
    """The pair of the plan's comparison and seed that has every metric of every test triplet; "" if none.

    That its data is still the same is for the run to find out.
    """
    for pair in readable(store, tested_as(plan, store)):  # running one that is damaged again repairs it
        if all(pair.is_whole(arm, plan.testing.measured, plan.testing.of_motion) for arm in pair.arms):
            return pair.name
    return ""


def records_of(plan: Plan, store: Store) -> dict[str, PairRecord]:
    """Pairs of the plan's comparison, whatever its data holds, and of its seed."""
    compared = comparison_of(plan)
    return {
        name: record
        for name, record in store.pair_records().items()
        if record.seed == plan.training.seed and record.comparison.is_same(compared)
    }


def tested_as(plan: Plan, store: Store) -> dict[str, PairRecord]:
    """Those of them whose parts of frames are by the masks of the plan, in the same words where no network needs any:
    a comparison says nothing of these."""
    found = records_of(plan, store)
    return {name: each for name, each in found.items() if plan.masks or each.asked.masks == plan.asked.masks}
