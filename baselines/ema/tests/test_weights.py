"""Official checkpoints: their layout, their channel order, and what a fresh network starts with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from vfi_ema.network import EMA

import harness
from harness.model import Composed, Frames

HALF = torch.full((1, 1, 1, 1), 0.5)


def predict(network: EMA, frames: Frames) -> tuple[Tensor, Tensor, Tensor | None]:
    out = network.decode(frames, network.encode(frames), HALF, None)
    return out.frame, out.flow_t0, out.blend


def with_state(state: dict[str, Tensor], variant: Any = "small") -> EMA:
    with torch.device("meta"):
        network = EMA(variant=variant)
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("variant", ["small", "base"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_translated_weights_take_and_give_rgb(variant: Any, scale: float, network: Any, frames: Any) -> None:
    raw, pair = network(variant), frames(64, 96, scale)
    before = {key: value.clone() for key, value in raw.state_dict().items()}
    rgb = with_state(raw.translate(raw.state_dict()), variant)
    frame, flow, blend = predict(rgb, pair)
    bgr_frame, bgr_flow, bgr_blend = predict(raw, Frames(img0=pair.img0.flip(1), img1=pair.img1.flip(1), scale=scale))
    torch.testing.assert_close(frame, bgr_frame.flip(1), atol=2e-5, rtol=0)
    torch.testing.assert_close(flow, bgr_flow, atol=2e-4, rtol=0)
    torch.testing.assert_close(blend, bgr_blend, atol=2e-5, rtol=0)
    assert (frame - predict(raw, pair)[0]).abs().max() > 1e-2
    assert all(torch.equal(value, before[key]) for key, value in raw.state_dict().items())


def test_translating_twice_gives_the_state_back(network: Any) -> None:
    state = network("small").state_dict()
    twice = network("small").translate(network("small").translate(state))
    assert all(torch.equal(twice[key], value) for key, value in state.items())


def official_file(path: Path, state: dict[str, Tensor]) -> Path:
    """As published: a distributed-training state, with what the last forward pass left in it."""
    left = {"feature_bone.block4.1.attn_mask": torch.zeros(2, 49, 49), "feature_bone.block4.1.HW": torch.tensor(196)}
    torch.save({f"module.{key}": value for key, value in (state | left).items()}, path)
    return path


def test_an_official_checkpoint_loads(network: Any, frames: Any, tmp_path: Path) -> None:
    state, pair = network("small").state_dict(), frames(64, 96)
    model = harness.load("ema", weights=str(official_file(tmp_path / "ours_small.pkl", state)))
    expected = network("small").translate(state)
    assert all(torch.equal(value, expected[key]) for key, value in model.baseline.state_dict().items())
    frame = model.interpolate(pair.img0, pair.img1).frame
    bgr = Composed(network("small")).interpolate(pair.img0.flip(1), pair.img1.flip(1)).frame
    torch.testing.assert_close(frame, bgr.flip(1), atol=2e-5, rtol=0)


def test_a_checkpoint_of_another_size_is_refused(network: Any, tmp_path: Path) -> None:
    path = official_file(tmp_path / "ours_small.pkl", network("small").state_dict())
    with pytest.raises(harness.HarnessError, match="not weights of ema-base"):
        harness.load("ema-base", weights=str(path))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pkl"
    torch.save({"encoder.weight": torch.zeros(3)}, path)
    with pytest.raises(harness.HarnessError, match="not weights of ema"):
        harness.load("ema", weights=str(path))


def test_initial_weights_are_drawn_as_published() -> None:
    torch.manual_seed(0)
    network = EMA(variant="small")
    block = network.feature_bone.block5[0]
    assert block.attn.q.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert block.mlp.dwconv.dwconv.weight.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.05)
    assert network.unet.down3.conv1[0].weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.02)
    assert block.attn.q.bias.abs().max() == network.unet.down3.conv1[0].bias.abs().max() == 0
    for untouched in (network.unet.up0[0], network.block[0].conv[0][0]):  # torch's default has a bias
        assert untouched.bias.abs().max() > 0
