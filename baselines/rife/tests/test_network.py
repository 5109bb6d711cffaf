"""The seam, the prior, checkpoints, types and sizes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import vfi_rife
from torch import Tensor
from vfi_rife.network import RIFE

import harness
from harness import HarnessError
from harness.measure.cost import cost
from harness.model import Composed, Frames, MotionPrior, Prediction
from harness.testing import golden_frame

NAMES = ("rife", "rife-m")
HALF = torch.full((1, 1, 1, 1), 0.5)


def predict(network: RIFE, frames: Frames, prior: MotionPrior | None = None, t: Tensor = HALF) -> Prediction:
    return network.decode(frames, network.encode(frames), t, prior)


def block0(network: RIFE, frames: Frames) -> tuple[Tensor, Tensor, Tensor]:
    """What the first stage gives, for t = 0.5."""
    results: list[tuple[Tensor, Tensor, Tensor]] = []
    handle = network.block0.register_forward_hook(lambda _, __, output: results.append(output))
    try:
        predict(network, frames)
    finally:
        handle.remove()
    return results[0]


def assert_same(one: Prediction, other: Prediction) -> None:
    assert one.blend is not None
    assert other.blend is not None
    for a, b in zip(
        (one.frame, one.flow_t0, one.flow_t1, one.blend),
        (other.frame, other.flow_t0, other.flow_t1, other.blend),
        strict=True,
    ):
        assert torch.equal(a, b)


def prior_of(stage: Iterable[Tensor], **options: Any) -> MotionPrior:
    """What a first decoder stage emits, flow_t0, flow_t1 and latent, as a prior."""
    flow0, flow1, latent = stage
    return MotionPrior(flow_t0=flow0, flow_t1=flow1, latent=latent, **options)


def random_prior(height: int, width: int, **options: Any) -> MotionPrior:
    generator = torch.Generator().manual_seed(0)
    return prior_of((torch.randn(1, channels, height, width, generator=generator) for channels in (2, 2, 1)), **options)


def still_network() -> RIFE:
    """A network that adds nothing to the motion it is given, nor to the blended frame: zero from every last layer."""
    torch.manual_seed(0)
    network = RIFE(timestep=False).eval().requires_grad_(False)
    for last in (network.block0.lastconv, network.block1.lastconv, network.block2.lastconv, network.unet.conv):
        for parameter in last.parameters():
            parameter.zero_()
    return network


def moving_scene(steps: int) -> Tensor:
    """A pattern that moves by 8 pixels in x and 4 in y a step."""
    y, x = torch.meshgrid(torch.arange(64.0) - 4 * steps, torch.arange(96.0) - 8 * steps, indexing="ij")
    return (0.5 + 0.3 * torch.sin(0.23 * x) * torch.cos(0.31 * y)).expand(1, 3, -1, -1).contiguous()


def double(network: RIFE) -> RIFE:
    """A float64 copy."""
    return copy.deepcopy(network).double()


# --- structure ---


@pytest.mark.parametrize(("timestep", "count"), [(False, 10_071_550), (True, 10_073_710)])
def test_parameter_count(timestep: bool, count: int) -> None:
    with torch.device("meta"):
        network = RIFE(timestep=timestep)
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_is_the_official_one_without_the_teacher(name: str, golden: SimpleNamespace, network: Any) -> None:
    entries = json.loads(golden.full(name).with_suffix(".json").read_text())["state_dict"]
    official = {e["key"]: e["shape"] for e in entries if not e["key"].startswith("block_tea.")}
    assert {key: list(value.shape) for key, value in network(name).state_dict().items()} == official


def test_nothing_is_cached(network: Any, frames: Any) -> None:
    """The official code keeps a warp grid for every size it meets, and alters the scale list it is given."""
    net = network("rife")
    assert not list(net.buffers())
    plain = predict(net, frames(64, 96))
    predict(net, frames(64, 96, 0.5))
    assert_same(predict(net, frames(64, 96)), plain)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_offers_describe_what_encode_and_block0_give(scale: float, network: Any, frames: Any) -> None:
    net, pair = network("rife"), frames(32, 64, scale)
    features = net.encode(pair)
    assert features.f0.shape == features.f1.shape == (1, net.offers.channels, 32 // 16, 64 // 16)
    assert net.offers.stride == 16
    assert net.offers.motion == harness.MotionSeam(stride=1, latent="blend", channels=1)
    assert [tuple(x.shape) for x in block0(net, pair)] == [(1, channels, 32, 64) for channels in (2, 2, 1)]


def test_specs_name_the_variants() -> None:
    specs = vfi_rife.harness_baselines()
    assert {spec.name: spec.preset["timestep"] for spec in specs} == {"rife": False, "rife-m": True}


# --- the prior, and refined features ---


def test_a_residual_is_added_to_what_block0_gives(network: Any, frames: Any) -> None:
    net, pair = network("rife"), frames(64, 96)
    prior = random_prior(64, 96)
    flow0, flow1, logit = block0(net, pair)
    total = MotionPrior(
        flow_t0=flow0 + prior.flow_t0, flow_t1=flow1 + prior.flow_t1, latent=logit + prior.latent, inject="replace"
    )
    assert_same(predict(net, pair, prior), predict(net, pair, total))
    assert not torch.equal(predict(net, pair, prior).frame, predict(net, pair).frame)


@pytest.mark.parametrize("name", NAMES)
def test_replacing_block0_by_its_own_result_is_the_plain_network(name: str, network: Any, frames: Any) -> None:
    net, pair = network(name), frames(64, 96)
    assert_same(predict(net, pair, prior_of(block0(net, pair), inject="replace")), predict(net, pair))


def test_replace_does_not_run_block0(frames: Any) -> None:
    torch.manual_seed(0)
    net = RIFE(timestep=False)
    predict(net, frames(32, 48), random_prior(32, 48, inject="replace")).frame.mean().backward()
    assert all((p.grad is None) == name.startswith("block0.") for name, p in net.named_parameters())


@pytest.mark.parametrize("inject", ["residual", "replace"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_prior_is_in_full_size_pixels_points_to_the_sources_and_weighs_frame_0(inject: Any, scale: float) -> None:
    """The scene moves by 8 pixels in x and 4 in y from t to frame 1; frame 0, black, weighs nothing or all."""
    pair = Frames(img0=torch.zeros(1, 3, 64, 96), img1=moving_scene(1), scale=scale)
    to1 = torch.tensor([8.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 64, 96)
    for logit, expected in ((-50.0, moving_scene(0)), (50.0, pair.img0)):
        prior = MotionPrior(flow_t0=-to1, flow_t1=to1, latent=torch.full((1, 1, 64, 96), logit), inject=inject)
        out = predict(still_network(), pair, prior)
        torch.testing.assert_close(out.flow_t0, -to1, atol=1e-5, rtol=0)
        torch.testing.assert_close(out.flow_t1, to1, atol=1e-5, rtol=0)
        inner = (..., slice(8, -8), slice(8, -8))
        torch.testing.assert_close(out.frame[inner], expected[inner], atol=1e-4, rtol=0)


def test_refined_features_reach_the_frame_without_a_prior(network: Any, frames: Any) -> None:
    net, pair = network("rife"), frames(64, 96)
    features = net.encode(pair)
    plain = net.decode(pair, features, HALF, None)
    for refined in (features.refined(2 * features.f0, features.f1), features.refined(features.f0, 2 * features.f1)):
        out = net.decode(pair, refined, HALF, None)
        assert (out.frame - plain.frame).abs().max() > 1e-3
        assert torch.equal(out.flow_t0, plain.flow_t0)


# --- training ---


# --- with plug-ins ---


@pytest.fixture(scope="module")
def halves() -> np.ndarray[Any, Any]:
    """Label maps (2, 2, 37, 53) of two targets, which the second sample's second frame has moved."""
    maps = np.zeros((2, 2, 37, 53), np.uint8)
    maps[..., 20:] = 1
    maps[1, 1] = np.roll(maps[1, 1], 9, axis=1)
    return maps


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("inject", ["residual", "replace"])
def test_hce_and_hir_on_odd_sizes(name: str, inject: str, halves: Any) -> None:
    model = harness.load(name, plugins=["hce", f"hir:inject={inject}"])
    img0 = torch.cat([golden_frame(k, 37, 53) for k in (0, 1)])
    img1 = torch.cat([golden_frame(k, 37, 53) for k in (2, 3)])
    out = model.interpolate(img0, img1, t=0.5 if name == "rife" else 0.3, masks=halves)
    assert out.frame.shape == (2, 3, 37, 53)
    assert out.flow_t0.shape == out.flow_t1.shape == (2, 2, 37, 53)
    assert out.frame.isfinite().all()
    assert (out.frame[0] - out.frame[1]).abs().max() > 1e-3


def test_hce_and_hir_train_with_the_network() -> None:
    model = harness.load("rife", plugins=["hce", "hir"]).train()
    torch.manual_seed(0)
    for parameter in model.plugin.parameters():  # HIR's last layer is zero at first, and stops all gradients
        parameter.data += 0.02 * torch.randn_like(parameter)
    img0 = torch.cat([golden_frame(k, 48, 80) for k in (0, 1)])
    img1 = torch.cat([golden_frame(k, 48, 80) for k in (2, 3)])
    regions = model.regions(np.random.default_rng(0).integers(0, 3, (2, 2, 48, 80)), (48, 80))
    out = model(Frames(img0=img0, img1=img1), HALF.expand(2, -1, -1, -1), regions)
    (out.frame - 0.5 * (img0 + img1)).square().mean().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_residual_hir_is_the_plain_network(name: str) -> None:
    img0, img1 = golden_frame(0, 37, 53), golden_frame(2, 37, 53)
    plugged = harness.load(name, plugins=["hir"]).interpolate(img0, img1)
    assert_same(plugged, harness.load(name).interpolate(img0, img1))


def test_cost() -> None:
    """True and as in the paper's table, which prints 0.16 T, and 0.18 T with the plug-ins."""
    plain, timed = cost(harness.load("rife")), cost(harness.load("rife-m"))
    assert (plain.parameters, timed.parameters) == (10_071_550, 10_073_710)
    assert [round(c.macs / 1e9, 2) for c in (plain, timed)] == [116.87, 117.01]
    assert [round(c.macs_thop / 1e9, 2) for c in (plain, timed)] == [164.13, 164.28]
    plugged = cost(harness.load("rife", plugins=["hce", "hir"]))
    assert plugged.parameters - plugged.parameters_plugins == plain.parameters
    assert 0 < plugged.macs_thop - plain.macs_thop < 0.02e12
    assert f"{plugged.macs_thop / 1e12:.2f}" == "0.18"


# --- official checkpoints ---


@pytest.mark.parametrize("name", NAMES)
def test_a_translated_state_takes_and_gives_rgb(name: str, network: Any, frames: Any) -> None:
    raw, pair = network(name), frames(64, 96)
    state = raw.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    net = copy.deepcopy(raw)
    net.load_state_dict(net.translate(state))
    official = predict(raw, Frames(img0=pair.img0.flip(1), img1=pair.img1.flip(1)))
    ours = predict(net, pair)
    torch.testing.assert_close(ours.frame, official.frame.flip(1), atol=2e-5, rtol=0)
    torch.testing.assert_close(ours.flow_t0, official.flow_t0, atol=2e-4, rtol=0)
    torch.testing.assert_close(ours.flow_t1, official.flow_t1, atol=2e-4, rtol=0)
    assert (ours.frame - predict(raw, pair).frame).abs().max() > 1e-2
    assert all(torch.equal(value, before[key]) for key, value in state.items())  # the given state is left alone


@pytest.mark.parametrize("name", NAMES)
def test_the_official_file_loads(name: str, network: Any, frames: Any, tmp_path: Path) -> None:
    teacher = {"block_tea.conv0.0.0.weight": torch.zeros(45, 20, 3, 3), "block_tea.lastconv.bias": torch.zeros(5)}
    state = {f"module.{key}": value for key, value in (network(name).state_dict() | teacher).items()}
    torch.save(state, tmp_path / "flownet.pkl")
    pair = frames(64, 96)
    loaded = harness.load(name, weights=str(tmp_path / "flownet.pkl"))
    official = predict(network(name), Frames(img0=pair.img0.flip(1), img1=pair.img1.flip(1)))
    out = loaded.interpolate(pair.img0, pair.img1)
    torch.testing.assert_close(out.frame, official.frame.flip(1), atol=2e-5, rtol=0)


def test_files_of_other_networks_are_refused_by_name(network: Any, tmp_path: Path) -> None:
    torch.save(network("rife-m").state_dict(), tmp_path / "flownet.pkl")
    with pytest.raises(HarnessError, match=r"not weights of rife: block0\.conv0\.0\.0\.weight \(another shape\)"):
        harness.load("rife", weights=str(tmp_path / "flownet.pkl"))
    state = {"block0.conv0.0.0.weight": torch.zeros(3), "unet.conv.bias": torch.zeros(())}
    torch.save(state, tmp_path / "flownet.pkl")
    with pytest.raises(HarnessError, match=r"not weights of rife: .*\(missing\)"):
        harness.load("rife", weights=str(tmp_path / "flownet.pkl"))


# --- sizes ---


@pytest.mark.parametrize(
    ("height", "width", "scale"),
    [(40, 64, 1.0), (64, 56, 1.0), (48, 64, 0.5), (80, 96, 0.8), (40, 40, 0.8), (8, 16, 1.0), (24, 32, 2.0)],
)
def test_other_sizes_are_refused(height: int, width: int, scale: float, network: Any, frames: Any) -> None:
    with pytest.raises(ValueError, match=f"multiples of 16.* got {height}x{width} at {scale}"):
        network("rife").encode(frames(height, width, scale))


# --- composition, batches, types ---


@pytest.mark.parametrize("name", NAMES)
def test_composed_without_plug_ins_is_encode_then_decode(name: str, network: Any, frames: Any) -> None:
    net, pair = network(name), frames(64, 96)
    assert_same(Composed(net)(pair, HALF), predict(net, pair))


def test_one_time_serves_a_whole_batch(network: Any, frames: Any) -> None:
    pair = frames(32, 48)
    twice = Frames(img0=torch.cat([pair.img0] * 2), img1=torch.cat([pair.img1] * 2))
    assert_same(predict(network("rife-m"), twice), predict(network("rife-m"), twice, t=HALF.expand(2, -1, -1, -1)))


def test_time_matters_to_rife_m_only(network: Any, frames: Any) -> None:
    pair, early = frames(64, 96), torch.full_like(HALF, 0.3)
    assert_same(predict(network("rife"), pair, t=early), predict(network("rife"), pair))
    timed = network("rife-m")
    assert (predict(timed, pair, t=early).frame - predict(timed, pair).frame).abs().max() > 1e-3


def test_the_order_of_the_frames_matters(network: Any, frames: Any) -> None:
    net, pair = network("rife"), frames(64, 96)
    assert (predict(net, Frames(img0=pair.img1, img1=pair.img0)).frame - predict(net, pair).frame).abs().max() > 1e-2


def test_autocast_keeps_frame_and_flows_in_single_precision(network: Any, frames: Any) -> None:
    net, pair = network("rife"), frames(64, 96)
    plain = predict(net, pair)
    with torch.autocast("cpu", torch.bfloat16):
        out = predict(net, pair)
    assert out.frame.dtype == out.flow_t0.dtype == out.flow_t1.dtype == torch.float32
    assert (out.frame - plain.frame).abs().mean() < 3e-3
    assert (out.flow_t0 - plain.flow_t0).abs().mean() < 3e-2


def test_a_large_flow_survives_autocast() -> None:
    """101.3 pixels is no half-precision number: rounded to bfloat16 it would be 0.3 pixels off."""
    pair = Frames(img0=torch.full((1, 3, 64, 96), 0.5), img1=torch.full((1, 3, 64, 96), 0.5))
    flow = torch.full((1, 2, 64, 96), 101.3)
    prior = MotionPrior(flow_t0=flow, flow_t1=-flow, latent=torch.zeros(1, 1, 64, 96))
    with torch.autocast("cpu", torch.bfloat16):
        out = predict(still_network(), pair, prior)
    torch.testing.assert_close(out.flow_t0, flow, atol=1e-4, rtol=0)


def test_double_precision(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    out = predict(double(network("rife")), Frames(img0=pair.img0.double(), img1=pair.img1.double()), t=HALF.double())
    assert out.frame.dtype == out.flow_t0.dtype == torch.float64
    torch.testing.assert_close(out.frame.float(), predict(network("rife"), pair).frame, atol=2e-5, rtol=0)


def test_channels_last_gives_the_same(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    net = copy.deepcopy(network("rife")).to(memory_format=torch.channels_last)
    last = Frames(
        img0=pair.img0.contiguous(memory_format=torch.channels_last),
        img1=pair.img1.contiguous(memory_format=torch.channels_last),
    )
    torch.testing.assert_close(predict(net, last).frame, predict(network("rife"), pair).frame, atol=2e-5, rtol=0)


def test_it_compiles_into_one_graph(network: Any, frames: Any) -> None:
    """Traced, not lowered or turned into C++, which takes minutes; the test below does that for a GPU."""
    net, pair = network("rife-m"), frames(64, 96)
    compiled = torch.compile(Composed(net), backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        torch.testing.assert_close(compiled(pair, HALF).frame, predict(net, pair).frame, atol=2e-5, rtol=0)


# --- on a GPU ---


@pytest.fixture(scope="module")
def on_gpu(network: Any, frames: Any) -> tuple[RIFE, Frames, Tensor]:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    pair = frames(64, 96)
    return copy.deepcopy(network("rife-m")).cuda(), Frames(img0=pair.img0.cuda(), img1=pair.img1.cuda()), HALF.cuda()


@pytest.mark.gpu
def test_the_forward_pass_never_waits_for_the_device(on_gpu: tuple[RIFE, Frames, Tensor]) -> None:
    net, pair, t = on_gpu
    predict(net, pair, t=t)
    try:
        torch.cuda.set_sync_debug_mode("error")
        predict(net, pair, t=t)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.parametrize("compiled", [False, True])
def test_a_gpu_gives_the_same(compiled: bool, on_gpu: Any, network: Any, frames: Any) -> None:
    net, pair, t = on_gpu
    model = torch.compile(Composed(net), fullgraph=True) if compiled else Composed(net)
    expected = predict(network("rife-m"), frames(64, 96)).frame
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        torch.testing.assert_close(model(pair, t).frame.cpu(), expected, atol=2e-5, rtol=0)
        with torch.autocast("cuda", torch.bfloat16):
            assert (model(pair, t).frame.cpu() - expected).abs().mean() < 3e-3
