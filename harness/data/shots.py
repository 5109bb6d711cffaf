"""Which frames are stored twice, and which belong to which shot, from the frames alone.

Everything is measured against the pictures' own contrast, so that dark shots count as bright ones do. What local motion
explains is no change: blocks of one thumbnail are searched in the other. On what is left, two questions are asked.

A cut     Are two neighbours unlike, and far more so than any others nearby? A jump of the camera is less unlike;
          flashes and flicker come several at a time and hide each other. So do cuts within `_REACH` frames of each
          other: state the shots of such a clip in `clips.yaml`.
A dissolve  Are two frames some way apart unlike, and is the one in their middle their mean? Of what moves it is not: it
          shows something else, and has the contrast of its neighbours, where a mixture of two pictures has less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.uint16]
Pictures = NDArray[np.float32]

STILL = 0.5
"""Grey levels of a cell by which a frame differs from the one before it at least."""

SMALL = 128
"""Frames with a shorter side of fewer pixels are small."""

_CELL = 4  # pixels
_FAINT, _FAINTER, _RUN = 3.0, 1.5, 4  # times less, at most and on the mean, than what is around; copies in a row
_SIDE, _BLOCK = 18, 6  # pixels of a thumbnail
_SHIFTS = (-4, -2, -1, 0, 1, 2, 4)  # pixels of a thumbnail, up and to the side: where a block is searched
_FAR = max(_SHIFTS)
_CHUNK = 64  # frames at a time: what is at work fits into a cache
_FAINTEST = 0.5  # grey levels: contrast under this is noise

_UNLIKE, _RATIO, _REACH = 0.35, 2.0, 6  # of the contrast; times the largest within so many frames
_LAGS = (2, 4, 8, 12)  # frames from the middle of a dissolve
_SAG = 0.85  # of the variance beside it: as much is in the middle of a dissolve at most
_APART, _LEAST = 0.4, 0.25  # of the contrast: how unlike both sides are at least, without a search, and with one
_ALIKE, _MEAN, _EITHER = 0.1, 0.37, 0.28  # of that: the middle is the mean up to this, and neither of both sides
_MORE = 0.7  # of the length in which middles are found: what is mixed before and after it


def cells_of(frame: NDArray[np.uint8]) -> Cells:
    """Sums over 4x4 pixels (3, h, w) of an RGB frame (H, W, 3); what is left over at its edges is not looked at."""
    side = min(_CELL, *frame.shape[:2])
    height, width = frame.shape[0] // side, frame.shape[1] // side
    rows = np.zeros((height, width * side, 3), np.uint16)
    for y in range(side):
        rows += frame[y : height * side : side, : width * side]
    cells = np.zeros((3, height, width), np.uint16)
    for x in range(side):
        cells += rows[:, x::side].transpose(2, 0, 1)
    return cells


def change(cells: Cells, before: Cells) -> tuple[float, float]:
    """The largest difference of the mean of a cell in one colour, in grey levels, and the mean difference."""
    differences = np.maximum(cells, before) - np.minimum(cells, before)
    return float(differences.max()) / _CELL**2, float(differences.mean()) / _CELL**2


def find_repeats(changes: Sequence[tuple[float, float]]) -> list[int]:
    """Frames that show nothing new; `changes[i]` is that of frame i + 1 to frame i.

    A copy differs nowhere from the frame before it; what moves, however small or slow, differs somewhere. Encoding
    alters copies, so frames are copies also where, up to `_RUN` in a row, they differ by far less than the frames
    before and after them, both in the place where they differ most and on the whole; and in a steady beat of copies,
    where they differ by less. A passage in which nothing moves consists of copies, unless noise hides that.
    """
    if not changes:
        return []
    most, mean = np.pad(np.array(changes), [(1, 1), (0, 0)], constant_values=np.inf).T
    still = most < STILL
    for run in range(1, _RUN + 1):
        for i in range(1, len(most) - run):
            inside, ends = slice(i, i + run), [i - 1, i + run]
            if most[inside].max() * _FAINT < most[ends].min() < np.inf:
                still[inside] |= mean[inside].max() * _FAINTER < mean[ends].min()
    least = np.zeros_like(still)
    least[1:-1] = (most[1:-1] < np.minimum(most[:-2], most[2:])) & (mean[1:-1] < np.minimum(mean[:-2], mean[2:]))
    beat = True
    while beat:
        periods = (np.pad(still, period) for period in range(2, _RUN + 2))
        around = [each[: len(still)] & each[-len(still) :] for each in periods]
        more = least & np.any(around, axis=0) & ~still
        still |= more
        beat = bool(more.any())
    return np.flatnonzero(still).tolist()


def thumbnail(cells: Cells) -> Pictures:
    """Block means (h, w) of green, which is most of luma, in grey levels; the shorter side is 18 to 35 pixels."""
    green = cells[1]
    step = max(1, min(green.shape) // _SIDE)
    height, width = (side // step for side in green.shape)
    rows = green[: height * step, : width * step].reshape(height, step, -1).sum(axis=1, dtype=np.uint32)
    return np.asarray(rows.reshape(height, width, step).sum(axis=2) / (step * _CELL) ** 2, np.float32)


def find_shots(thumbnails: Sequence[Pictures], small: bool = False) -> list[tuple[int, int]]:
    """First and last position of each shot, ascending. What lies between two of them is a dissolve; of frames that are
    `small` none is looked for: a fine texture that moves by half a pixel of their thumbnails looks like a mixture."""
    if not thumbnails:
        return []
    pictures = _smooth(np.stack(thumbnails, axis=-1))  # (h, w, T): of the same pixel, frame after frame
    contrast = np.maximum(_deviation(pictures), _FAINTEST)
    cuts = _cuts(pictures, contrast)
    mixed = np.zeros(len(thumbnails), bool)
    for first, last in () if small else _dissolves(pictures, contrast, cuts):
        mixed[first : last + 1] = True
    shots, first = [], 0
    for at in range(1, len(mixed) + 1):
        if at == len(mixed) or at in cuts or mixed[at] != mixed[at - 1]:
            if not mixed[at - 1]:
                shots.append((first, at - 1))
            first = at
    return shots


def _cuts(pictures: Pictures, contrast: Pictures) -> frozenset[int]:
    """Positions with which a new shot begins."""
    least = np.minimum(contrast[:-1], contrast[1:])
    residuals = np.abs(pictures[..., 1:] - pictures[..., :-1]).mean(axis=(0, 1))  # a search leaves no more than this
    much = np.flatnonzero(residuals > _UNLIKE / _RATIO / 2 * least)
    residuals[much] = _residual(pictures[..., much], pictures[..., much + 1])
    if not len(residuals):
        return frozenset()
    around = np.lib.stride_tricks.sliding_window_view(np.pad(residuals, _REACH), 2 * _REACH + 1).copy()
    around[:, _REACH] = 0
    found = (residuals > _UNLIKE * least) & (residuals > _RATIO * around.max(axis=1))
    return frozenset((np.flatnonzero(found) + 1).tolist())


def _dissolves(pictures: Pictures, contrast: Pictures, cuts: frozenset[int]) -> Iterator[tuple[int, int]]:
    """First and last position of each."""
    count = pictures.shape[-1]
    shot = np.cumsum(np.isin(np.arange(count), list(cuts)))  # windows across a cut are left out
    spread = pictures.var(axis=(0, 1))
    plain = (pictures - pictures.mean(axis=(0, 1))) / contrast  # a change of exposure is none here
    lags = np.zeros(count, np.int64)  # the least with which a frame is found in the middle of a dissolve
    for lag in reversed(_LAGS):
        at = np.arange(lag, count - lag)
        at = at[shot[at - lag] == shot[at + lag]]
        at = at[spread[at] < _SAG * (spread[at - lag] + spread[at + lag]) / 2]
        at = at[_apart(pictures, at, lag) > _APART * np.minimum(contrast[at - lag], contrast[at + lag])]
        apart = _residual(plain[..., at - lag], plain[..., at + lag])
        at, apart = at[apart > _LEAST], apart[apart > _LEAST]
        before, middle, after = (pictures[..., at + way] for way in (-lag, 0, lag))
        unlike = _residual(before, after)
        either = np.minimum(_residual(before, middle), _residual(middle, after))
        left = _residual(middle, before, after)
        lags[at[(left < unlike * np.minimum(apart - _ALIKE, _MEAN)) & (either > _EITHER * unlike)]] = lag
    inside = np.flatnonzero(lags)
    for group in np.split(inside, np.flatnonzero(np.diff(inside) > _REACH) + 1):
        if len(group):
            more = max(min(int(np.ceil(len(group) * _MORE)) + 2, 2 * max(_LAGS)), int(lags[group].min()))
            yield max(0, int(group[0]) - more), min(count - 1, int(group[-1]) + more)


def _apart(pictures: Pictures, at: NDArray[np.int64], lag: int) -> Pictures:
    """Mean difference in grey levels of what lies `lag` before and after, without a search."""
    return np.asarray(np.abs(pictures[..., at - lag] - pictures[..., at + lag]).mean(axis=(0, 1)))


def _smooth(pictures: Pictures) -> Pictures:
    """Each pixel with its neighbours: motion by a part of a pixel is then little."""
    padded = np.pad(pictures, [(1, 1), (1, 1), (0, 0)], mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16)


def _deviation(pictures: Pictures) -> Pictures:
    """Mean absolute deviation (T,) of each from its mean, in grey levels."""
    return np.asarray(np.abs(pictures - pictures.mean(axis=(0, 1))).mean(axis=(0, 1)))


def _residual(pictures: Pictures, *others: Pictures) -> Pictures:
    """Mean difference (T,) in grey levels that is left where each block of pictures (h, w, T) is found anew in the
    other; of two others, in the mean of both, the second moved against the first."""
    height, width, count = pictures.shape
    rows, columns = max(1, height // _BLOCK), max(1, width // _BLOCK)
    high, wide = min(height, rows * _BLOCK), min(width, columns * _BLOCK)
    left = [np.zeros(0, np.float32)]
    for i in range(0, count, _CHUNK):
        here = pictures[:high, :wide, i : i + _CHUNK]
        padded = [np.pad(o[..., i : i + _CHUNK], [(_FAR, _FAR), (_FAR, _FAR), (0, 0)], mode="edge") for o in others]
        best = np.full((rows, columns, here.shape[-1]), np.inf, np.float32)
        error = np.empty_like(here)
        for dy, dx in product(_SHIFTS, repeat=2):
            moved = [
                other[_FAR + way * dy :, _FAR + way * dx :][:high, :wide]
                for other, way in zip(padded, (1, -1), strict=False)
            ]
            np.subtract(here, moved[0] if len(moved) == 1 else (moved[0] + moved[1]) / 2, out=error)
            np.abs(error, out=error)
            blocks = error.reshape(rows, high // rows, wide, -1).sum(axis=1)
            np.minimum(best, blocks.reshape(rows, columns, wide // columns, -1).sum(axis=2), out=best)
        left.append(best.mean(axis=(0, 1)) / (high // rows * (wide // columns)))
    return np.concatenate(left)
