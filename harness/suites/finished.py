"""Whether a pair has been run and tested already: asked before it is handed to a machine far away."""

from __future__ import annotations

from harness.errors import HarnessError
from harness.outcome.pairs import PairOutcome, read_pair
from harness.pair.comparison import comparison_of
from harness.pair.plan import Plan
from harness.results.store import Store


def finished(plan: Plan, store: Store) -> str:
    """The pair of the plan's comparison and seed that every test triplet was measured for; "" if none.

    That its data is still the same is for the run to find out.
    """
    compared = comparison_of(plan)
    for name, record in store.pair_records().items():
        try:
            same = record.seed == plan.training.seed and record.comparison.is_same(compared)
            if same and _whole(read_pair(store, name, record)):
                return name
        except HarnessError:
            continue  # damaged: running it again repairs it
    return ""


def _whole(pair: PairOutcome) -> bool:
    return all(set(pair.columns) <= set(arm.means()) for arm in pair.arms)
