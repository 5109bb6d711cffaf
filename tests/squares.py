"""A benchmark that draws its own frames: a textured square that moves by whole pixels over a textured background."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness import BenchmarkSpec, hookimpl
from harness.data import Benchmark, Triplet, Truth

SIZE, SIDE = 64, 20
MOTION = {"near": (4, -2), "far": (-18, 24)}
"""Right and down, from I0 to I1, by level; in training as in `near`."""


class Squares(Benchmark):
    """Its middle frame is halfway."""

    levels = tuple(MOTION)

    def __init__(self, *, count: int = 2) -> None:
        self.train = [self._triplet("train", number) for number in range(8)]
        self.test = [self._triplet(level, number) for level in MOTION for number in range(count)]

    def _triplet(self, level: str, number: int) -> Triplet:
        return Triplet(f"{level}-{number}", clip=f"clip{number}", level=level, frames=(0, 1, 2))

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        rng = np.random.default_rng([ord(letter) for letter in triplet.id])
        background = rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        square = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        frames = np.stack([background] * 3)
        frames[self._places(triplet) == 1] = np.concatenate([square.reshape(-1, 3)] * 3)
        return frames

    def digest(self, split: Literal["train", "test"]) -> str:
        return f"squares-{len(self.test)}"

    def truth(self, triplet: Triplet) -> Truth | None:
        labels = self._places(triplet)
        motion = np.array(self._motion(triplet), np.float32)[:, None, None]
        visible = {f"visible{way}": (labels[at] == 1) | (labels[to] == 0) for way, (at, to) in WAYS.items()}
        flows = {f"flow{way}": motion * (labels[at] == 1) * np.float32((to - at) / 2) for way, (at, to) in WAYS.items()}
        return Truth(labels=labels, **flows, **visible)

    def _motion(self, triplet: Triplet) -> tuple[int, int]:
        return MOTION.get(triplet.level, MOTION["near"])

    def _places(self, triplet: Triplet) -> NDArray[np.uint16]:
        """(3, SIZE, SIZE): 1 where the square is."""
        labels = np.zeros((3, SIZE, SIZE), np.uint16)
        right, down = self._motion(triplet)
        for at in range(3):
            left, top = ((SIZE - SIDE) // 2 + step * (at - 1) // 2 for step in (right, down))
            labels[at, top : top + SIDE, left : left + SIDE] = 1
        return labels


WAYS = {"01": (0, 2), "10": (2, 0), "_t0": (1, 0), "_t1": (1, 2)}
"""Of each flow the frame that it is of, and the one that it leads to."""


@hookimpl
def harness_benchmarks() -> list[BenchmarkSpec]:
    return [BenchmarkSpec("squares", "squares:Squares", summary="squares that move")]
