"""Weights lie channels last on a CPU that is faster so where a network says that they may, in every arm, and plug-ins
see none of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from harness.arm import Arm
from harness.evaluate.protocol import predictor
from harness.measure.speed import measure
from harness.model import Composed, FeaturePlugin, Features, Frames, Regions
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice, parse_choices
from harness.registry.protocol import Settings
from harness.train.engine import Engine

CPU = torch.device("cpu")


class Viewing(FeaturePlugin):
    """Uses `view`, as third parties may."""

    def forward(self, features: Features, regions: Regions | None) -> Features:
        f0, f1 = (x.view(len(x), -1).view(x.shape) for x in (features.f0, features.f1))
        return features.refined(f0, f1)


def lies_last(module: nn.Module) -> bool:
    weight = next(x.weight for x in module.modules() if isinstance(x, nn.Conv2d) and x.weight[0, 0].numel() > 1)
    return weight.is_contiguous(memory_format=torch.channels_last)


@pytest.fixture(autouse=True)
def avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has: what is looked at is how weights lie, not how fast that is."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")


@pytest.mark.parametrize(("name", "last"), [("ifrnet-s", True), ("rife", True), ("ema", True), ("uprnet", False)])
@pytest.mark.parametrize("plugins", ["", "hce"])
def test_the_same_in_both_arms_in_training_and_in_tests(name: str, last: bool, plugins: str) -> None:
    arm = Arm.of(catalog(), parse_choice(name), parse_choices(plugins) if plugins else [])
    assert lies_last(Engine(CPU).place(arm.build(0)).baseline) is last
    tested = arm.build(0)
    predictor(tested, Settings())
    assert lies_last(tested.baseline) is last
    assert not any(lies_last(plugin) for plugin in tested.plugin.values())


def test_what_is_timed_lies_as_what_is_tested() -> None:
    model = Arm.of(catalog(), parse_choice("ifrnet-s")).build(0)
    measure(model, (32, 48), runs=1)
    assert lies_last(model.baseline)


def test_what_has_instance_norms_lies_as_usual() -> None:
    baseline = Engine(CPU).place(Arm.of(catalog(), parse_choice("amt-s")).build(0)).baseline
    assert lies_last(baseline.encoder)
    assert not lies_last(baseline.feat_encoder)


@pytest.mark.parametrize(("processor", "in_tests"), [("AVX2", True), ("DEFAULT", False)])
def test_a_processor_that_is_no_faster_so_has_all_as_usual(
    processor: str, in_tests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With AVX2 frames alone are made faster: what was tested and is trained on lies as usual again."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    model = Arm.of(catalog(), parse_choice("ifrnet-s")).build(0)
    for _ in range(2):
        assert not lies_last(Engine(CPU).place(model).baseline)
        predictor(model, Settings())
        assert lies_last(model.baseline) is in_tests


def test_a_plug_in_gets_features_in_the_usual_order() -> None:
    baseline = Arm.of(catalog(), parse_choice("ifrnet-s")).build(0).eval().lay_out().baseline
    given = torch.rand(2, 1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    frames, half = Frames(img0=given[0], img1=given[1]), torch.full((1, 1, 1, 1), 0.5)
    seen: list[Tensor] = []
    decode = baseline.decode

    def watched(frames: Frames, features: Features, *more: object) -> object:
        seen.append(features.f0)
        return decode(frames, features, *more)  # type: ignore[arg-type]

    baseline.decode = watched  # type: ignore[assignment, method-assign]
    with torch.inference_mode():
        plain = Composed(baseline)(frames, half).frame
        with_plugin = Composed(baseline, {"viewing": Viewing()})(frames, half).frame
    assert torch.equal(plain, with_plugin)
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in seen)
