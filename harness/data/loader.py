"""Training batches: a pure function of (seed, position), whoever computes them."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from harness.data.augment import Augment, augmented, sample_rng
from harness.data.benchmark import Benchmark, Triplet
from harness.data.frames import frames_of
from harness.data.known import masks_of
from harness.data.mixture import Mixture
from harness.data.order import Drawn, Order
from harness.errors import HarnessError
from harness.masks.cache import MaskCache


@dataclass(frozen=True)
class Batch:
    """`frames` uint8 (B, 3, 3, H, W): I0, It, I1 of each sample as RGB, or (B, 5, 3, H, W) with I-1 and I2 around them;
    `t` (B,); `maps` (B, 2, H, W), on the host.

    It may be a part of the global batch, which has `whole` samples.
    """

    frames: Tensor
    t: Tensor
    maps: NDArray[np.uint16] | None
    whole: int

    @property
    def weight(self) -> float:
        """What a mean over these samples counts for in the mean over the global batch."""
        return len(self.frames) / self.whole

    def parts(self, count: int) -> list[Batch]:
        """In order, in pieces no larger than the `count`-th part of the global batch."""
        size = -(-self.whole // count)
        pieces = [slice(start, start + size) for start in range(0, len(self.frames), size)]
        maps = [None if self.maps is None else self.maps[piece] for piece in pieces]
        return [Batch(self.frames[p], self.t[p], labels, self.whole) for p, labels in zip(pieces, maps, strict=True)]


Sample = tuple[NDArray[np.uint8], NDArray[np.uint16] | None, float]
"""Frames (3 or 5, 3, H, W) in order of time, label maps, t; as of `Batch`."""


class Samples(Dataset[Sample]):
    """The augmented sample at each position of a training. `sets` are the training sets by their labels, as `order`
    numbers them."""

    def __init__(
        self, sets: Mapping[str, Benchmark], order: Order | Mixture, augment: Augment, masks: MaskCache | None
    ) -> None:
        self.sets, self.order, self.augment, self.masks = tuple(sets.items()), order, augment, masks

    def at(self, position: int) -> tuple[str, Triplet, Drawn]:
        """Label of the set, and triplet."""
        drawn = self.order.at(position)
        label, benchmark = self.sets[drawn.set]
        return label, benchmark.train[drawn.index], drawn

    def __getitem__(self, position: int) -> Sample:
        _, triplet, drawn = self.at(position)
        benchmark = self.sets[drawn.set][1]
        frames = frames_of(benchmark, triplet)
        maps = masks_of(self.masks, benchmark, triplet, frames).maps if self.masks else None
        rng = sample_rng(self.order.seed, drawn.epoch, drawn.stream)
        frames, maps, t = augmented(frames, maps, triplet.t, self.augment, rng)
        # the only copy, of what was cut out alone: turned and with colours apart at once, a tenth of the time of both
        return np.ascontiguousarray(frames.transpose(0, 3, 1, 2)), maps, t


def batches(
    samples: Samples, first_step: int, steps: int, workers: int, rank: int = 0, size: int = 1
) -> Iterator[Batch]:
    """The batches of steps `first_step` to `steps - 1`. The global RNGs of this process are left alone.

    Of each global batch, process `rank` of `size` gets its own stretch; there are as many samples as processes or more.
    """
    whole = samples.order.batch
    start, end = rank * whole // size, (rank + 1) * whole // size
    loader: DataLoader[Any] = DataLoader(
        samples,
        batch_sampler=(list(range(step * whole + start, step * whole + end)) for step in range(first_step, steps)),
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=torch.cuda.is_available(),
        # its own generator: without one the loader draws its seed from the global RNG
        generator=torch.Generator(),
        worker_init_fn=_leave_signals_to_the_parent,
    )
    try:
        for frames, t, maps in loader:
            yield Batch(frames, t, maps, whole)
    except HarnessError as error:
        # from a worker it comes wrapped in that process's traceback; its last line is what was raised
        raise HarnessError(str(error).strip().splitlines()[-1].removeprefix("harness.errors.HarnessError: ")) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error) or str(error).startswith("Caught "):  # what was raised in one
            raise
        raise HarnessError("a process that reads data was killed: try fewer --workers or more shared memory") from error


def _leave_signals_to_the_parent(worker: int) -> None:
    """Ctrl-C goes to the whole group; only the trainer decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _collate(samples: list[Sample]) -> tuple[Tensor, Tensor, NDArray[np.uint16] | None]:
    frames = torch.from_numpy(np.stack([frames for frames, _, _ in samples]))
    t = torch.tensor([t for _, _, t in samples], dtype=torch.float32)
    maps = [maps for _, maps, _ in samples if maps is not None]
    return frames, t, np.stack(maps) if maps else None
