"""Flows as pictures, in the colours of the Middlebury benchmark (Baker et al., IJCV 2011), with a key, and as arrows.

The hue is the direction: right is red, down yellow, left cyan, up violet. The strength is the length: white where
nothing moves. What is not finite is black. A flow points from the frame to be made to a source frame, in pixels,
channel 0 = x to the right, channel 1 = y down.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Flow = NDArray[np.float32]  # (2, H, W)
SHORTEST = 1.0
"""Pixels: colours are full at no less, so that what hardly moves stays pale."""

KNOTS = (0, 15, 21, 25, 36, 49, 55)
"""Where the wheel is red, yellow, green, cyan, blue, magenta and red again, in steps of the benchmark's 55 colours."""

HUES = ((1, 1, 0, 0, 0, 1, 1), (0, 1, 1, 1, 0, 0, 0), (0, 0, 0, 1, 1, 1, 0))
"""Red, green and blue there."""


def full_length(flows: Iterable[Flow]) -> float:
    """The length in pixels at which colours of these flows are to be full, one scale for all of them: 99 % of the
    vectors of each are shorter. With the two digits that a key has room for."""
    lengths = [SHORTEST]
    for flow in flows:
        length = np.hypot(*flow)
        known = length[np.isfinite(length)]
        lengths += [float(np.percentile(known, 99))] if known.size else []
    return float(f"{max(lengths):.2g}")


def flow_colours(flow: Flow, full: float) -> NDArray[np.uint8]:
    """The picture (H, W, 3) of a flow (2, H, W); what is as long as `full` pixels, or longer, has the full colour.

    The same as `torchvision.utils.flow_to_image` makes, which takes seconds to import and knows no scale but that of
    the longest vector.
    """
    known = np.isfinite(flow[0]) & np.isfinite(flow[1])
    x, y = np.where(known, flow, 0)
    strength = np.minimum(np.hypot(x, y) / full, 1)
    at = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (KNOTS[-1] - 1)
    colours = np.stack([np.interp(at, KNOTS, of_knots) for of_knots in HUES], axis=-1)
    mixed = 1 - strength[..., None] * (1 - colours)
    picture: NDArray[np.uint8] = (255 * np.where(known[..., None], mixed, 0)).astype(np.uint8)
    return picture


def wheel(side: int) -> NDArray[np.uint8]:
    """The key (side, side, 4), RGBA: around its middle the colour of each vector up to the full length, transparent
    outside. What is right of the middle is the colour of a flow to the right."""
    at = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    vectors = np.stack(np.meshgrid(at, at)).astype(np.float32)
    inside = np.hypot(*vectors) <= 1
    return np.dstack([flow_colours(vectors, 1.0), np.where(inside, 255, 0).astype(np.uint8)])


def draw_flow(axis: Axes, flow: Flow, full: float, across: int = 8) -> None:
    """The picture in an axis, in pixels, and on it an arrow in the middle of each of about `across` squares to a row.

    An arrow is the mean of its square, none where that is not finite; one of the full length, or longer, is as long as
    the square is wide.
    """
    axis.imshow(flow_colours(flow, full), interpolation="nearest")
    height, width = flow.shape[1:]
    square = max(min(width // across, height), 1)
    rows, columns = height // square, width // square
    known = np.where(np.isfinite(flow).all(0), flow, np.nan)
    cut = known[:, : rows * square, : columns * square].reshape(2, rows, square, columns, square)
    right, down = cut.mean((2, 4)) * (square / full)
    shorter = square / np.maximum(np.hypot(right, down), square)
    x, y = (np.arange(count) * square + (square - 1) / 2 for count in (columns, rows))
    axis.quiver(
        *np.meshgrid(x, y),
        right * shorter,
        down * shorter,
        angles="xy",
        scale_units="xy",
        scale=1,
        pivot="middle",
        color="black",
        width=0.008,
        headwidth=4,
        headlength=4,
        headaxislength=3.5,
        minlength=0.5,
    )
