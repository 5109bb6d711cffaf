"""Which frames are stored twice and where a shot ends, from the frames alone.

The first frames of new shots are found on small grey thumbnails. A cut leaves a large residual that no
local motion explains (blocks of one thumbnail searched in the next), far above those around it. A jump of
the camera leaves a small residual; flashes and flicker leave several large ones and hide each other. So do
cuts within `_REACH` frames of each other: state the shots of such a clip in `clips.yaml`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

REPEAT = 0.1
"""Mean absolute difference in grey levels under which a frame repeats the one before it."""

_FAINT = 8.0  # a frame stored twice and encoded: its difference is this many times under both neighbours'
_SIDE, _BLOCK, _SEARCH = 18, 6, 4  # pixels of a thumbnail
_RESIDUAL, _RATIO, _REACH = 12.0, 2.0, 6  # grey levels, times the largest residual within so many frames


def thumbnail(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey block means (h, w) of an RGB frame (H, W, 3), 0 to 255; the shorter side is 18 to 35 pixels."""
    step = max(1, min(frame.shape[:2]) // _SIDE)
    height, width = (side // step for side in frame.shape[:2])
    green = frame[: height * step, : width * step, 1]  # most of luma
    return np.asarray(green.reshape(height, step, width, step).mean(axis=(1, 3), dtype=np.float32))


def difference(frame: NDArray[np.uint8], before: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two frames in grey levels."""
    return float(np.abs(np.subtract(frame, before, dtype=np.int16)).mean())


def find_repeats(differences: list[float]) -> list[int]:
    """Frames that show nothing new; `differences[i]` is that of frame i + 1 to frame i.

    A frame repeats its predecessor where they differ by under REPEAT grey levels, or, as re-encoding alters
    copies, by under an eighth of both the difference before and the one after (every frame stored twice)."""
    padded = [np.inf, *differences, np.inf]
    return [
        i + 1
        for i, value in enumerate(differences)
        if value < REPEAT or (len(differences) > 2 and value * _FAINT < min(padded[i], padded[i + 2]))
    ]


def find_cuts(thumbnails: list[NDArray[np.float32]]) -> list[int]:
    """Positions with which a new shot begins, ascending, without 0."""
    residuals = [_residual(a, b) for a, b in pairwise(thumbnails)]
    cuts = []
    for i, residual in enumerate(residuals):
        around = residuals[max(0, i - _REACH) : i] + residuals[i + 1 : i + 1 + _REACH]
        if residual > _RESIDUAL and residual > _RATIO * max(around, default=0.0):
            cuts.append(i + 1)
    return cuts


def _residual(thumb: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Mean difference in grey levels that is left when each block is found anew within _SEARCH pixels."""
    height, width = thumb.shape
    rows, columns = height // _BLOCK, width // _BLOCK
    if not rows or not columns:
        return float(np.abs(thumb - after).mean())
    padded = np.pad(after, _SEARCH, mode="edge")
    best = np.full((rows, columns), np.inf, np.float32)
    for dy in range(2 * _SEARCH + 1):
        for dx in range(2 * _SEARCH + 1):
            error = np.abs(thumb - padded[dy : dy + height, dx : dx + width])[: rows * _BLOCK, : columns * _BLOCK]
            np.minimum(best, error.reshape(rows, _BLOCK, columns, _BLOCK).mean(axis=(1, 3)), out=best)
    return float(best.mean())
