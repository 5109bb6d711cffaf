"""A decoded frame as RGB, as players show it: by its colour matrix, the right way up. What cannot be is refused.

Pixels are those that are stored: pixels that are not square stay so, transparency is dropped, and primaries other than
BT.709's are not converted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

LARGE = 540
"""Frames whose shorter side is above this are halved where no scale is given."""

LINES = 720
"""From so many on, what states no colour matrix is taken for BT.709; below, for BT.601. So do players."""

MATRICES = {"bt601": 5, "bt709": 1, "bt2020": 9}
"""Those that clips.yaml may state, and their numbers in ITU-T H.273."""

_SILENT = {0, 2, 3}  # numbers that tell nothing of YUV: RGB, unspecified, reserved
_CONVERTED = {1, 4, 5, 6, 7, 9}
_HDR = {16: "PQ", 18: "HLG"}
_EXACT = 0x2002  # SWS_BILINEAR | SWS_FULL_CHR_H_INT: of 10 bits, or an odd height, white is 253 without the second
_STRAIGHT = 0.02  # of a turn's larger part: what rounding may leave in a display matrix of right angles


def rgb(frame: VideoFrame, matrix: str, path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) of a frame as it is stored. `matrix`, of MATRICES, goes before what the frame states; "" leaves it.

    Raises HarnessError for HDR, and for matrices that FFmpeg does not convert."""
    if kind := _HDR.get(int(frame.color_trc)):
        raise HarnessError(
            f"{path}: is HDR ({kind}), of which 8 bits say little to metrics; tone-map it to BT.709 first "
            "(ffmpeg -vf zscale=t=linear,tonemap=hable,zscale=t=bt709:m=bt709:p=bt709,format=yuv420p)"
        )
    source = None
    if _has_matrix(frame):
        stated = int(frame.colorspace)
        if matrix:
            source = MATRICES[matrix]
        elif stated in _SILENT:
            source = MATRICES["bt601" if frame.height < LINES else "bt709"]
        elif stated not in _CONVERTED:
            raise HarnessError(
                f"{path}: its colour matrix (H.273: {stated}) cannot be converted; re-encode it as BT.709, "
                "or state the true one by `matrix` in clips.yaml"
            )
    return np.asarray(frame.to_ndarray(format="rgb24", src_colorspace=source, interpolation=_EXACT), np.uint8)


def states_no_matrix(frame: VideoFrame) -> bool:
    return _has_matrix(frame) and int(frame.colorspace) in _SILENT


def _has_matrix(frame: VideoFrame) -> bool:
    return not frame.format.is_rgb and not frame.format.has_palette and len(frame.format.components) > 2


Way = tuple[float, float, float, float]
"""Where a pixel (x, y) is shown: at (a * x + c * y, b * x + d * y), but for a shift. As a, b, c, d."""


def way_up(frame: VideoFrame, path: Path) -> Way:
    """By the frame's display matrix. Raises HarnessError where that turns by no right angle."""
    beside: Any = frame.side_data  # not what PyAV's stubs call it
    try:
        given = bytes(beside["DISPLAYMATRIX"])
    except KeyError:
        return 1, 0, 0, 1
    a, b, _, c, d = (float(part) for part in np.frombuffer(given, np.int32)[:5])
    small = _STRAIGHT * max(abs(part) for part in (a, b, c, d))
    if small and abs(a) <= small and abs(d) <= small:
        return 0, b, c, 0
    if small and abs(b) <= small and abs(c) <= small:
        return a, 0, 0, d
    raise HarnessError(f"{path}: is shown turned by no right angle; re-encode it upright")


def upright(image: NDArray[np.uint8], way: Way) -> NDArray[np.uint8]:
    """The image (H, W, 3) turned by right angles and mirrored: a view."""
    a, b, c, d = way
    if not a:
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def reduced(image: NDArray[np.uint8], scale: float | None) -> NDArray[np.uint8]:
    """Averages squares of pixels, rounding half up."""
    if scale is None:
        scale = 0.5 if min(image.shape[:2]) > LARGE else 1.0
    side = round(1 / scale)
    if side == 1:
        return np.ascontiguousarray(image)
    from PIL import Image

    height, width = (length // side * side for length in image.shape[:2])
    whole = image[:height, :width]
    return np.asarray(Image.fromarray(whole).reduce(side)) if whole.size else whole
