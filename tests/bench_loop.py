"""What the harness costs: its training loop against a bare torch loop of the same model on the same batches.

Both run in this process, a block of steps of the one, then of the other, in turn; the figure is the ratio of the
medians of a step. Run it with `make bench`; it asserts nothing.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from harness.arm import Arm
from harness.catalog import catalog
from harness.data.augment import Augment
from harness.data.clips import Clips
from harness.data.loader import Samples, batches
from harness.data.order import Order
from harness.model import Frames
from harness.options import parse_choice
from harness.results.store import RunFolder
from harness.train.loop import Training, train
from harness.train.recipe import Recipe

BLOCK, BLOCKS, BATCH, CROP = 20, 5, 4, 128


def bare(samples: Samples, device: torch.device) -> None:
    """The least that trains: batch, forward, loss, backward, update."""
    model = Arm.of(catalog(), parse_choice("ifrnet-s")).build(0).baseline.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    half = torch.full((BATCH, 1, 1, 1), 0.5, device=device)
    for batch in batches(samples, 0, BLOCK, 0):
        images = batch.frames.to(device).float() / 255
        frames = Frames(images[:, 0], images[:, 2])
        predicted = model.decode(frames, model.encode(frames), half, None).frame
        loss = torch.sqrt((predicted - images[:, 1]) ** 2 + 1e-6).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def harnessed(samples: Samples, device: torch.device) -> None:
    """The same steps through the harness: curve, status and one checkpoint included."""
    model = Arm.of(catalog(), parse_choice("ifrnet-s")).build(0)
    recipe = Recipe(steps=BLOCK, batch=BATCH, augment=samples.augment)
    training = Training(samples, recipe, BLOCK, 0, device, 0, lambda: False, lambda *hook, **facts: None)
    with tempfile.TemporaryDirectory() as folder:
        train(model, training, RunFolder(Path(folder)))


def seconds(run: Callable[[Samples, torch.device], None], samples: Samples, device: torch.device) -> float:
    started = time.perf_counter()
    run(samples, device)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / BLOCK


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    clips = Clips()
    samples = Samples(clips, Order(len(clips.train), BATCH, 0), Augment(crop=CROP), None)
    seconds(bare, samples, device), seconds(harnessed, samples, device)
    times = [(seconds(bare, samples, device), seconds(harnessed, samples, device)) for _ in range(BLOCKS)]
    ratios = [harness / plain for plain, harness in times]
    plain, harness = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"IFRNet-S, batch {BATCH}, {CROP}x{CROP}, {device}: bare {plain:.3f} s/step, harness {harness:.3f} s/step, "
        f"ratio {statistics.median(ratios):.3f} (min {min(ratios):.3f}, max {max(ratios):.3f}, {BLOCKS} pairs)"
    )


if __name__ == "__main__":
    main()
