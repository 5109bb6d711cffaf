"""The seam, the prior, composition, types and sizes."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
import vfi_ema
from torch import Tensor, nn
from vfi_ema.attention import AttentionBlock
from vfi_ema.network import EMA
from vfi_ema.windows import windows_of

import harness
from harness.measure.cost import cost
from harness.model import Composed, Frames, MotionPrior, Prediction, Regions, resize, resize_flow, warp

HALF = torch.full((1, 1, 1, 1), 0.5)


def predict(network: EMA, frames: Frames, prior: MotionPrior | None = None, t: Tensor = HALF) -> Prediction:
    return network.decode(frames, network.encode(frames), t, prior)


def head0(network: EMA, frames: Frames) -> tuple[Tensor, ...]:
    """What the first flow head gives, at the working size."""
    outputs: list[tuple[Tensor, ...]] = []
    handle = network.block[0].register_forward_hook(lambda *args: outputs.append(args[2]))
    predict(network, frames)
    handle.remove()
    return outputs[0]


def assert_same(one: Prediction, other: Prediction) -> None:
    for name in ("frame", "flow_t0", "flow_t1", "blend"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def prior_of(stage: Iterable[Tensor], **options: Any) -> MotionPrior:
    """What a first decoder stage emits, flow_t0, flow_t1 and latent, as a prior."""
    flow0, flow1, latent = stage
    return MotionPrior(flow_t0=flow0, flow_t1=flow1, latent=latent, **options)


def prior_like(network: EMA, frames: Frames, **options: Any) -> MotionPrior:
    generator = torch.Generator().manual_seed(0)
    return prior_of((torch.randn(x.shape, generator=generator) for x in head0(network, frames)), **options)


def trainable(network: Any) -> EMA:
    return copy.deepcopy(network("small")).requires_grad_(True)


def still_network() -> EMA:
    """A network that adds nothing to the flow it is given: zero outputs from both heads and no refinement."""
    torch.manual_seed(0)
    network = EMA(variant="small").eval().requires_grad_(False)
    for layer in (network.block[0].conv[2], network.block[1].conv[2], network.unet.conv):
        for parameter in layer.parameters():
            parameter.zero_()
    return network


# --- structure ---


@pytest.mark.parametrize(("variant", "count"), [("small", 14_489_815), ("base", 65_662_359)])
def test_parameter_count(variant: Any, count: int) -> None:
    with torch.device("meta"):
        network = EMA(variant=variant)
    assert sum(p.numel() for p in network.parameters()) == count
    assert list(network.buffers()) == []


def test_layer_norms_have_the_published_eps() -> None:
    """The outputs do not show it."""
    with torch.device("meta"):
        network = EMA(variant="small")
    norms = {name: m.eps for name, m in network.named_modules() if isinstance(m, nn.LayerNorm)}
    assert len(norms) == 12
    assert norms == {name: 1e-5 if "patch_embed" in name else 1e-6 for name in norms}


def test_specs_name_the_variants() -> None:
    specs = vfi_ema.harness_baselines()
    assert {spec.name: spec.preset["variant"] for spec in specs} == {"ema": "small", "ema-base": "base"}


@pytest.mark.parametrize("variant", ["small", "base"])
def test_offers_describe_what_encode_and_the_first_head_give(variant: Any, network: Any, frames: Any) -> None:
    net, pair = network(variant), frames(64, 96, 0.5)
    features, motion = net.encode(pair), net.offers.motion
    assert net.offers.stride == 16
    assert features.f0.shape == features.f1.shape == (1, net.offers.channels, 2, 3)
    flow0, flow1, logit = head0(net, pair)
    assert flow0.shape == flow1.shape == (1, 2, 32 // motion.stride, 48 // motion.stride)
    assert logit.shape == (1, motion.channels, 32 // motion.stride, 48 // motion.stride)


@pytest.mark.parametrize(("name", "true", "thop"), [("ema", "202.6", "382.4"), ("ema-base", "887.7", "1607.3")])
def test_costs_are_the_published_ones(name: str, true: str, thop: str) -> None:
    counted = cost(harness.load(name))
    assert f"{counted.macs / 1e9:.1f}" == true
    assert f"{counted.macs_thop / 1e9:.1f}" == thop


def test_the_plug_ins_cost_what_the_paper_says_at_most() -> None:
    counted = cost(harness.load("ema", plugins=["hce", "hir"]))
    assert 382.4 < counted.macs_thop / 1e9 <= 482.4


# --- the prior ---


def test_a_residual_is_added_to_what_the_first_head_gives(network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96)
    prior = prior_like(net, pair)
    flow0, flow1, logit = head0(net, pair)
    total = MotionPrior(
        flow_t0=flow0 + prior.flow_t0, flow_t1=flow1 + prior.flow_t1, latent=logit + prior.latent, inject="replace"
    )
    assert_same(predict(net, pair, prior), predict(net, pair, total))
    assert not torch.equal(predict(net, pair, prior).frame, predict(net, pair).frame)


def test_replacing_the_first_head_by_its_own_output_is_the_plain_network(network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96)
    assert_same(predict(net, pair, prior_of(head0(net, pair), inject="replace")), predict(net, pair))


def test_replace_does_not_run_the_first_head(network: Any, frames: Any) -> None:
    net, pair = trainable(network), frames(32, 48)
    prior = prior_like(network("small"), pair, inject="replace")
    predict(net, pair, prior).frame.mean().backward()
    idle = {n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()}
    assert {name for name in idle if name.startswith("block.")} == {
        n for n, _ in net.named_parameters() if "block.0." in n
    }
    # nor is there use for the motion of stage 5, which nothing else looks at


@pytest.mark.parametrize("inject", ["residual", "replace"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_prior_flow_is_in_pixels_of_the_working_size_and_points_to_the_sources(inject: Any, scale: float) -> None:
    """A scene that moves by 8 pixels in x and 4 in y from frame to frame, and a prior that knows it."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")

    def scene(steps: int) -> Tensor:
        at_x, at_y = x - 8 * steps, y - 4 * steps
        return (0.5 + 0.3 * torch.sin(0.23 * at_x) * torch.cos(0.31 * at_y)).expand(1, 3, -1, -1).contiguous()

    height, width = round(64 * scale), round(96 * scale)
    to_next = (torch.tensor([8.0, 4.0]) * scale).view(1, 2, 1, 1).expand(1, 2, height, width)
    prior = MotionPrior(flow_t0=-to_next, flow_t1=to_next, latent=torch.zeros(1, 1, height, width), inject=inject)
    out = predict(still_network(), Frames(img0=scene(-1), img1=scene(1), scale=scale), prior)
    expected = torch.tensor([8.0, 4.0]).view(1, 2, 1, 1).expand_as(out.flow_t1)
    torch.testing.assert_close(out.flow_t1, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(out.flow_t0, -expected, atol=1e-5, rtol=0)
    inner = (..., slice(8, -8), slice(8, -8))
    torch.testing.assert_close(out.frame[inner], scene(0)[inner], atol=1e-4, rtol=0)


def test_the_latent_is_the_logit_of_frame_0s_weight() -> None:
    pair = Frames(img0=torch.full((1, 3, 32, 48), 0.2), img1=torch.full((1, 3, 32, 48), 0.8))
    flow = torch.zeros(1, 2, 32, 48)
    out = predict(
        still_network(), pair, MotionPrior(flow_t0=flow, flow_t1=flow, latent=torch.full((1, 1, 32, 48), 3.0))
    )
    assert out.blend is not None
    torch.testing.assert_close(out.blend, torch.full_like(out.blend, 3.0).sigmoid())
    torch.testing.assert_close(out.frame, (0.8 - 0.6 * out.blend).expand_as(out.frame))


# --- refined features, working scale ---


def unet_features(network: EMA, frames: Frames, **refined: Tensor) -> tuple[tuple[Tensor, ...], Prediction]:
    """What the refinement network is given, with the coarsest features replaced by `refined`."""
    seen: list[Tensor] = []

    def look(_: Any, args: Any) -> Any:
        stages = list(args[1])
        seen.extend(torch.cat(stage, 1) for stage in stages)
        return args[0], iter(stages)

    handle = network.unet.register_forward_pre_hook(look)
    features = network.encode(frames)
    out = network.decode(frames, features.refined(**refined) if refined else features, HALF, None)
    handle.remove()
    return tuple(seen), out


def test_a_working_scale_reduces_motion_estimation_only(network: Any, frames: Any) -> None:
    """The official protocol for large frames: motion on reduced ones, features and synthesis at full size."""
    net, pair = network("small"), frames(64, 96, 0.5)
    low = predict(net, Frames(img0=resize(pair.img0, (32, 48)), img1=resize(pair.img1, (32, 48))))
    features, out = unet_features(net, pair)
    assert torch.equal(out.flow_t0, resize_flow(low.flow_t0, (64, 96)))
    assert torch.equal(out.flow_t1, resize_flow(low.flow_t1, (64, 96)))
    full = net.encode(Frames(img0=pair.img0, img1=pair.img1))
    finest = warp(net.feature_bone.block1(pair.img1), out.flow_t1)
    torch.testing.assert_close(features[0][:, 16:], finest, atol=1e-6, rtol=1e-6)
    flow = out.flow_t0
    for size in ((32, 48), (16, 24), (8, 12), (4, 6)):
        flow = resize_flow(flow, size)
    torch.testing.assert_close(features[4][:, :256], warp(full.f0, flow), atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_refined_features_go_to_the_first_head_and_to_the_refinement(scale: float, network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96, scale)
    shape = net.encode(pair).f0.shape
    plain, out_plain = unet_features(net, pair)
    features, out = unet_features(net, pair, f0=torch.full(shape, 2.0), f1=torch.full(shape, -3.0))
    torch.testing.assert_close(features[4][:, :256], torch.full_like(plain[4][:, :256], 2.0))
    torch.testing.assert_close(features[4][:, 256:], torch.full_like(plain[4][:, 256:], -3.0))
    assert not torch.equal(out.flow_t0, out_plain.flow_t0)


@pytest.mark.parametrize(
    ("height", "width", "scale"), [(40, 64, 1.0), (64, 56, 1.0), (48, 64, 0.5), (100, 60, 0.8), (8, 16, 1.0)]
)
def test_other_sizes_are_refused(height: int, width: int, scale: float, network: Any, frames: Any) -> None:
    with pytest.raises(ValueError, match=f"multiples of 16.* got {height}x{width} at {scale}"):
        network("small").encode(frames(height, width, scale))


@pytest.mark.parametrize(("height", "width", "scale"), [(16, 16, 1.0), (32, 96, 0.5), (80, 160, 0.8), (128, 64, 0.25)])
def test_the_prediction_has_the_size_of_the_frames(
    height: int, width: int, scale: float, network: Any, frames: Any
) -> None:
    out = predict(network("small"), frames(height, width, scale))
    assert out.frame.shape == (1, 3, height, width)
    assert out.flow_t0.shape == out.flow_t1.shape == (1, 2, height, width)
    assert out.blend is not None
    assert out.blend.shape == (1, 1, height, width)
    assert out.frame.min() >= 0
    assert out.frame.max() <= 1


def test_changing_sizes_changes_nothing(network: Any, frames: Any) -> None:
    """Two sizes with one padded area, back and forth: the published code keeps the first one's mask."""
    net, tall, wide = network("small"), frames(112, 80), frames(80, 112)
    first = [predict(net, pair) for pair in (tall, wide)]
    for pair, before in zip((wide, tall), reversed(first), strict=True):
        assert_same(predict(net, pair), before)


def test_the_padding_option_changes_the_result(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    with torch.device("meta"):
        rolled = EMA(variant="small", shifted_padding="rolled")
    rolled.load_state_dict(network("small").state_dict(), assign=True)
    assert (predict(rolled, pair).frame - predict(network("small"), pair).frame).abs().max() > 1e-3
    whole = frames(112, 112)  # no padding
    assert_same(predict(rolled, whole), predict(network("small"), whole))


# --- training ---


def test_gradients_reach_every_parameter(network: Any, frames: Any) -> None:
    net, pair = trainable(network), frames(64, 96)
    features = net.encode(pair)
    assert features.f0.requires_grad
    net.decode(pair, features, HALF, None).frame.square().mean().backward()
    without = {n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    # a constant drops out of the attended less the own coordinate: this one's gradient is rounding, or nothing
    assert {n for n in without if not n.endswith("cor_embed.bias")} == set()


# --- composition, batches ---


def test_composed_without_plug_ins_is_encode_then_decode(network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96)
    assert_same(Composed(net)(pair, HALF), predict(net, pair))


@pytest.mark.parametrize("name", ["ema", "ema-base"])
@pytest.mark.parametrize("inject", ["residual", "replace"])
def test_hce_and_hir_compose(name: str, inject: str, frames: Any) -> None:
    """Two samples of an odd size, forward and backward, with masks."""
    model = harness.load(name, plugins=["hce", f"hir:inject={inject}"])
    pair = frames(37, 53)
    img0, img1 = (torch.cat([x, x.flip(3)]) for x in (pair.img0, pair.img1))
    masks = np.zeros((2, 2, 37, 53), np.uint8)
    masks[:, :, 10:30, 20:40] = 1
    out = model.interpolate(img0, img1, 0.3, masks)
    assert out.frame.shape == (2, 3, 37, 53)
    assert out.frame.isfinite().all()

    padded = Frames(
        img0=nn.functional.pad(img0, (0, 11, 0, 11), mode="replicate"),
        img1=nn.functional.pad(img1, (0, 11, 0, 11), mode="replicate"),
    )
    regions = model.regions(np.pad(masks, ((0, 0), (0, 0), (0, 11), (0, 11))), (48, 64))
    assert isinstance(regions, Regions)
    prediction = model(padded, torch.full((2, 1, 1, 1), 0.3), regions)
    assert prediction.prior is not None
    (prediction.frame.square().mean() + prediction.prior.flow_t0.sum()).backward()
    plugins = {n for n, p in model.plugin.named_parameters() if p.grad is None or not p.grad.isfinite().all()}
    assert plugins == set()


@pytest.mark.parametrize("scale", [0.5, 0.25])
def test_hce_and_hir_compose_at_a_working_scale(scale: float, frames: Any) -> None:
    model = harness.load("ema", plugins=["hce", "hir"])
    pair = frames(37, 53)
    out = model.interpolate(pair.img0, pair.img1, scale=scale)
    assert out.frame.shape == (1, 3, 37, 53)
    assert out.frame.isfinite().all()


def test_an_untrained_hir_starts_at_the_baseline(network: Any, frames: Any) -> None:
    """Only its last layer is zero; what it adds is zero."""
    model, pair = harness.load("ema", plugins=["hir"]), frames(64, 96)
    model.baseline.load_state_dict(network("small").state_dict())
    plain = Composed(network("small")).interpolate(pair.img0, pair.img1)
    out = model.interpolate(pair.img0, pair.img1)
    assert torch.equal(out.frame, plain.frame)


def test_time_and_the_order_of_the_frames_matter(network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96)
    plain = predict(net, pair).frame
    assert (predict(net, pair, t=torch.full_like(HALF, 0.3)).frame - plain).abs().max() > 1e-3
    assert (predict(net, Frames(img0=pair.img1, img1=pair.img0)).frame - plain).abs().max() > 1e-2


# --- types, layouts, compilation ---


@pytest.mark.parametrize(("dtype", "image", "flow"), [(torch.bfloat16, 2e-3, 3e-2), (torch.float16, 5e-4, 5e-3)])
def test_autocast_keeps_frame_and_flows_in_single_precision(
    dtype: torch.dtype, image: float, flow: float, network: Any, frames: Any
) -> None:
    net, pair = network("small"), frames(64, 96)
    plain = predict(net, pair)
    with torch.autocast("cpu", dtype):
        out = predict(net, pair)
    assert out.frame.dtype == out.flow_t0.dtype == out.flow_t1.dtype == torch.float32
    assert (out.frame - plain.frame).abs().mean() < image
    assert (out.flow_t0 - plain.flow_t0).abs().mean() < flow


def test_a_large_flow_survives_autocast() -> None:
    """101.3 pixels is no half-precision number: rounded to bfloat16 it would be 0.3 pixels off."""
    pair = Frames(img0=torch.full((1, 3, 64, 96), 0.5), img1=torch.full((1, 3, 64, 96), 0.5))
    flow = torch.full((1, 2, 64, 96), 101.3)
    prior = MotionPrior(flow_t0=flow, flow_t1=-flow, latent=torch.zeros(1, 1, 64, 96), inject="replace")
    with torch.autocast("cpu", torch.bfloat16):
        out = predict(still_network(), pair, prior)
    torch.testing.assert_close(out.flow_t0, torch.full_like(out.flow_t0, 101.3), atol=1e-4, rtol=0)


def test_flow_heads_give_single_precision_under_autocast() -> None:
    """Before their output is resized: a sum of half-precision flows is half a pixel off at 100."""
    images = torch.rand(1, 6, 64, 96)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = EMA(variant="small").block[0](torch.rand(1, 1024, 4, 6), images)
    assert {x.dtype for x in outputs} == {torch.float32}


def test_double_precision(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    net = copy.deepcopy(network("small")).double()
    out = predict(net, Frames(img0=pair.img0.double(), img1=pair.img1.double()), t=HALF.double())
    assert out.frame.dtype == out.flow_t0.dtype == torch.float64
    torch.testing.assert_close(out.frame.float(), predict(network("small"), pair).frame, atol=5e-5, rtol=0)


def test_channels_last_gives_the_same(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    net = copy.deepcopy(network("small")).to(memory_format=torch.channels_last)
    last = Frames(
        img0=pair.img0.contiguous(memory_format=torch.channels_last),
        img1=pair.img1.contiguous(memory_format=torch.channels_last),
    )
    torch.testing.assert_close(predict(net, last).frame, predict(network("small"), pair).frame, atol=5e-5, rtol=0)


def test_the_whole_network_is_one_graph(network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(32, 48)

    def forward(img0: Tensor, img1: Tensor, t: Tensor) -> Tensor:
        return predict(net, Frames(img0=img0, img1=img1), t=t).frame

    compiled = torch.compile(forward, backend="eager", fullgraph=True, dynamic=False)
    torch.testing.assert_close(compiled(pair.img0, pair.img1, HALF), predict(net, pair).frame, atol=5e-5, rtol=0)


def test_compiled_attention_gives_the_same() -> None:
    torch.manual_seed(0)
    block, tokens = AttentionBlock(32, 16, 1).eval(), torch.randn(2, 24, 32)

    def forward(tokens: Tensor) -> tuple[Tensor, Tensor]:
        out: tuple[Tensor, Tensor] = block(tokens, (4, 6), windows_of(tokens.view(2, -1, 4, 6), True, "official"))
        return out

    compiled = torch.compile(forward, backend="aot_eager", fullgraph=True, dynamic=False)
    torch.testing.assert_close(compiled(tokens), forward(tokens), atol=1e-5, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_forward_pass_never_waits_for_the_device(network: Any, frames: Any) -> None:
    pair, net = frames(64, 96), copy.deepcopy(network("small")).cuda()
    on_device, t = Frames(img0=pair.img0.cuda(), img1=pair.img1.cuda()), HALF.cuda()
    try:
        torch.cuda.set_sync_debug_mode("error")
        predict(net, on_device, t=t)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_compiled_network_gives_the_same(network: Any, frames: Any) -> None:
    """With generated code, which takes minutes on a processor."""
    pair, net = frames(64, 96), copy.deepcopy(network("small")).cuda()
    on_device, t = Frames(img0=pair.img0.cuda(), img1=pair.img1.cuda()), HALF.cuda()
    compiled = torch.compile(lambda img0, img1: predict(net, Frames(img0=img0, img1=img1), t=t).frame, fullgraph=True)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        out = compiled(on_device.img0, on_device.img1)
        torch.testing.assert_close(out, predict(net, on_device, t=t).frame, atol=1e-4, rtol=0)
