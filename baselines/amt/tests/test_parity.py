"""Parity with the official implementation, measured on its stored outputs. No tolerance here may be raised."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from vfi_amt.network import AMT

VARIANTS = ("s", "l", "g")
RUNS = {"t05": 0.5, "t03": 0.3}
IMAGE, OTHER = 5e-5, 5e-4


def load(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(path) as stored:
        return dict(stored)


@pytest.mark.parametrize(("variant", "count"), [("s", 2_990_543), ("l", 12_935_367), ("g", 30_638_919)])
def test_parameter_count(variant: Any, count: int) -> None:
    with torch.device("meta"):
        network = AMT(variant=variant)
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("variant", VARIANTS)
def test_state_dict_is_the_official_one(variant: Any, golden: SimpleNamespace) -> None:
    entries = json.loads(golden.full(variant, ".keys.json").read_text())["keys"]
    with torch.device("meta"):
        state = AMT(variant=variant).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == dict(entries)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_slim_goldens(variant: str, run: str, golden: SimpleNamespace) -> None:
    ours = golden.record(variant, RUNS[run])
    stored = {key: x for key, x in load(golden.slim(variant)).items() if key.startswith(run)}
    assert len(stored) >= 3
    for key, theirs in stored.items():
        name = key.removeprefix(f"{run}.")
        mine = ours[f"mean {name}" if f"mean {name}" in ours else name].numpy()[..., ::3, ::3]
        assert mine.shape == theirs.shape, key
        assert np.abs(mine - theirs).max() <= (IMAGE if name == "pred" else OTHER), key


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_full_goldens(variant: str, run: str, golden: SimpleNamespace) -> None:
    """Every array: features, the first lookup, motion after each update, fields, masks, residuals, the frame."""
    stored = load(golden.full(variant))
    ours = golden.record(variant, RUNS[run])
    keys = sorted(key for key in stored if key.startswith(run) or ("." not in key and key not in ("img0", "img1")))
    assert len(keys) >= 8
    for key in keys:
        mine = ours[key.removeprefix(f"{run}.")].numpy()
        assert mine.shape == stored[key].shape, key
        assert np.abs(mine - stored[key]).max() <= (IMAGE if key == f"{run}.pred" else OTHER), key


@pytest.mark.parametrize("variant", VARIANTS)
def test_slim_goldens_are_cut_from_the_full_ones(variant: str, golden: SimpleNamespace) -> None:
    full, slim = load(golden.full(variant)), load(golden.slim(variant))
    for key, values in slim.items():
        fields = key.split(".")[1] in ("flow0_1", "flow1_1", "mask")
        np.testing.assert_array_equal(values, (full[key].mean(1) if fields else full[key])[..., ::3, ::3], key)


@pytest.mark.parametrize("variant", VARIANTS)
def test_frames_are_those_of_the_full_goldens(variant: str, golden: SimpleNamespace) -> None:
    stored = load(golden.full(variant))
    for key in ("img0", "img1"):
        assert np.array_equal(getattr(golden.frames(), key).numpy(), stored[key])


@pytest.mark.parametrize(("height", "width", "scale"), [(96, 128, 0.5), (80, 160, 0.8)])
def test_a_reduced_working_scale_follows_the_published_formula(
    height: int, width: int, scale: float, network: Any, frames: Any
) -> None:
    """The goldens hold no such run. What surrounds the network is written out here field by field, as published:
    encoders see the resized frames less their full-size mean; fields are resized by 1/scale and merged at full size."""
    net, pair = network("s"), frames(height, width, scale)
    seen: dict[str, Any] = {}

    def note(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
            seen.setdefault(name, (inputs, output))

        return hook

    names = ("feat_encoder", "encoder", "decoder1")
    handles = [net.get_submodule(name).register_forward_hook(note(name)) for name in names]
    out = net.decode(pair, net.encode(pair), torch.full((1, 1, 1, 1), 0.5), None)
    for handle in handles:
        handle.remove()

    def resized(x: Tensor, factor: float) -> Tensor:
        return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)

    def looked_up(image: Tensor, flow: Tensor) -> Tensor:
        at = torch.stack(torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"))
        grid = at.flip(0)[None] + flow / torch.tensor([(width - 1) / 2, (height - 1) / 2]).view(1, 2, 1, 1)
        return F.grid_sample(image, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=True)

    mean = torch.cat([pair.img0, pair.img1], 2).mean()
    small = [resized(image - mean, scale) for image in (pair.img0, pair.img1)]
    torch.testing.assert_close(seen["feat_encoder"][0][0], torch.cat(small), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen["encoder"][0][0], small[0], atol=1e-6, rtol=0)
    flows0, flows1, masks, residuals = seen["decoder1"][1]
    flows0, flows1 = resized(flows0, 1 / scale) / scale, resized(flows1, 1 / scale) / scale
    masks, residuals = resized(masks, 1 / scale), resized(residuals, 1 / scale)
    candidates = [
        masks[j] * looked_up(pair.img0 - mean, flows0[j : j + 1])
        + (1 - masks[j]) * looked_up(pair.img1 - mean, flows1[j : j + 1])
        + mean
        + residuals[j]
        for j in range(3)
    ]
    frame = sum(candidates) / 3 + net.comb_block(torch.cat(candidates, 1))
    torch.testing.assert_close(out.frame, frame.clamp(0, 1), atol=IMAGE, rtol=0)
    torch.testing.assert_close(out.flow_t0, flows0.mean(0)[None], atol=OTHER, rtol=0)
    torch.testing.assert_close(out.flow_t1, flows1.mean(0)[None], atol=OTHER, rtol=0)
