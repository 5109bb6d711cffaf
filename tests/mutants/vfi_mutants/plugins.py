# mypy: ignore-errors
"""Plug-ins with one mistake each. `RightMean` and `RightMotion` have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from harness import Offers
from harness.model import FeaturePlugin, MotionPlugin, MotionPrior, pool_and_copy, region_attention, resize, resize_flow


class RightMean(FeaturePlugin):
    """Adds to each cell a learnt share of the mean of its region in both frames."""

    def __init__(self, offers: Offers) -> None:
        super().__init__()
        self.mix = nn.Conv2d(offers.channels, offers.channels, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def mean(self, own, other, own_ids, other_ids, count):
        return pool_and_copy(own, own_ids, own_ids, count) + pool_and_copy(other, other_ids, own_ids, count)

    def forward(self, features, regions):
        f0, f1, r = features.f0, features.f1, regions
        return features.refined(
            f0 + self.mix(self.mean(f0, f1, r.ids0, r.ids1, r.count)),
            f1 + self.mix(self.mean(f1, f0, r.ids1, r.ids0, r.count)),
        )


class RightMotion(MotionPlugin):
    """Each cell looks in its region of the other frame, at both frames' places, and a layer makes a prior of that."""

    stage = "replace"

    def __init__(self, offers: Offers) -> None:
        super().__init__()
        self.seam, self.stride = offers.motion, offers.stride
        self.key = nn.Conv2d(offers.channels, 8, 1, bias=False)
        self.last = nn.Conv2d(4, 4 + self.seam.channels, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def offset(self, one, other, regions):
        b, _, h, w = one.shape
        y, x = torch.meshgrid(
            torch.arange(h, device=one.device, dtype=torch.float32),
            torch.arange(w, device=one.device, dtype=torch.float32),
            indexing="ij",
        )
        places = torch.stack([x, y])[None].expand(b, -1, -1, -1)
        keys = [nn.functional.normalize(self.key(f - f.mean((2, 3), keepdim=True)), dim=1) for f in (one, other)]
        found, seen = region_attention(keys[0], keys[1], places, regions, 20.0)
        return (found - places) * seen

    def forward(self, features, regions, t):
        f01 = self.offset(features.f0, features.f1, regions)
        f10 = self.offset(features.f1, features.f0, regions.mirrored())
        return self.prior(t * f10, (1 - t) * f01, features)

    def prior(self, ft0, ft1, features):
        out = self.last(torch.cat([ft0, ft1], 1))
        h, w = (side * self.stride // self.seam.stride for side in features.f0.shape[-2:])
        return MotionPrior(
            flow_t0=resize_flow(out[:, :2], (h, w)),
            flow_t1=resize_flow(out[:, 2:4], (h, w)),
            latent=resize(out[:, 4:], (h, w)),
            attended_t0=ft0,
            attended_t1=ft1,
        )


class RightAlone(FeaturePlugin):
    """Adds a learnt share of the mean of all cells, and needs no regions."""

    def __init__(self, offers: Offers) -> None:
        super().__init__()
        self.mix = nn.Conv2d(offers.channels, offers.channels, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def mean(self, own, regions):
        return own.mean((2, 3), keepdim=True).expand_as(own)

    def forward(self, features, regions):
        f0, f1 = features.f0, features.f1
        mirrored = regions.mirrored() if regions else None
        return features.refined(f0 + self.mix(self.mean(f0, regions)), f1 + self.mix(self.mean(f1, mirrored)))


class RegionsUnasked(RightAlone):
    """Means of regions, where another plug-in has asked for these."""

    def mean(self, own, regions):
        whole = super().mean(own, regions)
        return pool_and_copy(own, regions.ids0, regions.ids0, regions.count) if regions else whole


class BatchAlone(RightAlone):
    """Right beside a plug-in that needs regions, and not by itself."""

    def mean(self, own, regions):
        return super().mean(own, regions) if regions else own.mean((0, 2, 3), keepdim=True).expand_as(own)


class NoIdentity(RightMean):
    def __init__(self, offers: Offers) -> None:
        super().__init__(offers)
        self.mix.reset_parameters()


class LabelsAsNumbers(RightMean):
    """What a label is called is taken for a feature."""

    def forward(self, features, regions):
        # ids are dense and in the order of labels
        number = regions.ids0.view(features.f0.shape[0], 1, *features.f0.shape[-2:]).float()
        return super().forward(replace(features, f0=features.f0 + self.mix(0.1 * number + features.f0 * 0)), regions)


class RegionsIgnored(RightMean):
    def forward(self, features, regions):
        one = torch.zeros_like(regions.ids0)
        return super().forward(features, replace(regions, ids0=one, ids1=one, count=1))


class OneFrameRefined(RightMean):
    """Frame 1 gets the means of frame 0's regions at the wrong cells."""

    def forward(self, features, regions):
        return super().forward(features, replace(regions, ids1=regions.ids0))


class FirstRegionOnly(RightMean):
    def mean(self, own, other, own_ids, other_ids, count):
        assert count > 1, "there is more than one region"
        return super().mean(own, other, own_ids, other_ids, count)


class AcrossTheBatch(RightMean):
    """Means over the regions of all samples."""

    def mean(self, own, other, own_ids, other_ids, count):
        mean = own.mean((0, 2, 3), keepdim=True)
        return super().mean(own, other, own_ids, other_ids, count) + mean


class SeamUnsaid(RightAlone): ...


class LosesKept(RightMean):
    def forward(self, features, regions):
        return replace(super().forward(features, regions), kept=list(features.kept))


class RefinesInPlace(RightMean):
    def forward(self, features, regions):
        features.f0.mul_(1.001)
        return super().forward(features, regions)


class PluginUnused(RightMean):
    def __init__(self, offers: Offers) -> None:
        super().__init__(offers)
        self.spare = nn.Linear(2, 2)


class PluginDraws(RightMean):
    def forward(self, features, regions):
        np.random.rand()
        torch.rand(1)
        return super().forward(features, regions)


class PluginLambda(RightMean):
    def __init__(self, offers: Offers) -> None:
        super().__init__(offers)
        self.act = lambda x: x


class FixedGrid(RightMotion):
    """A prior of the size of the features, where the seam has another grid."""

    def prior(self, ft0, ft1, features):
        made = super().prior(ft0, ft1, features)
        size = features.f0.shape[-2:]
        return replace(made, flow_t0=resize_flow(made.flow_t0, size))


class MotionTurned(RightMotion):
    def prior(self, ft0, ft1, features):
        return super().prior(-ft0, -ft1, features)


class MotionSwapped(RightMotion):
    def prior(self, ft0, ft1, features):
        return super().prior(ft1, ft0, features)


class MotionAxes(RightMotion):
    def prior(self, ft0, ft1, features):
        return super().prior(ft0.flip(1), ft1.flip(1), features)


class OneTimeForAll(RightMotion):
    """The first sample's time for the whole batch."""

    def forward(self, features, regions, t):
        return super().forward(features, regions, t[:1])
