"""The plug-in that does nothing."""

from __future__ import annotations

from harness.model.contracts import FeaturePlugin, Features
from harness.model.regions import Regions
from harness.registry.specs import Offers


class Null(FeaturePlugin):
    """Identity without parameters: an arm with it must equal its baseline bit for bit. It takes nothing of the seam, so
    that a network without one has this control too."""

    def __init__(self, offers: Offers | None) -> None:
        super().__init__()

    def forward(self, features: Features, regions: Regions | None) -> Features:
        return features
