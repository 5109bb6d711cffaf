"""A network of ours beside the code of its authors: the step that trains it, a frame, and the memory of a frame.

Both have the same weights, the same batch, the same loss and AdamW, theirs as torch has it by default, and a process
each. What the authors do in training beyond that (teachers, losses of features) is left out of both.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.arm import Arm
from harness.bench.apart import LEARNING_RATE, WEIGHT_DECAY, Ask
from harness.bench.turns import Timed, in_turn
from harness.data.loader import Batch
from harness.distributed import World
from harness.errors import HarnessError
from harness.measure.cost import cost
from harness.measure.speed import most_held
from harness.model import Composed, Frames
from harness.train.engine import Engine
from harness.train.step import training_step

EQUAL = 1e-4
"""The largest difference of a frame's values in [0, 1] at which two codes count as one network."""

SIDE = 2048
"""Rows of a matrix whose product with itself is as fast as products are."""


@dataclass(frozen=True)
class Work:
    """What is timed: a training step on `batch` crops of `crop`, and frames of each of `sizes` (H, W)."""

    crop: int
    batch: int
    sizes: tuple[tuple[int, int], ...]
    turns: int


WHOLE = Work(crop=224, batch=4, sizes=((256, 448), (720, 1280)), turns=5)
QUICK = Work(crop=128, batch=1, sizes=((256, 448),), turns=3)


def timed(arm: Arm, theirs: Ask | None, work: Work, device: torch.device) -> Iterator[Timed]:
    """Raises HarnessError where the two do not make the same frame: then there is nothing to compare."""
    engine = Engine(device)
    model = arm.build(seed=0)
    if theirs is not None:
        model.baseline.load_state_dict(model.baseline.translate(dict(theirs("state"))))
    engine.place(model)
    if theirs is not None:
        _check_equal(arm, model, theirs, device)
    yield _training(arm, model, theirs, engine, work)
    for size in work.sizes:
        yield _frame(arm, model, theirs, size, work.turns, device)


def _check_equal(arm: Arm, model: Composed, theirs: Ask, device: torch.device) -> None:
    img0, img1 = _images(1, (128, 192))
    model.eval().lay_out()
    with torch.inference_mode():
        ours = _predict(model, img0.to(device), img1.to(device)).cpu()
    apart = float((ours - theirs("frame", img0, img1)).abs().max())
    if not apart <= EQUAL:
        raise HarnessError(
            f"{arm.baseline.name}: its frame and that of the official code are {apart:.1e} apart with the same "
            f"weights, above {EQUAL:.0e}: not timed, for they are two networks"
        )


def _training(arm: Arm, model: Composed, theirs: Ask | None, engine: Engine, work: Work) -> Timed:
    device = engine.device
    frames = torch.randint(0, 256, (work.batch, 3, 3, work.crop, work.crop), dtype=torch.uint8)
    batch = Batch(frames, torch.full((work.batch,), 0.5), None, work.batch)
    world = World(0, 1, device)
    model.train().lay_out()
    own = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)

    def ours() -> object:
        return training_step(model, own, [batch], LEARNING_RATE, engine, world).cpu()

    if theirs is not None:
        theirs("training", frames)
    turns = in_turn(ours, _once(theirs), work.turns, device)
    # on the way back as many for the gradients of what a layer is given, and again for those of its weights
    products = _products(model, (work.crop, work.crop), 3 * work.batch, work.turns, device)
    what = f"training step, {work.batch} of {work.crop}x{work.crop}"
    return Timed(arm.baseline.name, what, turns, products=products)


def _frame(
    arm: Arm, model: Composed, theirs: Ask | None, size: tuple[int, int], turns: int, device: torch.device
) -> Timed:
    """`size` is padded for both to a multiple of 64, which all of them take."""
    images = _images(1, tuple(-(-side // 64) * 64 for side in size))
    img0, img1 = (image.to(device) for image in images)
    model.eval().lay_out()
    if theirs is not None:
        theirs("frames", *images)

    def ours() -> object:
        return _predict(model, img0, img1)

    with torch.inference_mode():
        times = in_turn(ours, _once(theirs), turns, device)
        memory = (most_held(ours, device), *([theirs("held")] if theirs else []))
        products = _products(model, size, 1, turns, device)
    return Timed(arm.baseline.name, f"a frame of {size[1]}x{size[0]}", times, memory, products)


def _products(model: Composed, size: tuple[int, int], frames: int, turns: int, device: torch.device) -> float | None:
    """Seconds that multiplications of so many frames would take at the rate of a product of two matrices of `SIDE`
    rows, which is timed now; None where they cannot be counted."""
    count = cost(model, size).macs
    matrix = torch.rand(SIDE, SIDE, device=device)
    seconds = statistics.median(in_turn(lambda: matrix @ matrix, None, turns, device).ours)
    return None if count is None else frames * count * seconds / SIDE**3


def _once(theirs: Ask | None) -> Callable[[], object] | None:
    return None if theirs is None else lambda: theirs("once")


def _predict(model: Composed, img0: Tensor, img1: Tensor) -> Tensor:
    half = img0.new_full((len(img0), 1, 1, 1), 0.5)
    return model(Frames(img0=img0, img1=img1), half, None).frame  # type: ignore[no-any-return]


def _images(count: int, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Smooth, so that flows are those of pictures and not of noise."""
    coarse = torch.rand(2, count, 3, 8, 8, generator=torch.Generator().manual_seed(0)).flatten(0, 1)
    both = torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)
    return both[:count], both[count:]
