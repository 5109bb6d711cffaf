"""A toy feature plug-in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness import Offers
from harness.model import FeaturePlugin, Features, Regions, pool_and_copy


class ToyMean(FeaturePlugin):
    """Adds to each cell the mean of its region, weighted by one learnt number a channel that starts at zero.

    across   takes the mean from the other frame instead of the cell's own
    """

    def __init__(self, offers: Offers, *, across: bool = False) -> None:
        super().__init__()
        self.across = across
        self.share = nn.Parameter(torch.zeros(1, offers.channels, 1, 1))

    def forward(self, features: Features, regions: Regions | None) -> Features:
        """Same shape in and out. Raises ValueError without regions."""
        if regions is None:
            raise ValueError("toy-mean: needs label maps, got none")
        f0, f1, ids0, ids1, count = features.f0, features.f1, regions.ids0, regions.ids1, regions.count

        def mean(own: Tensor, other: Tensor, own_ids: Tensor, other_ids: Tensor) -> Tensor:
            source, ids = (other, other_ids) if self.across else (own, own_ids)
            return pool_and_copy(source, ids, own_ids, count)

        return features.refined(f0 + self.share * mean(f0, f1, ids0, ids1), f1 + self.share * mean(f1, f0, ids1, ids0))
