"""The seam, the prior, types and sizes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import vfi_ifrnet
from torch import Tensor
from vfi_ifrnet.network import IFRNet

from harness.model import Composed, Frames, MotionPrior, Prediction

VARIANTS = ("s", "base", "l")
HALF = torch.full((1, 1, 1, 1), 0.5)


def predict(network: IFRNet, frames: Frames, prior: MotionPrior | None = None, t: Tensor = HALF) -> Prediction:
    return network.decode(frames, network.encode(frames), t, prior)


def decoder4(network: IFRNet, frames: Frames) -> tuple[Tensor, Tensor, Tensor]:
    features = network.encode(frames)
    time = HALF.expand(-1, -1, *features.f0.shape[-2:])
    out: tuple[Tensor, Tensor, Tensor] = network.decoder4(features.f0, features.f1, time)
    return out


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


def prior_like(network: IFRNet, frames: Frames, **options: Any) -> MotionPrior:
    generator = torch.Generator().manual_seed(0)
    return prior_of((0.3 * torch.randn(x.shape, generator=generator) for x in decoder4(network, frames)), **options)


def still_network() -> IFRNet:
    """A network that adds nothing to the flow it is given: zero outputs from every decoder, so a mask of 1/2."""
    torch.manual_seed(0)
    network = IFRNet(variant="s").eval().requires_grad_(False)
    for level in (4, 3, 2, 1):
        deconvolution = network.get_submodule(f"decoder{level}.convblock.2")
        for parameter in deconvolution.parameters():
            parameter.zero_()
    return network


def double(network: IFRNet) -> IFRNet:
    """A float64 copy."""
    return copy.deepcopy(network).double()


# --- structure ---


@pytest.mark.parametrize(("variant", "count"), [("s", 2_803_610), ("base", 4_959_692), ("l", 19_699_460)])
def test_parameter_count(variant: Any, count: int) -> None:
    with torch.device("meta"):
        network = IFRNet(variant=variant)
    assert sum(p.numel() for p in network.parameters()) == count
    assert len(network.state_dict()) == 104


@pytest.mark.parametrize("variant", VARIANTS)
def test_state_dict_is_the_official_one(variant: Any, golden: SimpleNamespace) -> None:
    entries = json.loads(golden.full(variant).with_suffix(".json").read_text())["state_dict"]
    with torch.device("meta"):
        state = IFRNet(variant=variant).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == {e["key"]: e["shape"] for e in entries}


@pytest.mark.parametrize("variant", VARIANTS)
def test_offers_describe_what_encode_and_decoder4_give(variant: Any, network: Any, frames: Any) -> None:
    net, pair = network(variant), frames(32, 48)
    motion = net.offers.motion
    features = net.encode(pair)
    assert features.f0.shape == features.f1.shape == (1, net.offers.channels, 32 // 16, 48 // 16)
    flow0, flow1, ft = decoder4(net, pair)
    assert net.offers.stride == 16
    assert flow0.shape == flow1.shape == (1, 2, 32 // motion.stride, 48 // motion.stride)
    assert ft.shape == (1, motion.channels, 32 // motion.stride, 48 // motion.stride)


def test_specs_name_the_variants() -> None:
    specs = vfi_ifrnet.harness_baselines()
    assert {spec.name: spec.preset["variant"] for spec in specs} == {"ifrnet-s": "s", "ifrnet": "base", "ifrnet-l": "l"}


# --- the prior ---


def test_a_residual_is_added_to_what_decoder4_gives(network: Any, frames: Any) -> None:
    net, pair = network("s"), frames(64, 96)
    prior = prior_like(net, pair)
    flow0, flow1, ft = decoder4(net, pair)
    total = MotionPrior(
        flow_t0=flow0 + prior.flow_t0, flow_t1=flow1 + prior.flow_t1, latent=ft + prior.latent, inject="replace"
    )
    assert_same(predict(net, pair, prior), predict(net, pair, total))
    assert not torch.equal(predict(net, pair, prior).frame, predict(net, pair).frame)


def test_replacing_decoder4_by_its_own_output_is_the_plain_network(network: Any, frames: Any) -> None:
    net, pair = network("s"), frames(64, 96)
    assert_same(predict(net, pair, prior_of(decoder4(net, pair), inject="replace")), predict(net, pair))


def test_replace_does_not_run_decoder4(frames: Any) -> None:
    torch.manual_seed(0)
    net, pair = IFRNet(variant="s"), frames(32, 48)
    prior = prior_like(net, pair, inject="replace")
    predict(net, pair, prior).frame.mean().backward()
    grads = {name: parameter.grad for name, parameter in net.named_parameters()}
    assert all((grad is None) == name.startswith(("decoder4.", "encoder.pyramid4.")) for name, grad in grads.items())


@pytest.mark.parametrize("inject", ["residual", "replace"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_prior_flow_is_in_pixels_of_the_seams_grid_and_points_to_the_sources(inject: Any, scale: float) -> None:
    """A scene that moves by 8 pixels in x and 4 in y from frame to frame, and a prior that knows it."""
    net = still_network()
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")

    def scene(steps: int) -> Tensor:
        at_x, at_y = x - 8 * steps, y - 4 * steps
        return (0.5 + 0.3 * torch.sin(0.23 * at_x) * torch.cos(0.31 * at_y)).expand(1, 3, -1, -1).contiguous()

    height, width = (round(side * scale) // 8 for side in (64, 96))
    to_next = (torch.tensor([8.0, 4.0]) * scale / 8).view(1, 2, 1, 1).expand(1, 2, height, width)
    latent = torch.zeros(1, 54, height, width)
    pair = Frames(img0=scene(-1), img1=scene(1), scale=scale)
    out = predict(net, pair, MotionPrior(flow_t0=-to_next, flow_t1=to_next, latent=latent, inject=inject))
    expected = torch.tensor([8.0, 4.0]).view(1, 2, 1, 1).expand_as(out.flow_t1)
    torch.testing.assert_close(out.flow_t1, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(out.flow_t0, -expected, atol=1e-5, rtol=0)
    inner = (..., slice(8, -8), slice(8, -8))
    torch.testing.assert_close(out.frame[inner], scene(0)[inner], atol=1e-4, rtol=0)


# --- training ---


# --- sizes ---


@pytest.mark.parametrize(
    ("height", "width", "scale"), [(40, 64, 1.0), (64, 56, 1.0), (48, 64, 0.5), (80, 96, 0.8), (8, 16, 1.0)]
)
def test_other_sizes_are_refused(height: int, width: int, scale: float, network: Any, frames: Any) -> None:
    with pytest.raises(ValueError, match=f"multiples of 16.* got {height}x{width} at {scale}"):
        network("s").encode(frames(height, width, scale))


# --- composition, batches, types ---


def test_composed_without_plug_ins_is_encode_then_decode(network: Any, frames: Any) -> None:
    net, pair = network("s"), frames(64, 96)
    assert_same(Composed(net)(pair, HALF), predict(net, pair))


def test_time_and_the_order_of_the_frames_matter(network: Any, frames: Any) -> None:
    net, pair = network("s"), frames(64, 96)
    plain = predict(net, pair).frame
    assert (predict(net, pair, t=torch.full_like(HALF, 0.3)).frame - plain).abs().max() > 1e-4
    assert (predict(net, Frames(img0=pair.img1, img1=pair.img0)).frame - plain).abs().max() > 1e-2


def test_autocast_keeps_frame_and_flows_in_single_precision(network: Any, frames: Any) -> None:
    net, pair = network("s"), frames(64, 96)
    plain = predict(net, pair)
    with torch.autocast("cpu", torch.bfloat16):
        out = predict(net, pair)
    assert out.frame.dtype == out.flow_t0.dtype == out.flow_t1.dtype == torch.float32
    assert (out.frame - plain.frame).abs().mean() < 3e-3
    assert (out.flow_t0 - plain.flow_t0).abs().mean() < 3e-2


def test_a_large_flow_survives_autocast() -> None:
    """101.3 / 8 pixels is no half-precision number: rounded to bfloat16 it would be 0.3 pixels off at full size."""
    pair = Frames(img0=torch.full((1, 3, 64, 96), 0.5), img1=torch.full((1, 3, 64, 96), 0.5))
    flow = torch.full((1, 2, 8, 12), 101.3 / 8)
    prior = MotionPrior(flow_t0=flow, flow_t1=-flow, latent=torch.zeros(1, 54, 8, 12), inject="replace")
    with torch.autocast("cpu", torch.bfloat16):
        out = predict(still_network(), pair, prior)
    torch.testing.assert_close(out.flow_t0, torch.full_like(out.flow_t0, 101.3), atol=1e-4, rtol=0)


def test_double_precision(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    out = predict(double(network("s")), Frames(img0=pair.img0.double(), img1=pair.img1.double()), t=HALF.double())
    assert out.frame.dtype == out.flow_t0.dtype == torch.float64
    torch.testing.assert_close(out.frame.float(), predict(network("s"), pair).frame, atol=2e-5, rtol=0)


def test_channels_last_gives_the_same(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    net = IFRNet(variant="s").to(memory_format=torch.channels_last)
    net.load_state_dict(network("s").state_dict())
    last = Frames(
        img0=pair.img0.contiguous(memory_format=torch.channels_last),
        img1=pair.img1.contiguous(memory_format=torch.channels_last),
    )
    torch.testing.assert_close(predict(net, last).frame, predict(network("s"), pair).frame, atol=2e-5, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_forward_pass_never_waits_for_the_device(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    net = IFRNet(variant="s").cuda()
    net.load_state_dict(network("s").state_dict())
    on_device, t = Frames(img0=pair.img0.cuda(), img1=pair.img1.cuda()), HALF.cuda()
    predict(net, on_device, t=t)
    try:
        torch.cuda.set_sync_debug_mode("error")
        predict(net, on_device, t=t)
    finally:
        torch.cuda.set_sync_debug_mode("default")
