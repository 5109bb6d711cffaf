"""The seam, the prior, checkpoints, types and sizes."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import vfi_uprnet
from torch import Tensor
from vfi_uprnet.network import UPRNet

import harness
from harness import HarnessError
from harness.model import Composed, Frames, MotionPrior, Prediction, resize_flow
from harness.testing import golden_frame

HALF = torch.full((1, 1, 1, 1), 0.5)


def predict(network: UPRNet, frames: Frames, prior: MotionPrior | None = None, t: Tensor = HALF) -> Prediction:
    return network.decode(frames, network.encode(frames), t, prior)


def stages(network: UPRNet, frames: Frames, prior: MotionPrior | None = None) -> list[tuple[Tensor, Tensor]]:
    """What the estimator gives, level by level, and then the finest flows that each synthesis gets."""
    results: list[Any] = []
    handles = [
        network.motion_estimator.register_forward_hook(lambda _, __, output: results.append(output)),
        network.synthesis_network.register_forward_pre_hook(lambda _, inputs: results.append(inputs[3])),
    ]
    try:
        predict(network, frames, prior)
    finally:
        for handle in handles:
            handle.remove()
    return results


def assert_same(one: Prediction, other: Prediction) -> None:
    for name in ("frame", "flow_t0", "flow_t1", "blend"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def prior_of(stage: Iterable[Tensor], **options: Any) -> MotionPrior:
    flow0, flow1, latent = stage
    return MotionPrior(flow_t0=flow0, flow_t1=flow1, latent=latent, **options)


def random_prior(height: int, width: int, **options: Any) -> MotionPrior:
    generator = torch.Generator().manual_seed(0)
    return prior_of(
        (torch.randn(1, channels, height, width, generator=generator) for channels in (2, 2, 64)), **options
    )


def moving_scene(time: float) -> Tensor:
    """A pattern that moves by 8 pixels in x and 4 in y from frame 0 to frame 1."""
    y, x = torch.meshgrid(torch.arange(64.0) - 4 * time, torch.arange(96.0) - 8 * time, indexing="ij")
    return (0.5 + 0.3 * torch.sin(0.23 * x) * torch.cos(0.31 * y)).expand(1, 3, -1, -1).contiguous()


def still_network() -> UPRNet:
    """Its coarsest level's flows, the prior's, serve at full size, and its frame is the mean of what they warp."""
    torch.manual_seed(0)
    network = UPRNet(variant="base", skipped=2).eval().requires_grad_(False)
    for parameter in network.synthesis_network.pred.parameters():
        parameter.zero_()
    return network


# --- structure ---


@pytest.mark.parametrize(("variant", "count"), [("base", 1_653_961), ("large", 3_701_865), ("llarge", 6_563_721)])
def test_parameter_count(variant: Any, count: int) -> None:
    with torch.device("meta"):
        network = UPRNet(variant=variant)
    assert sum(p.numel() for p in network.parameters()) == count
    assert not list(network.buffers())


@pytest.mark.parametrize(("levels", "scale", "stride"), [(3, 1.0, 16), (3, 0.5, 16), (2, 1.0, 8), (4, 1.0, 32)])
def test_offers_describe_what_encode_and_the_coarsest_level_give(
    levels: int, scale: float, stride: int, frames: Any
) -> None:
    """At a working scale of 1/2 the pyramid has one level more, as if the frames were half as large."""
    net, pair = UPRNet(variant="base", levels=levels), frames(64, 128, scale)
    seam = harness.MotionSeam(stride=stride, latent="feature", channels=64, kind="forward", adds=False)
    assert net.offers == harness.Offers(channels=64, stride=stride, motion=seam)
    grid = int(64 * scale) // stride, int(128 * scale) // stride
    features = net.encode(pair)
    assert features.f0.shape == features.f1.shape == (1, 64, *grid)
    assert len(features.kept) == levels + (scale == 0.5)
    flows, latent = stages(net, pair)[0]
    assert flows.shape == (2, 2, *grid)
    assert latent.shape == (1, 64, *grid)


def test_specs_name_the_variants_and_import_no_torch() -> None:
    specs = vfi_uprnet.harness_baselines()
    assert {spec.name: spec.preset["variant"] for spec in specs} == {
        "uprnet": "base",
        "uprnet-large": "large",
        "uprnet-llarge": "llarge",
    }
    code = "import sys, vfi_uprnet; vfi_uprnet.harness_baselines(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- the prior, and refined features ---


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_zero_residual_is_the_plain_network(scale: float, network: Any, frames: Any) -> None:
    net, pair = network("base"), frames(64, 96, scale)
    height, width = (int(side * scale) // 16 for side in (64, 96))
    zero = prior_of(torch.zeros(1, channels, height, width) for channels in (2, 2, 64))
    assert_same(predict(net, pair, zero), predict(net, pair))


def test_a_residual_is_added_to_what_the_coarsest_level_gives(network: Any, frames: Any) -> None:
    """As motion between the frames, in cells of the coarsest grid; the first frame of the pyramid is warped by it."""
    net, pair = network("base"), frames(64, 96)
    motion = torch.tensor([0.75, -0.5]).view(1, 2, 1, 1).expand(1, 2, 4, 6)
    prior = prior_of((-0.3 * motion, 0.7 * motion, torch.zeros(1, 64, 4, 6)))
    flows = stages(net, pair)[0][0]
    expected = resize_flow(flows + torch.cat([motion, -motion]), (16, 24))
    torch.testing.assert_close(stages(net, pair, prior)[1][0], expected)


def test_replace_does_not_run_the_coarsest_estimate(network: Any, frames: Any) -> None:
    net, pair = network("base"), frames(64, 96)
    assert len(stages(net, pair)) == 6
    assert len(stages(net, pair, random_prior(4, 6))) == 6
    assert len(stages(net, pair, random_prior(4, 6, inject="replace"))) == 5


@pytest.mark.parametrize("inject", ["residual", "replace"])
@pytest.mark.parametrize("t", [0.25, 0.5])
def test_true_flows_give_the_true_frame_and_mirrored_ones_do_not(inject: Any, t: float) -> None:
    net, pair = still_network(), Frames(img0=moving_scene(0), img1=moving_scene(1))
    for parameter in net.motion_estimator.conv_layer6.parameters():
        parameter.zero_()  # what a residual is added to
    motion = torch.tensor([8.0, 4.0]).view(1, 2, 1, 1)
    inner = (..., slice(8, -8), slice(8, -8))
    errors = []
    for sign in (1, -1):
        cells = (sign * motion / 16).expand(1, 2, 4, 6)
        prior = prior_of((-t * cells, (1 - t) * cells, torch.zeros(1, 64, 4, 6)), inject=inject)
        out = predict(net, pair, prior, torch.full((1, 1, 1, 1), t))
        torch.testing.assert_close(out.flow_t0, (-t * sign * motion).expand(1, 2, 64, 96), atol=1e-4, rtol=0)
        torch.testing.assert_close(out.flow_t1, ((1 - t) * sign * motion).expand(1, 2, 64, 96), atol=1e-4, rtol=0)
        assert out.blend is not None
        torch.testing.assert_close(out.blend, torch.full_like(out.blend, 1 - t))
        errors.append((out.frame - moving_scene(t))[inner].abs().max().item())
    assert errors[0] < 1e-4
    assert errors[1] > 0.2


def test_a_prior_is_refined_by_the_levels_above(network: Any, frames: Any) -> None:
    net, pair = network("base"), frames(64, 96)
    plain, seeded = predict(net, pair), predict(net, pair, random_prior(4, 6))
    assert (plain.frame - seeded.frame).abs().max() > 1e-3
    assert (plain.flow_t0 - seeded.flow_t0).abs().max() > 1e-2


def test_refined_features_reach_flows_and_frame_without_a_prior(network: Any, frames: Any) -> None:
    net, pair = network("base"), frames(64, 96)
    features = net.encode(pair)
    plain = net.decode(pair, features, HALF, None)
    for refined in (features.refined(2 * features.f0, features.f1), features.refined(features.f0, 2 * features.f1)):
        out = net.decode(pair, refined, HALF, None)
        assert (out.frame - plain.frame).abs().max() > 1e-3
        assert (out.flow_t0 - plain.flow_t0).abs().max() > 1e-2


def test_refined_features_reach_the_coarsest_frame_too(network: Any, frames: Any) -> None:
    """Where a prior stands for what they would be matched for."""
    net, pair, prior = network("base"), frames(64, 96), random_prior(4, 6, inject="replace")
    features, made = net.encode(pair), []
    handle = net.synthesis_network.register_forward_hook(lambda _, __, output: made.append(output[0]))
    try:
        for each in (features, features.refined(features.f0, -features.f1)):
            net.decode(pair, each, HALF, prior)
    finally:
        handle.remove()
    assert made[0].shape == made[3].shape == (1, 3, 16, 24)
    assert (made[0] - made[3]).abs().max() > 1e-3


# --- training, and plug-ins ---


@pytest.mark.parametrize("skipped", [0, 2])
def test_gradients_reach_every_parameter(skipped: int, network: Any, frames: Any) -> None:
    net = copy.deepcopy(network("base", skipped)).requires_grad_(True)
    predict(net, frames(32, 48)).frame.square().mean().backward()
    without = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_gradients_reach_the_prior_and_the_coarsest_features(network: Any, frames: Any) -> None:
    net, pair = network("base"), frames(32, 48)
    features = net.encode(pair)
    f0, f1 = features.f0.clone().requires_grad_(), features.f1.clone().requires_grad_()
    seeds = [torch.zeros(1, channels, 2, 3).requires_grad_() for channels in (2, 2, 64)]
    net.decode(pair, features.refined(f0, f1), HALF, prior_of(seeds)).frame.square().mean().backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in (f0, f1, *seeds))


@pytest.mark.parametrize("inject", ["residual", "replace"])
def test_hce_and_hir_on_odd_sizes(inject: str) -> None:
    maps = np.zeros((2, 2, 37, 53), np.uint8)
    maps[..., 20:] = 1
    model = harness.load("uprnet", plugins=["hce", f"hir:inject={inject}"])
    img0 = torch.cat([golden_frame(k, 37, 53) for k in (0, 1)])
    img1 = torch.cat([golden_frame(k, 37, 53) for k in (2, 3)])
    out = model.interpolate(img0, img1, t=0.3, masks=maps, scale=0.5)
    assert out.frame.shape == (2, 3, 37, 53)
    assert out.flow_t0 is not None
    assert out.flow_t0.shape == (2, 2, 37, 53)
    assert out.frame.isfinite().all()
    assert (out.frame[0] - out.frame[1]).abs().max() > 1e-3


def test_hce_and_hir_train_with_the_network() -> None:
    model = harness.load("uprnet", plugins=["hce", "hir"]).train()
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


# --- official checkpoints ---


def test_a_translated_state_takes_and_gives_rgb(network: Any, frames: Any) -> None:
    raw, pair = network("base"), frames(64, 96)
    state = raw.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    net = copy.deepcopy(raw)
    net.load_state_dict(net.translate(state))
    official = predict(raw, Frames(img0=pair.img0.flip(1), img1=pair.img1.flip(1)))
    ours = predict(net, pair)
    torch.testing.assert_close(ours.frame, official.frame.flip(1), atol=2e-5, rtol=0)
    torch.testing.assert_close(ours.flow_t0, official.flow_t0, atol=2e-4, rtol=0)
    assert (ours.frame - predict(raw, pair).frame).abs().max() > 1e-2
    assert all(torch.equal(value, before[key]) for key, value in state.items())  # the given state is left alone


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_official_file_loads(prefix: str, network: Any, frames: Any, tmp_path: Path) -> None:
    state = network("base").state_dict()
    torch.save({f"{prefix}{key}": value for key, value in state.items()}, tmp_path / "upr-base.pkl")
    loaded = harness.load("uprnet", weights=str(tmp_path / "upr-base.pkl"))
    expected = network("base").translate(state)
    assert all(torch.equal(value, expected[key]) for key, value in loaded.baseline.state_dict().items())


def test_files_of_other_networks_are_refused_by_name(network: Any, tmp_path: Path) -> None:
    torch.save(network("base").state_dict(), tmp_path / "upr-base.pkl")
    with pytest.raises(HarnessError, match=r"not weights of uprnet-large: .*\(another shape\)"):
        harness.load("uprnet-large", weights=str(tmp_path / "upr-base.pkl"))
    torch.save({"synthesis_network.pred.bias": torch.zeros(())}, tmp_path / "upr-base.pkl")
    with pytest.raises(HarnessError, match=r"not weights of uprnet: .*\(missing\)"):
        harness.load("uprnet", weights=str(tmp_path / "upr-base.pkl"))


# --- sizes, batches, types ---


@pytest.mark.parametrize(("height", "width", "scale"), [(40, 64, 1.0), (64, 56, 1.0), (48, 64, 0.5), (8, 16, 1.0)])
def test_other_sizes_are_refused(height: int, width: int, scale: float, network: Any, frames: Any) -> None:
    with pytest.raises(ValueError, match=f"multiples of 16.* got {height}x{width} at {scale}"):
        network("base").encode(frames(height, width, scale))


@pytest.mark.parametrize(("skipped", "scale", "most"), [(0, 0.8, 4), (0, 8.0, 4), (2, 2.0, 1)])
def test_scales_that_make_no_pyramid_are_refused(skipped: int, scale: float, most: int, frames: Any) -> None:
    with pytest.raises(ValueError, match=f"powers of 2 and at most {most}, got {scale:g}"):
        UPRNet(variant="base", skipped=skipped).encode(frames(80, 160, scale))


@pytest.mark.parametrize(("options", "words"), [({"levels": 0}, "from 1 to 8"), ({"skipped": 3}, "0 to levels - 1")])
def test_pyramids_that_are_none_are_refused(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        UPRNet(variant="base", **options)


@pytest.mark.parametrize(("height", "width", "scale"), [(16, 16, 1.0), (32, 96, 0.5), (64, 128, 0.25), (8, 24, 2.0)])
def test_the_prediction_has_the_size_of_the_frames(
    height: int, width: int, scale: float, network: Any, frames: Any
) -> None:
    out = predict(network("base"), frames(height, width, scale))
    assert out.frame.shape == (1, 3, height, width)
    assert out.flow_t0.shape == out.flow_t1.shape == (1, 2, height, width)


def test_a_batch_is_its_samples(network: Any) -> None:
    net = network("base")
    pairs = [Frames(img0=golden_frame(k, 32, 48), img1=golden_frame(k + 2, 32, 48)) for k in (0, 1)]
    times = [torch.full((1, 1, 1, 1), t) for t in (0.3, 0.6)]
    both = Frames(img0=torch.cat([p.img0 for p in pairs]), img1=torch.cat([p.img1 for p in pairs]))
    batch = predict(net, both, t=torch.cat(times))
    for i, (pair, t) in enumerate(zip(pairs, times, strict=True)):
        single = predict(net, pair, t=t)
        torch.testing.assert_close(batch.frame[i], single.frame[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(batch.flow_t0[i], single.flow_t0[0], atol=1e-4, rtol=0)
    assert_same(predict(net, both), predict(net, both, t=HALF.expand(2, -1, -1, -1)))


def test_time_and_the_order_of_the_frames_matter(network: Any, frames: Any) -> None:
    net, pair = network("base"), frames(64, 96)
    plain = predict(net, pair).frame
    assert (predict(net, pair, t=torch.full_like(HALF, 0.3)).frame - plain).abs().max() > 1e-3
    assert (predict(net, Frames(img0=pair.img1, img1=pair.img0)).frame - plain).abs().max() > 1e-2


def test_autocast_keeps_frame_and_flows_in_single_precision(network: Any, frames: Any) -> None:
    net, pair = network("base"), frames(64, 96)
    plain = predict(net, pair)
    with torch.autocast("cpu", torch.bfloat16):
        out = predict(net, pair)
    assert out.frame.dtype == out.flow_t0.dtype == torch.float32
    assert (out.frame - plain.frame).abs().mean() < 1e-2
    assert (out.flow_t0 - plain.flow_t0).abs().mean() < 5e-2


def test_a_large_flow_survives_autocast() -> None:
    """101.3 pixels is no half-precision number: rounded to bfloat16 it would be 0.3 pixels off."""
    pair = Frames(img0=torch.full((1, 3, 64, 96), 0.5), img1=torch.full((1, 3, 64, 96), 0.5))
    flow = torch.full((1, 2, 4, 6), 101.3 / 16)
    prior = MotionPrior(flow_t0=-flow, flow_t1=flow, latent=torch.zeros(1, 64, 4, 6), inject="replace")
    with torch.autocast("cpu", torch.bfloat16):
        out = predict(still_network(), pair, prior)
    assert out.flow_t1 is not None
    torch.testing.assert_close(out.flow_t1, torch.full((1, 2, 64, 96), 101.3), atol=1e-4, rtol=0)


def test_double_precision(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    net = copy.deepcopy(network("base")).double()
    out = predict(net, Frames(img0=pair.img0.double(), img1=pair.img1.double()), t=HALF.double())
    assert out.frame.dtype == out.flow_t0.dtype == torch.float64
    torch.testing.assert_close(out.frame.float(), predict(network("base"), pair).frame, atol=2e-5, rtol=0)


def test_it_compiles_into_one_graph(frames: Any) -> None:
    """Of one level: tracing three takes three times as long, and says no more."""
    net, pair = UPRNet(variant="base", levels=1).eval().requires_grad_(False), frames(16, 24)
    compiled = torch.compile(Composed(net), backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        torch.testing.assert_close(compiled(pair, HALF).frame, predict(net, pair).frame, atol=2e-5, rtol=0)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_and_never_waits(network: Any, frames: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    pair, net = frames(64, 96), copy.deepcopy(network("base")).cuda()
    on_gpu, t = Frames(img0=pair.img0.cuda(), img1=pair.img1.cuda()), HALF.cuda()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        predict(net, on_gpu, t=t)
        try:
            torch.cuda.set_sync_debug_mode("error")
            out = predict(net, on_gpu, t=t)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(out.frame.cpu(), predict(network("base"), pair).frame, atol=2e-5, rtol=0)
