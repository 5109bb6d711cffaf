"""What enters from a factory keeps its contract, or whoever broke it is named in one line, before any training."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.arm import Arm
from harness.data.augment import Augment
from harness.data.frames import frames_of
from harness.data.loader import Samples, batches
from harness.data.order import Order
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.plan import EvalPlan
from harness.evaluate.protocol import mean_of_frames, predictor
from harness.evaluate.regions import ByMotion
from harness.evaluate.runner import Evaluation, measure, read
from harness.evaluate.testset import TripletSet
from harness.masks.cache import MaskCache
from harness.measure.cost import cost
from harness.model import Composed, Frames
from harness.pair import testset
from harness.pair.testset import choose_metrics
from harness.registry import blame
from harness.registry.catalog import Catalog, catalog
from harness.registry.options import parse_choice, parse_choices
from harness.registry.plugins import discover
from harness.registry.protocol import UNIFIED
from harness.registry.specs import (
    BaselineSpec,
    BenchmarkSpec,
    MaskPartSpec,
    MaskSourceSpec,
    MetricSpec,
    MotionSeam,
    Offers,
    PluginSpec,
)
from harness.results.store import RunFolder
from harness.train.engine import Engine
from harness.train.loop import Training, train
from harness.train.plan import TrainPlan
from harness.train.recipe import Recipe
from harness.train.step import training_step

Wrong = Callable[..., Catalog]

HEAD = """
import random, numpy as np, torch
from torch import nn
from harness import *
from harness.data import Benchmark, Triplet
from harness.masks import MaskSource, Segmenter
from harness.model import *

def seam(stride, latent, channels): return MotionSeam(stride=stride, latent=latent, channels=channels)

class Good(Baseline):
    size_multiple = 16
    offers = Offers(channels=4, stride=16, motion=MotionSeam(stride=8, latent="blend", channels=1))
    def __init__(self):
        super().__init__()
        self.conv, self.stage = nn.Conv2d(3, 4, 16, 16), nn.ConvTranspose2d(8, 5, 2, 2)
    def encode(self, frames):
        return Features(f0=self.conv(frames.img0), f1=self.conv(frames.img1), kept=frames)
    def first(self, features):
        out = self.stage(torch.cat([features.f0, features.f1], 1))
        return out[:, :2], out[:, 2:4], out[:, 4:]
    def decode(self, frames, features, t, prior):
        assert features.kept is frames
        flow0, flow1, logit = take_up(prior, lambda: self.first(features))
        size = frames.img0.shape[-2:]
        flow0, flow1, blend = resize_flow(flow0, size), resize_flow(flow1, size), torch.sigmoid(resize(logit, size))
        return self.made((1 - t) * frames.img0 + t * frames.img1, flow0, flow1, blend)
    def made(self, frame, flow0, flow1, blend):
        return Prediction(frame=frame, flow_t0=flow0, flow_t1=flow1, blend=blend)

class Refines(FeaturePlugin):
    def __init__(self, offers): super().__init__()
    def forward(self, features, regions): return features.refined(features.f0 + 1, features.f1 + 1)

class Moves(MotionPlugin):
    grid, channels, inject = 2, 1, "residual"
    def __init__(self, offers): super().__init__()
    def forward(self, features, regions, t):
        b, _, h, w = features.f0.shape
        flow = features.f0.new_zeros(b, 2, self.grid * h, self.grid * w)
        latent = features.f0.new_zeros(b, self.channels, self.grid * h, self.grid * w)
        return MotionPrior(flow_t0=flow, flow_t1=flow, latent=latent, inject=self.inject)

def one(name, frames, t=0.5): return Triplet(name, clip='a', level='easy', frames=frames, t=t)

class Set(Benchmark):
    levels = ("easy",)
    train = tuple(Triplet(f"a/{at}", clip="a", level="train", frames=(at, at + 1, at + 2)) for at in range(4))
    test = (one("a/1", (0, 1, 2)), one("a/2", (1, 2, 3)))
    def read(self, triplet):
        return np.random.default_rng(triplet.frames[0]).integers(0, 256, (3, 32, 48, 3), np.uint8)
    def digest(self, split): return "x"

class Error:
    def __call__(self, frame, truth): return (frame - truth).abs().mean((1, 2, 3))

class Maps(MaskSource):
    def label_maps(self, img0, img1): return np.zeros((2, *img0.shape[:2]), np.uint16)

class Cuts(Segmenter):
    def segment(self, image, boxes): return np.zeros((len(boxes), *image.shape[:2]), bool)

@hookimpl
def harness_baselines(): return [BaselineSpec("net", "ours_one:Net", summary="")] if "Net" in globals() else []
@hookimpl
def harness_plugins():
    return [
        PluginSpec("feature", "ours_one:Feature", summary=""),
        PluginSpec("motion", "ours_one:Motion", summary="", stage="motion"),
    ]
@hookimpl
def harness_mask_sources(): return [MaskSourceSpec("source", "ours_one:Source", summary="", preference=-9)]
@hookimpl
def harness_mask_parts(): return [MaskPartSpec("cutter", "ours_one:Part", summary="")]
@hookimpl
def harness_benchmarks(): return [BenchmarkSpec("bench", "ours_one:Bench", summary="")]
@hookimpl
def harness_metrics(): return [MetricSpec("measure", "ours_one:Measure", summary="")]

class Net(Good): ...
class Feature(Refines): ...
class Motion(Moves): ...
class Bench(Set): ...
class Measure(Error): ...
class Source(Maps): ...
class Part(Cuts): ...
"""


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wrong]:
    """Installs `ours-one 0.9`, good but for `source`, and gives the catalogue with it."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(source: str = "") -> Catalog:
        write(tmp_path, source)
        plugins = discover.__wrapped__()
        monkeypatch.setattr(blame, "discover", lambda: plugins)
        found = Catalog(plugins)
        assert not found.broken
        return found

    yield install
    sys.modules.pop("ours_one", None)


def write(folder: Path, source: str) -> None:
    (folder / "ours_one.py").write_text(HEAD + source)
    info = folder / "ours_one-0.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours-one\nVersion: 0.9\n")
    (info / "entry_points.txt").write_text("[harness]\nours = ours_one\n")


def line(error: pytest.ExceptionInfo[HarnessError], tmp_path: Path, kind: str) -> str:
    """The one line, which begins with whose fault it is, less that."""
    text = str(error.value)
    assert "\n" not in text
    head = f"{kind} of ours-one 0.9 ({tmp_path / 'ours_one.py'}) breaks its contract: "
    assert text.startswith(head), text
    return text.removeprefix(head)


def checked(known: Catalog, plugins: str = "") -> None:
    arm = Arm.of(known, parse_choice("net"), parse_choices(plugins))
    arm.check(arm.build(0))


# -- what is good ----------------------------------------------------------------------------------------------------


def test_what_keeps_its_contract_passes(wrong: Wrong) -> None:
    known = wrong()
    for plugins in ("", "feature", "motion", "feature,motion", "null", "feature,null,motion"):
        checked(known, plugins)
    for kind, name in ((BenchmarkSpec, "bench"), (MaskSourceSpec, "source"), (MaskPartSpec, "cutter")):
        known.choose(kind, parse_choice(name)).build()
    metrics, unavailable = choose_metrics(known, parse_choices("measure"))
    assert len(metrics) == 3
    assert not unavailable


BASELINES = [entry.spec.name for entry in catalog().entries(BaselineSpec)]


@pytest.mark.parametrize("baseline", BASELINES)
def test_every_installed_network_passes_with_every_plug_in(baseline: str) -> None:
    arm = Arm.of(catalog(), parse_choice(baseline), parse_choices("hce,hir"))
    model = arm.build(0)
    for plugins in ([], ["hce"], ["hir"], ["hce", "hir"]):
        arm.check(Composed(model.baseline, {name: model.plugin[name] for name in plugins}))  # type: ignore[misc]


@pytest.mark.parametrize("plugin", ["null", "widen:like=hce", "hir:inject=replace", "hir:stages=SL"])
def test_every_control_passes(plugin: str) -> None:
    arm = Arm.of(catalog(), parse_choice("ifrnet-s"), parse_choices(plugin))
    arm.check(arm.build(0))


def test_every_metric_and_mask_source_passes() -> None:
    known = catalog()
    names = ",".join(entry.spec.name for entry in known.entries(MetricSpec))
    metrics, unavailable = choose_metrics(known, parse_choices(names))
    assert {"psnr", "ssim", "ssim-2d", "ssim-uniform", "ie", "epe"} <= set(metrics)
    assert all("not available" in why for why in unavailable.values())
    for name in ("supervoxel", "global", "truth", "lite", "openworld", "sam2-video"):
        known.masks(parse_choice(name)).build()


def test_the_check_leaves_the_model_and_the_process_as_they_were() -> None:
    arm = Arm.of(catalog(), parse_choice("ema"), parse_choices("hce,hir"))
    model = arm.build(0).train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    python, numbers, own = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()
    arm.check(model)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled()
    assert random.getstate() == python
    assert np.random.get_state()[1].tobytes() == numbers
    assert torch.equal(torch.get_rng_state(), own)


def test_a_network_can_be_trained_after_the_check(wrong: Wrong) -> None:
    """What it keeps from one pass for the next is fit for a backward pass."""
    body = """
    ones = None
    def encode(self, frames):
        self.ones = frames.img0.new_ones(1) if self.ones is None else self.ones
        f0, f1 = self.conv(frames.img0) * self.ones, self.conv(frames.img1) * self.ones
        return Features(f0=f0, f1=f1, kept=frames)
"""
    arm = Arm.of(wrong(f"class Net(Good):{body}"), parse_choice("net"))
    model = arm.build(0)
    arm.check(model)
    img0, img1 = torch.rand(2, 1, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    model(Frames(img0=img0, img1=img1), torch.full((1, 1, 1, 1), 0.5)).flow_t0.mean().backward()


# -- a network without a seam ----------------------------------------------------------------------------------------

SEAMLESS = """
class Net(Good):
    offers = None
    def __init__(self): nn.Module.__init__(self); self.conv = nn.Conv2d(6, 3, 3, 1, 1)
    def encode(self, frames): return Features(f0=frames.img0, f1=frames.img1)
    def decode(self, frames, features, t, prior):
        frame = torch.sigmoid(self.conv(torch.cat([features.f0, features.f1], 1)))
        return Prediction(frame=frame)
    made = None
"""

FLOWLESS = """
class Net(Good):
    offers = Offers(channels=4, stride=16)
    def __init__(self): nn.Module.__init__(self); self.conv, self.up = nn.Conv2d(3, 4, 16, 16), nn.Conv2d(8, 3, 1)
    def decode(self, frames, features, t, prior):
        assert prior is None
        residual = resize(self.up(torch.cat([features.f0, features.f1], 1)), frames.img0.shape[-2:])
        return Prediction(frame=((1 - t) * frames.img0 + t * frames.img1 + residual).clamp(0, 1))
"""


def test_null_reproduces_a_network_without_a_seam_bit_for_bit(wrong: Wrong, tmp_path: Path) -> None:
    known, files, frames = wrong(SEAMLESS), [], []
    alone, notify = World(0, 1, torch.device("cpu")), lambda *hook, **facts: None
    benchmark = known.choose(BenchmarkSpec, parse_choice("bench")).build()
    recipe = Recipe(steps=4, batch=2, augment=Augment(crop=32), curve_every=1)
    img0, img1 = torch.rand(2, 1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    for plugins in ("", "null"):
        arm = Arm.of(known, parse_choice("net"), parse_choices(plugins))
        model = arm.build(0)
        arm.check(model)
        samples = Samples({"mine": benchmark}, Order(4, 2, 0), recipe.augment, None)
        training = Training(TrainPlan(recipe, 0), samples, 4, lambda: False, notify, alone)
        start = {name: value.clone() for name, value in model.state_dict().items()}
        files.append(train(model, training, RunFolder(tmp_path / arm.slug)).weights.read_bytes())
        assert all(not torch.equal(value, start[name]) for name, value in model.state_dict().items())
        frames.append(predictor(model, UNIFIED.settings)(Frames(img0=img0, img1=img1), 0.5, None).frame)
    assert files[0] == files[1]
    assert torch.equal(frames[0], frames[1])


@pytest.mark.parametrize(("plugin", "words"), [("feature", "no seam for plug-ins"), ("motion", "no seam for plug-ins")])
def test_no_other_plug_in_acts_on_a_network_without_a_seam(plugin: str, words: str, wrong: Wrong) -> None:
    known = wrong(SEAMLESS)
    with pytest.raises(HarnessError, match=f"net has {words}: {plugin} cannot act on it"):
        checked(known, f"null,{plugin}")


# -- a network without flows -------------------------------------------------------------------------------------------


def test_a_network_without_flows_gets_feature_plug_ins_alone(wrong: Wrong, tmp_path: Path) -> None:
    """It invents none: it trains with HCE, is measured, costed and asked for a frame, and no flow is ever needed."""
    known = wrong(FLOWLESS)
    arm = Arm.of(known, parse_choice("net"), parse_choices("hce"))
    model = arm.build(0)
    arm.check(model, untrained=True)
    before = model.plugin["hce"].spatial.aggregate[0].weight.clone()  # type: ignore[union-attr,index]
    recipe = Recipe(steps=2, batch=2, augment=Augment(crop=32), curve_every=1)
    order, alone = Order(4, 2, 0), World(0, 1, torch.device("cpu"))
    bench = known.choose(BenchmarkSpec, parse_choice("bench")).build()
    masks = MaskCache(known.masks(parse_choice("global")).build(), "global")
    samples = Samples({"mine": bench}, order, recipe.augment, masks)
    training = Training(TrainPlan(recipe, 0), samples, 2, lambda: False, lambda *hook, **facts: None, alone)
    train(model, training, RunFolder(tmp_path))
    assert not torch.equal(model.plugin["hce"].spatial.aggregate[0].weight, before)  # type: ignore[union-attr,index]
    img0, img1 = torch.rand(2, 1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    made, predicted = (
        model.interpolate(img0, img1),
        predictor(model, UNIFIED.settings)(Frames(img0=img0, img1=img1), 0.5, np.zeros((2, 20, 30), np.uint8)),
    )
    assert torch.equal(made.frame, predicted.frame)
    for flow in (made.flow_t0, made.flow_t1, made.blend, predicted.flow_t0, predicted.flow_t1):
        assert flow is None
    assert cost(model, (64, 96)).macs > 0


# -- what a plug-in is given of masks ----------------------------------------------------------------------------------

MASKLESS = """
@hookimpl
def harness_plugins():
    return [
        PluginSpec("feature", "ours_one:Feature", summary="", needs_masks=False),
        PluginSpec("motion", "ours_one:Motion", summary="", stage="motion"),
    ]
class Feature(Refines):
    seen = []
    def forward(self, features, regions):
        self.seen.append(regions)
        return super().forward(features, regions)
"""


@pytest.mark.parametrize("plugins", ["feature", "feature,motion"])
def test_a_plug_in_is_given_the_same_in_training_and_in_tests(plugins: str, wrong: Wrong) -> None:
    """And when it is checked, and called from Python: no regions where none of the arm needs any, else regions."""
    known = wrong(MASKLESS)
    arm = Arm.of(known, parse_choice("net"), parse_choices(plugins))
    model = arm.build(0)
    cache = MaskCache(known.masks(parse_choice("global")).build(), "global") if arm.needs_masks else None
    benchmark = known.choose(BenchmarkSpec, parse_choice("bench")).build()
    evaluation = evaluation_of(benchmark, cache)
    arm.check(model)
    samples = Samples({"mine": benchmark}, Order(4, 2, 0), Augment(crop=32), cache)
    (batch,) = batches(samples, 0, 1, workers=0)
    alone, cpu = World(0, 1, torch.device("cpu")), torch.device("cpu")
    training_step(model, torch.optim.SGD(model.parameters()), [batch], 0.0, Engine(cpu), alone)
    first = evaluation.tests.triplets[0]
    measure(evaluation, predictor(model, UNIFIED.settings), first, read(evaluation, first))
    model.interpolate(*torch.rand(2, 1, 3, 32, 32))
    seen = model.plugin["feature"].seen  # type: ignore[union-attr]
    assert [regions is not None for regions in seen] == [arm.needs_masks] * 4


def evaluation_of(benchmark: Any, masks: MaskCache | None) -> Evaluation:
    tests = TripletSet(benchmark, "mine-1", list(benchmark.test))
    return Evaluation(
        EvalPlan(UNIFIED, {}, {}), tests, [ByMotion()], masks, "none", "w", World(0, 1, torch.device("cpu"))
    )


@pytest.mark.parametrize("words", ["motion", "hir", "hce,hir"])
def test_a_motion_plug_in_is_refused_where_there_are_no_flows(words: str, wrong: Wrong) -> None:
    arm = Arm.of(wrong(FLOWLESS), parse_choice("net"), parse_choices(words))
    name = words.rpartition(",")[2]
    expected = f"net has no motion seam, for it estimates no flows that a plug-in could seed: {name} cannot act on it"
    with pytest.raises(HarnessError, match=expected):
        arm.build(0)


# -- classes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "source", "expected"),
    [
        ("baseline", "net", "Net = lambda: nn.Conv2d(3, 3, 1)", "harness.model.Baseline"),
        ("baseline", "net", "Net = lambda: 7", "harness.model.Baseline"),
        ("plug-in", "feature", "class Feature(Moves): ...", "harness.model.FeaturePlugin"),
        ("plug-in", "motion", "class Motion(Refines): ...", "harness.model.MotionPlugin"),
        ("mask source", "source", "Source = lambda: {}", "harness.masks.MaskSource"),
        ("mask part", "cutter", "class Part(Maps): ...", "harness.masks.Segmenter"),
        ("benchmark", "bench", "class Bench: ...", "harness.data.Benchmark"),
    ],
)
def test_a_factory_that_gives_something_else(
    kind: str, name: str, source: str, expected: str, wrong: Wrong, tmp_path: Path
) -> None:
    known = wrong(source + "\n")
    specs = {spec.kind: spec for spec in (BaselineSpec, PluginSpec, MaskSourceSpec, MaskPartSpec, BenchmarkSpec)}
    offers = Offers(channels=4, stride=16, motion=MotionSeam(stride=8, latent="blend", channels=1))
    arguments = [offers] if kind == "plug-in" else []
    chosen = known.choose(specs[kind], parse_choice(name))
    with pytest.raises(HarnessError) as error:
        chosen.build(*arguments)
    rest = line(error, tmp_path, f"{kind} {name}")
    assert rest.startswith("ours_one:")
    assert " gives " in rest
    assert rest.endswith(f", which is no {expected}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("size_multiple = 0", "has size_multiple 0"),
        ("size_multiple = 16.0", "has size_multiple 16.0"),
        ("offers = (4, 16)", "offers (4, 16), which is neither harness.Offers nor None"),
        ("offers = Offers(channels=4.5, stride=16)", "offers 4.5 channels at stride 16"),
        ("offers = Offers(channels=4, stride=16, motion=8)", "offers the motion seam 8"),
        ("offers = Offers(channels=4, stride=16, motion=seam(8, 'flow', 1))", "a latent 'feature' or 'blend'"),
        ("offers = Offers(channels=4, stride=16, motion=seam(8, 'blend', 2))", "a blend logit of 2 channels: it has 1"),
    ],
)
def test_what_a_network_says_of_itself(body: str, words: str, wrong: Wrong, tmp_path: Path) -> None:
    known = wrong(f"class Net(Good):\n    {body}\n")
    with pytest.raises(HarnessError) as error:
        checked(known)
    rest = line(error, tmp_path, "baseline net")
    assert rest.startswith("ours_one:Net ")
    assert words in rest


# -- shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "offers = Offers(channels=8, stride=16)",
            "gives features f0 of shape (2, 4, 1, 2), where (2, 8, 1, 2) is needed",
        ),
        ("offers = Offers(channels=4, stride=8)", "where (2, 4, 2, 4) is needed; it offers 4 channels at stride 8"),
        (
            "def encode(self, frames):\n"
            "        f0, f1 = self.conv(frames.img0), self.conv(frames.img1)\n"
            "        return Features(f0=f0, f1=f1.transpose(2, 3), kept=frames)",
            "gives features f1 of shape (2, 4, 2, 1)",
        ),
        ("def encode(self, frames): return self.conv(frames.img0)", "encodes to torch:Tensor, which is no"),
        ("def decode(self, *given): return given[0].img0", "decodes to torch:Tensor, which is no"),
        (
            "def made(self, frame, *rest): return super().made(frame[..., 1:], *rest)",
            "predicts a frame of shape (2, 3, 16, 31), where (2, 3, 16, 32) is needed",
        ),
        ("def made(self, frame, *rest): return super().made(frame.half(), *rest)", "a frame of torch.float16"),
        ("def made(self, frame, *rest): return super().made((255 * frame).byte(), *rest)", "a frame of torch.uint8"),
        ("def made(self, frame, *rest): return super().made(frame / 0, *rest)", "a frame with values that are not fin"),
        ("def made(self, frame, *rest): return super().made(255 * frame, *rest)", "a frame of 0 to 255"),
        ("def made(self, frame, *rest): return super().made(frame - 0.01, *rest)", "a frame of -0.01 to 0.99"),
        ("def made(self, frame, f, *rest): return super().made(frame, f[:, :1], *rest)", "predicts a flow_t0 of shape"),
        ("def made(self, frame, f, *rest): return super().made(frame, None, *rest)", "predicts one flow of two"),
        ("def made(self, *a): return super().made(*a[:3], blend=a[3] - 2)", "predicts a blend of -"),
    ],
)
def test_what_a_network_gives(body: str, words: str, wrong: Wrong, tmp_path: Path) -> None:
    """With a plug-in or without, the network is named."""
    known = wrong(f"class Net(Good):\n    {body}\n")
    for plugins in ("", "feature"):
        with pytest.raises(HarnessError) as error:
            checked(known, plugins)
        rest = line(error, tmp_path, "baseline net")
        assert rest.startswith("ours_one:Net ")
        assert words in rest


def test_a_network_without_parameters(wrong: Wrong, tmp_path: Path) -> None:
    known = wrong("class Net(Good):\n    def __init__(self): nn.Module.__init__(self)\n")
    with pytest.raises(HarnessError) as error:
        checked(known)
    assert "has no parameters" in line(error, tmp_path, "baseline net")


@pytest.mark.parametrize(("kind", "good", "part"), [("net", "Good", "baseline"), ("feature", "Refines", "plug-in")])
def test_a_tensor_by_two_names_is_refused_before_a_training(
    kind: str, good: str, part: str, wrong: Wrong, tmp_path: Path
) -> None:
    """Its first checkpoint, even its file of initial weights, could not be written."""
    source = "    def __init__(self, *given):\n        super().__init__(*given)\n"
    source += (
        "        self.one, self.other = nn.Linear(2, 2), nn.Linear(2, 2)\n        self.other.weight = self.one.weight\n"
    )
    arm = Arm.of(wrong(f"class {kind.title()}({good}):\n{source}"), parse_choice("net"), parse_choices("feature"))
    model = arm.build(0)
    arm.check(model)  # to be tested it needs no checkpoint
    with pytest.raises(HarnessError) as error:
        arm.check(model, untrained=True)
    assert "has one tensor by two names, " in line(error, tmp_path, f"{part} {kind}")
    assert "one.weight and " in str(error.value)


@pytest.mark.parametrize("seam", ["seam(4, 'blend', 1)", "seam(8, 'feature', 3)"])
def test_a_first_stage_that_is_not_what_the_seam_says(seam: str, wrong: Wrong) -> None:
    """The sum with a prior would be of a third shape, in silence: a network with a trained first stage of 1 channel
    would give its decoder 3. Raised by the seam, and so blamed on the line that took the prior up."""
    known = wrong(f"class Net(Good):\n    offers = Offers(channels=4, stride=16, motion={seam})\n")
    with pytest.raises(ValueError, match=r"the first decoder stage emits .* where the motion seam says") as error:
        checked(known)
    assert "ours-one 0.9 (" in str(blame.blame(error.value, blame.discover()))


@pytest.mark.parametrize(
    ("plugin", "body", "words"),
    [
        ("feature", "class Feature(Refines):\n    def forward(self, f, r): return f.refined(f.f0[:, :2], f.f1)",
         "gives features f0 of shape (2, 2, 1, 2), where (2, 4, 1, 2) is needed"),
        ("feature", "class Feature(Refines):\n    def forward(self, f, r): return f.refined(f.f0, f.f1 / 0 * 0)",
         "gives features f1 with values that are not finite"),
        ("feature", "class Feature(Refines):\n    def forward(self, f, r): return f.f0, f.f1",
         "gives tuple, which is no harness.model.Features"),
        ("feature", "class Feature(Refines):\n    def forward(self, f, r): return Features(f0=f.f0, f1=f.f1)",
         "without what the network keeps"),
        ("motion", "class Motion(Moves): grid = 1", "prior whose flow_t0 is of shape (2, 2, 1, 2)"),
        ("motion", "class Motion(Moves): channels = 3", "prior whose latent is of shape (2, 3, 2, 4)"),
        ("motion", "class Motion(Moves): inject = 'add'", "a prior with inject='add'"),
        ("motion", "class Motion(Moves):\n    def forward(self, *given): return None",
         "gives NoneType, which is no harness.model.MotionPrior"),
    ],
)  # fmt: skip
def test_what_a_plug_in_gives(plugin: str, body: str, words: str, wrong: Wrong, tmp_path: Path) -> None:
    known = wrong(body + "\n")
    with pytest.raises(HarnessError) as error:
        checked(known, plugin)
    rest = line(error, tmp_path, f"plug-in {plugin}")
    assert rest.startswith(f"ours_one:{plugin.capitalize()} ")
    assert words in rest


# -- benchmarks and metrics ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("levels = 'easy'", "has no sequence 'levels'"),
        ("train = None", "has no sequence 'train'"),
        ("test = ('a/1',)", "has a triplet in 'test' that is str, no harness.data.Triplet"),
        ("test = (one('a', (0, 1, 2), t=1.0),)", "a at t=1.0: a float between 0 and 1 is needed"),
        ("test = (one('a', (0, 1, 2), t=float('nan')),)", "a at t=nan"),
        ("test = (one('a', (0, 1)),)", "whose frames are (0, 1)"),
        ("test = (one('', (0, 1, 2)),)", "three words are needed"),
        ("test = Set.test * 2", "has the triplet easy a/1 twice in 'test'"),
        ("levels = ('hard',)", "has the test triplet a/1 of level 'easy', which is none of its levels"),
    ],
)
def test_what_a_benchmark_says_of_itself(body: str, words: str, wrong: Wrong, tmp_path: Path) -> None:
    known = wrong(f"class Bench(Set):\n    {body}\n")
    with pytest.raises(HarnessError) as error:
        known.choose(BenchmarkSpec, parse_choice("bench")).build()
    rest = line(error, tmp_path, "benchmark bench")
    assert rest.startswith("ours_one:Bench has ")
    assert words in rest


@pytest.mark.parametrize(
    ("frames", "found"),
    [
        ("np.zeros((3, 32, 48, 3), np.float32)", "float32 (3, 32, 48, 3)"),
        ("np.zeros((3, 3, 32, 48), np.uint8)", "uint8 (3, 3, 32, 48)"),
        ("np.zeros((3, 32, 48), np.uint8)", "uint8 (3, 32, 48)"),
        ("[np.zeros((32, 48, 3), np.uint8), np.zeros((16, 48, 3), np.uint8)]", "list"),
        ("np.zeros((3, 0, 48, 3), np.uint8)", "uint8 (3, 0, 48, 3)"),
    ],
)
def test_the_frames_that_a_benchmark_reads(frames: str, found: str, wrong: Wrong, tmp_path: Path) -> None:
    known = wrong(f"class Bench(Set):\n    def read(self, triplet): return {frames}\n")
    benchmark = known.choose(BenchmarkSpec, parse_choice("bench")).build()
    with pytest.raises(HarnessError) as error:
        frames_of(benchmark, benchmark.test[0])
    rest = line(error, tmp_path, "benchmark ours_one:Bench")
    assert rest == f"the frames of easy a/1 are {found}, where uint8 (3, H, W, 3) is needed"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("class Measure: ...", "gives ours_one:Measure, which cannot be called"),
        ("class Measure(Error):\n    def __call__(self, a, b): return (a - b).mean()", "the shape () for 2 frames"),
        ("class Measure(Error):\n    def __call__(self, a, b): return (a - b).mean().view(1)", "the shape (1,) for 2"),
        ("class Measure(Error):\n    def __call__(self, a, b): return 0.5", "returns float, no tensor"),
        ("class Measure(Error):\n    def __call__(self, a, b): return torch.tensor([1, 2])", "returns torch.int64"),
        ("class Measure(Error):\n    def __call__(self, a, b): return super().__call__(a, b) / 0", "an infinite value"),
    ],
)
def test_what_a_metric_returns(source: str, words: str, wrong: Wrong, tmp_path: Path) -> None:
    known = wrong(source + "\n")
    with pytest.raises(HarnessError) as error:
        choose_metrics(known, parse_choices("measure"))
    assert words in line(error, tmp_path, "metric measure")


OF_MOTION = """
class Measure:
    parts = ("all", "odd-half")
    def __call__(self, predicted, truth):
        if predicted.flow_t0 is None:
            return {part: torch.full((len(truth.flow_t0),), float("nan")) for part in self.parts}
        error = (predicted.flow_t0 - truth.flow_t0).abs().mean((1, 2, 3))
        return {"all": error, "odd-half": error / 2}

@hookimpl
def harness_metrics(): return [MetricSpec("measure", "ours_one:Measure", summary="", needs="motion")]
"""


def test_a_metric_of_motion_has_a_column_for_each_part(wrong: Wrong) -> None:
    known = wrong(OF_MOTION)
    metrics, unavailable = choose_metrics(known, parse_choices("measure"))
    plan = EvalPlan(UNIFIED, metrics, unavailable)
    assert list(plan.of_frames) == ["psnr", "ssim"]
    (name,) = plan.of_motion
    assert plan.motion_columns == [f"{name}@all", f"{name}@odd-half"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('("all", "odd-half")', "()", "has the parts (): a tuple of words"),
        ('("all", "odd-half")', '("all", "all")', "has the parts ('all', 'all')"),
        ('("all", "odd-half")', '("all", "odd@half")', "has the parts ('all', 'odd@half')"),
        ('("all", "odd-half")', '"all"', "has the parts 'all'"),
        ("parts = ", "names = ", "has the parts None"),
        ('"odd-half": error / 2', '"half": error', "returns the parts ['all', 'half'], where a value of each of"),
        ('{"all": error, "odd-half": error / 2}', "error", "returns torch:Tensor, where"),
        ("error / 2", "error.mean()", "returns for 'odd-half' the shape ()"),
        ("error / 2", "error / 0", "returns for 'odd-half' an infinite value"),
        ('float("nan")', "0, dtype=int", "returns for 'all' torch.int64"),
    ],
)
def test_what_a_metric_of_motion_returns(old: str, new: str, words: str, wrong: Wrong, tmp_path: Path) -> None:
    assert old in OF_MOTION
    known = wrong(OF_MOTION.replace(old, new))
    with pytest.raises(HarnessError) as error:
        choose_metrics(known, parse_choices("measure"))
    assert words in line(error, tmp_path, "metric measure")


WIDE = """
class Measure:
    parts = ("all",)
    def __call__(self, frame, truth, img0, img1, t, labels0, labels1, flow_t0, flow_t1, motion=None):
        assert labels0.dtype is torch.int64 and labels0.shape == frame[:, 0].shape
        error = (frame - (1 - t.view(-1, 1, 1, 1)) * img0 - t.view(-1, 1, 1, 1) * img1).abs().mean((1, 2, 3))
        return VALUE
    def result(self, features): return RESULT

@hookimpl
def harness_metrics(): return [MetricSpec("measure", "ours_one:Measure", summary="", needs=NEEDS)]
"""
ALL = ("frame", "inputs", "t", "labels", "flows")


@pytest.mark.parametrize(
    ("more", "value", "result", "words"),
    [
        ((), "error", "", ""),
        ((), "error * float('nan')", "", ""),
        ((), "1 / 0", "", ""),
        ((), "error.mean()", "", "returns the shape () for 2 frames"),
        ((), "{'all': error}", "", "returns dict, no tensor"),
        (("motion",), "{'all': error + motion.flow_t0.mean()}", "", ""),
        (("motion",), "error", "", "returns torch:Tensor, where a value of each of ('all',) is needed"),
        (("motion",), "{'all': error / 0}", "", "returns for 'all' an infinite value"),
        (("set",), "frame.mean((2, 3))", "features.mean()", ""),
        (("set",), "frame.mean((2, 3))", "len(features)", ""),
        (("set",), "error", "0.5", "returns the shape (2,) for 2 frames, where (2, D) is needed"),
        (("set",), "frame.mean((2, 3))[:1]", "0.5", "returns the shape (1, 3) for 2 frames"),
        (("set",), "0.5", "0.5", "returns float for 2 frames"),
        (("set",), "frame.mean((2, 3))", "features", "gives the result numpy:ndarray, where one float is needed"),
    ],
)
def test_what_a_metric_returns_that_asks_for_more(
    more: tuple[str, ...], value: str, result: str, words: str, wrong: Wrong, tmp_path: Path
) -> None:
    source = WIDE.replace("VALUE", value).replace("RESULT", result or "None").replace("NEEDS", repr(ALL + more))
    known = wrong(source)
    if not words:
        metrics, unavailable = choose_metrics(known, parse_choices("measure"))
        plan = EvalPlan(UNIFIED, metrics, unavailable)
        kinds = {(): plan.of_more, ("motion",): plan.of_motion, ("set",): plan.of_sets}
        assert [bool(found) for found in kinds.values()] == [kind == more for kind in kinds]
        return
    with pytest.raises(HarnessError) as error:
        choose_metrics(known, parse_choices("measure"))
    assert words in line(error, tmp_path, "metric measure")


@pytest.mark.parametrize(
    ("needs", "old", "words"),
    [
        (("frame", "set"), "def result", "has no method 'result', which a metric of whole sets needs"),
        (("frame", "motion"), "parts = ", "has the parts None: a tuple of words"),
    ],
)
def test_a_metric_lacks_what_its_needs_ask_of_it(
    needs: tuple[str, ...], old: str, words: str, wrong: Wrong, tmp_path: Path
) -> None:
    source = WIDE.replace("NEEDS", repr(needs)).replace(old, old.replace("result", "other").replace("parts", "names"))
    with pytest.raises(HarnessError) as error:
        choose_metrics(wrong(source.replace("RESULT", "0").replace("VALUE", "0")), parse_choices("measure"))
    assert words in line(error, tmp_path, "metric measure")


@pytest.mark.parametrize(("ssim", "more"), [("ssim", ""), ("ssim-2d", ""), ("measure", ""), ("measure", "measure")])
def test_what_a_protocol_calls_ssim_is_always_measured(ssim: str, more: str, wrong: Wrong) -> None:
    """Cells of a table have PSNR and that, or nothing. Of a metric of others the column's name has its code, too."""
    known = wrong()
    plan = EvalPlan(replace(UNIFIED, ssim=ssim), *choose_metrics(known, parse_choices(more), ssim))
    sets = (TripletSet.of(known.choose(BenchmarkSpec, parse_choice("bench")), None),)
    record = testset.Tests(plan, sets, None, World(0, 1, torch.device("cpu"))).record()
    assert record["ssim"] in record["metrics"]
    assert record["ssim"].partition(" ")[0] == ssim
    assert {"psnr", "ssim"} <= {*record["metrics"]}


@pytest.mark.parametrize(("workers", "kind"), [(0, "ValueError"), (1, "ValueError"), (1, "RuntimeError")])
def test_a_benchmark_that_raises_is_blamed_wherever_it_is_read(
    workers: int, kind: str, wrong: Wrong, tmp_path: Path
) -> None:
    raising = f"    def read(self, triplet): raise {kind}('no such\\nframe')"
    known = wrong(f"class Bench(Set):\n{raising}\n")
    benchmark = known.choose(BenchmarkSpec, parse_choice("bench")).build()
    samples = Samples({"bench": benchmark}, Order(4, 2, seed=0), Augment(crop=16), None)
    with pytest.raises((ValueError, RuntimeError), match="no such") as error:
        list(batches(samples, 0, 1, workers))
    file = tmp_path / "ours_one.py"
    number = file.read_text().splitlines().index(raising) + 1
    said = blame.blame(error.value, blame.discover())
    assert said == f"ours-one 0.9 ({file}:{number}): {kind}: no such frame"


def test_a_metric_needs_frames_or_motion() -> None:
    with pytest.raises(ValueError, match="needs 'flows' of 'mine' is neither 'frame' nor 'motion'"):
        MetricSpec("mine", "mine:Mine", summary="", needs="flows")  # type: ignore[arg-type]


@pytest.mark.parametrize("does", ["return super().__call__(a, b) * float('nan')", "raise ValueError('too small')"])
def test_a_metric_may_give_nan_or_refuse_so_small_a_frame(does: str, wrong: Wrong) -> None:
    known = wrong(f"class Measure(Error):\n    def __call__(self, a, b): {does}\n")
    metrics, unavailable = choose_metrics(known, parse_choices("measure"))
    assert len(metrics) == 3
    assert not unavailable


# -- state that is left behind ---------------------------------------------------------------------------------------


STATES = [
    ("torch.set_default_dtype(torch.float64)", "torch's default dtype is left at torch.float64"),
    ("torch.set_grad_enabled(False)", "torch's gradient mode is left at False, where it was True"),
    ("torch.set_num_threads(3)", "torch's number of threads is left at 3"),
    ("torch.use_deterministic_algorithms(True)", "torch's deterministic mode is left at"),
    ("torch.set_float32_matmul_precision('medium')", "torch's precision of float32 products is left at medium"),
    ("torch.backends.cudnn.benchmark = True", "cuDNN's flags is left at"),
    ("random.seed(0)", "python's random generator is left moved"),
    ("np.random.seed(0)", "numpy's global random generator is left moved"),
]


def everything() -> dict[str, Any]:
    """All of it, to be equal before and after."""
    return {
        "modes": (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "benchmark": torch.backends.cudnn.benchmark,
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tobytes(),
        "torch": torch.get_rng_state().tolist(),
    }


@pytest.mark.parametrize(("change", "words"), STATES)
@pytest.mark.parametrize("raises", [False, True])
def test_what_a_factory_leaves_behind_is_put_back_and_named(
    change: str, words: str, raises: bool, wrong: Wrong, tmp_path: Path
) -> None:
    more = "; raise RuntimeError('luck')" if raises else ""
    known = wrong(f"class Net(Good):\n    def __init__(self): super().__init__(); {change}{more}\n")
    before = everything()
    with pytest.raises(HarnessError) as error:
        Arm.of(known, parse_choice("net")).build(0)
    assert everything() == before
    if raises:
        assert str(error.value).endswith("cannot be built: RuntimeError: luck")
    else:
        assert f"ours_one:Net changes what everybody shares: {words}" in line(error, tmp_path, "baseline net")


def test_torchs_generator_is_for_weights_alone(wrong: Wrong, tmp_path: Path) -> None:
    draw = "def __init__(self): super().__init__(); torch.rand(1)"
    known = wrong(f"class Net(Good):\n    {draw}\nclass Measure(Error):\n    {draw}\nclass Bench(Set):\n    {draw}\n")
    Arm.of(known, parse_choice("net")).build(0)
    before = everything()
    with pytest.raises(HarnessError) as error:
        choose_metrics(known, parse_choices("measure"))
    assert "torch's global random generator is left moved" in line(error, tmp_path, "metric measure")
    with pytest.raises(HarnessError) as error:
        known.choose(BenchmarkSpec, parse_choice("bench")).build()
    assert "torch's global random generator is left moved" in line(error, tmp_path, "benchmark bench")
    assert everything() == before


@pytest.mark.parametrize("where", ["encode", "decode"])
def test_what_a_forward_pass_leaves_behind_is_named(where: str, wrong: Wrong, tmp_path: Path) -> None:
    body = f"def {where}(self, *given): torch.set_num_threads(3); return super().{where}(*given)"
    known = wrong(f"class Net(Good):\n    {body}\n")
    before = everything()
    with pytest.raises(HarnessError) as error:
        checked(known)
    assert "torch's number of threads is left at 3" in line(error, tmp_path, "baseline net")
    assert everything() == before


@pytest.mark.parametrize(("change", "words"), STATES[:6])
def test_what_an_import_leaves_behind_is_named(change: str, words: str, wrong: Wrong, tmp_path: Path) -> None:
    (tmp_path / "ours_late.py").write_text(f"import torch\nfrom ours_one import Good as Net\n{change}\n")
    known = wrong("harness_baselines = hookimpl(lambda: [BaselineSpec('net', 'ours_late:Net', summary='')])\n")
    before = everything()
    try:
        with pytest.raises(HarnessError) as error:
            Arm.of(known, parse_choice("net"))
    finally:
        sys.modules.pop("ours_late", None)
    assert words in line(error, tmp_path, "baseline net")
    assert everything() == before


def test_a_factory_that_imports_torch_is_not_blamed_for_it(tmp_path: Path) -> None:
    source = "class Late:\n    def __init__(self):\n        import torch\n        self.zero = torch.zeros(1)\n"
    (tmp_path / "late.py").write_text(source + "    def __call__(self, a, b): ...\n")
    script = """
import sys
from harness.registry.entry import Entry
from harness.registry.options import Choice
from harness.registry.plugins import Origin
from harness.registry.specs import MetricSpec
chosen = Entry(MetricSpec("late", "late:Late", summary=""), Origin("late", "1", "late.py")).settle(Choice("late", {}))
assert "torch" not in sys.modules and "numpy" not in sys.modules
chosen.build()
assert "torch" in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- evaluation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("255 * frame", "it predicts a frame of 0 to 255, where [0, 1] is needed"),
        ("2 * frame - 1", "it predicts a frame of -1 to 1"),
        ("frame.repeat(1, 1, 1, 2)", "it predicts a frame of torch.float32 (1, 3, 16, 64) from"),
        ("frame.mean(1, keepdim=True)", "it predicts a frame of torch.float32 (1, 1, 16, 32) from"),
        ("frame.double()", "it predicts a frame of torch.float64"),
        ("1.05 * frame", ""),
    ],
)
def test_a_frame_that_is_none_is_named_when_it_is_measured(made: str, words: str, wrong: Wrong, tmp_path: Path) -> None:
    """As of a network whose weights do what they did not before; a slight overshoot is measured as it is."""
    known = wrong(f"class Net(Good):\n    def made(self, frame, *rest): return super().made({made}, *rest)\n")
    model: Composed = Arm.of(known, parse_choice("net")).build(0)
    predict = predictor(model, UNIFIED.settings)
    img0, img1 = torch.zeros(1, 3, 10, 20), torch.zeros(1, 3, 10, 20)
    img0[..., 5:, :], img1[..., 5:, :] = 1, 1
    frames = Frames(img0=img0, img1=img1)
    if not words:
        assert torch.equal(predict(frames, 0.5, None).frame, 1.05 * mean_of_frames(frames, 0.5, None).frame)
        return
    with pytest.raises(HarnessError) as error:
        predict(frames, 0.5, None)
    assert words in line(error, tmp_path, "baseline ours_one:Net")


# -- on the command line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("class Net(Good):\n    offers = Offers(channels=8, stride=16)\n", "baseline net of ours-one 0.9 ("),
        ("class Bench(Set):\n    def read(self, triplet): return 0\n", "ours_one:Bench of ours-one 0.9 ("),
    ],
)
def test_a_run_ends_in_one_line_before_anything_is_trained(source: str, words: str, tmp_path: Path) -> None:
    write(tmp_path, source)
    command = ["run", "--baseline", "net", "--recipe", "smoke", "--data", "bench"]
    command += ["--results", str(tmp_path / "results")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "harness", *command], env=environment, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    [error] = [text for text in done.stderr.splitlines() if "harness: error: " in text]
    assert "Traceback" not in done.stderr
    assert words in error
    assert "breaks its contract: " in error
    assert not (tmp_path / "results" / "runs").exists()
