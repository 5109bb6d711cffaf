"""The seam, the prior, matching, checkpoints, types and sizes."""

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
import vfi_sgm
from torch import Tensor, nn
from vfi_sgm.matching import at_time, greatest, importance, matched
from vfi_sgm.network import SGM
from vfi_sgm.windows import SHIFT, WINDOW, windows_of

import harness
from harness import HarnessError
from harness.model import Composed, Frames, MotionPrior, Prediction, resize, resize_flow
from harness.testing import golden_frame

HALF = torch.full((1, 1, 1, 1), 0.5)


def predict(network: SGM, frames: Frames, prior: MotionPrior | None = None, t: Tensor = HALF) -> Prediction:
    return network.decode(frames, network.encode(frames), t, prior)


def first_stage(network: SGM, frames: Frames) -> tuple[Tensor, Tensor, Tensor]:
    """What the first flow head gives."""
    outputs: list[Any] = []
    handle = network.block[0].register_forward_hook(lambda _, __, output: outputs.append(output))
    try:
        predict(network, frames)
    finally:
        handle.remove()
    return *outputs[0].flows.chunk(2), outputs[0].logit


def assert_same(one: Prediction, other: Prediction) -> None:
    for name in ("frame", "flow_t0", "flow_t1", "blend"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def prior_of(stage: Iterable[Tensor], **options: Any) -> MotionPrior:
    flow0, flow1, latent = stage
    return MotionPrior(flow_t0=flow0, flow_t1=flow1, latent=latent, **options)


def random_prior(height: int, width: int, **options: Any) -> MotionPrior:
    generator = torch.Generator().manual_seed(0)
    return prior_of((torch.randn(1, channels, height, width, generator=generator) for channels in (2, 2, 1)), **options)


# --- structure ---


def test_specs_name_the_variants_and_import_no_torch() -> None:
    specs = vfi_sgm.harness_baselines()
    assert {spec.name: (spec.preset["variant"], spec.preset["matching"]) for spec in specs} == {
        "sgm": ("small", True),
        "sgm-base": ("base", True),
        "sgm-local": ("small", False),
        "sgm-local-base": ("base", False),
    }
    code = "import sys, vfi_sgm; vfi_sgm.harness_baselines(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_layer_norms_have_the_published_eps() -> None:
    """The outputs do not show it."""
    with torch.device("meta"):
        network = SGM(variant="small")
    norms = {name: m.eps for name, m in network.feature_bone.named_modules() if isinstance(m, nn.LayerNorm)}
    assert len(norms) == 10
    assert norms == {name: 1e-5 if "patch_embed" in name else 1e-6 for name in norms}


def test_initial_weights_are_drawn_as_published() -> None:
    torch.manual_seed(0)
    network = SGM(variant="small")
    stage, merge = network.feature_bone.block4[0], network.matching_block[0].merge.conv
    assert stage.attn.q.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert network.unet.down3.conv1[0].weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.02)
    assert network.gmflow.backbone.layer3[1].conv1.weight.std().item() == pytest.approx(
        (2 / (9 * 128)) ** 0.5, rel=0.02
    )
    projection = network.gmflow.transformer.layers[0].self_attn.q_proj.weight
    assert projection.abs().max().item() == pytest.approx((6 / 256) ** 0.5, rel=0.01)
    assert merge[0].weight.std().item() == pytest.approx((0.1 / (9 * 256)) ** 0.5, rel=0.02)
    assert (
        stage.attn.q.bias.abs().max() == network.unet.down3.conv1[0].bias.abs().max() == merge[0].bias.abs().max() == 0
    )
    for untouched in (network.unet.up0[0], network.block[0].conv0[0][0], network.contextnet.conv1.conv1[0]):
        assert untouched.bias.abs().max() > 0  # torch's default has a bias


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_offers_describe_what_encode_and_the_first_head_give(scale: float, network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96, scale)
    seam = harness.MotionSeam(stride=8, latent="blend", channels=1)
    assert net.offers == harness.Offers(channels=128, stride=8, motion=seam)
    features, grid = net.encode(pair), (int(64 * scale) // 8, int(96 * scale) // 8)
    assert features.f0.shape == features.f1.shape == (1, 128, *grid)
    assert [x.shape for x in first_stage(net, pair)] == [(1, 2, *grid), (1, 2, *grid), (1, 1, *grid)]


# --- the prior, and refined features ---


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_zero_residual_is_the_plain_network(scale: float, network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96, scale)
    height, width = (int(side * scale) // 8 for side in (64, 96))
    zero = prior_of(torch.zeros(1, channels, height, width) for channels in (2, 2, 1))
    assert_same(predict(net, pair, zero), predict(net, pair))


def test_a_residual_is_added_to_what_the_first_head_gives(network: Any, frames: Any) -> None:
    net, pair, prior = network("small"), frames(64, 96), random_prior(8, 12)
    flow0, flow1, logit = first_stage(net, pair)
    total = prior_of((flow0 + prior.flow_t0, flow1 + prior.flow_t1, logit + prior.latent), inject="replace")
    assert_same(predict(net, pair, prior), predict(net, pair, total))
    assert (predict(net, pair, prior).frame - predict(net, pair).frame).abs().max() > 1e-3


def test_replacing_the_first_head_by_its_own_output_is_the_plain_network(network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96)
    assert_same(predict(net, pair, prior_of(first_stage(net, pair), inject="replace")), predict(net, pair))


def test_replace_does_not_run_the_first_head(network: Any, frames: Any) -> None:
    net, runs = network("small"), []
    handle = net.block[0].register_forward_hook(lambda *_: runs.append(1))
    try:
        predict(net, frames(32, 48), random_prior(4, 6, inject="replace"))
    finally:
        handle.remove()
    assert runs == []


def test_a_prior_reaches_the_merging_of_flows(network: Any, frames: Any) -> None:
    """As the first flows, in cells; where nothing was found it stands there too."""
    net, pair = network("small", points=0.25, dense_rows=0), frames(64, 96)
    prior, seen = random_prior(8, 12, inject="replace"), []
    handle = net.matching_block[0].merge.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1:]))
    try:
        predict(net, pair, prior)
    finally:
        handle.remove()
    ((first, found),) = seen
    assert torch.equal(first, torch.cat([prior.flow_t0, prior.flow_t1]))
    kept = (found == first).all(1).float().mean((1, 2))
    assert ((kept > 0.7) & (kept < 0.9)).all()


def test_refined_features_reach_the_first_head_and_the_merging(network: Any, frames: Any) -> None:
    net, pair, prior = network("small"), frames(64, 96), random_prior(8, 12, inject="replace")
    features = net.encode(pair)
    for given in (None, prior):  # with the prior in the head's place only the merging is left
        plain = net.decode(pair, features, HALF, given)
        for refined in (features.refined(2 * features.f0, features.f1), features.refined(features.f0, 2 * features.f1)):
            out = net.decode(pair, refined, HALF, given)
            assert (out.flow_t0 - plain.flow_t0).abs().max() > 1e-2


def test_a_working_scale_reduces_motion_estimation_only(network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96, 0.5)
    low = predict(net, Frames(img0=resize(pair.img0, (32, 48)), img1=resize(pair.img1, (32, 48))))
    out = predict(net, pair)
    assert torch.equal(out.flow_t0, resize_flow(low.flow_t0, (64, 96)))
    assert torch.equal(out.flow_t1, resize_flow(low.flow_t1, (64, 96)))
    assert out.frame.shape == (1, 3, 64, 96)


# --- matching ---


def test_importance_is_where_flows_bring_the_wrong_thing() -> None:
    """A square moves by 8 pixels from frame 0 to frame 1. Flows that know are right; those that do not are wrong where
    the square is, and where it was."""
    images = torch.zeros(2, 1, 32, 48).expand(-1, 3, -1, -1).clone()
    images[0, :, 8:16, 8:16] = images[1, :, 8:16, 16:24] = 1
    flow = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 32, 48)
    inner = (..., slice(8, -8))
    assert importance(images, torch.cat([-flow, flow]))[inner].abs().max() < 1e-5
    doubt = importance(images, torch.zeros(2, 2, 32, 48))
    expected = torch.zeros(2, 1, 32, 48)
    expected[..., 8:16, 8:24] = 3
    torch.testing.assert_close(doubt, expected, atol=1e-5, rtol=0)


def test_importance_leaves_out_what_comes_to_nowhere() -> None:
    """Flows to frame 1 that leave it bring nothing there, so nothing wrong; its border is looked up all the same."""
    images = torch.cat([torch.zeros(1, 3, 16, 32), torch.ones(1, 3, 16, 32)])
    flows = torch.zeros(2, 2, 16, 32)
    flows[1, 0] = 100.0
    assert (importance(images, flows) == 0).all()


def test_of_equals_the_first_are_the_greatest() -> None:
    values = torch.tensor([[2.0, 1.0, 3.0, 1.0, 1.0, 2.0]]).view(1, 1, 2, 3)
    assert greatest(values, 4).tolist() == [[2, 0, 5, 1]]
    assert greatest(torch.zeros(2, 1, 4, 5), 7).tolist() == [list(range(7))] * 2


def test_matched_finds_where_cells_have_gone() -> None:
    """Features that no two cells share, and a second frame that has them 2 cells right and 1 down."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, 64, 6, 9, generator=generator) * 8
    both = torch.cat([features, features.roll((1, 2), (2, 3))])
    flows = matched(both, None)
    expected = torch.tensor([2.0, 1.0]).view(2, 1, 1).expand(2, 5, 7)
    torch.testing.assert_close(flows[0, :, :5, :7], expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(flows[1, :, 1:, 2:], -expected, atol=1e-3, rtol=0)

    chosen = torch.tensor([[10, 3, 11], [40, 41, 13]])
    some = matched(both, chosen)
    left = torch.zeros(2, 54, dtype=torch.bool).scatter(1, chosen, True).view(2, 1, 6, 9)
    torch.testing.assert_close(some, flows * left, atol=1e-5, rtol=0)
    assert (some != 0).any(1).sum((1, 2)).tolist() == [3, 3]


@pytest.mark.parametrize("t", [0.25, 0.5])
def test_at_time_sends_known_flows_to_where_they_are_then(t: float) -> None:
    """One cell of frame 0 moves by 4, one of frame 1 by -8; the rest is not known."""
    flows = torch.zeros(2, 2, 3, 16)
    flows[0, 0, 1, 4], flows[1, 0, 1, 12] = 4.0, -8.0
    expected = torch.zeros(2, 2, 3, 16)
    expected[0, 0, 1, 12 - round(8 * (1 - t))] = -8 * t  # to frame 0: by what starts at frame 1
    expected[1, 0, 1, 4 + round(4 * t)] = 4 * (1 - t)
    for count in (1, 48):
        torch.testing.assert_close(at_time(flows, torch.full_like(HALF, t), count), expected, atol=1e-6, rtol=0)


def test_at_time_keeps_as_many_cells_as_were_matched() -> None:
    """A flow that lands between two cells is kept where most of it lands."""
    flows = torch.zeros(2, 2, 3, 16)
    flows[:, 0, 1, 4] = 4.6
    assert [(at_time(flows, HALF, count) != 0).sum().item() for count in (1, 2, 48)] == [2, 4, 4]
    assert (at_time(flows, HALF, 1)[:, 0, 1, 6] != 0).all()  # 4 + 2.3


def test_points_are_chosen_on_high_grids_alone(network: Any, frames: Any) -> None:
    pair = frames(64, 96)
    whole = predict(network("small", points=1.0), pair)
    assert_same(predict(network("small"), pair), whole)
    sparse = predict(network("small", dense_rows=7), pair)
    assert (sparse.flow_t0 - whole.flow_t0).abs().max() > 0.1
    assert_same(predict(network("small", dense_rows=8), pair), whole)


@pytest.mark.parametrize(
    ("options", "words"), [({"points": 0.0}, "above 0"), ({"points": 1.5}, "at most 1"), ({"dense_rows": -1}, "0 or")]
)
def test_options_that_mean_nothing_are_refused(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SGM(variant="small", **options)


# --- windows ---


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(4, 6), (14, 7), (8, 12), (1, 1), (9, 21)])
def test_windows_hold_near_tokens_and_are_joined_again(size: tuple[int, int], shifted: bool) -> None:
    tokens = torch.randn(2, size[0] * size[1], 3)
    windows = windows_of(size, shifted, torch.device("cpu"))
    cut = windows.cut(tokens)
    assert cut.shape[2] == WINDOW**2
    assert torch.equal(windows.join(cut), tokens)
    left, right, above, below = windows.pads
    assert 0 <= right - left <= 1
    assert 0 <= below - above <= 1
    if not shifted and size == (14, 7):
        assert windows.mask is None
        assert torch.equal(cut[:, 0], tokens[:, :49])


def test_what_comes_round_is_no_neighbour() -> None:
    mask = windows_of((14, 14), True, torch.device("cpu")).mask
    assert mask is not None
    assert (mask[0] == 0).all()
    came_round = torch.arange(WINDOW) >= WINDOW - SHIFT  # of the last window's rows, and of its columns
    side = (came_round[:, None] * 2 + came_round).flatten()
    assert torch.equal(mask[3] < 0, side[:, None] != side)


# --- training, and plug-ins ---


@pytest.mark.parametrize("options", [{}, {"dense_rows": 0}])
def test_gradients_reach_every_parameter(options: Any, network: Any, frames: Any) -> None:
    net = copy.deepcopy(network("small", **options)).requires_grad_(True)
    predict(net, frames(32, 48)).frame.square().mean().backward()
    without = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("name", ["sgm", "sgm-local"])
@pytest.mark.parametrize("inject", ["residual", "replace"])
def test_hce_and_hir_on_odd_sizes(name: str, inject: str) -> None:
    maps = np.zeros((2, 2, 37, 53), np.uint8)
    maps[..., 20:] = 1
    model = harness.load(name, plugins=["hce", f"hir:inject={inject}"])
    img0 = torch.cat([golden_frame(k, 37, 53) for k in (0, 1)])
    img1 = torch.cat([golden_frame(k, 37, 53) for k in (2, 3)])
    out = model.interpolate(img0, img1, t=0.3, masks=maps, scale=0.5)
    assert out.frame.shape == (2, 3, 37, 53)
    assert out.flow_t0 is not None
    assert out.flow_t0.shape == (2, 2, 37, 53)
    assert out.frame.isfinite().all()


def test_hce_and_hir_train_with_the_network() -> None:
    model = harness.load("sgm", plugins=["hce", "hir"]).train()
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


@pytest.mark.parametrize("options", [{}, {"matching": False}])
def test_a_translated_state_takes_and_gives_rgb(options: Any, network: Any, frames: Any) -> None:
    raw, pair = network("small", **options), frames(64, 96)
    state = raw.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    net = copy.deepcopy(raw)
    net.load_state_dict(net.translate(state))
    official = predict(raw, Frames(img0=pair.img0.flip(1), img1=pair.img1.flip(1)))
    ours = predict(net, pair)
    torch.testing.assert_close(ours.frame, official.frame.flip(1), atol=5e-5, rtol=0)
    torch.testing.assert_close(ours.flow_t0, official.flow_t0, atol=5e-4, rtol=0)
    assert (ours.frame - predict(raw, pair).frame).abs().max() > 1e-2
    assert all(torch.equal(value, before[key]) for key, value in state.items())  # the given state is left alone


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_official_file_loads(prefix: str, network: Any, tmp_path: Path) -> None:
    """As published: with the epoch, and with what the last forward pass left in it."""
    state = network("small").state_dict()
    left = {
        "feature_bone.block4.1.attn_mask": torch.zeros(2, 49, 49),
        "feature_bone.block4.1.HW": torch.tensor([196.0]),
    }
    content = {"epoch": 3, "model": {f"{prefix}{key}": value for key, value in (state | left).items()}}
    torch.save(content, tmp_path / "ours-1-2-points.pkl")
    loaded = harness.load("sgm", weights=str(tmp_path / "ours-1-2-points.pkl"))
    expected = network("small").translate(state)
    assert all(torch.equal(value, expected[key]) for key, value in loaded.baseline.state_dict().items())


def test_files_of_other_networks_are_refused_by_name(network: Any, tmp_path: Path) -> None:
    torch.save(network("small").state_dict(), tmp_path / "small.pkl")
    with pytest.raises(HarnessError, match="not weights of sgm-base"):
        harness.load("sgm-base", weights=str(tmp_path / "small.pkl"))
    torch.save(network("small", matching=False).state_dict(), tmp_path / "local.pkl")
    with pytest.raises(HarnessError, match=r"not weights of sgm: .*\(missing\)"):
        harness.load("sgm", weights=str(tmp_path / "local.pkl"))


# --- sizes, batches, types ---


@pytest.mark.parametrize(
    ("height", "width", "scale"), [(40, 64, 1.0), (64, 56, 1.0), (48, 64, 0.5), (100, 60, 0.8), (8, 16, 1.0)]
)
def test_other_sizes_are_refused(height: int, width: int, scale: float, network: Any, frames: Any) -> None:
    with pytest.raises(ValueError, match=f"multiples of 16.* got {height}x{width} at {scale}"):
        network("small").encode(frames(height, width, scale))


@pytest.mark.parametrize("options", [{}, {"dense_rows": 0}])
def test_a_batch_is_its_samples(options: Any, network: Any) -> None:
    net = network("small", **options)
    pairs = [Frames(img0=golden_frame(k, 32, 48), img1=golden_frame(k + 2, 32, 48)) for k in (0, 1)]
    times = [torch.full((1, 1, 1, 1), t) for t in (0.3, 0.6)]
    both = Frames(img0=torch.cat([p.img0 for p in pairs]), img1=torch.cat([p.img1 for p in pairs]))
    batch = predict(net, both, t=torch.cat(times))
    for i, (pair, t) in enumerate(zip(pairs, times, strict=True)):
        single = predict(net, pair, t=t)
        torch.testing.assert_close(batch.frame[i], single.frame[0], atol=5e-5, rtol=0)
        torch.testing.assert_close(batch.flow_t0[i], single.flow_t0[0], atol=5e-4, rtol=0)


def test_time_and_the_order_of_the_frames_matter(network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96)
    plain = predict(net, pair).frame
    assert (predict(net, pair, t=torch.full_like(HALF, 0.3)).frame - plain).abs().max() > 1e-3
    assert (predict(net, Frames(img0=pair.img1, img1=pair.img0)).frame - plain).abs().max() > 1e-2


def test_changing_sizes_changes_nothing(network: Any, frames: Any) -> None:
    """Two sizes with one padded area, back and forth: the published code keeps the first one's mask."""
    net, tall, wide = network("small"), frames(112, 80), frames(80, 112)
    first = [predict(net, pair) for pair in (tall, wide)]
    for pair, before in zip((wide, tall), reversed(first), strict=True):
        assert_same(predict(net, pair), before)


def test_autocast_keeps_frame_and_flows_in_single_precision(network: Any, frames: Any) -> None:
    net, pair = network("small"), frames(64, 96)
    with torch.autocast("cpu", torch.bfloat16):
        out = predict(net, pair)
        flows = matched(net.encode(pair).kept.to_match.float(), None)
    assert out.frame.dtype == out.flow_t0.dtype == flows.dtype == torch.float32
    assert (out.frame - predict(net, pair).frame).abs().mean() < 5e-2


def test_flow_heads_give_single_precision_under_autocast(network: Any) -> None:
    """Before their output is resized: a sum of half-precision flows is half a pixel off at 100."""
    with torch.autocast("cpu", torch.bfloat16):
        out = network("small").block[0](torch.rand(1, 7, 4, 6), torch.rand(1, 256, 4, 6))
    assert out.flows.dtype == out.logit.dtype == torch.float32


def test_a_large_flow_survives_autocast() -> None:
    """101.3 pixels is no half-precision number: rounded to bfloat16 it would be 0.3 pixels off."""
    torch.manual_seed(0)
    net = SGM(variant="small", matching=False).eval().requires_grad_(False)
    for parameter in net.block[1].lastconv.parameters():
        parameter.zero_()
    pair = Frames(img0=torch.full((1, 3, 64, 96), 0.5), img1=torch.full((1, 3, 64, 96), 0.5))
    flow = torch.full((1, 2, 8, 12), 101.3 / 8)
    prior = prior_of((-flow, flow, torch.zeros(1, 1, 8, 12)), inject="replace")
    with torch.autocast("cpu", torch.bfloat16):
        out = predict(net, pair, prior)
    assert out.flow_t1 is not None
    torch.testing.assert_close(out.flow_t1, torch.full((1, 2, 64, 96), 101.3), atol=1e-4, rtol=0)


def test_it_compiles_into_one_graph(network: Any, frames: Any) -> None:
    """Of a few layers: tracing all of them takes three times as long, and says no more."""
    net, pair = copy.deepcopy(network("small", dense_rows=0)), frames(32, 48)
    net.gmflow.transformer.layers, net.feature_bone.block4 = (
        net.gmflow.transformer.layers[:1],
        net.feature_bone.block4[:2],
    )
    compiled = torch.compile(Composed(net), backend="eager", fullgraph=True, dynamic=False)
    torch.testing.assert_close(compiled(pair, HALF).frame, predict(net, pair).frame, atol=5e-5, rtol=0)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_and_never_waits(network: Any, frames: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    pair, net = frames(64, 96), copy.deepcopy(network("small", dense_rows=0)).cuda()
    on_gpu, t = Frames(img0=pair.img0.cuda(), img1=pair.img1.cuda()), HALF.cuda()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        predict(net, on_gpu, t=t)
        try:
            torch.cuda.set_sync_debug_mode("error")
            out = predict(net, on_gpu, t=t)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(out.frame.cpu(), predict(network("small", dense_rows=0), pair).frame, atol=1e-4, rtol=0)
