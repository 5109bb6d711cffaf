"""Evaluation of given weights, without training: an official checkpoint, or a run's own file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from filelock import FileLock

from harness.arm import Arm
from harness.catalog import Chosen, package_hash
from harness.compare.fingerprint import short
from harness.compare.outcome import ArmOutcome, PairOutcome, rows_of
from harness.compare.session import Session
from harness.compare.testset import TestSet, mask_cache
from harness.errors import HarnessError
from harness.evaluate.protocol import UNIFIED
from harness.evaluate.runner import evaluate, predictor
from harness.measure.cost import cost
from harness.model.weights import load_weights
from harness.train.loop import Interrupted


def evaluate_weights(
    arm: Arm, weights: Path, tests: TestSet, masks: Chosen | None, device: torch.device, session: Session
) -> PairOutcome:
    """The rows of one network and of the mean of the two frames; rows that are there are not made again.

    Raises HarnessError for weights of another network, Interrupted when asked to stop.
    """
    model = arm.build(seed=0)
    load_weights(model, weights, arm.label)
    tests.evaluate_reference(device, session)
    evaluation = tests.evaluation(mask_cache(masks) if masks else None, weights, device)
    # options, masks and code decide the rows too, and are in no training's fingerprint here
    settings = {
        "arm": [arm.baseline.record(), *(plugin.record() for plugin in arm.plugins)],
        "masks": masks.record() if masks else None,
        "code": [package_hash(f"harness.{part}") for part in ("masks", "model")],
    }
    name = f"{arm.slug}.{evaluation.weights}.{short(settings)}"
    path = session.store.evaluation(name)
    path.parent.mkdir(parents=True, exist_ok=True)

    def progress(done: int, total: int) -> None:
        session.notify("harness_eval_done", run=f"{arm.slug}.weights.{evaluation.weights}", done=done, total=total)

    with FileLock(path.with_suffix(".lock")):
        try:
            finished = evaluate(evaluation, predictor(model.to(device), UNIFIED), path, session.stop, progress)
        except ValueError as error:
            raise HarnessError(f"{weights}: {error}") from error
        if not finished:
            raise Interrupted(f"stopped while {arm.label} was evaluated")
    record = {
        "title": f"{arm.label} with {weights.name} on {tests.data_id}",
        "data": tests.data_id,
        "masks": masks.label if masks else None,
        "protocol": UNIFIED.id,
        "triplets": tests.levels,
    }
    reference = ArmOutcome("mean of the two frames", None, rows_of(session.store.reference, record, "none"), {}, {})
    rows = rows_of(path, record, evaluation.weights)
    return PairOutcome(name, record, reference, (ArmOutcome(arm.label, None, rows, {"cost": asdict(cost(model))}, {}),))
