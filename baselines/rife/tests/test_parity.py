"""Parity with the official implementation, measured on its stored outputs. No tolerance here may be raised."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from vfi_rife.network import RIFE

from harness.model import Frames
from harness.testing import golden_frame

RUNS = [("rife", "t0.5", 0.5), ("rife-m", "t0.5", 0.5), ("rife-m", "t0.3", 0.3)]
IMAGE, FLOW, FEATURE = 2e-5, 2e-4, 2e-4
TOLERANCES = {
    **dict.fromkeys(("pred", "pred_scale0.5", "pred_tta", "mask", "unet_out"), IMAGE),
    **dict.fromkeys((f"{image}{i}" for image in ("merged", "warped") for i in (0, 1)), IMAGE),
    **dict.fromkeys(("flow0", "flow1", "flow2"), FLOW),
    **dict.fromkeys(("mask_logit", "ctx0_f1", "ctx0_f4", "ctx1_f4"), FEATURE),
}
SLIM = {"pred", "flow2", "mask", "pred_scale0.5", "pred_tta"}
# the teacher is left out; the unclamped frame is no value of its own here: unet_out and pred cover it
ABSENT = {"teacher_flow", "teacher_merged", "loss_distill", "pred_noclamp"}


def predict(network: RIFE, frames: Frames, t: float) -> Tensor:
    return network.decode(frames, network.encode(frames), torch.full((1, 1, 1, 1), t), None).frame


def run(network: RIFE, img0: Tensor, img1: Tensor, t: float) -> dict[str, Tensor]:
    """Every array that the goldens may hold, by its golden name."""
    arrays: dict[str, Tensor] = {}

    def record_block(stage: int) -> Any:
        def hook(_: Any, inputs: Any) -> None:
            x, flows, _ = inputs  # what a block is given is the motion accumulated so far
            blend = torch.sigmoid(x[:, -1:])
            arrays[f"flow{stage}"] = torch.cat(flows, 1)
            arrays[f"merged{stage}"] = blend * x[:, -7:-4] + (1 - blend) * x[:, -4:-1]

        return hook

    def record_unet(_: Any, inputs: Any, output: Tensor) -> None:
        (_, _, warped0, warped1, logit, *_), context0, context1 = inputs
        arrays["warped0"], arrays["warped1"], arrays["mask_logit"] = warped0, warped1, logit
        arrays["ctx0_f1"], arrays["ctx0_f4"], arrays["ctx1_f4"] = context0[0], context0[3], context1[3]
        arrays["unet_out"] = output

    frames = Frames(img0=img0, img1=img1)
    handles = [
        network.block1.register_forward_pre_hook(record_block(0)),
        network.block2.register_forward_pre_hook(record_block(1)),
        network.unet.register_forward_hook(record_unet),
    ]
    try:
        prediction = network.decode(frames, network.encode(frames), torch.full((1, 1, 1, 1), t), None)
    finally:
        for handle in handles:
            handle.remove()
    assert prediction.blend is not None
    flipped = predict(network, Frames(img0=img0.flip(2, 3), img1=img1.flip(2, 3)), t)
    return arrays | {
        "pred": prediction.frame,
        "flow2": torch.cat([prediction.flow_t0, prediction.flow_t1], 1),
        "mask": prediction.blend,
        "pred_scale0.5": predict(network, Frames(img0=img0, img1=img1, scale=0.5), t),
        "pred_tta": (prediction.frame + flipped.flip(2, 3)) / 2,
    }


def load(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(path) as stored:
        return dict(stored)


@pytest.mark.parametrize("name", ["rife", "rife-m"])
def test_filled_weights_are_the_official_ones(name: str, golden: SimpleNamespace, network: Any) -> None:
    entries = json.loads(golden.full(name).with_suffix(".json").read_text())["state_dict"]
    state = network(name).state_dict()
    for entry in entries:
        if not entry["key"].startswith("block_tea."):
            values = state[entry["key"]].double()
            assert values.reshape(-1)[:3].tolist() == entry["first3"], entry["key"]
            assert values.sum().item() == pytest.approx(entry["sum_f64"], abs=1e-9), entry["key"]


@pytest.mark.parametrize(("name", "label", "t"), RUNS)
def test_slim_goldens(name: str, label: str, t: float, golden: SimpleNamespace, network: Any) -> None:
    ours = run(network(name), golden_frame(0, 64, 96), golden_frame(2, 64, 96), t)
    stored = load(golden.slim(name))
    for key in sorted(SLIM):
        difference = np.abs(ours[key].numpy()[..., ::3, ::3] - stored[f"{label}/{key}"]).max()
        assert difference <= TOLERANCES[key], key


@pytest.mark.parametrize(("name", "label", "t"), RUNS)
def test_full_goldens(name: str, label: str, t: float, golden: SimpleNamespace, network: Any) -> None:
    stored = load(golden.full(name))
    ours = run(network(name), torch.from_numpy(stored["img0"]), torch.from_numpy(stored["img1"]), t)
    keys = {key.removeprefix(f"{label}/") for key in stored if key.startswith(f"{label}/")} - ABSENT
    assert keys == TOLERANCES.keys()
    for key in sorted(keys):
        theirs = stored[f"{label}/{key}"]
        assert ours[key].shape == theirs.shape, key
        assert np.abs(ours[key].numpy() - theirs).max() <= TOLERANCES[key], key


@pytest.mark.parametrize("name", ["rife", "rife-m"])
def test_slim_goldens_are_cut_from_the_full_ones(name: str, golden: SimpleNamespace) -> None:
    full, slim = load(golden.full(name)), load(golden.slim(name))
    assert set(slim) == {f"{label}/{key}" for owner, label, _ in RUNS if owner == name for key in SLIM}
    for key, values in slim.items():
        assert np.array_equal(values, full[key][..., ::3, ::3]), key


def test_frames_are_those_of_the_full_goldens(golden: SimpleNamespace) -> None:
    stored = load(golden.full("rife"))
    for key, k in (("img0", 0), ("img1", 2)):
        # a sine of another libm may round to the neighbouring float
        assert np.abs(golden_frame(k, 64, 96).numpy() - stored[key]).max() <= 6e-8, key
