"""IFRNet-S keeps the contract of a baseline; `harness check ifrnet` and `ifrnet-l` say the same of the others."""

from __future__ import annotations

from harness.testing import BaselineTests


class TestIFRNetS(BaselineTests):
    name = "ifrnet-s"
