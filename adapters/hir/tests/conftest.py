"""A toy seam: features at stride 16 and label maps on their grid, random or of a scene whose motion is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness import MotionSeam, Offers
from harness.model import Features, Regions


@dataclass(frozen=True)
class Scene:
    """A textured rectangle, label 1, that moves by whole cells over a textured background, label 0."""

    features: Features
    regions: Regions
    object0: Tensor  # (h, w), the rectangle in frame 0
    object1: Tensor
    motion: Tensor  # (2,), from frame 0 to frame 1


@pytest.fixture
def scene() -> Scene:
    torch.manual_seed(0)
    height, width, depth, size, at0, at1 = 14, 17, 64, (5, 4), (2, 3), (8, 11)
    background, texture = torch.randn(depth, height, width), torch.randn(depth, *size)
    frames, objects = [], []
    for top, left in (at0, at1):
        place = (slice(top, top + size[0]), slice(left, left + size[1]))
        frame, shape = background.clone(), torch.zeros(height, width, dtype=torch.bool)
        frame[(slice(None), *place)], shape[place] = texture, True
        frames.append(frame[None])
        objects.append(shape)
    maps = [shape.numpy().astype(np.uint16)[None] for shape in objects]
    motion = torch.tensor([at1[1] - at0[1], at1[0] - at0[0]], dtype=torch.float32)
    return Scene(Features(f0=frames[0], f1=frames[1]), Regions.of(*maps, (height, width)), *objects, motion)


@pytest.fixture
def sharp():
    """Turns key and value projections into the identity (of patches its first rows), the keys so large,
    or the scale of their cosines so near its limit, that attention picks one cell."""

    def set_weights(module: nn.Module) -> None:
        with torch.no_grad():
            for projection, factor in ((module.key, 8.0), (module.value, 1.0)):
                projection.weight.copy_(factor * torch.eye(*projection.weight.shape[:2])[..., None, None])
                if projection.bias is not None:
                    projection.bias.zero_()
            for scale in module.similarity.parameters():
                scale.fill_(10.0)

    return set_weights


@pytest.fixture
def sample():
    """Features, regions and times of a batch of random pairs, with labels that one frame alone has."""

    def make(channels: int, batch: int = 2, grid: tuple[int, int] = (5, 7)) -> tuple[Features, Regions, Tensor]:
        torch.manual_seed(2)
        maps = [np.random.default_rng(frame).integers(0, 3, (batch, *grid)) for frame in (0, 1)]
        maps[0][:, 0], maps[1][:, 1] = 8, 9
        f0, f1 = torch.randn(2, batch, channels, *grid)
        return Features(f0=f0, f1=f1), Regions.of(*maps, grid), torch.linspace(0.25, 0.75, batch).view(-1, 1, 1, 1)

    return make


@pytest.fixture(params=["feature", "blend"])
def offers(request: pytest.FixtureRequest) -> Offers:
    """As IFRNet's: a feature at stride 8. As RIFE's: a blend logit at stride 1."""
    seam = (
        MotionSeam(stride=8, latent="feature", channels=6)
        if request.param == "feature"
        else MotionSeam(stride=1, latent="blend", channels=1)
    )
    return Offers(channels=8, stride=16, motion=seam)
