"""The loss of both arms (paper, Eq. 12-13)."""

from __future__ import annotations

import pytest
import torch

from harness.model import Frames, MotionPrior, Prediction
from harness.model.losses import charbonnier, losses
from harness.registry.specs import MotionSeam

FEATURE, BLEND = MotionSeam(stride=8, latent="feature", channels=5), MotionSeam(stride=8, latent="blend", channels=1)


def test_charbonnier_is_smooth_at_zero_and_l1_far_away() -> None:
    assert charbonnier(torch.zeros(4)).item() == pytest.approx(1e-3)
    assert charbonnier(torch.tensor([-3.0, 3.0])).item() == pytest.approx(3, abs=1e-6)


def prediction(prior: MotionPrior | None, frame: torch.Tensor) -> Prediction:
    zero = torch.zeros(1, 2, 16, 24)
    return Prediction(frame=frame, flow_t0=zero, flow_t1=zero, blend=torch.full((1, 1, 16, 24), 0.25), prior=prior)


def prior(latent: torch.Tensor) -> MotionPrior:
    return MotionPrior(flow_t0=torch.zeros(1, 2, 2, 3), flow_t1=torch.zeros(1, 2, 2, 3), latent=latent)


def test_without_a_prior_only_the_frame_counts() -> None:
    frames, truth = Frames(img0=torch.rand(1, 3, 16, 24), img1=torch.rand(1, 3, 16, 24)), torch.rand(1, 3, 16, 24)
    reconstruction, total = losses(prediction(None, frames.img0), frames, truth, FEATURE)
    assert torch.equal(reconstruction, total)
    assert torch.equal(total, charbonnier(frames.img0 - truth))


@pytest.mark.parametrize(
    ("seam", "latent", "weight"),
    [(FEATURE, torch.zeros(1, 5, 2, 3), 0.25), (BLEND, torch.full((1, 1, 2, 3), 1.0), torch.tensor(1.0).sigmoid())],
)
def test_the_frame_of_the_prior_is_added_with_a_tenth(
    seam: MotionSeam, latent: torch.Tensor, weight: float | torch.Tensor
) -> None:
    """Without motion that frame is a blend: by the baseline's own mask, or by the prior's where its latent is one."""
    frames, truth = Frames(img0=torch.rand(1, 3, 16, 24), img1=torch.rand(1, 3, 16, 24)), torch.rand(1, 3, 16, 24)
    reconstruction, total = losses(prediction(prior(latent), truth), frames, truth, seam)
    coarse = weight * frames.img0 + (1 - weight) * frames.img1
    assert reconstruction.item() == pytest.approx(1e-3)
    torch.testing.assert_close(total, reconstruction + 0.1 * charbonnier(coarse - truth))


def test_the_flow_of_the_prior_is_scaled_with_its_grid() -> None:
    """One cell of the stride-8 grid is eight pixels."""
    img0 = torch.rand(1, 3, 16, 40)
    truth = torch.cat([img0[..., 8:], img0[..., -1:].expand(-1, -1, -1, 8)], 3)
    flow = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 5)
    made = MotionPrior(flow_t0=flow, flow_t1=flow, latent=torch.full((1, 1, 2, 5), 50.0))
    guess = Prediction(frame=truth, flow_t0=flow, flow_t1=flow, prior=made)
    reconstruction, total = losses(guess, Frames(img0=img0, img1=img0), truth, BLEND)
    assert (total - reconstruction).item() == pytest.approx(0.1 * 1e-3, rel=1e-2)
