"""UPR-Net keeps the contract of a baseline."""

from __future__ import annotations

from harness.testing import BaselineTests


class TestUPRNet(BaselineTests):
    name = "uprnet"
