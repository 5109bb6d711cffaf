"""The seam, the prior, types and sizes."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest
import torch
import vfi_amt
from torch import Tensor
from vfi_amt.network import AMT

from harness.model import Composed, Frames, InstanceNorm, MotionPrior, Prediction

HALF = torch.full((1, 1, 1, 1), 0.5)


def predict(network: AMT, frames: Frames, prior: MotionPrior | None = None, t: Tensor = HALF) -> Prediction:
    return network.decode(frames, network.encode(frames), t, prior)


def decoder4(network: AMT, frames: Frames) -> tuple[Tensor, Tensor, Tensor]:
    features = network.encode(frames)
    out: tuple[Tensor, Tensor, Tensor] = network.decoder4(features.f0, features.f1, HALF)
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


def prior_like(network: AMT, frames: Frames, **options: Any) -> MotionPrior:
    generator = torch.Generator().manual_seed(0)
    return prior_of((0.3 * torch.randn(x.shape, generator=generator) for x in decoder4(network, frames)), **options)


def still_network() -> AMT:
    """A network that adds nothing to the motion it is given: every decoder and update gives zero, so masks are 1/2."""
    torch.manual_seed(0)
    network = AMT(variant="s").eval().requires_grad_(False)
    last = [f"decoder{level}.convblock.2" for level in (4, 3, 2, 1)]
    last += [f"update{level}.{head}.2" for level in (4, 3, 2) for head in ("flow_head", "feat_head")]
    for name in (*last, "comb_block.2"):
        for parameter in network.get_submodule(name).parameters():
            parameter.zero_()
    return network


def double(network: AMT) -> AMT:
    """A float64 copy."""
    return copy.deepcopy(network).double()


# --- structure ---


@pytest.mark.parametrize("variant", ["s", "l", "g"])
def test_offers_describe_what_encode_and_decoder4_give(variant: Any) -> None:
    """Without weights or numbers: on the meta device."""
    with torch.device("meta"):
        net, pair = AMT(variant=variant), Frames(img0=torch.empty(1, 3, 32, 48), img1=torch.empty(1, 3, 32, 48))
        features = net.encode(pair)
        flow0, flow1, ft = net.decoder4(features.f0, features.f1, torch.empty(1, 1, 1, 1))
    assert net.offers is not None
    motion = net.offers.motion
    assert motion is not None
    assert features.f0.shape == features.f1.shape == (1, net.offers.channels, 32 // 16, 48 // 16)
    assert net.offers.stride == 16
    assert flow0.shape == flow1.shape == (1, 2, 32 // motion.stride, 48 // motion.stride)
    assert ft.shape == (1, motion.channels, 32 // motion.stride, 48 // motion.stride)


def test_specs_name_the_variants() -> None:
    specs = vfi_amt.harness_baselines()
    assert {s.name: s.preset["variant"] for s in specs} == {"amt-s": "s", "amt-l": "l", "amt": "l", "amt-g": "g"}
    assert all("non-commercial" in spec.licence for spec in specs)


def test_the_correlation_features_start_from_the_published_distribution() -> None:
    torch.manual_seed(0)
    net = AMT(variant="l")
    weight = net.get_submodule("feat_encoder.layer3.0.conv1").weight  # (128, 72, 3, 3)
    assert weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    norms = [module for module in net.modules() if isinstance(module, InstanceNorm)]
    assert norms
    assert all(norm.eps == 1e-5 and not norm.affine and norm.num_groups == norm.num_channels for norm in norms)


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
    net, pair = AMT(variant="s"), frames(32, 48)
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
    latent = torch.zeros(1, 44, height, width)
    pair = Frames(img0=scene(-1), img1=scene(1), scale=scale)
    out = predict(net, pair, MotionPrior(flow_t0=-to_next, flow_t1=to_next, latent=latent, inject=inject))
    expected = torch.tensor([8.0, 4.0]).view(1, 2, 1, 1).expand_as(out.flow_t1)
    torch.testing.assert_close(out.flow_t1, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(out.flow_t0, -expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(out.blend, torch.full_like(y, 0.5)[None, None])
    inner = (..., slice(8, -8), slice(8, -8))
    torch.testing.assert_close(out.frame[inner], scene(0)[inner], atol=1e-4, rtol=0)


# --- training ---


def test_gradients_reach_every_parameter(network: Any, frames: Any) -> None:
    """But the biases before a norm, which takes them away again: what they get is rounding."""
    net = AMT(variant="s")
    net.load_state_dict(network("s").state_dict())
    pair = frames(64, 96)
    features = net.encode(pair)
    assert features.f0.requires_grad
    assert features.f1.requires_grad
    net.decode(pair, features, HALF, None).frame.square().mean().backward()
    grads = {name: 0.0 if p.grad is None else p.grad.abs().sum().item() for name, p in net.named_parameters()}
    normed = {n for n in grads if n.startswith("feat_encoder.") and n.endswith("bias")} - {"feat_encoder.conv2.bias"}
    assert [name for name, grad in grads.items() if name not in normed and not grad > 1e-7] == []
    assert max(grads[name] for name in normed) < 1e-5


# --- sizes ---


@pytest.mark.parametrize(
    ("height", "width", "scale"), [(40, 64, 1.0), (64, 56, 1.0), (48, 64, 0.5), (80, 96, 0.8), (8, 16, 1.0)]
)
def test_other_sizes_are_refused(height: int, width: int, scale: float, network: Any, frames: Any) -> None:
    with pytest.raises(ValueError, match=f"multiples of 16.* got {height}x{width} at {scale}"):
        network("s").encode(frames(height, width, scale))


@pytest.mark.parametrize(
    ("height", "width", "scale"), [(16, 16, 1.0), (16, 128, 1.0), (112, 96, 1.0), (32, 96, 0.5), (100, 60, 0.8)]
)
def test_sizes_at_which_the_published_code_fails(
    height: int, width: int, scale: float, network: Any, frames: Any
) -> None:
    out = predict(network("s"), frames(height, width, scale, top=0))
    assert out.frame.shape == (1, 3, height, width)
    assert out.flow_t0.shape == out.flow_t1.shape == (1, 2, height, width)
    assert out.blend is not None
    assert out.blend.shape == (1, 1, height, width)
    assert all(x.isfinite().all() for x in (out.frame, out.flow_t0, out.flow_t1, out.blend))
    assert out.frame.min() >= 0
    assert out.frame.max() <= 1


# --- composition, batches, types ---


def test_composed_without_plug_ins_is_encode_then_decode(network: Any, frames: Any) -> None:
    net, pair = network("s"), frames(64, 96)
    assert_same(Composed(net)(pair, HALF), predict(net, pair))


def test_samples_of_a_batch_do_not_meet(network: Any, frames: Any) -> None:
    """The mean, the norms, the lookup and the fields above all. In double precision, where other convolution
    kernels for another batch size do not blur the answer."""
    net, pair = double(network("s")), frames(64, 96)
    img0 = torch.cat([pair.img0, 0.5 * pair.img1.flip(3)]).double()
    img1 = torch.cat([pair.img1, 0.5 * pair.img0.flip(3)]).double()
    t = torch.tensor([0.5, 0.3], dtype=torch.float64).view(2, 1, 1, 1)
    batch = predict(net, Frames(img0=img0, img1=img1), t=t)
    for i in range(2):
        single = predict(net, Frames(img0=img0[i : i + 1], img1=img1[i : i + 1]), t=t[i : i + 1])
        torch.testing.assert_close(batch.frame[i], single.frame[0], atol=1e-9, rtol=0)
        torch.testing.assert_close(batch.flow_t0[i], single.flow_t0[0], atol=1e-9, rtol=0)


def test_time_and_the_order_of_the_frames_matter(network: Any, frames: Any) -> None:
    net, pair = network("s"), frames(64, 96)
    plain = predict(net, pair).frame
    assert (predict(net, pair, t=torch.full_like(HALF, 0.3)).frame - plain).abs().max() > 1e-4
    assert (predict(net, Frames(img0=pair.img1, img1=pair.img0)).frame - plain).abs().max() > 1e-2


@pytest.mark.parametrize(("dtype", "image", "flow"), [("bfloat16", 3e-3, 6e-2), ("float16", 4e-4, 8e-3)])
def test_autocast_keeps_frame_and_flows_in_single_precision(
    dtype: str, image: float, flow: float, network: Any, frames: Any
) -> None:
    """Measured: 1.5e-3 and 0.035 pixels in bfloat16, 2.0e-4 and 0.004 in float16, of a mean flow of 4.7 pixels."""
    net, pair = network("s"), frames(64, 96)
    plain = predict(net, pair)
    with torch.autocast("cpu", getattr(torch, dtype)):
        out = predict(net, pair)
    assert out.frame.dtype == out.flow_t0.dtype == out.flow_t1.dtype == torch.float32
    assert (out.frame - plain.frame).abs().mean() < image
    assert (out.flow_t0 - plain.flow_t0).abs().mean() < flow


def test_a_large_flow_survives_autocast() -> None:
    """101.3 / 8 pixels is no half-precision number: rounded to bfloat16 it would be 0.3 pixels off at full size."""
    pair = Frames(img0=torch.full((1, 3, 64, 96), 0.5), img1=torch.full((1, 3, 64, 96), 0.5))
    flow = torch.full((1, 2, 8, 12), 101.3 / 8)
    prior = MotionPrior(flow_t0=flow, flow_t1=-flow, latent=torch.zeros(1, 44, 8, 12), inject="replace")
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
    net = AMT(variant="s").to(memory_format=torch.channels_last)
    net.load_state_dict(network("s").state_dict())
    last = Frames(
        img0=pair.img0.contiguous(memory_format=torch.channels_last),
        img1=pair.img1.contiguous(memory_format=torch.channels_last),
    )
    torch.testing.assert_close(predict(net, last).frame, predict(network("s"), pair).frame, atol=2e-5, rtol=0)


def test_one_graph_holds_the_whole_network(network: Any, frames: Any) -> None:
    """torch.compile without a break. No code is generated: that takes two minutes a core and is Inductor's matter."""
    net, pair = network("s"), frames(32, 48)
    compiled = torch.compile(Composed(net), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(pair, HALF).frame, predict(net, pair).frame, atol=2e-5, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_forward_pass_never_waits_for_the_device(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    net = AMT(variant="s").cuda()
    net.load_state_dict(network("s").state_dict())
    on_device, t = Frames(img0=pair.img0.cuda(), img1=pair.img1.cuda()), HALF.cuda()
    predict(net, on_device, t=t)
    try:
        torch.cuda.set_sync_debug_mode("error")
        predict(net, on_device, t=t)
    finally:
        torch.cuda.set_sync_debug_mode("default")
