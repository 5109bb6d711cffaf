"""The matched pair: one request, two arms that share everything but the plug-ins, one record to read tables from."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from filelock import FileLock

from harness.arm import Arm
from harness.catalog import Chosen
from harness.compare.fingerprint import fingerprint, installation, short
from harness.data.benchmark import Benchmark, Triplet
from harness.data.loader import Samples
from harness.data.order import Order
from harness.evaluate.protocol import UNIFIED
from harness.evaluate.runner import Evaluation, evaluate, mean_of_frames, predictor
from harness.files import write_bytes, write_json
from harness.masks.cache import MaskCache
from harness.model import Composed
from harness.model.cost import SIZE, cost
from harness.results.store import RunFolder, Store, differences
from harness.train import checkpoint
from harness.train.loop import Interrupted, Training, train
from harness.train.recipe import Recipe


@dataclass(frozen=True)
class Request:
    """What a user asks for. `arm` has the plug-ins; without any there is one arm and no difference."""

    arm: Arm
    recipe: Recipe
    recipe_name: str
    seed: int
    benchmark: Chosen
    masks: Chosen
    device: torch.device
    workers: int
    command: str

    @property
    def arms(self) -> list[Arm]:
        return [self.arm.plain, self.arm] if self.arm.plugins else [self.arm]


@dataclass(frozen=True)
class Session:
    """The world around a run: where results go, whom to tell, whether to stop."""

    store: Store
    notify: Callable[..., None]
    note: Callable[[str], None]
    stop: Callable[[], bool]


def run_pair(request: Request, session: Session) -> str:
    """Train and evaluate both arms, the mean of the two frames beside them; the pair's name.

    What is done already is found and used; what was stopped goes on. Raises Interrupted when asked to stop.
    """
    benchmark: Benchmark = request.benchmark.build()
    order = Order(len(benchmark.train), request.recipe.batch, request.seed)
    steps = request.recipe.total_steps(order.steps_per_epoch)
    weights, sha = initial_weights(request.arm, request.seed, session.store)
    triplets = spread(benchmark.test, request.recipe.test_triplets)
    runs = []
    for arm in request.arms:
        record = fingerprint(
            arm,
            request.recipe,
            request.seed,
            request.benchmark,
            benchmark.digest("train"),
            request.masks,
            sha,
            request.device,
        )
        runs.append((arm, record, session.store.run(f"{arm.slug}.s{request.seed}.{short(record)}")))
    pair = runs[-1][2].name
    _write_pair(pair, request, runs, benchmark, triplets, steps, session.store)
    _reference(request, benchmark, triplets, session)
    for arm, record, run in runs:
        _mention_others(run, record, session)
        with run.locked():
            run.claim(record, installation(), arm.label)
            cache = mask_cache(request.masks) if arm.needs_masks else None
            model = arm.build(request.seed)
            model.baseline.load_state_dict(safetensors.torch.load_file(weights), strict=True)
            samples = Samples(benchmark, order, request.recipe.augment, cache)
            last = checkpoint.latest(run.checkpoints)
            if last is None or last.step < steps:
                training = Training(
                    samples,
                    request.recipe,
                    steps,
                    request.seed,
                    request.device,
                    request.workers,
                    session.stop,
                    session.notify,
                )
                last = train(model, training, run)
            _evaluate(model, last, _evaluation(request, benchmark, triplets, cache, last.weights), run, session)
    return pair


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


def initial_weights(arm: Arm, seed: int, store: Store) -> tuple[Path, str]:
    """The file that every arm of this baseline and seed starts from, made once, and its sha256."""
    key = short({"baseline": arm.baseline.record(), "seed": seed, "torch": torch.__version__})
    path = store.initial_weights(f"{arm.baseline.name}.s{seed}.{key}")
    if not path.exists():
        state = arm.plain.build(seed).baseline.state_dict()
        write_bytes(path, safetensors.torch.save({name: value.contiguous() for name, value in state.items()}))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def mask_cache(masks: Chosen) -> MaskCache:
    """The cache of a source: another version, option or code never reads its maps."""
    version = getattr(masks.entry.spec, "version", 1)
    return MaskCache(masks.build(), masks.record() | {"version": version})


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


def data_id(chosen: Chosen, benchmark: Benchmark) -> str:
    """Name and content of the test data, for each row."""
    return f"{chosen.name}-{benchmark.digest('test')[:8]}"


def _evaluation(
    request: Request, benchmark: Benchmark, triplets: Sequence[Triplet], cache: MaskCache | None, weights: Path | None
) -> Evaluation:
    sha = hashlib.sha256(weights.read_bytes()).hexdigest()[:12] if weights else "none"
    return Evaluation(benchmark, data_id(request.benchmark, benchmark), triplets, cache, UNIFIED, sha, request.device)


def _reference(request: Request, benchmark: Benchmark, triplets: Sequence[Triplet], session: Session) -> None:
    path = session.store.reference
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        evaluation = _evaluation(request, benchmark, triplets, None, None)
        if not evaluate(evaluation, mean_of_frames, path, session.stop, lambda done, total: None):
            raise Interrupted("stopped while measuring the mean of the two frames")


def _evaluate(
    model: Composed, last: checkpoint.Checkpoint, evaluation: Evaluation, run: RunFolder, session: Session
) -> None:
    def progress(done: int, total: int) -> None:
        session.notify("harness_eval_done", run=run.name, done=done, total=total)

    model.load_state_dict(safetensors.torch.load_file(last.weights))
    model.to(evaluation.device)
    if not evaluate(evaluation, predictor(model, evaluation.protocol), run.samples, session.stop, progress):
        raise Interrupted(f"{run.name} is trained; stopped while it was evaluated")
    facts = {
        "weights": evaluation.weights,
        "weights_file": str(last.weights.relative_to(run.path)),
        "cost": asdict(cost(model)),
        "cost_size": list(SIZE),
        "baseline_sha256": state_hash(model.baseline.state_dict()),
    }
    write_json(run.metrics, facts)
    run.set_status(state="evaluated")
    session.notify("harness_run_finished", run=run.name)


def state_hash(state: Mapping[str, torch.Tensor]) -> str:
    """Hash over every bit of a state dict."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _write_pair(
    name: str,
    request: Request,
    runs: Sequence[tuple[Arm, Mapping[str, Any], RunFolder]],
    benchmark: Benchmark,
    triplets: Sequence[Triplet],
    steps: int,
    store: Store,
) -> None:
    levels: dict[str, list[str]] = defaultdict(list)
    for triplet in triplets:
        levels[triplet.level].append(triplet.id)
    record = {
        "label": request.arm.label,
        "runs": [run.name for _, _, run in runs],
        "labels": [arm.label for arm, _, _ in runs],
        "seed": request.seed,
        "recipe": request.recipe_name,
        "steps": steps,
        "data": data_id(request.benchmark, benchmark),
        "benchmark": {"name": request.benchmark.name, "options": dict(request.benchmark.given)},
        "masks": request.masks.label if request.arm.needs_masks else None,
        "mask_choice": {"name": request.masks.name, "options": dict(request.masks.given)},
        "protocol": UNIFIED.id,
        "triplets": levels,
        "command": request.command,
    }
    path = store.pair_file(name)
    if not path.exists() or json.loads(path.read_text()) != json.loads(json.dumps(record)):
        write_json(path, record)
