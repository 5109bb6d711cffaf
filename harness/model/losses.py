"""The loss of both arms (paper, Eq. 12-13): Charbonnier, and nothing that belongs to one baseline."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.model.contracts import Frames, MotionPrior, Prediction
from harness.model.warping import resize, resize_flow, warp
from harness.registry.specs import MotionSeam

EPSILON = 1e-3
PRIOR_WEIGHT = 0.1


def charbonnier(difference: Tensor) -> Tensor:
    """Mean of (x^2 + eps^2)^(1/2)."""
    return torch.sqrt(difference * difference + EPSILON**2).mean()


def losses(
    prediction: Prediction, frames: Frames, truth: Tensor, seam: MotionSeam | None, own: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(reconstruction, total). The first is comparable between arms; the second is what is minimised.

    They differ where the network has its `own` loss, and where a motion prior made the frame: 0.1 times the Charbonnier
    loss of the frame that the prior's own flows give is added.
    """
    reconstruction = charbonnier(prediction.frame - truth)
    total = reconstruction if own is None else own
    if prediction.prior is None:
        return reconstruction, total
    own_blend = seam is not None and seam.latent == "blend"
    logit = prediction.prior.latent if own_blend else None
    coarse = frame_of_prior(prediction.prior, frames, logit, prediction.blend)
    return reconstruction, total + PRIOR_WEIGHT * charbonnier(coarse - truth)


def frame_of_prior(prior: MotionPrior, frames: Frames, logit: Tensor | None, blend: Tensor | None) -> Tensor:
    """Eq. 13: m W(I0, f_t0h) + (1 - m) W(I1, f_t1h) at full size.

    m comes from the prior's own blend `logit` where its seam has one, else it is the baseline's final `blend`
    (decided: the paper names no other), else 1/2.
    """
    size = (frames.img0.shape[-2], frames.img0.shape[-1])
    if logit is not None:
        blend = torch.sigmoid(resize(logit, size))
    elif blend is None:
        blend = prior.flow_t0.new_full((), 0.5)
    warped0 = warp(frames.img0, resize_flow(prior.flow_t0, size))
    warped1 = warp(frames.img1, resize_flow(prior.flow_t1, size))
    return blend * warped0 + (1 - blend) * warped1
