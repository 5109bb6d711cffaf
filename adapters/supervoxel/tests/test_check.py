"""It keeps the contract of a mask source."""

from __future__ import annotations

from harness.testing import MaskSourceTests


class TestSupervoxel(MaskSourceTests):
    name = "supervoxel"
