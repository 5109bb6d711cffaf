"""The golden rule: weights computed from a hash, so that official outputs can be stored without them.

Official AMT, filled by the same rule and fed the same frames, gave the arrays in `goldens/` (see its README).
"""

from __future__ import annotations

import os
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
from vfi_amt.network import AMT
from vfi_amt.sizes import Variant

from harness.model import Frames

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("HARNESS_SHARED", HERE.parents[2].parent / "shared"))
GAIN = 1.3
GAINS = {  # the first that occurs in the key
    "feat_encoder.conv2.weight": 0.5,
    "encoder.pyramid1.0.0.weight": 4.0,
    "decoder1.convblock.2.weight": 0.12,
    "convblock.2.weight": 0.35,
    "flow_head.2.weight": 0.35,
    "feat_head.2.weight": 0.5,
    "comb_block.2.weight": 0.10,
}
GAINS_G = GAINS | {
    "feat_encoder.conv2.weight": 0.35,
    "decoder1.convblock.2.weight": 0.07,
    "convblock.2.weight": 0.25,
    "flow_head.2.weight": 0.2,
    "feat_head.2.weight": 0.4,
}


def uniform(key: str, count: int) -> NDArray[np.float64]:
    """`count` numbers in [-1, 1): an integer hash of the key's CRC and the index."""
    x = np.uint32(zlib.crc32(key.encode())) + np.arange(count, dtype=np.uint32) * np.uint32(2654435761)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x / 2.0**31 - 1.0


def fill_values(key: str, shape: tuple[int, ...], gains: dict[str, float]) -> NDArray[np.float64]:
    """The values of one parameter, in float64."""
    if len(shape) == 1 and not key.endswith(".bias"):
        return np.full(shape, 0.25)  # a PReLU
    u = uniform(key, int(np.prod(shape))).reshape(shape)
    if len(shape) == 1:
        return 0.05 * u
    # inputs that one output sums over: a stride-2, 4x4 transposed convolution reaches each output with 4 of its 16 taps
    fan_in = shape[0] * 16 / 4 if "convblock.2." in key else int(np.prod(shape[1:]))
    gain = next((gain for part, gain in gains.items() if part in key), GAIN)
    return gain * np.sqrt(3.0 / fan_in) * u


def fill(network: nn.Module, variant: Variant) -> None:
    """Set every parameter by the rule."""
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            values = fill_values(key, tuple(parameter.shape), GAINS_G if variant == "g" else GAINS)
            parameter.copy_(torch.from_numpy(values.astype(np.float32)))


@cache
def filled(variant: Variant) -> AMT:
    network = AMT(variant=variant)
    fill(network, variant)
    return network.eval().requires_grad_(False)


@cache
def golden_frames() -> Frames:
    """The golden inputs, 128x160."""
    with np.load(HERE / "goldens" / "frames.npz") as stored:
        images = {
            name: torch.from_numpy(stored[name].astype(np.float32) / np.float32(255)) for name in ("img0", "img1")
        }
        return Frames(**images)


def cut(height: int, width: int, scale: float = 1.0, top: int = 24) -> Frames:
    """A piece of the golden inputs."""
    whole, piece = golden_frames(), (..., slice(top, top + height), slice(0, width))
    return Frames(img0=whole.img0[piece].contiguous(), img1=whole.img1[piece].contiguous(), scale=scale)


@cache
def record(variant: Variant, t: float) -> dict[str, Tensor]:
    """The filled network on the golden inputs: every array that the goldens may hold, by its golden name."""
    network, frames = filled(variant), golden_frames()
    n = network.decoder1.fields
    arrays: dict[str, Tensor] = {}

    def keep(names: tuple[str, ...]) -> Callable[..., None]:
        def hook(_: nn.Module, __: tuple[Any, ...], outputs: tuple[Tensor, ...]) -> None:
            arrays.update(zip(names, outputs, strict=True))

        return hook

    last = {level: network.get_submodule(names[-1]) for level, names in network.updates.items()}
    handles = [
        network.decoder4.register_forward_hook(keep(("dec4_flow0", "dec4_flow1", "dec4_ft"))),
        network.decoder1.register_forward_hook(keep(("flow0_1", "flow1_1", "mask", "img_res"))),
        last[4].register_forward_pre_hook(lambda _, inputs: arrays.update(corr4=inputs[1])),
        *(
            block.register_forward_hook(keep((f"flow0_{level}", f"flow1_{level}", f"ft_{level - 1}")))
            for level, block in last.items()
        ),
    ]
    try:
        features = network.encode(frames)
        out = network.decode(frames, features, torch.full((1, 1, 1, 1), t), None)
    finally:
        for handle in handles:
            handle.remove()
    assert out.blend is not None
    for key in ("mask", "img_res"):
        arrays[key] = arrays[key].flatten(0, 1)[None]
    for key in ("flow0_1", "flow1_1"):
        arrays[key] = arrays[key].view(1, n, *arrays[key].shape[1:])
    return arrays | {
        "f0_4": features.f0,
        "f1_4": features.f1,
        "fmap0": features.kept.fmap0,
        "fmap1": features.kept.fmap1,
        "pred": out.frame,
        "mean flow0_1": out.flow_t0,
        "mean flow1_1": out.flow_t1,
        "mean mask": out.blend[:, 0],
    }


def full_golden(variant: Variant, suffix: str = ".npz") -> Path:
    path = SHARED / "golden" / f"AMT-{variant.upper()}{suffix}"
    if not path.exists():
        pytest.skip(f"full goldens not found: {path} (set HARNESS_SHARED)")
    return path


@pytest.fixture(scope="session")
def golden() -> SimpleNamespace:
    """The rule and the stored arrays; a fixture, since test files of this import mode cannot import each other."""
    return SimpleNamespace(
        frames=golden_frames,
        record=record,
        full=full_golden,
        slim=lambda variant: HERE / "goldens" / f"AMT-{variant.upper()}.npz",
    )


@pytest.fixture(scope="session")
def network() -> Callable[[Variant], AMT]:
    """variant -> the network filled by the rule, in evaluation mode, frozen and shared: do not change it."""
    return filled


@pytest.fixture(scope="session")
def frames() -> Callable[..., Frames]:
    """(height, width, scale=1.0) -> a piece of the golden inputs of that size."""
    return cut
