"""A benchmark of a few small noisy frames: nothing to decode, so that a whole run takes a moment. And a plug-in that
fails in the middle of a training."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from harness import BenchmarkSpec, Offers, PluginSpec, hookimpl
from harness.data import Benchmark, Triplet
from harness.model import FeaturePlugin, Features, Regions


@hookimpl
def harness_benchmarks() -> list[BenchmarkSpec]:
    """`noise`."""
    return [BenchmarkSpec("noise", "noise_benchmark:Noise", summary="small noisy frames")]


@hookimpl
def harness_plugins() -> list[PluginSpec]:
    """`poison`."""
    return [
        PluginSpec("poison", "noise_benchmark:Poison", summary="nan from a step on", stage="feature", needs_masks=False)
    ]


class Noise(Benchmark):
    """Ten triplets to train on and two to test on, 32x32, each its own."""

    levels = ("easy",)
    train = tuple(Triplet(f"noise/{at}", clip="noise", level="train", frames=(at, at + 1, at + 2)) for at in range(10))
    test = tuple(
        Triplet(f"other/{at}", clip="other", level="easy", frames=(at, at + 1, at + 2)) for at in range(50, 52)
    )

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        """Squares of 4x4 pixels, and so something for masks to follow."""
        rng = np.random.default_rng(triplet.frames[0])
        return rng.integers(0, 256, (3, 8, 8, 3), np.uint8).repeat(4, 1).repeat(4, 2)

    def digest(self, split: str) -> str:
        return f"noise-{split}"


class Poison(FeaturePlugin):
    """Leaves the features alone; at the `step`-th training step it makes them not-a-number."""

    def __init__(self, offers: Offers, *, step: int = 1) -> None:
        super().__init__()
        self.left = step
        self.share = torch.nn.Parameter(torch.zeros(()))

    def forward(self, features: Features, regions: Regions | None) -> Features:
        self.left -= self.training
        factor = 1 + self.share * (torch.nan if self.left == 0 else 1)
        return features.refined(features.f0 * factor, features.f1 * factor)
