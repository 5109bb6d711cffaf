"""Frames as they enter from a benchmark, whoever made it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness.data.benchmark import Benchmark, Triplet
from harness.registry.blame import breach_of


def frames_of(benchmark: Benchmark, triplet: Triplet) -> NDArray[np.uint8]:
    """I0, It, I1 as RGB (3, H, W, 3). Raises HarnessError naming the benchmark's distribution for anything else."""
    frames: Any = benchmark.read(triplet)
    if not isinstance(frames, np.ndarray):
        found = type(frames).__qualname__
    elif frames.dtype != np.uint8 or frames.ndim != 4 or (len(frames), frames.shape[3]) != (3, 3) or not frames.size:
        found = f"{frames.dtype} {frames.shape}"
    else:
        return cast(NDArray[np.uint8], frames)
    what = f"the frames of {triplet.level} {triplet.id} are {found}, where uint8 (3, H, W, 3) is needed"
    raise breach_of("benchmark", benchmark, what)
