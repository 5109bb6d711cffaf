"""The golden rules: weights and frames computed from a hash, so that official outputs can be stored without either.

Official SGM-VFI, filled by the same rule and fed the same frames, gave the arrays in `goldens/` (see its README).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from vfi_sgm.network import SGM, Variant

from harness.model import Frames

GOLDENS = Path(__file__).parent / "goldens"
GAIN = 1.3
# of keys that contain it, the first that fits: flows of a few pixels, attention that looks at some more than at others,
# and a residual that leaves most of the frame inside [0, 1]
GAINS = {".attn.q.": 2.0, ".attn.kv.": 2.0, "_proj": 1.5, "lastconv": 0.8, "unet.conv.": 0.2}


def uniform(key: str, count: int) -> NDArray[np.float64]:
    """`count` numbers in [-1, 1): murmur3's finaliser over the key's CRC and the index."""
    x = np.uint32(zlib.crc32(key.encode())) + np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return x / 2.0**31 - 1.0


def fill_values(key: str, shape: tuple[int, ...], module: nn.Module) -> NDArray[np.float64]:
    """The values of one parameter, in float64."""
    u = uniform(key, int(np.prod(shape))).reshape(shape)
    if isinstance(module, nn.PReLU):
        return np.full(shape, 0.25)
    if isinstance(module, nn.LayerNorm) and key.endswith(".weight"):
        return (0.2 if "gmflow" in key else 1) * (1 + 0.1 * u)  # or else matching would turn rounding into pixels
    if key.endswith(".bias"):
        return 0.05 * u
    # inputs that one output sums over: a stride-2, 4x4 transposed convolution reaches each output with 4 of its 16 taps
    fan_in = shape[0] * 16 / 4 if isinstance(module, nn.ConvTranspose2d) else int(np.prod(shape[1:]))
    gain = next((gain for part, gain in GAINS.items() if part in key), GAIN)
    return gain * np.sqrt(3.0 / fan_in) * u


def fill(network: nn.Module) -> None:
    """Set every parameter by the rule."""
    with torch.no_grad():
        for prefix, module in network.named_modules():
            for name, parameter in module.named_parameters(prefix, recurse=False):
                parameter.copy_(torch.from_numpy(fill_values(name, tuple(parameter.shape), module).astype(np.float32)))


def frame(k: int, height: int, width: int) -> Tensor:
    """Frame k of a moving pattern, (1, 3, H, W): 0 and 2 are the inputs."""
    c, y, x = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    xs, ys = x - 2.5 * k, y + 1.5 * k
    value = (
        0.5
        + 0.17 * np.sin(0.21 * xs + 0.13 * ys + 1.1 * c)
        + 0.13 * np.sin(0.37 * xs - 0.29 * ys + 2.3 * c)
        + 0.08 * np.sin(0.05 * xs + 0.61 * ys + 0.7 * c)
        + 0.04 * uniform(f"tex{k}", 3 * height * width).reshape(3, height, width)
    )
    return torch.from_numpy(np.clip(value, 0, 1).astype(np.float32))[None]


@cache
def filled(variant: Variant, **options: Any) -> SGM:
    network = SGM(variant=variant, **options)
    fill(network)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def golden() -> SimpleNamespace:
    """The rules and the stored arrays; a fixture, since test files of this import mode cannot import each other."""
    return SimpleNamespace(uniform=uniform, fill_values=fill_values, frame=frame, folder=GOLDENS)


@pytest.fixture(scope="session")
def network() -> Callable[..., SGM]:
    """(variant, **options) -> the network filled by the rule, in evaluation mode, frozen, shared: do not change it."""
    return filled


@pytest.fixture(scope="session")
def frames() -> Callable[..., Frames]:
    """(height, width, scale=1.0) -> the golden inputs at that size."""
    return lambda height, width, scale=1.0: Frames(
        img0=frame(0, height, width), img1=frame(2, height, width), scale=scale
    )
