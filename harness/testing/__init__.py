"""Whether an adapter keeps its contract: test classes that its own suite subclasses in three lines, one a kind.

    from harness.testing import BaselineTests

    class TestMine(BaselineTests):
        name = "mine"

`harness check mine` runs the same checks. Importing this imports torch.
"""

from __future__ import annotations

from harness.testing.classes import (
    BaselineTests,
    BenchmarkTests,
    DistributionTests,
    LauncherTests,
    MaskSourceTests,
    MetricTests,
    PluginTests,
    ProtocolTests,
    SuiteTests,
)

__all__ = [
    "BaselineTests",
    "BenchmarkTests",
    "DistributionTests",
    "LauncherTests",
    "MaskSourceTests",
    "MetricTests",
    "PluginTests",
    "ProtocolTests",
    "SuiteTests",
]
