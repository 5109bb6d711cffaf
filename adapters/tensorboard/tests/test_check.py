"""What this distribution brings keeps the contract of an observer."""

from __future__ import annotations

from harness.testing import DistributionTests


class TestTensorBoard(DistributionTests):
    name = "vfi-tensorboard"
