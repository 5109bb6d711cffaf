"""What arms are tested on and how: the same for every arm and for the mean of the two frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.conformance import check_metric, check_motion_metric, check_wide_metric
from harness.evaluate.plan import EvalPlan, Metric, MotionMetric, WideMetric
from harness.evaluate.protocol import Predict, mean_of_frames, protocol_id
from harness.evaluate.regions import ByMasks, ByMotion, Grouping
from harness.evaluate.runner import Evaluation, evaluate
from harness.evaluate.testset import TripletSet
from harness.masks.cache import MaskCache
from harness.pair.fingerprint import short
from harness.pair.session import Session
from harness.registry.catalog import Catalog
from harness.registry.contract import ContractError
from harness.registry.options import Choice
from harness.registry.protocol import Settings
from harness.registry.specs import MetricSpec
from harness.results.records import METRICS, Tested
from harness.train.loop import Interrupted

WAIT = 1  # seconds, after which it is looked whether to stop


@dataclass(frozen=True)
class Tests:
    """All test sets, and how they are run."""

    plan: EvalPlan
    sets: tuple[TripletSet, ...]
    region_masks: MaskCache | None
    world: World

    def __post_init__(self) -> None:
        names = [tests.name for tests in self.sets]
        if not names:
            raise HarnessError("no benchmark to test on: name one")
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise HarnessError(f"two test sets are called {twice}: their columns could not be told apart; test on one")
        if self.region_masks is None and (wanting := self.plan.needs("labels")):
            raise HarnessError(f"metric {wanting[0]} needs label maps: name a mask source with --masks")

    def record(self) -> dict[str, Any]:
        """Of a record what a table needs to find the rows again, and to say how they were made."""
        return {
            "tests": tuple(tests.record() for tests in self.sets),
            "protocol": protocol_id(self.plan.protocol),
            "ssim": self._ssim,
            "metrics": tuple(self.plan.columns),
            "motion": tuple(self.plan.motion_columns) if any(tests.knows_truth for tests in self.sets) else (),
            "of_sets": tuple(self.plan.of_sets),
            "unavailable": {**self.plan.unavailable, **self._without_truth},
            "regions": self._regions,
        }

    def tested(self, label: str, masks: MaskCache | None) -> Tested:
        """The same as a record of one network, which is given these masks."""
        return Tested(
            title="", labels=(label,), network_masks=(masks.folder.name if masks else "none",), **self.record()
        )

    @property
    def _without_truth(self) -> dict[str, str]:
        """Metrics of motion, on the test sets where nobody can measure them."""
        why = "it is footage, and nobody knows how things move in it"
        footage = [tests.name for tests in self.sets if not tests.knows_truth]
        return {f"{metric} on {name}": why for metric in self.plan.of_motion for name in footage}

    @property
    def _ssim(self) -> str:
        """The column of the metric that the protocol calls SSIM: its name, with what is of its version and code."""
        named = {column.partition("(")[0].partition(" ")[0]: column for column in self.plan.columns}
        return named.get(self.plan.protocol.ssim, self.plan.protocol.ssim)

    @property
    def _regions(self) -> str:
        return self.region_masks.folder.name if self.region_masks else "none"

    def evaluation(self, tests: TripletSet, masks: MaskCache | None, weights: str) -> Evaluation:
        """Of the network whose file's sha256 begins with `weights`."""
        groupings: list[Grouping] = [ByMotion()]
        if self.region_masks:
            groupings.insert(0, ByMasks(self.region_masks))
        return Evaluation(self.plan, tests, groupings, masks, self._regions, weights, self.world)

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

        with alone(path, session) if self.world.writes else nullcontext():
            self.evaluate(lambda settings: mean_of_frames, path, session, progress=progress)


@contextmanager
def alone(rows: Path, session: Session) -> Iterator[None]:
    """While nobody else writes these rows. That another process does is said once, for it may take hours. Raises
    Interrupted when asked to stop meanwhile."""
    lock, said = FileLock(rows.with_suffix(".lock")), False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=WAIT)
        except Timeout:
            if session.world.size == 1 and session.stop():  # others would wait for this one for ever
                raise Interrupted(f"stopped while another process writes {rows}") from None
            if not said:
                session.note(f"waiting for another process that writes {rows}")
            said = True
    try:
        yield
    finally:
        lock.release()


def choose_metrics(
    known: Catalog, choices: Sequence[Choice], ssim: str = "ssim"
) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics by the column they fill, and those that cannot be measured here, with the reason.

    PSNR, SSIM and what the protocol calls `ssim` are always among them: every table shows them. Raises HarnessError for
    an unknown name or option, and for a metric that breaks its contract.
    """
    metrics: dict[str, Metric] = {}
    unavailable: dict[str, str] = {}
    names = {choice.name for choice in choices}
    always = dict.fromkeys((*METRICS.split(","), ssim))
    for choice in (*(Choice(name) for name in always if name not in names), *choices):
        chosen = known.choose(MetricSpec, choice)
        spec = chosen.entry.spec
        assert isinstance(spec, MetricSpec)
        column = chosen.label if spec.version == 1 else f"{chosen.label} v{spec.version}"
        if not spec.factory.startswith("harness."):  # the core's own code is in the protocol's id
            column += f" {short(chosen.entry.code())[:6]}"
        try:
            built = chosen.build()
        except ContractError:
            raise
        except HarnessError as error:
            unavailable[column] = str(error)
        else:
            if spec.needs == "motion":
                check_motion_metric(chosen.entry, built)
                metrics[column] = MotionMetric(built, built.parts)
            elif spec.needs == "frame":
                check_metric(chosen.entry, built)
                metrics[column] = built
            else:
                check_wide_metric(chosen.entry, built, spec.needs)
                parts = built.parts if "motion" in spec.needs else ()
                result = built.result if "set" in spec.needs else None
                metrics[column] = WideMetric(measure=built, needs=spec.needs, parts=parts, result=result)
    return metrics, unavailable


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
