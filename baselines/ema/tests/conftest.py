"""The golden rule: weights computed from a hash, so that official outputs can be stored without them.

Official EMA-VFI, filled by the same rule and fed the stored frames, gave the arrays in `goldens/` (see its README).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from vfi_ema.network import EMA, Variant

from harness.model import Frames

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("HARNESS_SHARED", HERE.parents[2].parent / "shared"))
FILES = {"small": "EMA-VFI-ours_small", "base": "EMA-VFI-ours"}
GAIN = 1.3
# of keys that contain it: the first that fits
GAINS = {".attn.q.weight": 2.0, ".attn.kv.weight": 2.0, "unet.conv.weight": 0.4}


def uniform(key: str, count: int) -> NDArray[np.float64]:
    """`count` numbers in [-1, 1) from the key's CRC and the index."""
    x = np.uint32(zlib.crc32(key.encode())) + np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x / 2.0**31 - 1.0


def fill_values(key: str, shape: tuple[int, ...]) -> Tensor:
    """The values of one parameter."""
    u = uniform(key, int(np.prod(shape))).reshape(shape)
    if len(shape) >= 2:
        # a stride-2, 4x4 transposed convolution reaches each output with 4 of its 16 taps
        fan_in = shape[0] * 4 if "unet.up" in key else int(np.prod(shape[1:]))
        gain = next((gain for part, gain in GAINS.items() if part in key), GAIN)
        u = gain * np.sqrt(3.0 / fan_in) * u
    elif key.endswith(".bias"):
        u = 0.05 * u
    elif any(segment.startswith("norm") for segment in key.split(".")):
        u = 1 + 0.1 * u
    else:
        u = np.full(shape, 0.25)  # the slope of a PReLU
    return torch.from_numpy(u.astype(np.float32))


@cache
def filled(variant: Variant) -> EMA:
    with torch.device("meta"):
        network = EMA(variant=variant)
    # raw, not translated: the goldens come from these weights as they are
    state = {key: fill_values(key, tuple(value.shape)) for key, value in network.state_dict().items()}
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def full_golden(variant: Variant) -> Path:
    path = SHARED / "golden" / f"{FILES[variant]}.npz"
    if not path.exists():
        pytest.skip(f"full goldens not found: {path} (set HARNESS_SHARED)")
    return path


def golden_frames() -> Frames:
    with np.load(HERE / "goldens" / "frames.npz") as stored:
        img0, img1 = (torch.from_numpy(stored[key].astype(np.float32) / 255) for key in ("img0", "img1"))
    return Frames(img0=img0, img1=img1)


def pattern(height: int, width: int, scale: float = 1.0) -> Frames:
    """A moving pattern with some noise."""
    c, y, x = torch.meshgrid(torch.arange(3.0), torch.arange(1.0 * height), torch.arange(1.0 * width), indexing="ij")
    generator = torch.Generator().manual_seed(0)

    def image(k: int) -> Tensor:
        xs, ys = x - 2.5 * k, y + 1.5 * k
        value = 0.5 + 0.2 * torch.sin(0.21 * xs + 0.13 * ys + 1.1 * c) + 0.15 * torch.sin(0.37 * xs - 0.29 * ys + c)
        return (value + 0.05 * torch.randn(value.shape, generator=generator)).clamp(0, 1)[None]

    return Frames(img0=image(0), img1=image(2), scale=scale)


@pytest.fixture(scope="session")
def golden() -> SimpleNamespace:
    """The rule and the stored arrays; a fixture, since test files of this import mode cannot import each other."""
    return SimpleNamespace(
        fill_values=fill_values,
        full=full_golden,
        slim=lambda variant: HERE / "goldens" / f"{variant}.npz",
        frames=golden_frames,
    )


@pytest.fixture(scope="session")
def network() -> Callable[[Variant], EMA]:
    """variant -> the network filled by the rule, in evaluation mode, frozen and shared: do not change it."""
    return filled


@pytest.fixture(scope="session")
def frames() -> Callable[..., Frames]:
    """(height, width, scale=1.0) -> a pair of that size."""
    return pattern
