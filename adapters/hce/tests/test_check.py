"""It keeps the contract of a plug-in."""

from __future__ import annotations

from harness.testing import PluginTests


class TestHCE(PluginTests):
    name = "hce"
