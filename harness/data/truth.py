"""What a benchmark that draws its own frames knows of them, and footage does not tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # listing benchmarks is to import no numpy
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Of a triplet I0, It, I1.

    labels   (3, H, W) uint16: equal labels name the same thing in all three frames, 0 is what lies behind all others
    flow01, flow10, flow_t0, flow_t1
             (2, H, W) float32: pixel x of the first-named frame is found in the second at x + flow(x), in pixels,
             channel 0 = x; known also where the place is covered there or outside the frame
    visible01, visible10, visible_t0, visible_t1
             (H, W) bool: whether that place is inside the second frame and nothing covers it there
    """

    labels: NDArray[np.uint16]
    flow01: NDArray[np.float32]
    flow10: NDArray[np.float32]
    flow_t0: NDArray[np.float32]
    flow_t1: NDArray[np.float32]
    visible01: NDArray[np.bool_]
    visible10: NDArray[np.bool_]
    visible_t0: NDArray[np.bool_]
    visible_t1: NDArray[np.bool_]
