"""How far the runs of a pair are, found as the pair itself finds them: by fingerprint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.arm import Arm
from harness.data.order import Order
from harness.distributed import World
from harness.errors import HarnessError
from harness.outcome.pairs import readable
from harness.pair.plan import Plan
from harness.pair.run import Shared
from harness.results.store import RunFolder, Store
from harness.suites.finished import records_of, tested_as
from harness.suites.suite import Expected

log = logging.getLogger("harness")

Size = tuple[int, int]
"""(width, height)"""


@dataclass(frozen=True)
class ArmState:
    """`step` of `steps` are trained; `tested`, the rows are there too. `tests` are the triplets and their size, by
    benchmark."""

    arm: Arm
    step: int
    steps: int
    tested: bool
    tests: Mapping[str, Expected]


def states(plan: Plan, store: Store, expected: Mapping[str, Expected]) -> tuple[list[ArmState], str]:
    """Of each arm of a pair; and why they are guessed from `expected`, where the data is not here, else "".

    Raises HarnessError where the data is not here and `expected` does not tell either.
    """
    try:
        return _from_data(plan, store), ""
    except HarnessError as error:
        mixed = len(plan.data) > 1  # its length does not depend on how many triplets there are
        needed = [*([] if mixed else ["train"]), *(chosen.name for chosen in plan.tests)]
        if not all(name in expected for name in needed):
            raise
        return _guessed(plan, store, expected), str(error)


def _from_data(plan: Plan, store: Store) -> list[ArmState]:
    with TemporaryDirectory() as scratch:  # nothing is written to the store: initial weights only go by their hash
        shared = Shared.of(plan, Store(Path(scratch)), World(0, 1, plan.device))
    tests = {}
    for each, chosen in zip(shared.tests.sets, plan.tests, strict=True):
        height, width = each.benchmark.read(each.triplets[0]).shape[1:3]
        tests[chosen.name] = Expected(triplets=len(each.triplets), size=(width, height))
    runs = [run for run, _ in shared.runs(plan, store)]
    return _states(plan, store, runs, shared.steps, tests)


def _guessed(plan: Plan, store: Store, expected: Mapping[str, Expected]) -> list[ArmState]:
    recipe = plan.training.recipe
    per_epoch = 0
    if len(plan.data) == 1:
        per_epoch = Order(expected["train"].triplets, recipe.batch, plan.training.seed).steps_per_epoch
    runs = [RunFolder(Path("/nonexistent"))] * len(plan.arms)
    for record in records_of(plan, store).values():
        runs = [store.run(run) for run in record.runs]
    tests = {chosen.name: _cropped(expected[chosen.name], recipe.test_crop) for chosen in plan.tests}
    return _states(plan, store, runs, recipe.total_steps(per_epoch), tests)


def _cropped(whole: Expected, side: int | None) -> Expected:
    width, height = whole.size
    return whole if side is None else Expected(triplets=whole.triplets, size=(min(width, side), min(height, side)))


def _states(
    plan: Plan, store: Store, runs: list[RunFolder], steps: int, tests: Mapping[str, Expected]
) -> list[ArmState]:
    tested = set()
    for pair in readable(store, tested_as(plan, store)):
        if pair.record.runs == tuple(run.name for run in runs):
            wanted = plan.testing.measured, plan.testing.of_motion
            tested |= {arm.run for arm in pair.arms if pair.is_whole(arm, *wanted)}
    return [
        ArmState(arm, min(_step(run), steps), steps, run in tested, tests)
        for arm, run in zip(plan.arms, runs, strict=True)
    ]


def _step(run: RunFolder) -> int:
    try:
        status = run.status()
    except HarnessError as error:
        log.warning("%s", error)
        return 0
    return status.step if status else 0
