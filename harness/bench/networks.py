"""A network of ours beside the code of its authors: the step that trains it, a frame, and the memory of a frame.

Both have the same weights, the same batch, the same loss and AdamW, theirs as torch has it by default. What the authors
do in training beyond that (teachers, losses of features) is left out of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.arm import Arm
from harness.bench.turns import Timed, in_turn
from harness.data.loader import Batch
from harness.distributed import World
from harness.errors import HarnessError
from harness.measure.speed import most_held
from harness.model import Composed, Frames, Official
from harness.model.losses import charbonnier
from harness.train.engine import Engine
from harness.train.step import training_step

EQUAL = 1e-4
"""The largest difference of a frame's values in [0, 1] at which two codes count as one network."""
LEARNING_RATE, WEIGHT_DECAY = 1e-4, 1e-4


@dataclass(frozen=True)
class Work:
    """What is timed: a training step on `batch` crops of `crop`, and frames of each of `sizes` (H, W)."""

    crop: int
    batch: int
    sizes: tuple[tuple[int, int], ...]
    turns: int


WHOLE = Work(crop=224, batch=4, sizes=((256, 448), (720, 1280)), turns=7)
QUICK = Work(crop=128, batch=2, sizes=((256, 448),), turns=3)


def timed(arm: Arm, official: Official | None, work: Work, device: torch.device) -> Iterator[Timed]:
    """Raises HarnessError where the two do not make the same frame: then there is nothing to compare."""
    engine = Engine(device)
    model = arm.build(seed=0)
    if official is not None:
        official.network.to(device)
        model.baseline.load_state_dict(model.baseline.translate(dict(official.network.state_dict())))
    engine.place(model)
    if official is not None:
        _check_equal(arm, model, official, device)
    yield _training(arm, model, official, engine, work)
    for size in work.sizes:
        yield _frame(arm, model, official, size, work.turns, device)


def _check_equal(arm: Arm, model: Composed, official: Official, device: torch.device) -> None:
    img0, img1 = _images(1, (128, 192), device)
    model.eval()
    official.network.eval()
    with torch.inference_mode():
        ours = _predict(model, img0, img1)
        theirs = official.predict(img0.flip(1), img1.flip(1)).flip(1) if official.bgr else official.predict(img0, img1)
    apart = float((ours - theirs).abs().max())
    if not apart <= EQUAL:
        raise HarnessError(
            f"{arm.baseline.name}: its frame and that of the official code are {apart:.1e} apart with the same "
            f"weights, above {EQUAL:.0e}: not timed, for they are two networks"
        )


def _training(arm: Arm, model: Composed, official: Official | None, engine: Engine, work: Work) -> Timed:
    device = engine.device
    frames = torch.randint(0, 256, (work.batch, 3, 3, work.crop, work.crop), dtype=torch.uint8)
    batch = Batch(frames, torch.full((work.batch,), 0.5), None, work.batch)
    world = World(0, 1, device)
    model.train()
    own = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)

    def ours() -> object:
        return training_step(model, own, [batch], LEARNING_RATE, engine, world).cpu()

    theirs = None if official is None else _their_step(official, frames, device)
    turns = in_turn(ours, theirs, work.turns, device)
    return Timed(arm.baseline.name, f"training step, {work.batch} of {work.crop}x{work.crop}", turns)


def _their_step(official: Official, frames: Tensor, device: torch.device) -> Callable[[], object]:
    official.network.train()
    optimizer = torch.optim.AdamW(official.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)

    def step() -> object:
        img0, truth, img1 = (frames.to(device).float() / 255).unbind(1)
        optimizer.zero_grad()
        loss = charbonnier(official.predict(img0, img1) - truth)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def _frame(
    arm: Arm, model: Composed, official: Official | None, size: tuple[int, int], turns: int, device: torch.device
) -> Timed:
    """`size` is padded for both to a multiple of 64, which all of them take."""
    img0, img1 = _images(1, tuple(-(-side // 64) * 64 for side in size), device)
    model.eval()
    calls: list[Callable[[], object]] = [lambda: _predict(model, img0, img1)]
    if official is not None:
        official.network.eval()
        calls.append(lambda: official.predict(img0, img1))
    with torch.inference_mode():
        times = in_turn(calls[0], calls[1] if official else None, turns, device)
        memory = tuple(most_held(call, device) for call in calls)
    return Timed(arm.baseline.name, f"a frame of {size[1]}x{size[0]}", times, memory)


def _predict(model: Composed, img0: Tensor, img1: Tensor) -> Tensor:
    half = img0.new_full((len(img0), 1, 1, 1), 0.5)
    return model(Frames(img0=img0, img1=img1), half, None).frame  # type: ignore[no-any-return]


def _images(count: int, size: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Smooth, so that flows are those of pictures and not of noise."""
    coarse = torch.rand(2, count, 3, 8, 8, generator=torch.Generator().manual_seed(0)).flatten(0, 1)
    both = torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1).to(device)
    return both[:count], both[count:]
