"""The matched pair: one request, two arms that share everything but the plug-ins, one record to read tables from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from harness.arm import Arm
from harness.catalog import Chosen
from harness.compare.fingerprint import fingerprint, installation, short
from harness.compare.initial import initial_weights, state_hash
from harness.compare.session import Session
from harness.compare.testset import TestSet, mask_cache
from harness.data.loader import Samples
from harness.data.order import Order
from harness.errors import HarnessError
from harness.evaluate.protocol import UNIFIED
from harness.evaluate.runner import Evaluation, evaluate, predictor
from harness.files import write_json
from harness.masks.cache import MaskCache
from harness.measure.cost import SIZE, cost
from harness.model import Composed
from harness.results.store import RunFolder, Store, differences
from harness.train import checkpoint
from harness.train.loop import Interrupted, Training, train
from harness.train.recipe import Recipe


@dataclass(frozen=True)
class Request:
    """What a user asks for. `arm` has the plug-ins; without any there is one arm and no difference. `masks` is None
    where no plug-in needs them."""

    arm: Arm
    recipe: Recipe
    recipe_name: str
    seed: int
    benchmark: Chosen
    masks: Chosen | None
    device: torch.device
    workers: int
    command: str

    @property
    def arms(self) -> list[Arm]:
        return [self.arm.plain, self.arm] if self.arm.plugins else [self.arm]


@dataclass(frozen=True)
class Shared:
    """What both arms get, made once: test set, order, length, the file of initial weights and its sha256."""

    tests: TestSet
    order: Order
    steps: int
    weights: Path
    weights_sha256: str

    @classmethod
    def of(cls, request: Request, store: Store) -> Shared:
        tests = TestSet.of(request.benchmark, request.recipe.test_triplets)
        order = Order(len(tests.benchmark.train), request.recipe.batch, request.seed)
        steps = request.recipe.total_steps(order.steps_per_epoch)
        return cls(tests, order, steps, *initial_weights(request.arm, request.seed, store))

    def fingerprint(self, request: Request, arm: Arm) -> dict[str, Any]:
        data = {"name": request.benchmark.name, "digest": self.tests.benchmark.digest("train")}
        masks = request.masks if arm.needs_masks else None
        return fingerprint(arm, request.recipe, request.seed, data, masks, self.weights_sha256, request.device)


def run_pair(request: Request, session: Session) -> str:
    """Train and evaluate both arms, the mean of the two frames beside them; the pair's name.

    What is done already is found and used; what was stopped goes on. Raises Interrupted when asked to stop.
    """
    check(request)
    shared = Shared.of(request, session.store)
    records = [shared.fingerprint(request, arm) for arm in request.arms]
    runs = [
        session.store.run(f"{arm.slug}.s{request.seed}.{short(record)}")
        for arm, record in zip(request.arms, records, strict=True)
    ]
    pair = runs[-1].name
    _write_pair(session.store.pair_file(pair), request, runs, shared)
    shared.tests.evaluate_reference(request.device, session)
    for arm, record, run in zip(request.arms, records, runs, strict=True):
        _mention_others(run, record, session)
        with run.locked():
            run.claim(record, installation(), arm.label)
            _run_arm(arm, request, shared, run, session)
    return pair


def check(request: Request) -> None:
    """Build everything once: what is refused is refused now, and not after the training of the arm before it."""
    arm = request.arm
    multiple = arm.build(request.seed).baseline.size_multiple
    if request.masks:
        request.masks.build()
    crop = request.recipe.augment.crop
    if crop % multiple:
        raise HarnessError(f"augment.crop={crop} is no multiple of {multiple}, which {arm.baseline.name} needs")


def _run_arm(arm: Arm, request: Request, shared: Shared, run: RunFolder, session: Session) -> None:
    masks = mask_cache(request.masks) if request.masks and arm.needs_masks else None
    last = checkpoint.latest(run.checkpoints)
    if last is None or last.step < shared.steps:
        last = _train(arm, request, shared, masks, run, session)
    # a model of its own for the test: plain float32, whatever the training did to its memory format or its code
    model = arm.build(request.seed)
    model.load_state_dict(safetensors.torch.load_file(last.weights))
    evaluation = shared.tests.evaluation(masks, last.weights, request.device)
    _evaluate(model.to(request.device), last, evaluation, run, session)


def _train(
    arm: Arm, request: Request, shared: Shared, masks: MaskCache | None, run: RunFolder, session: Session
) -> checkpoint.Checkpoint:
    model = arm.build(request.seed)
    initial = safetensors.torch.load_file(shared.weights)
    model.baseline.load_state_dict({name.removeprefix("baseline."): value for name, value in initial.items()})
    training = Training(
        Samples(shared.tests.benchmark, shared.order, request.recipe.augment, masks),
        request.recipe,
        shared.steps,
        request.seed,
        request.device,
        request.workers,
        session.stop,
        session.notify,
    )
    return train(model, training, run)


def _evaluate(
    model: Composed, last: checkpoint.Checkpoint, evaluation: Evaluation, run: RunFolder, session: Session
) -> None:
    def progress(done: int, total: int) -> None:
        session.notify("harness_eval_done", run=run.name, done=done, total=total)

    if not evaluate(evaluation, predictor(model, evaluation.protocol), run.samples, session.stop, progress):
        raise Interrupted(f"{run.name} is trained; stopped while it was evaluated")
    known = run.read_metrics()
    facts = {
        "weights": evaluation.weights,
        "weights_file": str(last.weights.relative_to(run.path)),
        "data": evaluation.data_id,
        "protocol": evaluation.protocol.id,
        "triplets": hashlib.sha256(repr(evaluation.triplets).encode()).hexdigest()[:12],
        "baseline_sha256": state_hash(model.baseline.state_dict()),
        "cost_size": list(SIZE),
        "cost": known["cost"] if known.get("weights") == evaluation.weights else asdict(cost(model)),
    }
    if facts != known:
        write_json(run.metrics, facts)
    run.set_status(state="evaluated")
    session.notify("harness_run_finished", run=run.name)


def _mention_others(run: RunFolder, record: Mapping[str, Any], session: Session) -> None:
    """Say why a run starts anew though there is one of the same arm and seed."""
    if run.config.exists():
        return
    stem = run.name.rpartition(".")[0]
    others = [other for other in session.store.runs() if other.name.rpartition(".")[0] == stem]
    if others:
        newest = max(others, key=lambda other: other.config.stat().st_mtime)
        changed = differences(newest.settings().get("fingerprint"), json.loads(json.dumps(record)))
        more = f" and {len(changed) - 2} more" if len(changed) > 2 else ""
        session.note(f"{newest.name} was made under other settings ({'; '.join(changed[:2])}{more}): a new run starts")


def _write_pair(path: Path, request: Request, runs: Sequence[RunFolder], shared: Shared) -> None:
    title = f"{request.arm.label} on {shared.tests.data_id}, recipe {request.recipe_name} ({shared.steps} steps)"
    record = {
        "title": f"{title}, seed {request.seed}",
        "runs": [run.name for run in runs],
        "labels": [arm.label for arm in request.arms],
        "seed": request.seed,
        "recipe": request.recipe_name,
        "steps": shared.steps,
        "data": shared.tests.data_id,
        "masks": request.masks.label if request.masks else None,
        "protocol": UNIFIED.id,
        "triplets": shared.tests.levels,
        "command": request.command,
    }
    write_json(path, record)  # also where it is there: the newest file is the pair last run
