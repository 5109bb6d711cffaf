"""A cost never blocks: what cannot be counted says so, and what a count cannot see is named."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pluggy
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import harness
from harness.arm import Arm
from harness.cli.main import main
from harness.measure.cost import cost, cost_of
from harness.measure.speed import measure
from harness.model import Baseline, Composed, Features, Frames, MotionPrior, Prediction
from harness.outcome.pairs import read_pair
from harness.registry import hookspecs
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice, parse_choices
from harness.registry.plugins import Origin, Plugins
from harness.report.formats import FORMATS
from harness.report.suite_table import suite_sheet
from harness.report.tables import pair_sheets
from harness.results.records import Cost
from harness.results.store import Store
from tests.stores import COST, put, suite

SIZE = (32, 48)


@torch.library.custom_op("counted::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return 2 * x


@twice.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@torch.library.custom_op("counted::blind", mutates_args=())
def blind(x: Tensor) -> Tensor:
    return 2 * x


class Net(Baseline):
    """One convolution, and something else in the middle of its forward pass."""

    size_multiple = 4

    def __init__(self, between: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.conv, self.between, self.last = nn.Conv2d(3, 3, 3, padding=1), between, torch.zeros(1)

    def encode(self, frames: Frames) -> Features:
        return Features(f0=frames.img0, f1=frames.img1)

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        frame = self.conv(features.f0)
        self.between(frame)
        self.last = frame + self.last[..., :1]
        flow = frame[:, :2]
        return Prediction(frame=frame, flow_t0=flow, flow_t1=flow)


def counted(between: Callable[[Tensor], object]) -> Cost:
    return cost(Composed(Net(between)), SIZE)


CONV = 32 * 48 * 3 * 3 * 9


@pytest.mark.parametrize("groups", [1, 3])
def test_transposed_convolutions_are_counted_over_their_output_by_the_convention_of_thop(groups: int) -> None:
    """4 times too much at stride 2; of groups it counts the channels that each sees, as of any convolution."""
    weight = torch.ones(3, 3 // groups, 4, 4)
    found = counted(lambda x: F.conv_transpose2d(x, weight, stride=2, padding=1, groups=groups))
    assert found.macs == CONV + 32 * 48 * 3 * 3 * 16 // groups
    assert found.macs_thop == CONV + 64 * 96 * 3 * 3 * 16 // groups


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (lambda x: x.mean().item(), "asks for values"),
        (lambda x: bool((x > 0).all()), "asks for values"),
        (lambda x: x[x > 0], "asks for values"),
        (lambda x: x.numpy(), "leaves torch by .numpy()"),
        (lambda x: torch.ops.counted.blind(x), "blind"),
        (lambda x: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_what_cannot_be_counted_says_why(between: Callable[[Tensor], object], reason: str) -> None:
    found = counted(between)
    assert (found.macs, found.macs_thop, found.macs_warp) == (None, None, None)
    assert reason in found.not_counted
    assert "\n" not in found.not_counted
    assert found.parameters == 3 * 3 * 9 + 3


@pytest.mark.parametrize("between", [lambda x: None, lambda x: x.mean().item()])
def test_the_network_is_as_it_was_after_the_count(between: Callable[[Tensor], object]) -> None:
    """One that keeps what it saw would go on with a tensor that has no values."""
    model = Composed(Net(between))
    cost(model, SIZE)
    assert type(model.baseline.last) is Tensor
    assert measure(model, SIZE, runs=1).latency_ms > 0


GRIDS: dict[tuple[int, ...], Tensor] = {}


def keeps_a_grid(x: Tensor) -> Tensor:
    """As warping does in many networks."""
    if tuple(x.shape) not in GRIDS:
        GRIDS[tuple(x.shape)] = torch.linspace(-1, 1, x.shape[-1], device=x.device)
    return x + GRIDS[tuple(x.shape)]


@pytest.mark.parametrize("after", [lambda x: None, lambda x: x.mean().item()])
def test_what_a_module_keeps_by_size_has_values_after_the_count(after: Callable[[Tensor], object]) -> None:
    GRIDS.clear()
    GRIDS[1, 3, 8, 8] = torch.zeros(8)
    model = Composed(Net(lambda x: after(keeps_a_grid(x))))
    cost(model, SIZE)
    assert set(map(type, GRIDS.values())) == {Tensor}
    frames = Frames(img0=torch.rand(1, 3, *SIZE), img1=torch.rand(1, 3, *SIZE))
    model(frames, torch.full((1, 1, 1, 1), 0.5), None)
    assert set(GRIDS) == {(1, 3, 8, 8), (1, 3, *SIZE)}


@pytest.mark.parametrize(
    ("between", "names"),
    [
        (lambda x: None, ()),
        (lambda x: torch.nn.functional.normalize(x.softmax(1) * x), ()),
        (lambda x: torch.ops.counted.twice(x), ("counted::twice",)),
        (lambda x: torch.fft.rfft2(x), ("aten::_fft_r2c",)),
        (lambda x: torch.mv(x[0, 0], x[0, 0, 0]), ("aten::mv",)),
        (
            lambda x: (torch.cdist(x[..., :9, :], x[..., :9, :]), torch.linalg.inv(x[..., :32])),
            ("aten::_cdist_forward", "aten::linalg_inv_ex"),
        ),
    ],
)
def test_operators_that_the_count_cannot_see_are_named(
    between: Callable[[Tensor], object], names: tuple[str, ...]
) -> None:
    found = counted(between)
    assert found.unseen == names
    assert found.macs == CONV


def test_nothing_of_our_own_is_left_out() -> None:
    found = cost(harness.load("rife", plugins=["hir:stages=L"]), (64, 64))
    assert (found.unseen, found.not_counted) == ((), "")
    assert found.macs


def bring(monkeypatch: pytest.MonkeyPatch, *formulas: Any) -> None:
    """Distributions that bring these and nothing else."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager, {})
    for number, of_one in enumerate(formulas):

        class Hooks:
            given = of_one

            @hookspecs.hookimpl
            def harness_costs(self) -> Mapping[str, Callable[..., int]]:
                if isinstance(self.given, Exception):
                    raise self.given
                return self.given

        hooks = Hooks()
        manager.register(hooks)
        plugins.origins[hooks] = Origin(f"ours-{number}", "0.9", "ours.py")
    monkeypatch.setattr("harness.measure.cost.discover", lambda: plugins)


def test_a_formula_may_be_brought(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Of an operator of one's own, and of no other; flops are two a multiply-accumulate."""

    def of_twice(x: torch.Size, *, out_shape: torch.Size) -> int:
        assert x == out_shape
        return 2 * 5 * x.numel()

    def free(*_: object, out_shape: object) -> int:
        return 0

    others = {"aten::convolution": free, "twice": free, "nowhere::twice": free, "counted::none": free}
    bring(monkeypatch, RuntimeError("no luck"), {"counted::twice": of_twice}, others)
    with caplog.at_level(logging.WARNING, "harness"):
        found = counted(lambda x: torch.ops.counted.twice(x))
    assert found.unseen == ()
    assert found.macs == CONV + 5 * 3 * 32 * 48
    assert found.macs_thop == CONV
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition("harness_costs: ")[2] for line in said] == [
        "RuntimeError: no luck",
        "'aten::convolution' is no operator of its own, as mine::splat",
        "'twice' is no operator of its own, as mine::splat",
    ]
    assert all(line.startswith("left out: ours-") for line in said)


@pytest.mark.parametrize("wrong", [lambda *_, out_shape: 1.5, lambda *_, out_shape: -2, lambda x: 1])
def test_a_wrong_formula_is_named(wrong: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, {"counted::twice": wrong})
    found = counted(lambda x: torch.ops.counted.twice(x))
    assert "the formula of counted::twice: TypeError" in found.not_counted
    assert found.macs is None


# --- of arms


def test_an_arm_is_counted_once_and_another_by_its_options_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Composed] = []
    monkeypatch.setattr("harness.measure.cost._COUNTED", {})
    monkeypatch.setattr("harness.measure.cost.cost", lambda model: made.append(model) or COST)
    for seed, plugins in ((0, "hce,hir"), (1, "hce,hir"), (0, ""), (0, "hir"), (0, "hir:stages=L"), (2, "hir")):
        arm = Arm.of(catalog(), parse_choice("ifrnet-s"), parse_choices(plugins))
        assert cost_of(arm, arm.build(seed)) is COST
    assert len(made) == 4


# --- where it is read


@pytest.mark.parametrize(
    ("plain", "plugged", "note"),
    [
        (COST, Cost(parameters=9, macs=None, macs_thop=None, not_counted="no luck"), "are not counted: no luck."),
        (COST, COST.model_copy(update={"unseen": ("our::own",)}), "leave out our::own, of which there is no formula."),
    ],
)
def test_tables_say_it(plain: Cost, plugged: Cost, note: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    name = put(tmp_path, suite("table1").pairs()[0], (30.0, 31.0))
    for run, of in zip(map(store.run, store.pair(name).runs), (plain, plugged), strict=True):
        measured = run.measured()
        assert measured
        run.set_measured(measured.model_copy(update={"cost": of}))
    (sheet, *_) = pair_sheets([read_pair(store, name)])
    (label,) = [line.label for line in sheet.lines if "+" in line.label]
    assert f"{label}: MACs {note}" in sheet.notes
    cells = {line.label: [cell.text for cell in line.cells[-4:-1]] for line in sheet.lines}
    if plugged.macs is None:
        assert cells[label] == ["0.000", "not counted", "not counted"]
        assert cells["difference"][1:] == ["not counted", "not counted"]
    found = suite_sheet("table1", suite("table1"), store)
    assert [line for line in found.notes if line.endswith(f"MACs {note}")]
    for form in FORMATS.values():
        assert form([sheet, found])


def test_the_command_says_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("harness.arm.Arm.build", lambda self, seed: Composed(Net(lambda x: x.mean().item())))
    for form, told in (("markdown", "| not counted |"), ("csv", "not_counted"), ("json", '"macs": null')):
        monkeypatch.setattr(
            sys, "argv", ["harness", "cost", "ifrnet-s", "--size", "64x64", "--runs", "1", "--format", form]
        )
        with pytest.raises(SystemExit, match="0"):
            main()
        out = capsys.readouterr().out
        assert told in out
        assert "asks for values" in out
        if form == "json":
            assert json.loads(out)[0]["latency_ms"] > 0
