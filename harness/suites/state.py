"""How far the runs of a pair are, found as the pair itself finds them: by fingerprint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.arm import Arm
from harness.data.order import Order
from harness.distributed import World
from harness.errors import HarnessError
from harness.outcome.pairs import read_pair
from harness.pair.fingerprint import short
from harness.pair.plan import Request
from harness.pair.run import Shared
from harness.results.store import RunFolder, Store
from harness.suites.suite import Expected

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


def states(request: Request, store: Store, expected: Mapping[str, Expected]) -> tuple[list[ArmState], str]:
    """Of each arm of a pair; and why they are guessed from `expected`, where the data is not here, else "".

    Raises HarnessError where the data is not here and `expected` does not tell either.
    """
    try:
        return _from_data(request, store), ""
    except HarnessError as error:
        needed = ["train", *(chosen.name for chosen in request.tests)]
        if not all(name in expected for name in needed):
            raise
        return _guessed(request, store, expected), str(error)


def _from_data(request: Request, store: Store) -> list[ArmState]:
    with TemporaryDirectory() as scratch:  # nothing is written to the store: initial weights only go by their hash
        shared = Shared.of(request, Store(Path(scratch)), World(0, 1, request.device))
    runs = [
        store.run(f"{arm.slug}.s{request.asked.seed}.{short(shared.fingerprint(request, arm))}") for arm in request.arms
    ]
    tests = {}
    for each, chosen in zip(shared.tests.sets, request.tests, strict=True):
        height, width = each.benchmark.read(each.triplets[0]).shape[1:3]
        tests[chosen.name] = Expected(triplets=len(each.triplets), size=(width, height))
    return _states(request, store, runs, shared.steps, tests)


def _guessed(request: Request, store: Store, expected: Mapping[str, Expected]) -> list[ArmState]:
    per_epoch = Order(expected["train"].triplets, request.recipe.batch, request.asked.seed).steps_per_epoch
    runs = [RunFolder(Path("/nonexistent"))] * len(request.arms)
    for record in _records(request, store):
        runs = [store.run(run) for run in record["runs"]]
    tests = {chosen.name: expected[chosen.name] for chosen in request.tests}
    return _states(request, store, runs, request.recipe.total_steps(per_epoch), tests)


def _states(
    request: Request, store: Store, runs: list[RunFolder], steps: int, tests: Mapping[str, Expected]
) -> list[ArmState]:
    tested = set()
    for record in _records(request, store):
        if record["runs"] == [run.name for run in runs]:
            tested |= {arm.run for arm in read_pair(store, record["name"]).arms if arm.evaluated}
    return [
        ArmState(arm, min(int(run.status().get("step", 0)), steps), steps, run in tested, tests)
        for arm, run in zip(request.arms, runs, strict=True)
    ]


def _records(request: Request, store: Store) -> list[dict[str, Any]]:
    """Pairs that were asked for in the same words, with their names."""
    found = []
    for name in store.pairs():
        try:
            record = json.loads(store.pair_file(name).read_text("utf-8"))
            if record["asked"] == asdict(request.asked):
                found.append(record | {"name": name})
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a table names it; here it is a pair that is not there
    return found
