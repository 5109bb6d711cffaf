"""Parity with the official implementation, measured on its stored outputs. No tolerance here may be raised."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from vfi_ema.network import EMA

from harness.model import Frames, warp

VARIANTS = ("small", "base")
RUNS = {"t05": 0.5, "t03": 0.3}
IMAGE, OTHER = 5e-5, 5e-4


def run(network: EMA, frames: Frames, t: float) -> dict[str, Tensor]:
    """Every array that the goldens may hold, by its golden name less the run's."""
    stages: list[tuple[Tensor, ...]] = []
    handles = [head.register_forward_hook(lambda *args: stages.append(args[2])) for head in network.block]
    try:
        features = network.encode(frames)
        prediction = network.decode(frames, features, torch.full((1, 1, 1, 1), t), None)
    finally:
        for handle in handles:
            handle.remove()
    assert prediction.blend is not None
    kept = features.kept
    arrays = {
        "pred": prediction.frame,
        "flow_1": torch.cat([prediction.flow_t0, prediction.flow_t1], 1),
        "mask_1": prediction.blend,
        "flow_0": torch.cat(stages[0][:2], 1),
        "mask_0": torch.sigmoid(stages[0][2]),
        "af_0": kept.full[0],
        "af_3": kept.stage4,
        "af_4": torch.cat([features.f0, features.f1]),
        "mf_3": kept.motion[0],
        "mf_4": kept.motion[1],
    }
    for i in "01":
        flow, mask = arrays[f"flow_{i}"], arrays[f"mask_{i}"]
        arrays[f"merged_{i}"] = mask * warp(frames.img0, flow[:, :2]) + (1 - mask) * warp(frames.img1, flow[:, 2:])
    return arrays


def load(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(path) as stored:
        return dict(stored)


def tolerance(key: str) -> float:
    return IMAGE if key == "pred" else OTHER


@pytest.mark.parametrize("variant", VARIANTS)
def test_state_dict_is_the_official_one(variant: Any, golden: SimpleNamespace) -> None:
    official = json.loads(golden.full(variant).with_suffix(".keys.json").read_text())
    with torch.device("meta"):
        network = EMA(variant=variant)
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == dict(official["keys"])
    assert sum(p.numel() for p in network.parameters()) == official["params"]


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_slim_goldens(variant: Any, name: str, golden: SimpleNamespace, network: Callable[..., EMA]) -> None:
    ours = run(network(variant), golden.frames(), RUNS[name])
    stored = load(golden.slim(variant))
    for key in ("pred", "flow_1", "mask_1"):
        difference = np.abs(ours[key].numpy()[..., ::3, ::3] - stored[f"{name}.{key}"]).max()
        assert difference <= tolerance(key), key


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_full_goldens(variant: Any, name: str, golden: SimpleNamespace, network: Callable[..., EMA]) -> None:
    stored = load(golden.full(variant))
    frames = Frames(img0=torch.from_numpy(stored.pop("img0")), img1=torch.from_numpy(stored.pop("img1")))
    ours = run(network(variant), frames, RUNS[name])
    theirs = {
        key.removeprefix(f"{name}."): values
        for key, values in stored.items()
        if "." not in key or key.startswith(f"{name}.")
    }
    assert theirs.keys() >= {"pred", "flow_0", "flow_1", "mask_0", "mask_1", "merged_1", "af_0", "af_4", "mf_3", "mf_4"}
    for key, values in theirs.items():
        assert ours[key].shape == values.shape, key
        assert np.abs(ours[key].numpy() - values).max() <= tolerance(key), key


@pytest.mark.parametrize("variant", VARIANTS)
def test_slim_goldens_are_cut_from_the_full_ones(variant: Any, golden: SimpleNamespace) -> None:
    full, slim = load(golden.full(variant)), load(golden.slim(variant))
    assert set(slim) == {f"{name}.{key}" for name in RUNS for key in ("pred", "flow_1", "mask_1")}
    for key, values in slim.items():
        assert np.array_equal(values, full[key][..., ::3, ::3]), key
    frames = golden.frames()
    assert np.array_equal(frames.img0.numpy(), full["img0"])
    assert np.array_equal(frames.img1.numpy(), full["img1"])
