"""AMT as users of the harness meet it: names, options, checkpoints, plug-ins, cost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from vfi_amt.network import AMT

import harness
from harness.measure.cost import cost
from harness.model import Composed, Frames

HALF = torch.full((1, 1, 1, 1), 0.5)


def test_names_and_options() -> None:
    assert harness.load("amt-s").baseline.time_scales == "official"
    assert harness.load("amt-s:time_scales=linear").baseline.time_scales == "linear"
    with pytest.raises(harness.HarnessError, match="time_scales"):
        harness.load("amt-s:time_scales=fast")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_official_checkpoints_load(prefix: str, tmp_path: Path, network: Any, frames: Any) -> None:
    net = network("s")
    optimiser = torch.optim.AdamW(AMT(variant="s").parameters())
    state = {prefix + key: value for key, value in net.state_dict().items()}
    torch.save({"epoch": 300, "state_dict": state, "optim": optimiser.state_dict()}, tmp_path / "amt-s.pth")
    loaded = harness.load("amt-s", weights=str(tmp_path / "amt-s.pth"))
    pair = frames(32, 48)
    with torch.inference_mode():
        assert torch.equal(loaded(pair, HALF).frame, net.decode(pair, net.encode(pair), HALF, None).frame)
    with pytest.raises(harness.HarnessError, match="not weights of amt-l"):
        harness.load("amt-l", weights=str(tmp_path / "amt-s.pth"))


@pytest.mark.parametrize("baseline", ["amt-s", "amt-l", "amt-g"])
def test_hce_and_hir_forward_and_backward(baseline: str, golden: SimpleNamespace) -> None:
    """Odd sizes, two samples, labels that differ between the frames."""
    model = harness.load(baseline, plugins=["hce", "hir"])
    masks = np.random.default_rng(0).integers(0, 4, (2, 2, 37, 53))
    img0, img1 = (x[..., :37, :53].repeat(2, 1, 1, 1) for x in (golden.frames().img0, golden.frames().img1))
    out = model.interpolate(img0, img1, 0.3, masks)
    assert out.frame.shape == (2, 3, 37, 53)
    assert out.frame.isfinite().all()
    pair = Frames(img0=img0[..., :32, :48], img1=img1[..., :32, :48])
    regions = model.regions(masks[..., :32, :48], (32, 48))
    prediction = model(pair, HALF.expand(2, -1, -1, -1), regions)
    assert prediction.prior is not None
    (prediction.frame.mean() + prediction.prior.flow_t0.mean()).backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert all(grad.isfinite().all() for grad in grads.values())
    for part in ("baseline.decoder4.", "baseline.feat_encoder.", "plugin.hce.", "plugin.hir."):
        assert any(grad.abs().sum() > 0 for name, grad in grads.items() if name.startswith(part)), part


@pytest.mark.parametrize(("inject", "close"), [("residual", True), ("replace", False)])
def test_hir_starts_at_the_baseline_unless_it_replaces_the_first_stage(
    inject: str, close: bool, network: Any, frames: Any
) -> None:
    arm = harness.load("amt-s", plugins=[f"hir:inject={inject}"])
    arm.baseline.load_state_dict(network("s").state_dict())
    pair = frames(64, 96)
    with torch.inference_mode():
        regions = arm.regions(np.zeros((1, 2, 64, 96), np.uint8), (64, 96))
        difference = arm(pair, HALF, regions).frame - Composed(network("s"))(pair, HALF).frame
    assert (difference.abs().mean() < 1e-3) == close


@pytest.mark.parametrize(
    ("baseline", "true", "thop"), [("amt-s", 115.9, 125.0), ("amt-l", 580.1, 658.4), ("amt-g", 2059.3, 2242.7)]
)
def test_cost_at_1280x720(baseline: str, true: float, thop: float) -> None:
    """In 10^9 multiply-accumulates; 17.4, 26.5 and 26.5 of the true ones are the correlation's."""
    counted = cost(harness.load(baseline))
    assert counted.macs / 1e9 == pytest.approx(true, abs=0.06)
    assert counted.macs_thop / 1e9 == pytest.approx(thop, abs=0.06)


def test_cost_of_the_plug_ins() -> None:
    """The paper prints 0.66 T without and 0.69 T with them."""
    counted = cost(harness.load("amt", plugins=["hce", "hir"]))
    assert 658.4 < counted.macs_thop / 1e9 < 658.4 + 30
