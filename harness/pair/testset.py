"""What arms are tested on and how: benchmarks, protocol, metrics; the same for every arm and for the mean of frames."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.data.benchmark import Benchmark, Triplet
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.protocol import Predict, mean_of_frames, protocol_id
from harness.evaluate.regions import ByMasks, ByMotion, Grouping
from harness.evaluate.runner import Evaluation, Metric, evaluate
from harness.masks.cache import MaskCache
from harness.pair.fingerprint import short
from harness.pair.session import Session
from harness.registry.catalog import Catalog, Chosen
from harness.registry.options import Choice
from harness.registry.protocol import Protocol, Settings
from harness.registry.specs import MetricSpec
from harness.train.loop import Interrupted

METRICS = "psnr,ssim"
"""What is measured where the user names nothing."""


@dataclass(frozen=True)
class TestSet:
    """`data_id` names benchmark and content for every row; `triplets` are those that are asked for."""

    benchmark: Benchmark
    data_id: str
    triplets: list[Triplet]

    @classmethod
    def of(cls, chosen: Chosen, per_level: int | None) -> TestSet:
        """Build the benchmark, and take at most `per_level` triplets of each level."""
        benchmark: Benchmark = chosen.build()
        if not benchmark.test:
            raise HarnessError(f"{chosen.label} has no test triplets; name another benchmark with --test")
        data_id = f"{chosen.name}-{short({'content': benchmark.digest('test'), 'code': chosen.entry.code()})}"
        return cls(benchmark, data_id, spread(benchmark.test, per_level))

    def record(self) -> dict[str, Any]:
        """For the record of a pair: content, what is missing of the whole, ids of the triplets by level."""
        levels: dict[str, list[str]] = defaultdict(list)
        for triplet in self.triplets:
            levels[triplet.level].append(triplet.id)
        return {"data": self.data_id, "partial": self.benchmark.partial, "levels": dict(levels)}


@dataclass(frozen=True)
class Tests:
    """All test sets, and how they are run. `unavailable` are metrics that cannot be measured here, with the reason."""

    sets: tuple[TestSet, ...]
    protocol: Protocol
    metrics: Mapping[str, Metric]
    unavailable: Mapping[str, str]
    region_masks: MaskCache | None
    world: World
    workers: int = 1

    def __post_init__(self) -> None:
        names = [tests.data_id.rpartition("-")[0] for tests in self.sets]
        if not names:
            raise HarnessError("no benchmark to test on: name one")
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise HarnessError(f"two test sets are called {twice}: their columns could not be told apart; test on one")

    def record(self) -> dict[str, Any]:
        """What a table needs to find the rows again, and to say how they were made."""
        return {
            "tests": [tests.record() for tests in self.sets],
            "protocol": protocol_id(self.protocol),
            "ssim": self.protocol.ssim,
            "metrics": list(self.metrics),
            "unavailable": dict(self.unavailable),
            "regions": self._regions,
        }

    @property
    def _regions(self) -> str:
        return self.region_masks.folder.name if self.region_masks else "none"

    def evaluation(self, tests: TestSet, masks: MaskCache | None, weights: str) -> Evaluation:
        """Of the network whose file's sha256 begins with `weights`."""
        groupings: list[Grouping] = [ByMotion()]
        if self.region_masks:
            groupings.insert(0, ByMasks(self.region_masks))
        return Evaluation(
            tests.benchmark,
            tests.data_id,
            tests.triplets,
            self.protocol,
            self.metrics,
            groupings,
            masks,
            self._regions,
            weights,
            self.world,
            self.workers,
        )

    def evaluate(
        self,
        predict_under: Callable[[Settings], Predict],
        path: Path,
        session: Session,
        masks: MaskCache | None = None,
        weights: str = "none",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Bring the rows of `path` up to date on every test set. Raises Interrupted when asked to stop."""
        total, before = sum(len(tests.triplets) for tests in self.sets), 0
        path.parent.mkdir(parents=True, exist_ok=True)
        for tests in self.sets:
            evaluation = self.evaluation(tests, masks, weights)

            def report(done: int, _: int, before: int = before) -> None:
                progress(before + done, total)

            if not evaluate(evaluation, predict_under(evaluation.settings), path, session.stop, report):
                raise Interrupted(f"stopped while testing on {tests.data_id}")
            before += len(tests.triplets)

    def evaluate_reference(self, session: Session) -> None:
        """Bring the rows of the mean of the two frames up to date. Raises Interrupted when asked to stop."""
        path = session.store.reference
        path.parent.mkdir(parents=True, exist_ok=True)
        said: list[int] = []

        def progress(done: int, total: int) -> None:
            if done < total and not said:  # it may take long, where masks are made for the regions
                said.append(done)
                session.note(f"testing the mean of the two frames on {total - done} triplets, with masks and motion")

        with FileLock(path.with_suffix(".lock")) if self.world.writes else nullcontext():
            self.evaluate(lambda settings: mean_of_frames, path, session, progress=progress)


def choose_metrics(known: Catalog, choices: Sequence[Choice]) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics by the column they fill, and those that cannot be measured here, with the reason.

    PSNR and SSIM are always among them: every table shows them. Raises HarnessError for an unknown name or option.
    """
    metrics: dict[str, Metric] = {}
    unavailable: dict[str, str] = {}
    names = {choice.name for choice in choices}
    for choice in (*(Choice(name) for name in METRICS.split(",") if name not in names), *choices):
        chosen = known.choose(MetricSpec, choice)
        spec = chosen.entry.spec
        assert isinstance(spec, MetricSpec)
        column = chosen.label if spec.version == 1 else f"{chosen.label} v{spec.version}"
        if not spec.factory.startswith("harness."):  # the core's own code is in the protocol's id
            column += f" {short(chosen.entry.code())[:6]}"
        try:
            metrics[column] = chosen.build()
        except HarnessError as error:
            unavailable[column] = str(error)
    return metrics, unavailable


def spread(triplets: Sequence[Triplet], per_level: int | None) -> list[Triplet]:
    """At most `per_level` triplets of each level, evenly spread over the level's own order."""
    levels: dict[str, list[Triplet]] = defaultdict(list)
    for triplet in triplets:
        levels[triplet.level].append(triplet)
    chosen: list[Triplet] = []
    for of_level in levels.values():
        count = min(per_level or len(of_level), len(of_level))
        chosen += [of_level[(2 * i + 1) * len(of_level) // (2 * count)] for i in range(count)]
    return chosen


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
