"""End-point error: how far a flow's ends are from where they should be, in pixels (Baker et al., IJCV 2011)."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.metrics.given import Motion, Predicted
from harness.metrics.motion import BINS, true_bins

REGIONS = ("all", "inside", "visible", *BINS)
ATTENDED = "attended-"


class EPE:
    """`(predicted, true motion) -> (B,) by part`, in pixels: the length of predicted less true flow, the mean over the
    pixels of It and over t->0 and t->1. In float64; NaN where there is no such flow, or no such pixel.

    all      every pixel;  inside  those of masks, of things before the background
    visible  for each flow the pixels that its source shows
    still, slow, fast, racing  by the length of the whole true motion from I0 to I1

    The same with `attended-` before it, of the flows that the motion plug-in attended to.
    """

    parts = (*REGIONS, *(ATTENDED + region for region in REGIONS))

    def __call__(self, predicted: Predicted, truth: Motion) -> dict[str, Tensor]:
        regions = _regions(truth)
        own = _errors(predicted.flow_t0, predicted.flow_t1, truth)
        attended = _errors(predicted.attended_t0, predicted.attended_t1, truth)
        return {
            **{name: _mean(own, region) for name, region in regions.items()},
            **{ATTENDED + name: _mean(attended, region) for name, region in regions.items()},
        }


def _regions(truth: Motion) -> dict[str, Tensor]:
    """bool (B, 2, H, W) of each of REGIONS: the pixels that count for t->0, and for t->1."""
    visible = torch.stack([truth.visible_t0, truth.visible_t1], 1)
    moving = true_bins(truth.flow_t0, truth.flow_t1)
    of_both = {"all": torch.ones_like(truth.inside), "inside": truth.inside}
    of_both |= {name: moving == at for at, name in enumerate(BINS)}
    return {"visible": visible, **{name: pixels[:, None].expand_as(visible) for name, pixels in of_both.items()}}


def _errors(flow_t0: Tensor | None, flow_t1: Tensor | None, truth: Motion) -> Tensor:
    """(B, 2, H, W) in float64: of t->0 and of t->1."""
    if flow_t0 is None or flow_t1 is None:
        return torch.full_like(truth.flow_t0, float("nan"), dtype=torch.float64)
    pairs = (flow_t0, truth.flow_t0), (flow_t1, truth.flow_t1)
    return torch.stack([(flow.double() - true.double()).norm(dim=1) for flow, true in pairs], 1)


def _mean(errors: Tensor, region: Tensor) -> Tensor:
    """(B,) over the region alone; 0 / 0 is NaN."""
    return torch.where(region, errors, 0).sum((1, 2, 3)) / region.sum((1, 2, 3))
