"""Evaluation of given weights, without training: an official checkpoint, or a run's own file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.arm import Arm
from harness.evaluate.protocol import predictor
from harness.masks.chosen import record_of
from harness.measure.cost import cost
from harness.pair.fingerprint import environment, short
from harness.pair.session import Session
from harness.pair.testset import Tests, file_hash
from harness.registry.catalog import ChosenMasks
from harness.results.envelope import write
from harness.results.records import EvalRecord
from harness.weights.read import load_weights


def evaluate_weights(arm: Arm, weights: Path, tests: Tests, masks: ChosenMasks | None, session: Session) -> str:
    """Measure one network, and the mean of the two frames; rows that are there are not made again. The name of the
    evaluation, of which a record is kept.

    Raises HarnessError for weights of another network, Interrupted when asked to stop.
    """
    model = arm.build(seed=0)
    load_weights(model, weights, arm.label)
    arm.check(model)
    tests.evaluate_reference(session)
    sha = file_hash(weights)[:12]
    cache = tests.region_masks if arm.needs_masks else None
    # options, masks and adapters decide the rows too, and are in no training's fingerprint here
    settings: dict[str, Any] = {
        "arm": [arm.baseline.record(), *(plugin.record() for plugin in arm.plugins)],
        "masks": record_of(masks) if masks else None,
        "environment": environment(tests.world.device),
    }
    record = EvalRecord(
        title=f"{arm.label} with {weights.name} on {', '.join(each.data_id for each in tests.sets)}",
        labels=(arm.label,),
        masks=masks.label if masks else None,
        network_masks=(cache.folder.name if cache else "none",),
        **tests.record(),
        weights=sha,
        settings=settings,
        cost=cost(model),
    )
    tested = {"tests": [each.content for each in tests.sets], "protocol": record.protocol}
    name = f"{arm.slug}.{sha}.{short(settings)}-{short(tested)}"
    rows = session.store.evaluation_file(name)
    rows.parent.mkdir(parents=True, exist_ok=True)
    model.to(tests.world.device)

    def progress(done: int, total: int) -> None:
        session.notify("harness_eval_done", run=f"{arm.slug}.weights.{sha}", done=done, total=total)

    with FileLock(rows.with_suffix(".lock")):
        tests.evaluate(lambda settings: predictor(model, settings), rows, session, cache, sha, progress)
        write(session.store.evaluation(name), record)
    return name
