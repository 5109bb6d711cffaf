"""A network run on parts of a frame, so that its memory follows the parts and not the frame."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.evaluate.protocol import Predict
from harness.metrics.given import Predicted
from harness.model import Frames

SHARED = 4
"""A tile shares one part of so many with the next: what moves by less is seen whole by one of them."""


def places(length: int, tile: int) -> list[int]:
    """Where tiles begin along a side: evenly spread, the first at 0 and the last at the end, each sharing with the next
    at least 1/SHARED of its length. One tile where the side is not longer."""
    if length <= tile:
        return [0]
    step = tile - tile // SHARED
    count = -(-(length - tile) // step) + 1
    return [i * (length - tile) // (count - 1) for i in range(count)]


def tiled(predict: Predict, tile: int) -> Predict:
    """The same, on squares of `tile` pixels that overlap, blended in steps along what they share. A frame that is no
    larger is predicted as it is, bit for bit. Motion is not put together: flows are None."""

    def run(frames: Frames, t: float, maps: NDArray[np.integer] | None) -> Predicted:
        height, width = frames.img0.shape[-2:]
        rows, columns = places(height, tile), places(width, tile)
        if len(rows) == len(columns) == 1:
            return predict(frames, t, maps)
        total, weights = torch.zeros_like(frames.img0), torch.zeros_like(frames.img0[:, :1])
        for y in rows:
            for x in columns:
                here = (slice(y, y + tile), slice(x, x + tile))
                part = frames.changed(partial(_cut, here=here))
                made = predict(part, t, None if maps is None else np.ascontiguousarray(maps[:, *here])).frame
                weight = _weight(made)
                total[..., *here] += weight * made
                weights[..., *here] += weight
        return Predicted(frame=total / weights)

    return run


def _cut(image: Tensor, here: tuple[slice, slice]) -> Tensor:
    return image[..., here[0], here[1]].contiguous()


def _weight(made: Tensor) -> Tensor:
    """(1, 1, h, w), falling towards the edges over what tiles share at least; nowhere 0."""
    sides = []
    for length in made.shape[-2:]:
        distance = torch.minimum(torch.arange(1, length + 1), torch.arange(length, 0, -1))
        sides.append((distance.float() / max(1, length // SHARED)).clamp(max=1).to(made))
    return (sides[0][:, None] * sides[1])[None, None]
