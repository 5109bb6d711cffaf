"""The launcher keeps the contract of its kind."""

from __future__ import annotations

from harness.testing import LauncherTests


class TestRay(LauncherTests):
    name = "ray"
