"""Perceptual prints of frames: 64 bits that stay nearly the same where a picture is re-encoded or scaled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.data.shots import Cells

Prints = NDArray[np.uint64]

NEAR = 8
"""Bits of 64 by which the prints of two frames differ at most where they are taken for the same picture."""

_SIDE = 8  # frequencies up and to the side: of 0 to 7 half waves over the picture
_TELLING = 0.25  # grey levels: half of the coefficients are further than that from the middle one, or noise decides


def waves_of(cells: Cells) -> NDArray[np.float32]:
    """The 64 lowest frequencies (8, 8), of the DCT, of green, which is most of luma. `cells` are of
    `harness.data.shots`."""
    green = cells[1].astype(np.float32)
    height, width = green.shape
    return np.asarray(_waves(height) @ green @ _waves(width).T / (16 * height * width), np.float32)


def told(waves: Sequence[NDArray[np.float32]]) -> list[str]:
    """The print of each frame, from its waves: which are above their median, in 16 hexadecimal digits. Empty for a
    picture without enough contrast for that to say anything."""
    if not waves:
        return []
    flat = np.stack(waves).reshape(-1, _SIDE * _SIDE)
    far = flat - np.median(flat, axis=1, keepdims=True)
    telling = np.median(np.abs(far), axis=1) >= _TELLING
    bits = np.packbits(far > 0, axis=1)
    return [row.tobytes().hex() if tells else "" for row, tells in zip(bits, telling, strict=True)]


@lru_cache(maxsize=64)
def _waves(length: int) -> NDArray[np.float32]:
    """Cosines (8, length), as of the DCT: sums of products with them are no larger for one frequency than another."""
    at = (np.arange(length) + 0.5) / length
    waves = np.sqrt(2) * np.cos(np.pi * np.arange(_SIDE)[:, None] * at)
    waves[0] = 1
    return np.asarray(waves, np.float32)


def prints_of(digits: Sequence[str]) -> Prints:
    """Of the frames that have one."""
    return np.array([int(each, 16) for each in digits if each], np.uint64)


def found(prints: Prints, others: Prints) -> NDArray[np.bool_]:
    """Which of the prints (N,) have one among the others (M,) that differs by `NEAR` bits at most."""
    if not len(others):
        return np.zeros(len(prints), bool)
    return np.array([np.bitwise_count(others ^ one).min() <= NEAR for one in prints], bool)
