"""SGM-VFI small keeps the contract of a baseline; `harness check sgm-base` says the same of the other."""

from __future__ import annotations

from harness.testing import BaselineTests


class TestSGM(BaselineTests):
    name = "sgm"
