"""Augmentation of a training sample: every draw is a function of (seed, epoch, stream), whoever asks and when."""

from __future__ import annotations

from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from harness.errors import HarnessError

Pixels = TypeVar("Pixels", np.uint8, np.uint16)
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]

_PURPOSE = 1  # keeps these streams apart from others that are keyed by (seed, epoch)


class Augment(BaseModel):
    """What may happen to a sample.

    crop     side in pixels of the square that is cut out
    hflip    probability that left and right are swapped
    vflip    probability that up and down are swapped
    reverse  probability that time runs backwards
    rotate   probability of a rotation by 90, 180 or 270 degrees, each as likely
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop: Annotated[int, Field(ge=1, strict=True)] = 224
    hflip: Probability = 0.5
    vflip: Probability = 0.5
    reverse: Probability = 0.5
    rotate: Probability = 0.5


def sample_rng(seed: int, epoch: int, stream: int) -> np.random.Generator:
    """The sample's own stream of random numbers. Arguments are 0 to 2^64 - 1; no global state is read or written."""
    key, counter = np.array([seed, epoch], np.uint64), np.array([0, 0, _PURPOSE, stream], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def check_size(frames: NDArray[np.uint8], augment: Augment) -> None:
    """Raises HarnessError where the frames (n, H, W, 3) are smaller than the crop."""
    height, width = frames.shape[1:3]
    if min(height, width) < augment.crop:
        raise HarnessError(
            f"frames of {width}x{height} are smaller than the crop of {augment.crop}; set a smaller augment.crop"
        )


def augmented(
    frames: NDArray[np.uint8], maps: NDArray[np.uint16] | None, t: float, augment: Augment, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint16] | None, float]:
    """Crops, flips, reverses and rotates frames (3 or 5, H, W, 3), in order of time, and label maps M0, M1 (2, H, W) of
    I0 and I1 alike.

    Returns as many frames (crop, crop, 3), maps (2, crop, crop) or None, and t in 0 to 1, where reversed 1 - t. Both
    are views of what was given: nothing is copied.
    Takes the same seven numbers from `rng` whatever the options are and whether or not there are maps. Raises
    HarnessError where the frames are smaller than the crop.
    """
    check_size(frames, augment)
    height, width = frames.shape[1:3]
    size = augment.crop
    down, right, hflip, vflip, reverse, rotate, turn = rng.random(7)
    top, left = int(down * (height - size + 1)), int(right * (width - size + 1))
    time = slice(None, None, -1 if reverse < augment.reverse else 1)
    rows = slice(None, None, -1 if vflip < augment.vflip else 1)
    columns = slice(None, None, -1 if hflip < augment.hflip else 1)
    turns = 1 + int(turn * 3) if rotate < augment.rotate else 0

    def moved(images: NDArray[Pixels]) -> NDArray[Pixels]:
        cut = images[time, top : top + size, left : left + size][:, rows, columns]
        return np.rot90(cut, turns, axes=(1, 2))

    return moved(frames), None if maps is None else moved(maps), 1 - t if reverse < augment.reverse else t
