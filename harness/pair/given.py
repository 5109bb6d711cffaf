"""Evaluation of given weights, without training: an official checkpoint, or a run's own file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from filelock import FileLock

from harness.arm import Arm
from harness.evaluate.protocol import predictor
from harness.masks.chosen import record_of
from harness.measure.cost import cost
from harness.outcome.pairs import ArmOutcome, PairOutcome, rows_of
from harness.pair.fingerprint import environment, short
from harness.pair.session import Session
from harness.pair.testset import Tests, file_hash
from harness.registry.catalog import ChosenMasks
from harness.weights.read import load_weights


def evaluate_weights(arm: Arm, weights: Path, tests: Tests, masks: ChosenMasks | None, session: Session) -> PairOutcome:
    """The rows of one network and of the mean of the two frames; rows that are there are not made again.

    Raises HarnessError for weights of another network, Interrupted when asked to stop.
    """
    model = arm.build(seed=0)
    load_weights(model, weights, arm.label)
    tests.evaluate_reference(session)
    sha = file_hash(weights)[:12]
    cache = tests.region_masks if arm.needs_masks else None
    # options, masks and adapters decide the rows too, and are in no training's fingerprint here
    settings = {
        "arm": [arm.baseline.record(), *(plugin.record() for plugin in arm.plugins)],
        "masks": record_of(masks) if masks else None,
        "environment": environment(tests.world.device),
    }
    name = f"{arm.slug}.{sha}.{short(settings)}"
    path = session.store.evaluation(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.to(tests.world.device)

    def progress(done: int, total: int) -> None:
        session.notify("harness_eval_done", run=f"{arm.slug}.weights.{sha}", done=done, total=total)

    with FileLock(path.with_suffix(".lock")):
        tests.evaluate(lambda settings: predictor(model, settings), path, session, cache, sha, progress)
    record = {
        "title": f"{arm.label} with {weights.name} on {', '.join(each.data_id for each in tests.sets)}",
        "masks": masks.label if masks else None,
        **tests.record(),
    }
    of = {"weights": sha, "masks": cache.folder.name if cache else "none"}
    reference = rows_of(session.store.reference, record, {"weights": "none", "masks": "none"})
    mean = ArmOutcome("mean of the two frames", None, reference, {}, {})
    measured = ArmOutcome(arm.label, None, rows_of(path, record, of), {"cost": asdict(cost(model))}, {})
    return PairOutcome(name, record, mean, (measured,))
