"""What the harness costs around a network: its training loop beside the least that trains the same model on the same
batches, and the drawing of `layers` beside a step that trains on it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path

import torch

from harness.arm import Arm
from harness.bench.turns import Timed, Turns
from harness.data.augment import Augment
from harness.data.loader import Samples, batches
from harness.data.order import Order
from harness.data.sets.clips import Clips
from harness.data.sets.layers import Layers
from harness.distributed import World
from harness.model import Frames
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.plugins import discover
from harness.results.store import RunFolder
from harness.train.loop import Training, train
from harness.train.plan import TrainPlan
from harness.train.recipe import Recipe

NETWORK, BATCH, CROP = "ifrnet-s", 4, 128
DRAWN, DRAWN_CROP = 8, 96

Shown = Callable[[], AbstractContextManager[object]]
"""The display that a training has on a terminal."""


def loop(quick: bool, device: torch.device, shown: Shown) -> Iterator[Timed]:
    """A step is the median of those of a block: what passes on the machine does not move that."""
    block, blocks = (6, 3) if quick else (20, 7)
    clips = Clips()
    samples = Samples({"clips": clips}, Order(len(clips.train), BATCH, 0), Augment(crop=CROP), None)
    _bare(samples, block, device), _ours(samples, block, device, shown)
    both = [(_ours(samples, block, device, shown), _bare(samples, block, device)) for _ in range(blocks)]
    ours, bare = zip(*both, strict=True)
    yield Timed("the loop of the harness, beside a bare torch loop", f"a step of {NETWORK}", Turns(ours, bare))
    layers = Layers()
    drawn = Samples({"layers": layers}, Order(len(layers.train), DRAWN, 0), Augment(crop=DRAWN_CROP), None)
    drawn[0]  # the photographs are read once
    both = [(_drawing(drawn, block), _bare(drawn, block, device)) for _ in range(blocks)]
    drawing, whole = zip(*both, strict=True)
    step = [each - draws for each, draws in zip(whole, drawing, strict=True)]  # a step of the bare loop draws, too
    yield Timed("drawing, beside the step that trains on it", f"{DRAWN} triplets of layers", Turns(drawing, step))


def _drawing(samples: Samples, steps: int) -> float:
    """Seconds that the samples of a step take."""
    done = [time.perf_counter()]
    for _ in batches(samples, 0, steps, 0):
        done.append(time.perf_counter())
    return _median(done)


def _bare(samples: Samples, steps: int, device: torch.device) -> float:
    """Seconds of a step of the least that trains: batch, forward, loss, backward, update. Weights lie as ours do."""
    size = samples.order.batch
    model = Arm.of(catalog(), parse_choice(NETWORK)).build(0).to(device).train().lay_out().baseline
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    half = torch.full((size, 1, 1, 1), 0.5, device=device)
    done = []
    for batch in batches(samples, 0, steps, 0):
        images = batch.frames.to(device).float() / 255
        frames = Frames(img0=images[:, 0], img1=images[:, 2])
        predicted = model.decode(frames, model.encode(frames), half, None).frame
        loss = torch.sqrt((predicted - images[:, 1]) ** 2 + 1e-6).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()
        done.append(time.perf_counter())
    return _median(done)


def _ours(samples: Samples, steps: int, device: torch.device, shown: Shown) -> float:
    """The same steps through the harness, with a row of the curve and the display at each."""
    model = Arm.of(catalog(), parse_choice(NETWORK)).build(0)
    recipe = Recipe(steps=steps, batch=BATCH, augment=samples.augment)
    done = []

    def notify(hook: str, **facts: object) -> None:
        discover().notify(hook, info=None, learning_rate=0.0, **facts)
        if hook == "harness_step_done":
            done.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder, shown():
        training = Training(TrainPlan(recipe, 0), samples, steps, lambda: False, notify, World(0, 1, device))
        train(model, training, RunFolder(Path(folder) / f"{NETWORK}.s0.bench"))
    return _median(done)


def _median(done: list[float]) -> float:
    return statistics.median(after - before for before, after in pairwise(done))
