"""Costs: what is counted, by which convention, and what is measured."""

from __future__ import annotations

import json
import sys

import pytest
import torch

import harness
from harness.cli.main import main
from harness.measure.cost import cost
from harness.measure.speed import _Live, measure

CELLS = 45 * 80  # of the coarse grid at 1280x720
LANES = 80  # 72 channels and 2 coordinates, brought to a multiple of 8
PATCH_LANES = 168  # nine cells of 18 channels, and 3 for what is near


@pytest.mark.parametrize(
    ("name", "parameters", "true", "thop"),
    [
        ("ifrnet-s", 2_803_610, 101.22, 121.87),
        ("ifrnet", 4_959_692, 178.20, 211.32),
        ("ifrnet-l", 19_699_460, 705.92, 816.74),
    ],
)
def test_baselines_cost_what_is_published(name: str, parameters: int, true: float, thop: float) -> None:
    counted = cost(harness.load(name))
    assert counted.parameters == parameters
    assert counted.parameters_plugins == 0
    assert counted.macs / 1e9 == pytest.approx(true, abs=0.01)
    assert counted.macs_thop / 1e9 == pytest.approx(thop, abs=0.01)


def layers(name: str, *plugins: str) -> int:
    """Multiply-accumulates of the convolutions alone, by what they were given and gave."""
    model = harness.load(name, plugins=list(plugins))
    total = 0

    def count(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        nonlocal total
        weight = module.weight
        positions = inputs[0].shape[-2:] if isinstance(module, torch.nn.ConvTranspose2d) else out.shape[-2:]
        total += len(out) * weight.numel() * positions.numel()

    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            module.register_forward_hook(count)
    image = torch.rand(1, 3, 360, 640)
    model.interpolate(image, image)
    return total


@pytest.mark.parametrize(("similarity", "lanes"), [("dot", LANES), ("patch", PATCH_LANES)])
def test_attention_counts_as_what_it_multiplies(similarity: str, lanes: int) -> None:
    """HIR-L: queries by keys, and weights by values, in both directions over one region of all cells."""
    size, cells = (360, 640), 23 * 40
    plugin = f"hir:stages=L,similarity={similarity}"
    counted = cost(harness.load("ifrnet-s", plugins=[plugin]), size)
    assert counted.macs - layers("ifrnet-s", plugin) == 2 * 2 * cells**2 * lanes


def test_plugins_stay_within_the_papers_extra() -> None:
    plain, plugged = cost(harness.load("ifrnet")), cost(harness.load("ifrnet", plugins=["hce", "hir"]))
    assert 0.01 < (plugged.macs_thop - plain.macs_thop) / 1e12 <= 0.02
    assert plugged.parameters - plain.parameters == plugged.parameters_plugins > 0
    assert plugged.macs - plain.macs >= 4 * CELLS**2 * 96
    assert plugged.macs_warp > plain.macs_warp > 0


def test_live_memory_is_what_tensors_hold_at_once() -> None:
    with _Live() as live:
        one = torch.rand(1000)
        view = one[:10]
        other = one + 1
        del one, view
        more = other * 2
        del other, more
        torch.rand(500)
    assert live.peak == 8000
    assert live.now == 0


def test_measured_memory_holds_at_least_the_weights() -> None:
    model = harness.load("ifrnet-s")
    speed = measure(model, (64, 64), runs=1)
    assert speed.latency_ms > 0
    assert speed.peak_memory_bytes > 4 * 2_803_610


def test_the_command_gives_records(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["cost", "ifrnet", "--with", "hce,hir", "--size", "64x64", "--runs", "1", "--format", "json"]
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    with pytest.raises(SystemExit, match="0"):
        main()
    plain, plugged = json.loads(capsys.readouterr().out)
    assert (plain["arm"], plugged["arm"]) == ("ifrnet", "ifrnet+hce+hir")
    keys = {"arm", "parameters", "parameters_plugins", "macs", "macs_thop", "latency_ms", "peak_memory_bytes", "device"}
    assert keys <= plain.keys()
    assert plugged["published_tera"] is None, "the paper says nothing of this size"
