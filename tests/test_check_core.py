"""What the core itself brings keeps its contracts, by the classes that are everybody's."""

from __future__ import annotations

import pytest

from harness.registry.catalog import catalog
from harness.registry.protocol import Protocol
from harness.testing import BenchmarkTests, MaskSourceTests, MetricTests, PluginTests
from harness.testing.checks import run
from harness.testing.kinds import CHECKS, found
from harness.testing.light import SUITE


class TestNull(PluginTests):
    name = "null"


class TestWiden(PluginTests):
    name = "widen:parameters=20000"


class TestGlobal(MaskSourceTests):
    name = "global"


class TestPSNR(MetricTests):
    name = "psnr"


class TestSSIM(MetricTests):
    name = "ssim"


class TestEPE(MetricTests):
    name = "epe"


class TestLayers(BenchmarkTests):
    name = "layers"


@pytest.mark.parametrize("protocol", [entry.spec.name for entry in catalog().entries(Protocol)])
def test_every_protocol_passes(protocol: str) -> None:
    assert [result for result in run(CHECKS["protocol"], found("protocol", protocol)) if result.state != "passed"] == []


@pytest.mark.parametrize("suite", ["table1", "table2a", "table2b", "table3", "clips1", "layers1", "smoke1"])
def test_every_suite_passes(suite: str) -> None:
    assert [result for result in run(SUITE, found("suite", suite)) if result.state != "passed"] == []
