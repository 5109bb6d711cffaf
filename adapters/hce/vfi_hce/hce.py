"""HCE: hybrid contextual feature extraction (paper, Eq. 5-7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness import Offers
from harness.model import FeaturePlugin, Features, Regions, conv_prelu, pool_and_copy


class HCE(FeaturePlugin):
    """Mixes into each cell the mean feature of its region: of its own frame (HCE-S), then of the other (HCE-T).

    (B, C, h, w) in and out, for both frames, with one set of weights; HCE-S and HCE-T have weights of their own.
    A label that the other frame lacks has the mean 0 in HCE-T. 72 C^2 multiply-accumulates a cell each. Untrained it
    gives the features as they came.

    spatial, temporal   which of the two there are. Raises ValueError where neither is.
    """

    def __init__(self, offers: Offers, *, spatial: bool = True, temporal: bool = True) -> None:
        super().__init__()
        if not (spatial or temporal):
            raise ValueError("hce: spatial and temporal are both off; leave the plug-in out instead")
        self.spatial = Context(offers.channels) if spatial else None
        self.temporal = Context(offers.channels) if temporal else None

    def forward(self, features: Features, regions: Regions | None) -> Features:
        """Raises ValueError without regions."""
        if regions is None:
            raise ValueError("hce: needs label maps, got none")
        f0, f1, ids0, ids1, count = features.f0, features.f1, regions.ids0, regions.ids1, regions.count
        if self.spatial is not None:
            t0, t1 = pool_and_copy(f0, ids0, ids0, count), pool_and_copy(f1, ids1, ids1, count)
            f0, f1 = self.spatial(f0, f1, t0, t1)
        if self.temporal is not None:
            t0, t1 = pool_and_copy(f1, ids1, ids0, count), pool_and_copy(f0, ids0, ids1, count)
            f0, f1 = self.temporal(f0, f1, t0, t1)
        return features.refined(f0, f1)


class Context(nn.Module):
    """Selects from a target-level mean T* what a cell needs, and merges it with the cell's feature F (Eq. 7):

    U = sigmoid(Conv(PConv(F))) * T*,   H = PConv(concat(F, U))

    The last PConv starts as the identity: Dirac on F, zero on U, no bias, a PReLU of slope 1. The mean comes in as far
    as its weights leave zero.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.select = nn.Sequential(conv_prelu(channels, channels), nn.Conv2d(channels, channels, 3, 1, 1))
        self.aggregate = conv_prelu(2 * channels, channels)
        weight, bias, slope = self.aggregate.parameters()
        nn.init.dirac_(weight)  # of the first C inputs
        nn.init.zeros_(bias)
        nn.init.ones_(slope)

    def forward(self, f0: Tensor, f1: Tensor, t0: Tensor, t1: Tensor) -> tuple[Tensor, Tensor]:
        """Both frames at once, as one batch: features and target-level means (B, C, h, w)."""
        f, target = torch.cat([f0, f1]), torch.cat([t0, t1])
        selected = torch.sigmoid(self.select(f)) * target
        h0, h1 = self.aggregate(torch.cat([f, selected], 1)).chunk(2)
        return h0, h1
