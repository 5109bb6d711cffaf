"""Evaluation: one row a triplet, written as soon as it is known, so that a stopped evaluation goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.benchmark import Benchmark, Triplet
from harness.evaluate.metrics import psnr, ssim
from harness.evaluate.protocol import Protocol
from harness.masks.cache import MaskCache
from harness.model import Composed
from harness.results.rows import append_row, mend, read_rows

# (img0, img1, t, label maps or None) -> frame, images as float (1, 3, H, W) in [0, 1]
Predict = Callable[[Tensor, Tensor, float, NDArray[np.integer] | None], Tensor]


def mean_of_frames(img0: Tensor, img1: Tensor, t: float, maps: NDArray[np.integer] | None) -> Tensor:
    """The row that is no network: what an arm must beat before it can be said to have learnt motion."""
    return (1 - t) * img0 + t * img1


def predictor(model: Composed, protocol: Protocol) -> Predict:
    """The network under a protocol."""
    model.eval()

    def predict(img0: Tensor, img1: Tensor, t: float, maps: NDArray[np.integer] | None) -> Tensor:
        return model.interpolate(img0, img1, t, None if maps is None else maps[None], protocol.scale).frame

    return predict


def to_image(frame: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 (H, W, 3) -> float (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1)[None].float() / 255


@dataclass(frozen=True)
class Evaluation:
    """What is measured. `data_id` and `weights` go into each row: rows of another content are never reused."""

    benchmark: Benchmark
    data_id: str
    triplets: Sequence[Triplet]
    masks: MaskCache | None
    protocol: Protocol
    weights: str
    device: torch.device

    def key(self, triplet: Triplet) -> tuple[str, ...]:
        return (
            self.data_id,
            triplet.level,
            triplet.id,
            triplet.clip,
            self.protocol.id,
            self.weights,
        )


def evaluate(
    evaluation: Evaluation, predict: Predict, path: Path, stop: Callable[[], bool], progress: Callable[[int, int], None]
) -> bool:
    """Bring the rows of `path` up to date; rows that are there are not computed again. False if asked to stop."""
    done = {row[:-2] for row in read_rows(path)}
    mend(path)
    for count, triplet in enumerate(evaluation.triplets):
        progress(count, len(evaluation.triplets))
        if evaluation.key(triplet) in done:
            continue
        if stop():
            return False
        frames = evaluation.benchmark.read(triplet)
        maps = evaluation.masks.maps(frames[0], frames[2]) if evaluation.masks else None
        img0, truth, img1 = (to_image(frame, evaluation.device) for frame in frames)
        with torch.inference_mode():
            frame = predict(img0, img1, triplet.t, maps)
        scores = (psnr(frame, truth).item(), ssim(frame, truth).item())
        append_row(path, [*evaluation.key(triplet), *map(repr, scores)])
    progress(len(evaluation.triplets), len(evaluation.triplets))
    return True
