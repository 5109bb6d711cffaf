"""RIFE and RIFE_m keep the contract of a baseline."""

from __future__ import annotations

from harness.testing import BaselineTests


class TestRIFE(BaselineTests):
    name = "rife"


class TestRIFEm(BaselineTests):
    name = "rife-m"
