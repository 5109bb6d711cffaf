"""The control for capacity: a baseline given as many parameters as plug-ins add, and nothing else of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from harness.errors import HarnessError
from harness.model.contracts import FeaturePlugin, Features
from harness.registry.catalog import catalog
from harness.registry.options import parse_joined
from harness.registry.specs import Offers, PluginSpec

if TYPE_CHECKING:
    from harness.model.regions import Regions


class Widen(FeaturePlugin):
    """Two 3x3 convolutions beside the coarsest features, F + Conv(PReLU(Conv(F))), without masks and without motion.

    like        plug-ins whose parameters are matched, joined by "+": "hce+hir"; the hidden width follows, to within
                half a channel. Where this control gains as much as they do, capacity explains the gain
    parameters  that many instead

    The last convolution starts at zero: the arm begins as the plain baseline. Raises HarnessError where neither or both
    are given, or so few that no channel fits.
    """

    def __init__(self, offers: Offers, *, like: str = "", parameters: int = 0) -> None:
        super().__init__()
        if bool(like) == (parameters > 0):
            raise HarnessError("widen: give either like=PLUG-INS, joined by '+', or parameters=N")
        wanted = parameters or _parameters(offers, like)
        channels = offers.channels
        width = round((wanted - channels) / (18 * channels + 2))
        if width < 1:
            raise HarnessError(f"widen: {wanted} parameters are too few for {channels} channels")
        last = nn.Conv2d(width, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)
        self.body = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.PReLU(width), last)

    def forward(self, features: Features, regions: Regions | None) -> Features:
        return features.refined(features.f0 + self.body(features.f0), features.f1 + self.body(features.f1))


def _parameters(offers: Offers, plugins: str) -> int:
    """How many plug-ins add to a baseline with this seam."""
    known = catalog()
    with torch.random.fork_rng(devices=[]):
        return sum(
            parameter.numel()
            for choice in parse_joined(plugins)
            for parameter in known.choose(PluginSpec, choice).build(offers).parameters()
        )
