"""What the harness costs: its training loop against a bare torch loop of the same model on the same batches, the
drawing of a batch of `layers` against a step that trains on it, and the statistics of a table against the same.

Both run in this process, a block of steps of the one, then of the other, in turn; the figure is the ratio of the
medians of a step. Run it with `make bench`; it asserts nothing.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from harness.arm import Arm
from harness.cli.progress import Progress
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
from harness.statistics.estimate import estimate
from harness.train.loop import Training, train
from harness.train.plan import TrainPlan
from harness.train.recipe import Recipe

BLOCK, BLOCKS, BATCH, CROP = 20, 6, 4, 128

checkpoints: list[float] = []


def bare(samples: Samples, device: torch.device) -> list[float]:
    """The least that trains: batch, forward, loss, backward, update. When each step was done."""
    size = samples.order.batch
    model = Arm.of(catalog(), parse_choice("ifrnet-s")).build(0).baseline.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    half = torch.full((size, 1, 1, 1), 0.5, device=device)
    done = []
    for batch in batches(samples, 0, BLOCK, 0):
        images = batch.frames.to(device).float() / 255
        frames = Frames(img0=images[:, 0], img1=images[:, 2])
        predicted = model.decode(frames, model.encode(frames), half, None).frame
        loss = torch.sqrt((predicted - images[:, 1]) ** 2 + 1e-6).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()
        done.append(time.perf_counter())
    return done


def harnessed(samples: Samples, device: torch.device) -> list[float]:
    """The same steps through the harness, with a curve row and the progress display at each."""
    model = Arm.of(catalog(), parse_choice("ifrnet-s")).build(0)
    recipe = Recipe(steps=BLOCK, batch=BATCH, augment=samples.augment)
    done = []

    def notify(hook: str, **facts: object) -> None:
        discover().notify(hook, info=None, learning_rate=0.0, **facts)
        if hook == "harness_step_done":
            done.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder, Progress(["ifrnet-s"]).watching(discover().manager):
        training = Training(TrainPlan(recipe, 0), samples, BLOCK, lambda: False, notify, World(0, 1, device))
        train(model, training, RunFolder(Path(folder) / "ifrnet-s.s0.bench"))
        checkpoints.append(time.perf_counter() - done[-1])
    return done


def seconds(done: list[float]) -> float:
    """Of a step: the median, which a passing load on the machine does not move."""
    return statistics.median(after - before for before, after in pairwise(done))


def drawing(device: torch.device) -> tuple[float, float]:
    """Seconds of drawing 8 triplets of 96x96, and of a bare step on them, drawing included."""
    layers = Layers()
    samples = Samples({"layers": layers}, Order(len(layers.train), 8, 0), Augment(crop=96), None)
    samples[0]  # the photographs are read once
    done = []
    for position in range(8 * BLOCK):
        samples[position]
        done.append(time.perf_counter())
    return 8 * seconds(done), seconds(bare(samples, device))


def judging() -> float:
    """Seconds of one estimate of 3 seeds and 310 triplets of 31 clips, as `clips` has them."""
    random = np.random.default_rng(0)
    names = [(seed, f"clip{number % 31}", f"{number}") for seed in range(3) for number in range(310)]
    rows = pd.DataFrame(names, columns=["seed", "clip", "triplet"]).assign(value=random.standard_normal(930))
    done = []
    for _ in range(BLOCK):
        estimate(rows)
        done.append(time.perf_counter())
    return seconds(done)


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    clips = Clips()
    samples = Samples({"clips": clips}, Order(len(clips.train), BATCH, 0), Augment(crop=CROP), None)
    bare(samples, device), harnessed(samples, device)
    times = [(seconds(bare(samples, device)), seconds(harnessed(samples, device))) for _ in range(BLOCKS)]
    ratios = [harness / plain for plain, harness in times]
    plain, harness = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"IFRNet-S, batch {BATCH}, {CROP}x{CROP}, {device}: bare {plain:.3f} s/step, harness {harness:.3f} s/step, "
        f"ratio {statistics.median(ratios):.3f} (min {min(ratios):.3f}, max {max(ratios):.3f}, {BLOCKS} pairs); "
        f"a checkpoint, once in 1000 steps by default, takes {statistics.median(checkpoints):.2f} s"
    )
    pairs = [drawing(device) for _ in range(3)]
    drawn, step = (statistics.median(column) for column in zip(*pairs, strict=True))
    shares = [each / (whole - each) for each, whole in pairs]
    print(
        f"layers, batch 8, 96x96: drawn in {drawn:.3f} s, a bare step of IFRNet-S with that {step:.3f} s; "
        f"drawing is {statistics.median(shares):.3f} of the rest (min {min(shares):.3f}, max {max(shares):.3f})"
    )
    judged = judging()
    print(f"an estimate of 3 seeds and 310 triplets takes {judged:.3f} s, {judged / step:.3f} of that step")


if __name__ == "__main__":
    main()
