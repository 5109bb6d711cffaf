"""Weights and frames that anybody can make anew, from a hash: so that a network can be held against the code of its
authors without their weights, which need not even exist.

Fill their network and yours alike, let theirs make a frame of two golden ones, store what it gives, and compare.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from math import prod, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

GAIN = 1.3
"""Of weights that no other is given for: with PReLUs between them, features keep their size through a network."""


def golden_weights(network: nn.Module, gains: Mapping[str, float]) -> None:
    """Set every parameter, in place, to numbers that follow from its name, its shape and the kind of its module.

    `gains` is by regular expression, of which the first that is found in a parameter's name counts. Choose those that
    let flows be a few pixels and the frame stay inside [0, 1]: where all is zero or clipped, everything is alike."""
    with torch.no_grad():
        for prefix, module in network.named_modules():
            for name, parameter in module.named_parameters(prefix, recurse=False):
                gain = next((gain for part, gain in gains.items() if re.search(part, name)), None)
                values = _values(name, tuple(parameter.shape), module, gain)
                parameter.copy_(torch.from_numpy(values.astype(np.float32)))


def golden_frame(k: int, height: int, width: int) -> Tensor:
    """Frame k of a pattern that moves by (2.5, -1.5) pixels from one to the next, with a texture that does not:
    (1, 3, H, W) in [0, 1]."""
    c, y, x = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    xs, ys = x - 2.5 * k, y + 1.5 * k
    value = (
        0.5
        + 0.17 * np.sin(0.21 * xs + 0.13 * ys + 1.1 * c)
        + 0.13 * np.sin(0.37 * xs - 0.29 * ys + 2.3 * c)
        + 0.08 * np.sin(0.05 * xs + 0.61 * ys + 0.7 * c)
        + 0.04 * _uniform(f"tex{k}", 3 * height * width).reshape(3, height, width)
    )
    return torch.from_numpy(np.clip(value, 0, 1).astype(np.float32))[None]


def _values(name: str, shape: tuple[int, ...], module: nn.Module, gain: float | None) -> NDArray[np.float64]:
    u = _uniform(name, prod(shape)).reshape(shape)
    if isinstance(module, nn.PReLU):
        return np.full(shape, 0.25)
    if name.endswith("bias"):
        return 0.05 * u
    if "Norm" in type(module).__name__:
        return (1 if gain is None else gain) * (1 + 0.1 * u)
    # how many inputs an output sums over: of a transposed convolution's taps a stride leaves out the others
    inputs: float = prod(shape[1:])
    if isinstance(module, nn.ConvTranspose2d):
        inputs = shape[0] * prod(shape[2:]) / prod(module.stride)
    return (GAIN if gain is None else gain) * sqrt(3 / inputs) * u


def _uniform(name: str, count: int) -> NDArray[np.float64]:
    """`count` numbers in [-1, 1): murmur3's finaliser over the name's CRC and the index."""
    x = np.uint32(zlib.crc32(name.encode())) + np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return x / 2.0**31 - 1.0
