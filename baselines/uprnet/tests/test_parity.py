"""Parity with the official implementation, measured on its stored outputs. No tolerance here may be raised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import vfi_uprnet
from torch import Tensor
from vfi_uprnet.network import UPRNet

from harness.model import Composed, Frames
from harness.testing import golden_frame

RUNS = {  # variant, height, width, working scale, levels skipped, t
    "t05": ("base", 64, 96, 1.0, 0, 0.5),
    "t03": ("base", 64, 96, 1.0, 0, 0.3),
    "levels4": ("base", 64, 128, 0.5, 0, 0.3),
    "skipped2": ("base", 64, 64, 0.5, 2, 0.7),
}
GOLDENS = Path(__file__).parent / "goldens"
IMAGE, FLOW = 1e-5, 1e-4


def run(network: UPRNet, frames: Frames, t: float) -> tuple[Tensor, Tensor]:
    """The frame, and the flows between the frames at full size, which the network itself does not give."""
    seen: list[Tensor] = []
    handle = network.synthesis_network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[3][0]))
    try:
        made = network.decode(frames, network.encode(frames), torch.full((1, 1, 1, 1), t), None)
    finally:
        handle.remove()
    return made.frame, torch.cat(seen[-1].chunk(2), 1)


def load(variant: str) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(GOLDENS / f"{variant}.npz") as stored:
        return dict(stored)


def difference(ours: Tensor, stored: np.ndarray[Any, Any]) -> float:
    cut = ours.numpy()[..., ::3, ::3]
    assert cut.shape == stored.shape
    return float(np.abs(cut - stored).max())


@pytest.mark.parametrize("variant", ["base", "large", "llarge"])
def test_state_dict_is_the_official_one(variant: Any) -> None:
    with torch.device("meta"):
        network = UPRNet(variant=variant)
    official = json.loads((GOLDENS / "keys.json").read_text())[variant]
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == official


@pytest.mark.parametrize("name", RUNS)
def test_goldens(name: str, network: Any, frames: Any) -> None:
    variant, height, width, scale, skipped, t = RUNS[name]
    frame, flow = run(network(variant, skipped), frames(height, width, scale), t)
    stored = load(variant)
    assert difference(frame, stored[f"{name}.pred"]) <= IMAGE
    assert difference(flow, stored[f"{name}.flow"]) <= FLOW
    assert np.abs(stored[f"{name}.flow"]).max() > 2  # or else it would not matter where a pixel lands


@pytest.mark.parametrize("variant", ["large", "llarge"])
def test_goldens_of_the_large_ones(variant: Any, network: Any, frames: Any) -> None:
    frame, flow = run(network(variant), frames(64, 96), 0.5)
    stored = load(variant)
    assert difference(frame, stored["t05.pred"]) <= IMAGE
    assert difference(flow, stored["t05.flow"]) <= FLOW


def test_odd_sizes_are_those_of_the_authors_padding(network: Any) -> None:
    """Grey, right and below, to what a pyramid of 4 levels takes."""
    pair = [F.pad(golden_frame(k, 37, 53), (0, 11, 0, 27), value=0.5) for k in (0, 2)]
    frame, flow = run(network("base"), Frames(img0=pair[0], img1=pair[1], scale=0.5), 0.5)
    stored = load("base")
    assert difference(frame[..., :37, :53], stored["odd.pred"]) <= IMAGE
    assert difference(flow[..., :37, :53], stored["odd.flow"]) <= FLOW


def test_the_official_protocol_takes_as_many_levels_as_the_authors() -> None:
    """They pad SNU-FILM to multiples of 64, and 4K to multiples of 256."""
    (protocol,) = vfi_uprnet.harness_protocols()
    with torch.device("meta"):
        model = Composed(UPRNet(variant="base"))
    settings = {name: protocol.settings_on(name) for name in ("vimeo90k", "ucf101", "snu-film", "x4k1000fps")}
    assert [model.multiple(each.scale) for each in settings.values()] == [16, 16, 64, 256]
    assert [len(model.baseline._levels(each.scale)) for each in settings.values()] == [3, 3, 5, 7]
    assert {each.padding for each in settings.values()} == {"grey"}
    assert not any(each.rounding or each.flip_average for each in settings.values())
