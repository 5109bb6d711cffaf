"""Parity with the official implementation, measured on its stored outputs. No tolerance here may be raised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import vfi_sgm
from vfi_sgm.network import SGM

from harness.model import Composed

RUNS: dict[str, tuple[dict[str, Any], int, int, float, float]] = {  # options, height, width, working scale, t
    "local": ({"matching": False}, 64, 96, 1.0, 0.5),
    "dense": ({}, 64, 96, 1.0, 0.5),
    "sparse": ({}, 272, 32, 1.0, 0.5),
    "quarter": ({"points": 0.25}, 272, 32, 1.0, 0.3),
    "scaled": ({}, 80, 80, 0.8, 0.3),
}
LOCAL = ("feature_bone", "block", "contextnet", "unet")
OF_BASE = ("local", "dense", "sparse")
GOLDENS = Path(__file__).parent / "goldens"
IMAGE, FLOW = 5e-5, 5e-4


@pytest.mark.parametrize("matching", [True, False])
@pytest.mark.parametrize("variant", ["small", "base"])
def test_state_dict_is_the_official_one(variant: Any, matching: bool) -> None:
    with torch.device("meta"):
        network = SGM(variant=variant, matching=matching)
    official = json.loads((GOLDENS / "keys.json").read_text())[variant]
    if not matching:
        official = {key: shape for key, shape in official.items() if key.split(".")[0] in LOCAL}
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == official


@pytest.mark.parametrize(
    ("variant", "name"), [*(("small", name) for name in RUNS), *(("base", name) for name in OF_BASE)]
)
def test_goldens(variant: Any, name: str, network: Any, frames: Any) -> None:
    options, height, width, scale, t = RUNS[name]
    net, pair = network(variant, **options), frames(height, width, scale)
    made = net.decode(pair, net.encode(pair), torch.full((1, 1, 1, 1), t), None)
    with np.load(GOLDENS / f"{variant}.npz") as stored:
        frame, flow = stored[f"{name}.pred"], stored[f"{name}.flow"]
    flows = torch.cat([made.flow_t0, made.flow_t1], 1)
    for ours, theirs, tolerance in ((made.frame, frame, IMAGE), (flows, flow, FLOW)):
        cut = ours.numpy()[..., ::5, ::5]
        assert cut.shape == theirs.shape
        assert np.abs(cut - theirs).max() <= tolerance
    assert np.abs(flow).max() > 4  # or else it would not matter where a pixel lands
    assert ((frame > 0) & (frame < 1)).mean() > 0.8  # what is clipped shows nothing


def test_the_official_protocol_pads_as_the_authors() -> None:
    (protocol,) = vfi_sgm.harness_protocols()
    settings = {name: protocol.settings_on(name) for name in ("vimeo90k", "snu-film", "xiph-4k", "x4k1000fps")}
    assert [each.multiple for each in settings.values()] == [32, 80, 32, 64]
    assert [each.scale for each in settings.values()] == [1, 0.8, 0.5, 0.25]
    assert [each.rounding for each in settings.values()] == [False, False, True, True]
    assert {each.placement for each in settings.values()} == {"centre"}
    with torch.device("meta"):
        model = Composed(SGM(variant="small"))
    assert all(each.multiple and each.multiple % model.multiple(each.scale) == 0 for each in settings.values())
