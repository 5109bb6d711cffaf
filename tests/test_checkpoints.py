"""The shapes that trainers save weights in: each loads as what it is, is asked about, or is refused with the reason."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import harness
from harness.errors import HarnessError
from harness.model import Baseline, Composed, FeaturePlugin, Features, Frames, MotionPrior, Prediction
from harness.registry.catalog import catalog
from harness.weights import places
from harness.weights.content import content_of
from harness.weights.groups import groups_of
from harness.weights.read import load_weights

State = dict[str, Tensor]


class Small(Baseline):
    """A network of a few numbers, whose official files are for BGR, as RIFE's are."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.decoder = nn.Conv2d(4, 2, 1)

    def encode(self, frames: Frames) -> Features:
        raise NotImplementedError

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        raise NotImplementedError

    def translate(self, state: State) -> State:
        state = {key: value for key, value in state.items() if not key.startswith("teacher.")}
        if (first := state.get("encoder.0.weight")) is not None and first.shape == (4, 3, 3, 3):
            state["encoder.0.weight"] = first.flip(1)
        return state


class Plugin(FeaturePlugin):
    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.ones(2))

    def forward(self, features: Features, regions: Any) -> Features:
        raise NotImplementedError


def network(*plugins: str) -> Composed:
    return Composed(Small(), {name: Plugin() for name in plugins})


def drawn(seed: int) -> State:
    """Of an official file."""
    torch.manual_seed(seed)
    own = Small().state_dict()
    return {key: torch.randn_like(value) if value.is_floating_point() else value + seed for key, value in own.items()}


RAW, EMA = drawn(1), drawn(2)


def under(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def saved(content: Any, path: Path, **how: Any) -> Path:
    torch.save(content, path, **how)
    return path


def refusal(path: Path, key: str = "", into: Composed | None = None) -> str:
    model = into or network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(HarnessError) as error:
        load_weights(model, path, "small", key)
    assert "\n" not in str(error.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    return str(error.value)


def is_loaded(path: Path, state: State, key: str = "") -> bool:
    """Whether the file gives the network of that official state: with colours turned round, and bit for bit."""
    model = network()
    load_weights(model, path, "small", key)
    expected = Small().translate(state)
    found = model.baseline.state_dict()
    return all(torch.equal(value.to(found[name].dtype), found[name]) for name, value in expected.items())


ONE = torch.tensor(0.5)
SHAPES: dict[str, Any] = {
    "plain": RAW,
    "prefixed": under("module.", RAW),
    "compiled": under("_orig_mod.", RAW),
    "compiled, then parallel": under("module._orig_mod.", RAW),
    "parallel, then compiled": under("_orig_mod.module.", RAW),
    "compiled in parts": {key.replace("encoder.", "encoder._orig_mod."): value for key, value in RAW.items()},
    "half": {key: value.half() if value.is_floating_point() else value for key, value in RAW.items()},
    "bfloat16": {key: value.bfloat16() if value.is_floating_point() else value for key, value in RAW.items()},
    "double": {key: value.double() if value.is_floating_point() else value for key, value in RAW.items()},
    "nested": {"epoch": 3, "state_dict": RAW},
    "beside a loss": {"epoch": 3, "loss": ONE, "state_dict": RAW},
    "beside a step": {"step": torch.tensor(7), "model": under("module.", RAW)},
    "beside numpy's numbers": {
        "best": np.float64(31.5),
        "count": np.int64(3),
        "flag": np.bool_(True),
        "curve": np.arange(3.0),
        "state_dict": RAW,
    },
    "beside arguments": {"args": argparse.Namespace(lr=1e-4, out=Path("out"), best=np.float32(1)), "state_dict": RAW},
    "params": {"params": RAW},
    "params_ema": {"params_ema": RAW},
    "lightning": {
        "epoch": 1,
        "state_dict": under("model.", RAW) | {"loss.vgg.0.weight": torch.rand(3, 3)},
        "callbacks": {"ModelCheckpoint{'monitor': 'psnr'}": {"best_model_score": ONE, "dirpath": "a/b"}},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 2}}}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.rand(4, 3, 3, 3)}}, "param_groups": [{"params": [0]}]}],
        "hyper_parameters": {},
    },
    "net": {"net": under("net.", RAW)},
    "averaged": {**under("module.", RAW), "n_averaged": torch.tensor(5)},
    "a loss inside": {**RAW, "lpips.net.slice1.0.weight": torch.rand(3)},
    "counters": {
        **RAW,
        "total_ops": torch.zeros(1),
        "total_params": torch.zeros(1),
        "encoder.total_ops": torch.zeros(1),
    },
    "prefixed counters": under(
        "module.", {**RAW, "total_ops": torch.zeros(1), "encoder.0.total_params": torch.zeros(1)}
    ),
    "yolox": {"start_epoch": 1, "model": RAW, "optimizer": {"state": {0: {"momentum_buffer": ONE}}}, "best_ap": 0.5},
    "another network beside": {"netG": RAW, "netD": {"main.0.weight": torch.rand(64, 64)}},
    "a teacher that the network knows": RAW | {"teacher.conv.weight": torch.rand(4, 3, 3, 3), "teacher.bias": ONE},
    "deep": {"a": {"b": {"c": {"d": under("e.f.g.", RAW)}}}},
    "an optimiser by names": {"net": RAW, "optim": {"state": {key: {"exp_avg": value} for key, value in RAW.items()}}},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_the_same_weights(shape: str, tmp_path: Path) -> None:
    content = SHAPES[shape]
    reference = content if shape in ("half", "bfloat16", "double") else RAW
    assert is_loaded(saved(content, tmp_path / "w.pth"), reference)
    assert is_loaded(saved(content, tmp_path / "w.ckpt", _use_new_zipfile_serialization=False), reference)


def test_weights_saved_on_a_gpu_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:3")
    for how in ({}, {"_use_new_zipfile_serialization": False}):
        assert is_loaded(saved(RAW, tmp_path / "w.pth", **how), RAW)


def test_safetensors_by_their_content(tmp_path: Path) -> None:
    safetensors.torch.save_file(under("net.", RAW), tmp_path / "w.safetensors")
    assert is_loaded(tmp_path / "w.safetensors", RAW)
    assert is_loaded((tmp_path / "w.safetensors").rename(tmp_path / "w.bin"), RAW)


WORDS = st.lists(
    st.sampled_from(["module", "_orig_mod", "model", "net", "encoder", "0", "x y", "plugin", "ü"]), max_size=5
)


@settings(max_examples=25, deadline=None)
@given(words=WORDS)
def test_any_prefix(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "prefix.pth"
    assert is_loaded(saved(under("".join(f"{word}." for word in words), RAW), file), RAW)


# -- several sets ----------------------------------------------------------------------------------------------------

SEVERAL: dict[str, tuple[Any, str, str]] = {
    "basicsr": ({"params": RAW, "params_ema": EMA}, "params", "params_ema"),
    "timm": ({"state_dict": under("module.", RAW), "state_dict_ema": EMA}, "state_dict", "state_dict_ema"),
    "yolox": ({"model": RAW, "ema": {"updates": 3, "model": EMA}}, "model", "ema"),
    "lightning": ({"state_dict": under("model.", RAW) | under("model_ema.", EMA)}, "model", "model_ema"),
    "ema_pytorch": (
        {**under("online_model.", RAW), **under("ema_model.", EMA), "initted": ONE, "step": ONE},
        "online_model",
        "ema_model",
    ),
    "by names": ({"net": RAW, "ema": {"decay": 0.999, "shadow_params": EMA}}, "net", "ema.shadow_params"),
    "swa": ({"model": RAW, "swa": {**under("module.", EMA), "n_averaged": ONE}}, "model", "swa"),
    "flat and nested": ({**RAW, "ema": EMA}, ".", "ema"),
    "parallel": ({"params": under("module.", RAW), "ema": under("module._orig_mod.", EMA)}, "params", "ema"),
}


@pytest.mark.parametrize("shape", SEVERAL)
def test_several_sets_are_named_and_one_is_chosen(shape: str, tmp_path: Path) -> None:
    content, raw, ema = SEVERAL[shape]
    path = saved(content, tmp_path / "w.pth")
    said = refusal(path)
    assert said.startswith(f"{path}: holds 2 sets of weights of small: ")
    names = said.partition("of small: ")[2].partition("; say")[0].split(", ")
    assert len(names) == 2
    for name, state in zip(names, (RAW, EMA), strict=True):
        assert is_loaded(path, state, name)
    assert is_loaded(path, RAW, raw)
    assert is_loaded(path, EMA, ema)
    assert refusal(path, "nothing") == f"{path}:nothing: holds nothing of that name; there is {', '.join(names)}"


def test_of_two_sets_the_other_is_not_said_to_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content, *_ = SEVERAL["ema_pytorch"]
    path = saved(content, tmp_path / "w.pth")
    assert is_loaded(path, EMA, "ema_model")
    (record,) = caplog.records
    assert record.getMessage() == f"{path}:ema_model: left out, for it is nothing of small: initted, step"


def test_the_same_tensors_by_two_names_are_two_sets(tmp_path: Path) -> None:
    path = saved({"params": RAW, "params_ema": RAW}, tmp_path / "w.pth")
    assert "2 sets of weights of small: params, params_ema; say which" in refusal(path)
    assert is_loaded(path, RAW, "params_ema")


def dotless(state: State) -> State:
    """As latent diffusion's averages are called."""
    return {key.replace(".", ""): value for key, value in state.items()}


UNNAMED: dict[str, tuple[Any, str, str]] = {
    "a list": ({"net": RAW, "ema": {"shadow_params": [*EMA.values()]}}, "net", "ema.shadow_params"),
    "dotless": ({"state_dict": RAW | under("model_ema.", dotless(EMA))}, "state_dict", "state_dict.model_ema"),
    "without buffers": (
        {"net": RAW, "ema": {key: value for key, value in EMA.items() if "running" not in key}},
        "net",
        "ema",
    ),
    "without a parameter": ({"net": RAW, "ema": {key: EMA[key] for key in EMA if key != "decoder.bias"}}, "net", "ema"),
}


@pytest.mark.parametrize("shape", UNNAMED)
def test_an_average_that_cannot_be_read_is_not_passed_over(shape: str, tmp_path: Path) -> None:
    content, raw, ema = UNNAMED[shape]
    path = saved(content, tmp_path / "w.pth")
    assert f"{raw}, {ema} (alike, but not by all names of the network)" in refusal(path)
    assert is_loaded(path, RAW, raw)
    assert refusal(path, ema).startswith(f"{path}:{ema}: ")


# -- what is left out, and what is refused ---------------------------------------------------------------------------


def test_what_is_left_out_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    foreign = {"lpips.net.0.weight": ONE, "lpips.lin.1.weight": ONE, "vgg.2": ONE, "vgg.3": ONE}
    path = saved(RAW | foreign, tmp_path / "w.pth")
    assert is_loaded(path, RAW)
    line = f"{path}: left out, for it is nothing of small: lpips.lin.1.weight, lpips.net.0.weight, vgg.2 and 1 more"
    assert caplog.record_tuples == [("harness", logging.WARNING, line)]


@pytest.mark.parametrize("shape", ["counters", "averaged", "nested", "lightning", "a teacher that the network knows"])
def test_what_is_known_to_be_none_is_not_said(shape: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert is_loaded(saved(SHAPES[shape], tmp_path / "w.pth"), RAW)
    assert [record.getMessage() for record in caplog.records if "vgg" not in record.getMessage()] == []


def without(state: State, *names: str) -> State:
    return {key: value for key, value in state.items() if key not in names}


REFUSED: dict[str, tuple[Any, str]] = {
    "one is missing": (without(RAW, "decoder.bias"), "not weights of small: decoder.bias (missing)"),
    "one is missing, foreign ones are there": (
        without(RAW, "decoder.bias") | {"lpips.net.weight": ONE},
        "not weights of small: decoder.bias (missing), lpips.net.weight (unexpected)",
    ),
    "one is missing under a prefix": (under("net.", without(RAW, "decoder.bias")), "decoder.bias (missing)"),
    "one more in a part of the network": (RAW | {"encoder.2.weight": ONE}, "encoder.2.weight (unexpected)"),
    "one more at the root": (RAW | {"alpha": ONE}, "not weights of small: alpha (unexpected)"),
    "another shape": (RAW | {"decoder.weight": torch.rand(3, 4, 1, 1)}, "decoder.weight (another shape)"),
    "half here and half there": (
        under("a.", {key: RAW[key] for key in list(RAW)[:4]}) | under("b.", {key: RAW[key] for key in list(RAW)[4:]}),
        "(missing)",
    ),
    "not finite": ({"params": RAW | {"decoder.bias": torch.full((2,), torch.nan)}}, "decoder.bias: holds values that"),
    "another kind": ({"params": RAW | {"decoder.bias": torch.ones(2, dtype=torch.int64)}}, "is int64, not float32"),
    "nothing": ({"epoch": 3, "note": "x"}, "holds no state dict of tensors"),
    "no names": ([*RAW.values()], "not weights of small: "),
}


@pytest.mark.parametrize("shape", REFUSED)
def test_what_is_not_all_of_the_network_is_refused(shape: str, tmp_path: Path) -> None:
    content, line = REFUSED[shape]
    assert line in refusal(saved(content, tmp_path / "w.pth"))


def test_files_of_the_harness_keep_their_colours(tmp_path: Path) -> None:
    """Whatever prefix they got: `baseline.` says whose they are, and is never a prefix of an official file."""
    model = network("hce")
    state = {key: torch.full_like(value, 3) for key, value in model.state_dict().items()}
    state["baseline.encoder.0.weight"] = RAW["encoder.0.weight"]
    for prefix in ("", "module.", "_orig_mod."):
        load_weights(model, saved({"model": under(prefix, state)}, tmp_path / "w.pth"), "small+hce")
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        assert "plugin.hce.share (unexpected)" in refusal(tmp_path / "w.pth")
        assert "plugin.hir.share (missing)" in refusal(tmp_path / "w.pth", into=network("hce", "hir"))


def test_what_another_s_code_raises_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And hides no set that fits."""

    def picky(self: Small, state: State) -> State:
        return {key: state[key] for key in Small().state_dict()}

    monkeypatch.setattr(Small, "translate", picky)
    load_weights(network(), saved(under("net.", RAW), tmp_path / "w.pth"), "small")
    with pytest.raises(KeyError, match=r"encoder\.0\.weight"):
        load_weights(network(), saved({"other": torch.rand(3)}, tmp_path / "w.pth"), "small")


# -- safely ----------------------------------------------------------------------------------------------------------


def test_what_stands_beside_is_read_and_never_made(tmp_path: Path) -> None:
    """Neither numpy's functions nor argparse's are called."""
    content = {"best": np.float64(1), "args": argparse.Namespace(lr=1), "at": Path("x"), "curve": np.ones(3), "w": ONE}
    allowed = set(torch.serialization.get_safe_globals())
    tree = content_of(saved(content, tmp_path / "w.pth")).tree
    assert {type(tree[name]).__module__ for name in ("best", "args", "at", "curve")} == {"harness.weights.content"}
    assert vars(tree["args"]) == {}
    assert set(torch.serialization.get_safe_globals()) == allowed


def test_settings_of_lightning_are_a_dict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("lightning_fabric.utilities.data")
    for name in ("lightning_fabric", "lightning_fabric.utilities"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    attributes = type("AttributeDict", (dict,), {"__module__": module.__name__})
    module.AttributeDict = attributes  # type: ignore[attr-defined]
    path = saved({"state_dict": RAW, "hyper_parameters": attributes(lr=1e-4)}, tmp_path / "w.ckpt")
    assert is_loaded(path, RAW)


class Settings:
    """Somebody's."""


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("kind", ["whole", "settings", "of old", "script"])
def test_code_is_refused_with_the_true_reason(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    if kind == "whole":
        saved(Small(), path)
    elif kind == "script":
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)  # type: ignore[no-untyped-call]
    else:
        saved({"state_dict": RAW, "args": Settings()}, path, _use_new_zipfile_serialization=kind != "of old")
    said = refusal(path)
    assert said.startswith(f"{path}: not a checkpoint that can be loaded safely: it ")
    held = f"{__name__}.{'Small' if kind == 'whole' else 'Settings'}, which is code and no data"
    assert ("TorchScript" if kind == "script" else held) in said
    assert said.endswith("alone")
    assert "state_dict() alone" in said
    assert "weights_only" not in said


def sparse() -> Tensor:
    return torch.eye(4).to_sparse()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: RAW | {"decoder.bias": ONE.expand(1 << 15, 1 << 15)}, "decoder.bias is 32768x32768, of which"),
        (lambda: RAW | dict.fromkeys(map(str, range(2000)), torch.zeros(1 << 12)), "its tensors show 32,76"),
        (lambda: RAW | {"decoder.bias": sparse()}, "decoder.bias is sparse"),
        (lambda: RAW | {"decoder.bias": torch.zeros(2, device="meta")}, "decoder.bias has no values"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"params_ema": state}])
def test_no_set_of_weights_unfolds(
    make: Callable[[], State], line: str, wrap: Callable[[State], Any], tmp_path: Path
) -> None:
    path = saved(wrap(make()), tmp_path / "w.pth")
    assert line in refusal(path)


@pytest.mark.filterwarnings("ignore")
def test_what_lies_elsewhere_in_the_file_may_be_anything(tmp_path: Path) -> None:
    content = {"params": RAW, "optimizer": {"sparse": sparse()}, "much": {"x": ONE.expand(1 << 15, 1 << 15)}}
    assert is_loaded(saved(content, tmp_path / "w.pth"), RAW, "params")


def test_trees_without_an_end() -> None:
    knot: dict[str, Any] = {"weight": ONE}
    knot["self"] = knot
    assert [group.path for group in groups_of(knot)] == ["", "self"]
    wide: dict[str, Any] = {}
    for _ in range(40):  # 2 ** 40 ways through
        wide = {"a": wide, "b": wide, "weight": ONE}
    assert len(groups_of(wide)) < 40
    deep: dict[str, Any] = {"weight": ONE}
    for _ in range(10_000):
        deep = {"deeper": deep}
    assert groups_of(deep) == []


# -- shards ----------------------------------------------------------------------------------------------------------


def sharded(folder: Path, suffix: str = ".safetensors") -> Path:
    folder.mkdir()
    names = [*RAW]
    parts = {f"model-0000{at}-of-00002{suffix}": names[at - 1 :: 2] for at in (1, 2)}
    for file, keys in parts.items():
        part = {key: RAW[key] for key in keys}
        (safetensors.torch.save_file if suffix == ".safetensors" else torch.save)(part, folder / file)
    index = {"metadata": {"total_size": 1}, "weight_map": {key: file for file, keys in parts.items() for key in keys}}
    (folder / f"model{suffix}.index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_shards_are_one_file(suffix: str, tmp_path: Path) -> None:
    folder = sharded(tmp_path / "w", suffix)
    assert is_loaded(folder, RAW)
    assert is_loaded(folder / f"model{suffix}.index.json", RAW)


def change(folder: Path, **mapped: object) -> None:
    (index,) = folder.glob("*.json")
    content = json.loads(index.read_text())
    content["weight_map"].update(mapped)
    index.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda folder: next(folder.glob("*1-of*")).unlink(), "model.safetensors.index.json names it: get all shards"),
        (lambda folder: change(folder, more="model-00001-of-00002.safetensors"), "it differs in more"),
        (
            lambda folder: change(folder, **{"encoder.0.weight": "model-00002-of-00002.safetensors"}),
            "it differs in encoder.0.weight",
        ),
        (lambda folder: change(folder, more="../w/model-00001-of-00002.safetensors"), "which is no file beside it"),
        (lambda folder: change(folder, more=3), "no index of shards"),
        (lambda folder: (folder / "b.index.json").write_text("{}"), "has 2 indexes: give one, b.index.json or model."),
        (lambda folder: (folder / "model.safetensors.index.json").write_text("[" * 100_000), "no index of shards"),
        (lambda folder: (folder / "model.safetensors.index.json").write_text("[]"), "no index of shards"),
        (lambda folder: (folder / "model.safetensors.index.json").unlink(), "without an index of shards"),
        (lambda folder: next(folder.glob("*1-of*")).write_bytes(b"x"), "not a checkpoint that can be loaded safely"),
    ],
)
def test_shards_that_do_not_belong_together(spoil: Callable[[Path], Any], line: str, tmp_path: Path) -> None:
    folder = sharded(tmp_path / "w")
    spoil(folder)
    assert line in refusal(folder)


# -- FILE:KEY --------------------------------------------------------------------------------------------------------


def test_a_file_with_a_colon_in_its_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = Path("w.pth"), Path("w.pth:ema")
    first.touch()
    assert places.given("w.pth:ema") == places.Given(first, "ema")
    assert places.given("w.pth:a:b.c") == places.Given(first, "a:b.c")
    second.touch()
    assert places.given("w.pth:ema") == places.Given(second)
    assert places.given("w.pth:ema:net") == places.Given(second, "net")
    assert places.given(str(tmp_path / "w.pth:x")) == places.Given(tmp_path / "w.pth", "x")
    for word in ("", ":", ":ema", "w.pth:", "x.pth:ema", "w\0:ema", "x" * 5000, ".", "..:ema"):
        assert places.given(word) is None
    assert places.given(f"{sharded(tmp_path / 'shards')}:ema") == places.Given(tmp_path / "shards", "ema")


@pytest.fixture(scope="session")
def two_sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, State]:
    """IFRNet-S, and an average of it."""
    state = {key: value.clone() for key, value in harness.load("ifrnet-s").baseline.state_dict().items()}
    average = {key: value + 0.5 for key, value in state.items()}
    path = tmp_path_factory.mktemp("sets") / "net.pth"
    return saved({"params": under("module.", state), "params_ema": average, "iter": ONE}, path), average


def test_harness_load_takes_a_key(two_sets: tuple[Path, State]) -> None:
    path, average = two_sets
    with pytest.raises(HarnessError, match=r"holds 2 sets of weights of ifrnet-s: params, params_ema; say which"):
        harness.load("ifrnet-s", weights=str(path))
    found = harness.load("ifrnet-s", weights=f"{path}:params_ema").baseline.state_dict()
    assert all(torch.equal(found[key], value) for key, value in average.items())


# -- harness weights inspect -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def installed() -> list[tuple[str, Composed | str]]:
    from harness.pair.inspection import _baselines

    return list(_baselines(catalog()))


def lines(path: Path | str) -> list[str]:
    from click.testing import CliRunner

    from harness.cli.weights import weights

    result = CliRunner().invoke(weights, ["inspect", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    return [line for line in result.output.splitlines() if not line.startswith("not asked")]


def test_inspect_says_what_is_there_and_what_it_fits(
    two_sets: tuple[Path, State], installed: list[tuple[str, Composed | str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.pair.inspection._baselines", lambda known: installed)
    path, average = two_sets
    count = f"104 tensors, {sum(value.numel() for value in average.values()):,} parameters, float32; fits ifrnet-s"
    assert lines(path) == [
        f"params: {count}; before its names: module.",
        f"params_ema: {count}",
        "other tensors: iter",
    ]
    assert lines(f"{path}:params_ema") == [f"params_ema: {count}", "other tensors: iter"]
    with pytest.raises(HarnessError, match=r"net\.pth:ema: holds nothing of that name; there is params, params_ema"):
        lines(f"{path}:ema")
    with pytest.raises(HarnessError, match=r"none\.pth: there is no such file"):
        lines(path.with_name("none.pth"))


def test_inspect_names_what_is_renamed_left_out_and_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.pair.inspection._baselines", lambda known: [("small", network()), ("odd", "Oh: no")])
    state = under("net.", RAW | {"total_ops": ONE, "teacher.x": ONE}) | {"vgg.0": ONE.half()}
    count = sum(value.numel() for value in RAW.values())
    assert lines(saved(state, tmp_path / "w.pth")) == [
        f"net: {len(RAW)} tensors, {count} parameters, float32, int64; fits small; before its names: net.; "
        "left out: vgg.0; not needed: net.teacher.x, net.total_ops"
    ]
    own = network("hce", "hir").state_dict()
    assert "; fits small with hce, hir" in lines(saved(own, tmp_path / "w.pth"))[0]
    several, *_ = UNNAMED["a list"]
    first, second = lines(saved(several, tmp_path / "w.pth"))
    assert first.startswith("net: ")
    assert second.endswith("fits no installed baseline; is alike to small, but has not all of its names")
    (line,) = lines(saved({"x": {"weight": sparse()}}, tmp_path / "w.pth"))
    assert "fits no installed baseline; cannot be loaded: weight is sparse" in line


def test_inspect_asks_every_installed_baseline(installed: list[tuple[str, Composed | str]]) -> None:
    from harness.registry.specs import BaselineSpec

    built = dict(installed)
    assert built.keys() == {entry.spec.name for entry in catalog().entries(BaselineSpec)}
    ours = [built[name] for name in ("ifrnet", "rife", "amt", "ema", "uprnet")]
    assert all(isinstance(model, Composed) and next(model.parameters()).is_meta for model in ours)
