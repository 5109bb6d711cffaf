"""Frames as they enter from a benchmark, whoever made it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness.data.benchmark import Benchmark, Triplet
from harness.registry.blame import breach_of


def frames_of(benchmark: Benchmark, triplet: Triplet) -> NDArray[np.uint8]:
    """I0, It, I1 as RGB (3, H, W, 3); with I-1 and I2, in order of time, (5, H, W, 3) of a benchmark for four inputs.
    Raises HarnessError naming the benchmark's distribution for anything else."""
    return _checked(benchmark.read(triplet), benchmark.inputs + 1, benchmark, triplet, "the frames")


def frames_around(benchmark: Benchmark, triplet: Triplet) -> NDArray[np.uint8]:
    """I-1, I2 as RGB (2, H, W, 3), of a triplet that has them. Raises HarnessError likewise."""
    return _checked(benchmark.read_around(triplet), 2, benchmark, triplet, "the frames before and after those")


def _checked(frames: Any, count: int, benchmark: Benchmark, triplet: Triplet, what: str) -> NDArray[np.uint8]:
    if not isinstance(frames, np.ndarray):
        found = type(frames).__qualname__
    elif (
        frames.dtype != np.uint8 or frames.ndim != 4 or (len(frames), frames.shape[3]) != (count, 3) or not frames.size
    ):
        found = f"{frames.dtype} {frames.shape}"
    else:
        return cast(NDArray[np.uint8], frames)
    told = f"{what} of {triplet.level} {triplet.id} are {found}, where uint8 ({count}, H, W, 3) is needed"
    raise breach_of("benchmark", benchmark, told)
