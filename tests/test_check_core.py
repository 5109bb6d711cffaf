"""What the core itself brings keeps its contracts, by the classes that are everybody's."""

from __future__ import annotations

import pytest
import torch

from harness.arm import Arm
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.protocol import Protocol
from harness.registry.specs import BaselineSpec
from harness.testing import BenchmarkTests, LauncherTests, MaskSourceTests, MetricTests, PluginTests
from harness.testing.checks import run
from harness.testing.kinds import CHECKS, found
from harness.testing.light import SUITE
from harness.testing.prior import ANSWERS, answer, diagnosis


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


class TestLocal(LauncherTests):
    name = "local"


class TestSlurm(LauncherTests):
    name = "slurm"


class TestLayers(BenchmarkTests):
    name = "layers"


@pytest.mark.parametrize("protocol", [entry.spec.name for entry in catalog().entries(Protocol)])
def test_every_protocol_passes(protocol: str) -> None:
    assert [result for result in run(CHECKS["protocol"], found("protocol", protocol)) if result.state != "passed"] == []


@pytest.mark.parametrize("suite", ["table1", "table2a", "table2b", "table3", "clips1", "layers1", "smoke1"])
def test_every_suite_passes(suite: str) -> None:
    assert [result for result in run(SUITE, found("suite", suite)) if result.state != "passed"] == []


def test_a_forward_seam_is_asked_for_the_motion_between_the_frames() -> None:
    """UPR-Net with one level estimates nothing anew, and so answers exactly; a sign turned is named as such."""
    arm = Arm(catalog().choose(BaselineSpec, parse_choice("uprnet:levels=1")))
    found = answer(arm.build(0).eval())
    torch.testing.assert_close(found, ANSWERS["forward"], atol=1e-3, rtol=0)
    assert diagnosis(-found, ANSWERS["forward"]) == "their sign is turned"
    assert diagnosis(found[[1, 0, 3, 2]], ANSWERS["forward"]) == "x and y change places"
    assert diagnosis(found / 4, ANSWERS["forward"]).startswith("they are 0.25 times as long")
