"""Whether an adapter keeps its contract: test classes that its own suite subclasses in three lines, one a kind.

    from harness.testing import BaselineTests

    class TestMine(BaselineTests):
        name = "mine"

`harness check mine` runs the same checks. `golden_weights` and `golden_frame` are for a test that holds a network
against the code of its authors. Importing this imports torch.
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
from harness.testing.golden import golden_frame, golden_weights

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
    "golden_frame",
    "golden_weights",
]
