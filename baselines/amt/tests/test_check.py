"""AMT-S keeps the contract of a baseline; `harness check amt-l` and `amt-g` say the same of the others."""

from __future__ import annotations

from harness.testing import BaselineTests


class TestAMTS(BaselineTests):
    name = "amt-s"
