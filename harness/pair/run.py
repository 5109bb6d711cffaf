"""The matched pair: one request, two arms that share everything but the plug-ins, one record to read tables from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch

from harness.arm import Arm
from harness.data.benchmark import Benchmark
from harness.data.loader import Samples
from harness.data.order import Order
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.protocol import predictor
from harness.files import write_json
from harness.masks.cache import MaskCache
from harness.masks.chosen import cache_of
from harness.measure.cost import SIZE, cost
from harness.model import Composed
from harness.pair.fingerprint import fingerprint, installation, short
from harness.pair.initial import initial_weights, state_hash
from harness.pair.plan import Request
from harness.pair.session import Session
from harness.pair.testset import Tests, TestSet, file_hash
from harness.results.store import RunFolder, Store, differences
from harness.train import checkpoint
from harness.train.engine import Engine
from harness.train.loop import Training, train
from harness.weights.read import load_weights


@dataclass(frozen=True)
class Shared:
    """What both arms get, made once: data, masks, tests, order, length, the file of initial weights and its sha256."""

    benchmark: Benchmark
    masks: MaskCache | None
    test_masks: MaskCache | None
    tests: Tests
    order: Order
    steps: int
    weights: Path
    weights_sha256: str

    @classmethod
    def of(cls, request: Request, store: Store, world: World) -> Shared:
        benchmark: Benchmark = request.benchmark.build()
        if not benchmark.train:
            raise HarnessError(f"{request.benchmark.label} has no training triplets; train on another with --data")
        order = Order(len(benchmark.train), request.recipe.batch, request.asked.seed)
        steps = request.recipe.total_steps(order.steps_per_epoch)
        masks = cache_of(request.masks) if request.masks else None
        test_masks = cache_of(request.test_masks) if request.test_masks else masks
        tests = Tests(
            tuple(TestSet.of(chosen, request.recipe.test_triplets) for chosen in request.tests),
            request.protocol,
            request.metrics,
            request.unavailable,
            masks,
            world,
            max(request.workers, 1),
        )
        initial = world.from_first(lambda: initial_weights(request.arm, request.asked.seed, store))
        return cls(benchmark, masks, test_masks, tests, order, steps, *initial)

    def fingerprint(self, request: Request, arm: Arm) -> dict[str, Any]:
        chosen = request.benchmark
        data = {"name": chosen.name, "digest": self.benchmark.digest("train"), "code": chosen.entry.code()}
        masks = request.masks if arm.needs_masks else None
        world, seed = self.tests.world, request.asked.seed
        return fingerprint(arm, request.recipe, seed, data, masks, self.weights_sha256, world.device, world.size)


def run_pair(request: Request, session: Session) -> str:
    """Train and evaluate both arms, the mean of the two frames beside them; the pair's name.

    What is done already is found and used; what was stopped goes on. Raises Interrupted when asked to stop.
    """
    check(request)
    world = session.world
    shared = Shared.of(request, session.store, world)
    records = [shared.fingerprint(request, arm) for arm in request.arms]
    runs = [
        session.store.run(f"{arm.slug}.s{request.asked.seed}.{short(record)}")
        for arm, record in zip(request.arms, records, strict=True)
    ]
    pair = f"{runs[-1].name}-{_tested(request)}"
    world.check_same({"what decides the numbers": records})
    _try_masks(request, shared)
    shared.tests.evaluate_reference(session)
    if world.writes:
        _write_pair(session.store.pair_file(pair), request, runs, shared)
    for arm, record, run in zip(request.arms, records, runs, strict=True):
        with run.locked() if world.writes else nullcontext(), Engine.of(request.recipe, request.device).settings():
            if world.writes:
                _mention_others(run, record, session)
                run.claim(record, installation(), arm.label)
            _run_arm(arm, request, shared, run, session)
    return pair


def check(request: Request) -> None:
    """Build everything once: what is refused is refused now, and not after the training of the arm before it."""
    arm = request.arm
    multiple = arm.build(request.asked.seed).baseline.size_multiple
    crop = request.recipe.augment.crop
    if crop % multiple:
        raise HarnessError(f"augment.crop={crop} is no multiple of {multiple}, which {arm.baseline.name} needs")


def _try_masks(request: Request, shared: Shared) -> None:
    """Look up one pair of frames of each kind: masks that are missing are to be known before days of training."""
    if not request.arm.needs_masks:
        return
    for benchmark, triplet, cache in [
        (shared.benchmark, shared.benchmark.train[0], shared.masks),
        *((tests.benchmark, tests.triplets[0], shared.test_masks) for tests in shared.tests.sets),
    ]:
        frames = benchmark.read(triplet)
        if cache is not None:
            cache.maps(frames[0], frames[2])


def _run_arm(arm: Arm, request: Request, shared: Shared, run: RunFolder, session: Session) -> None:
    last = session.world.from_first(lambda: checkpoint.latest(run.checkpoints))
    if last is None or last.step < shared.steps:
        last = _train(arm, request, shared, run, session)
    # a model of its own for the test: plain float32, whatever the training did to its memory format or its code
    model = arm.build(request.asked.seed)
    load_weights(model, last.weights, arm.label)
    masks = shared.test_masks if arm.needs_masks else None
    _evaluate(model.to(request.device), last, shared.tests, masks, run, session)


def _train(arm: Arm, request: Request, shared: Shared, run: RunFolder, session: Session) -> checkpoint.Checkpoint:
    model = arm.build(request.asked.seed)
    initial = safetensors.torch.load_file(shared.weights)
    model.baseline.load_state_dict({name.removeprefix("baseline."): value for name, value in initial.items()})
    training = Training(
        Samples(shared.benchmark, shared.order, request.recipe.augment, shared.masks if arm.needs_masks else None),
        request.recipe,
        shared.steps,
        request.asked.seed,
        request.device,
        request.workers,
        session.stop,
        session.notify,
        session.world,
    )
    return train(model, training, run)


def _evaluate(
    model: Composed,
    last: checkpoint.Checkpoint,
    tests: Tests,
    masks: MaskCache | None,
    run: RunFolder,
    session: Session,
) -> None:
    def progress(done: int, total: int) -> None:
        session.notify("harness_eval_done", run=run.name, done=done, total=total)

    weights = file_hash(last.weights)[:12]
    tests.evaluate(lambda settings: predictor(model, settings), run.samples, session, masks, weights, progress)
    if not session.world.writes:
        return
    known = run.read_metrics()
    facts = {
        "weights": weights,
        "weights_file": str(last.weights.relative_to(run.path)),
        "baseline_sha256": state_hash(model.baseline.state_dict()),
        "cost_size": list(SIZE),
        "cost": known["cost"] if known.get("weights") == weights else asdict(cost(model)),
    }
    if facts != known:
        write_json(run.metrics, facts)
    run.set_status(state="evaluated", step=last.step, steps=last.step)
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


def _tested(request: Request) -> str:
    """8 digits for how a pair is tested: the same runs tested otherwise are another pair."""
    masks = request.test_masks.label if request.test_masks else None
    tests = [[chosen.label for chosen in request.tests], request.recipe.test_triplets, masks]
    return short({"tests": tests, "protocol": [request.protocol.name, request.protocol.version]})


def _write_pair(path: Path, request: Request, runs: Sequence[RunFolder], shared: Shared) -> None:
    title = f"{request.arm.label} on {request.benchmark.label}, recipe {request.asked.recipe} ({shared.steps} steps)"
    caches = [shared.test_masks if arm.needs_masks else None for arm in request.arms]
    record = {
        "title": title,
        "runs": [run.name for run in runs],
        "labels": [arm.label for arm in request.arms],
        "seed": request.asked.seed,
        "recipe": request.asked.recipe,
        "steps": shared.steps,
        "tier": Engine.of(request.recipe, request.device).tier,
        "train": request.benchmark.label,
        "masks": request.masks.label if request.masks else None,
        "test_masks": request.test_masks.label if request.test_masks else None,
        "network_masks": [cache.folder.name if cache else "none" for cache in caches],
        **shared.tests.record(),
        "asked": asdict(request.asked),
        "command": request.asked.command(),
    }
    write_json(path, record)  # also where it is there: the newest file is the pair last run
