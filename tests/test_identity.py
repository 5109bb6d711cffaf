"""An arm with untrained plug-ins is its baseline, bit for bit on a CPU in float32."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness import HarnessError
from harness.arm import Arm
from harness.distributed import World
from harness.model import Composed, Frames, Prediction
from harness.outcome.pairs import read_pair
from harness.pair.plan import settle
from harness.pair.run import Shared, _pair_record
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice, parse_choices
from harness.registry.specs import BaselineSpec
from harness.report.tables import sheets_of
from harness.results.records import Asked
from harness.results.store import Store

BASELINES = [entry.spec.name for entry in catalog().entries(BaselineSpec) if entry.spec.name != "amt"]  # is amt-l
STAGES = ("L", "S", "SL", "LS")


@cache
def built(baseline: str, plugins: str = "") -> Composed:
    return (
        Arm.of(catalog(), parse_choice(baseline), parse_choices(plugins) if plugins else []).build(0).eval().lay_out()
    )


def given(side: int) -> tuple[Frames, Tensor]:
    """Noise, and the time."""
    img0, img1 = torch.rand(2, 1, 3, side, side, generator=torch.Generator().manual_seed(0))
    return Frames(img0=img0, img1=img1), torch.full((1, 1, 1, 1), 0.5)


def side_of(baseline: str) -> int:
    """Two cells at stride 16: what moves has somewhere to go."""
    return max(built(baseline).baseline.size_multiple, 32)


@cache
def alone(baseline: str) -> Prediction:
    with torch.inference_mode():
        return Composed(built(baseline).baseline)(*given(side_of(baseline)))  # type: ignore[no-any-return]


def compared(baseline: str, plugins: list[nn.Module]) -> tuple[Prediction, Prediction]:
    """Of a baseline alone, and with these plug-ins: two regions and a label that one frame alone has."""
    model = Composed(
        built(baseline).baseline,
        {f"p{at}": plugin for at, plugin in enumerate(plugins)},  # type: ignore[misc]
    )
    side = side_of(baseline)
    maps = np.zeros((1, 2, side, side), np.uint8)
    maps[..., side // 2 :] = 1
    maps[0, 1, :16, :16] = 2
    with torch.inference_mode():
        return alone(baseline), model(*given(side), model.regions(maps, (side, side)))


def differing(one: Prediction, other: Prediction) -> list[str]:
    """What is not equal to the last bit."""
    names = ("frame", "flow_t0", "flow_t1", "blend")
    pairs: list[tuple[str, Tensor | None, Tensor | None]] = [(n, getattr(one, n), getattr(other, n)) for n in names]
    return [n for n, a, b in pairs if (a is None) != (b is None) or not (a is None or b is None or torch.equal(a, b))]


def plugin_of(baseline: str, words: str) -> nn.Module:
    arm = Arm.of(catalog(), parse_choice(baseline), parse_choices(words))
    with torch.random.fork_rng(devices=[]):
        return arm.plugins[0].build(built(baseline).baseline.offers)  # type: ignore[no-any-return]


@pytest.mark.parametrize("baseline", BASELINES)
def test_an_untrained_arm_is_its_baseline(baseline: str) -> None:
    """Every variant of Tables 2a and 2b; each is a part of the whole one, of which building takes the longest."""
    hce, hir = plugin_of(baseline, "hce"), plugin_of(baseline, "hir")
    faults = {
        "widen": differing(*compared(baseline, [plugin_of(baseline, "widen:parameters=20000")])),
        "hce+hir": differing(*compared(baseline, [hce, hir])),
        "hce": differing(*compared(baseline, [hce])),
    }
    for stages in STAGES:
        hir.stages = stages  # type: ignore[assignment]
        faults[stages] = differing(*compared(baseline, [hir]))
    spatial, temporal = hce.spatial, hce.temporal
    for hce.spatial, hce.temporal in ((spatial, None), (None, temporal)):
        faults["hce-s" if hce.temporal is None else "hce-t"] = differing(*compared(baseline, [hce]))
    assert {words: fault for words, fault in faults.items() if fault} == {}


@pytest.mark.parametrize("words", ["hir:similarity=dot", *(f"hir:stages={s}" for s in STAGES), "hce:temporal=false"])
def test_so_it_is_when_built_by_its_options(words: str) -> None:
    assert differing(*compared("ifrnet-s", [plugin_of("ifrnet-s", words)])) == []


CHANGES: list[tuple[str, Callable[[nn.Module], Tensor]]] = [
    ("hce", lambda m: m.spatial.aggregate[0].weight[0, 0, 1, 1]),  # type: ignore[union-attr,index]
    ("hce", lambda m: m.temporal.aggregate[0].weight[3, -1]),  # type: ignore[union-attr,index]
    ("hce", lambda m: m.temporal.aggregate[0].bias[0]),  # type: ignore[union-attr,index]
    ("hce", lambda m: m.spatial.aggregate[1].weight),  # type: ignore[union-attr,index]
    ("hir", lambda m: m.inter.decoder[-1].bias[0]),  # type: ignore[union-attr,index]
    ("hir", lambda m: m.inter.decoder[-1].weight[:, -1]),  # type: ignore[union-attr,index]
    ("widen:parameters=20000", lambda m: m.body[-1].bias),  # type: ignore[union-attr,index]
]


@pytest.mark.parametrize(("words", "value"), CHANGES)
def test_one_initial_value_more_is_seen(words: str, value: Callable[[nn.Module], Tensor]) -> None:
    plugin = plugin_of("rife", words)
    with torch.no_grad():
        value(plugin).add_(0.01)
    assert "frame" in differing(*compared("rife", [plugin]))


def test_what_replaces_the_first_stage_says_so_and_differs() -> None:
    plugin = plugin_of("ifrnet-s", "hir:inject=replace")
    assert plugin.starts_as_identity is False
    assert plugin_of("ifrnet-s", "hir").starts_as_identity is True
    assert "frame" in differing(*compared("ifrnet-s", [plugin]))


def test_a_plug_in_is_held_to_what_it_says_of_its_start() -> None:
    """To the last bit, before a training alone: of trained weights nothing is asked."""
    arm = Arm.of(catalog(), parse_choice("ifrnet-s"), parse_choices("hce,hir:inject=replace"))
    model = arm.build(0)
    arm.check(model, untrained=True)
    with torch.no_grad():
        model.plugin["hce"].spatial.aggregate[0].bias.add_(1e-5)  # type: ignore[union-attr,index,operator]
    arm.check(model)
    with pytest.raises(HarnessError, match=r"plug-in hce of vfi-hce .* says that it starts as the identity"):
        arm.check(model, untrained=True)


@pytest.mark.parametrize(("inject", "apart"), [("residual", ()), ("replace", ("hir",))])
def test_a_pair_that_does_not_begin_as_one_is_marked(tmp_path: Path, inject: str, apart: tuple[str, ...]) -> None:
    asked = Asked(baseline="ifrnet-s", plugins=f"hir:inject={inject}", recipe="smoke", data="layers:size=64,tests=1")
    plan = settle(asked, catalog(), torch.device("cpu"))
    store = Store(tmp_path)
    shared = Shared.of(plan, store, World(0, 1, torch.device("cpu")))
    runs = [run for run, _ in shared.runs(plan, store)]
    record = _pair_record(plan, runs, shared, plan.arm.build(0))
    assert record.apart == apart
    store.write_pair("pair", record)
    notes = [note for sheet in sheets_of(store, read_pair(store, "pair"), store.pair_records()) for note in sheet.notes]
    said = "hir does not begin as the identity: the arms differ before the first step."
    assert (said in notes) == bool(apart)
