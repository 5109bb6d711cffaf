"""Weights of one's own: a network trained from scratch on drawn motion, then on footage too, at last on more of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from harness.arm import Arm
from harness.errors import HarnessError
from harness.evaluate.plan import EvalPlan
from harness.evaluate.testset import TripletSet
from harness.files import write_bytes
from harness.outcome.pairs import Outcome, read_evaluation
from harness.pair.given import evaluate_weights
from harness.pair.plan import Plan, settle
from harness.pair.run import run_pair
from harness.pair.session import Session
from harness.pair.start import SUFFIX, Trained
from harness.pair.testset import Tests, choose_metrics
from harness.registry.catalog import Catalog
from harness.registry.options import parse_choice, parse_choices
from harness.registry.protocol import UNIFIED
from harness.registry.specs import BenchmarkSpec
from harness.results.records import Asked
from harness.results.store import RunFolder
from harness.train import checkpoint

STAGES = ("own", "own-clips", "own-footage")
"""The recipes of all parts, in order."""
TESTS, PER_LEVEL = "layers,layers-fast,clips", 20
"""What the weights are tested on, and how many triplets of each level."""


@dataclass(frozen=True)
class Own:
    """What was made: the file, and the runs of all parts."""

    name: str
    file: Path
    runs: tuple[RunFolder, ...]


def plan_of(baseline: str, stage: int, session: Session, known: Catalog, workers: int, start: str = "") -> Plan:
    """Of one part, which starts from that run. Raises HarnessError for an unknown network, and for one with options:
    the name of the weights would not tell them."""
    if parse_choice(baseline).options:
        raise HarnessError(f"{baseline}: weights are called as their network is: name it without options")
    asked = Asked(baseline=baseline, recipe=STAGES[stage], start=start)
    return settle(asked, known, session.world.device, workers, session.store)


def make(baseline: str, session: Session, known: Catalog, workers: int, into: Path) -> Own:
    """Train all parts, and write the weights in half precision; what is there goes on or is taken as it is.

    Raises Interrupted when asked to stop.
    """
    start, runs = "", []
    for stage in range(len(STAGES)):
        plan = plan_of(baseline, stage, session, known, workers, start)
        start = session.store.pair(run_pair(plan, session)).runs[0]
        runs.append(session.store.run(start))
    last = checkpoint.latest(runs[-1].checkpoints)
    if last is None:
        raise HarnessError(f"the run {start} has no checkpoint here")
    name = f"{plan.arm.baseline.name}{SUFFIX}"
    state = {key: halved(value) for key, value in safetensors.torch.load_file(last.weights).items()}
    into.mkdir(parents=True, exist_ok=True)
    file = into / f"{name}.safetensors"
    write_bytes(file, safetensors.torch.save(state))
    return Own(name, file, tuple(runs))


def tested(own: Own, session: Session, known: Catalog, workers: int) -> Outcome:
    """What the file gives on drawn scenes and clips. Raises Interrupted when asked to stop."""
    choices = parse_choices(TESTS)
    arm = Arm.of(known, parse_choice(own.name.removesuffix(SUFFIX)))
    benchmarks = [known.choose(BenchmarkSpec, choice) for choice in choices]
    sets = tuple(TripletSet.of(each, PER_LEVEL, inputs=arm.inputs) for each in benchmarks)
    plan = EvalPlan(UNIFIED, *choose_metrics(known, (), UNIFIED.ssim), PER_LEVEL, max(workers, 1))
    given = Trained(own.name, own.file)
    return read_evaluation(
        session.store, evaluate_weights(arm, given, Tests(plan, sets, None, session.world), None, session)
    )


def halved(value: torch.Tensor) -> torch.Tensor:
    """In half precision where it is a fraction. Raises HarnessError where that overflows."""
    half = value.half() if value.is_floating_point() else value
    if not half.isfinite().all():
        raise HarnessError("the weights do not fit into half precision")
    return half.contiguous()
