"""What finds regions here keeps the contract of a mask source; where weights are not here, most is skipped."""

from __future__ import annotations

from harness.testing import MaskSourceTests


class TestLite(MaskSourceTests):
    name = "lite"
