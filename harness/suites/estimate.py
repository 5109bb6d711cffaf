"""What a network takes in time, memory and disk: measured on a few steps with made-up frames, on the device at hand."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from torch import Tensor

from harness.arm import Arm
from harness.data.loader import Batch
from harness.distributed import World
from harness.evaluate.protocol import predictor
from harness.model import Composed
from harness.model.contracts import inputs_and_truth
from harness.pair.plan import Plan
from harness.suites.state import Size
from harness.train import freeze
from harness.train.engine import Engine
from harness.train.recipe import Recipe
from harness.train.step import training_step

PATIENCE = 1.5  # seconds that a timed step may take on a CPU; a batch that takes longer is measured in part
LARGEST = 320 * 180  # pixels of a test frame that a CPU is timed on; larger ones are measured smaller
REGIONS = 24  # that made-up masks have
KEPT = 2  # checkpoints of a run


@dataclass(frozen=True)
class Estimate:
    """step      seconds of one step with the whole batch; frozen  of one in which the baseline is held, 0 where the
              recipe has none; triplet  of one test triplet, by benchmark
    memory    bytes that training holds at most; disk  bytes of the checkpoints of a run
    measured  samples of the batch that the step was measured with
    """

    step: float
    triplet: Mapping[str, float]
    memory: int
    disk: int
    measured: int
    frozen: float = 0.0


def estimate(arm: Arm, plan: Plan, sizes: Mapping[str, Size]) -> Estimate:
    """Measure an arm by a plan's recipe and protocol; `sizes` are those of its test frames, by benchmark."""
    model = arm.build(0)
    weights = sum(value.nbytes for value in model.state_dict().values())
    triplet = {name: _test(model.to(plan.device), plan, name, size) for name, size in sizes.items()}
    engine = Engine.of(plan.training.recipe, plan.device)
    recipe, frozen = plan.training.recipe, 0.0
    with engine.settings():
        placed = engine.place(model)
        hold = freeze.holder(placed, recipe)
        if recipe.freeze:
            hold(0)
            frozen, memory, measured = _train(placed, recipe, engine, weights)
        step = frozen
        if not recipe.freeze or recipe.freeze_steps:
            hold(recipe.freeze_steps or 0)
            step, memory, measured = _train(placed, recipe, engine, weights)
    # beside the weights the optimiser keeps two numbers for each
    return Estimate(step, triplet, memory, KEPT * 3 * weights, measured, frozen)


def _train(model: Composed, recipe: Recipe, engine: Engine, weights: int) -> tuple[float, int, int]:
    """Seconds a step, bytes of memory, samples that were measured."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    world = World(0, 1, engine.device)

    def step(count: int) -> float:
        noise = made_up(recipe.augment.crop, count, bool(len(model.plugin)), model.inputs)
        parts = noise.parts(min(recipe.accumulate, count))
        started = time.perf_counter()
        training_step(model, optimizer, parts, 1e-6, engine, world, recipe.clip_norm)
        _wait(engine.device)
        return time.perf_counter() - started

    if engine.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(engine.device)
        times = [step(recipe.batch) for _ in range(5)][2:]
        return median(times), torch.cuda.max_memory_allocated(engine.device), recipe.batch
    saved = _Saved(model)
    with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda tensor: tensor):
        step(1)
    alone = min(step(1), step(1))  # the fastest: whatever else runs on the machine only slows it down
    count = max(1, min(recipe.batch, int(PATIENCE / alone)))
    seconds = (min(step(count), step(count)) if count > 1 else alone) * recipe.batch / count
    # weights, gradients, two numbers of the optimiser for each weight, and what the backward pass needs
    return seconds, 4 * weights + saved.bytes * -(-recipe.batch // recipe.accumulate), count


class _Saved:
    """Counts the bytes that a forward pass keeps for the backward pass, besides weights."""

    def __init__(self, model: Composed) -> None:
        self.seen = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        self.bytes = 0

    def pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.seen:
            self.seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor


def _test(model: Composed, plan: Plan, benchmark: str, size: Size) -> float:
    """Seconds of one triplet: the network under the protocol, and the metrics; not the reading of frames."""
    smaller = math.ceil(math.sqrt(size[0] * size[1] / LARGEST)) if plan.device.type == "cpu" else 1
    width, height = (side // smaller for side in size)
    images = [torch.rand(1, 3, height, width, device=plan.device) for _ in range(model.inputs + 1)]
    frames, truth = inputs_and_truth(images)
    maps = blocks(height, width) if len(model.plugin) else None
    predict = predictor(model, plan.testing.protocol.settings_on(benchmark))
    times = []
    for _ in range(2):
        started = time.perf_counter()
        with torch.inference_mode():
            frame = predict(frames, 0.5, maps).frame
            for metric in plan.testing.of_frames.values():
                metric(frame, truth)
        _wait(plan.device)
        times.append(time.perf_counter() - started)
    return times[-1] * smaller**2


def made_up(crop: int, count: int, masks: bool, inputs: int) -> Batch:
    """A batch of noise, for a network of so many inputs."""
    frames = torch.randint(0, 256, (count, inputs + 1, 3, crop, crop), dtype=torch.uint8, generator=torch.Generator())
    maps = np.broadcast_to(blocks(crop, crop), (count, 2, crop, crop)) if masks else None
    return Batch(frames, torch.full((count,), 0.5), maps, count)


def blocks(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Label maps (2, H, W) of REGIONS rectangles."""
    rows, columns = 4, REGIONS // 4
    down, right = np.arange(height) * rows // height, np.arange(width) * columns // width
    labels = (down[:, None] * columns + right).astype(np.uint16)
    return np.stack([labels, labels])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
