"""A baseline and plug-ins as one module, and interpolation of frames of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import harness
from harness.model import Composed, Features, Frames, MotionPlugin, MotionPrior, Regions


@pytest.fixture(scope="module")
def plain() -> Composed:
    return harness.load("ifrnet-s")


@pytest.fixture(scope="module")
def plugged() -> Composed:
    """With a last layer that does something, as after training."""
    model = harness.load("ifrnet-s", plugins=["hce", "hir"])
    with torch.no_grad():
        for name, parameter in model.plugin["hir"].named_parameters():
            if name.startswith("inter"):
                parameter += 0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    return model


def pair(height: int, width: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    img0, img1 = torch.rand(2, batch, 3, height, width, generator=generator)
    return img0, img1


def test_weights_live_under_their_owner(plugged: Composed) -> None:
    assert {name.split(".")[0] for name in plugged.state_dict()} == {"baseline", "plugin"}
    assert {name.split(".")[1] for name in plugged.state_dict() if name.startswith("plugin")} == {"hce", "hir"}


def test_without_plugins_it_is_the_baseline(plain: Composed) -> None:
    img0, img1 = pair(32, 48)
    frames, t = Frames(img0=img0, img1=img1), torch.full((1, 1, 1, 1), 0.5)
    with torch.inference_mode():
        alone = plain.baseline.decode(frames, plain.baseline.encode(frames), t, None)
        assert torch.equal(plain(frames, t).frame, alone.frame)
        assert torch.equal(plain.interpolate(img0, img1).frame, alone.frame)


@pytest.mark.parametrize(("height", "width"), [(37, 53), (2, 2), (16, 130), (64, 64)])
def test_any_size_comes_back_as_it_went_in(plugged: Composed, height: int, width: int) -> None:
    out = plugged.interpolate(*pair(height, width, batch=2))
    assert out.frame.shape == (2, 3, height, width)
    assert out.flow_t0.shape == out.flow_t1.shape == (2, 2, height, width)
    assert float(out.frame.min()) >= 0
    assert float(out.frame.max()) <= 1


@pytest.mark.parametrize("scale", [0.5, 0.75, 0.8])
def test_any_working_scale_finds_a_size_that_fits(plugged: Composed, scale: float) -> None:
    assert plugged.interpolate(*pair(50, 70), scale=scale).frame.shape == (1, 3, 50, 70)


def test_masks_reach_the_plugins_with_the_padding_of_the_frames(plugged: Composed) -> None:
    """Two halves give another frame than one region, and padding by hand gives the same as padding inside."""
    img0, img1 = pair(40, 60)
    halves = np.zeros((1, 2, 40, 60), np.uint8)
    halves[..., 30:] = 7
    out = plugged.interpolate(img0, img1, masks=halves).frame
    assert not torch.equal(out, plugged.interpolate(img0, img1).frame)

    def padded(x: Tensor) -> Tensor:
        return torch.nn.functional.pad(x, (0, 4, 0, 8), mode="replicate")

    by_hand = plugged.interpolate(
        padded(img0), padded(img1), masks=np.pad(halves, ((0, 0),) * 2 + ((0, 8), (0, 4)), "edge")
    )
    assert torch.equal(out, by_hand.frame[..., :40, :60])


def test_samples_of_a_batch_do_not_see_each_other(plugged: Composed) -> None:
    img0, img1 = pair(48, 64, batch=2)
    masks = np.random.default_rng(0).integers(0, 3, (2, 2, 48, 64))
    both = plugged.interpolate(img0, img1, masks=masks).frame
    for i in range(2):
        alone = plugged.interpolate(img0[i : i + 1], img1[i : i + 1], masks=masks[i : i + 1]).frame
        torch.testing.assert_close(both[i : i + 1], alone, atol=2e-5, rtol=0)


IMAGE = torch.rand(1, 3, 20, 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGE[0], IMAGE), "img0: expected"),
        ((IMAGE, IMAGE[:, :2]), "img1: expected"),
        ((IMAGE[..., :1], IMAGE[..., :1]), "H, W >= 2"),
        (((IMAGE * 255).byte(), (IMAGE * 255).byte()), "expected floats"),
        ((IMAGE * 255, IMAGE), "img0: expected values in"),
        ((IMAGE, IMAGE * float("nan")), "img1: expected values in"),
        ((IMAGE, IMAGE[..., :10]), "differ"),
        ((IMAGE, IMAGE.double()), "differ"),
        ((IMAGE.double(), IMAGE.double()), "expected torch.float32"),
        ((IMAGE.numpy(), IMAGE.numpy()), "img0: expected a tensor"),
        ((IMAGE, IMAGE, 0.5, None, 0.0), "scale: expected"),
        ((IMAGE, IMAGE, 0.0), "t: expected"),
        ((IMAGE, IMAGE, 1.0), "t: expected"),
        ((IMAGE, IMAGE, float("nan")), "t: expected"),
        ((IMAGE, IMAGE, 0.5, np.zeros((1, 2, 10, 20), int)), "masks: expected"),
    ],
)
def test_wrong_arguments_are_named(plain: Composed, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plain.interpolate(*arguments)


class Misfit(MotionPlugin):
    """Returns its prior on the wrong grid, which would broadcast in silence."""

    def forward(self, features: Features, regions: Regions | None, t: Tensor) -> MotionPrior:
        flow = features.f0.new_zeros(1, 2, 1, 1)
        return MotionPrior(flow_t0=flow, flow_t1=flow, latent=features.f0.new_zeros(1, 54, 1, 1))


def test_a_prior_of_another_grid_is_refused(plain: Composed) -> None:
    model = Composed(plain.baseline, {"misfit": Misfit()})
    with pytest.raises(ValueError, match=r"the motion plug-in returned .* the baseline takes"):
        model.interpolate(*pair(32, 32))
