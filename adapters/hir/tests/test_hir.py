"""HIR as a whole: the seam, the start at zero, time, options and cost."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from vfi_hir import harness_plugins
from vfi_hir.hir import HIR

from harness import MotionSeam, Offers
from harness.model import warp

STAGES = ["L", "S", "SL", "LS"]


def make(offers, **options):
    torch.manual_seed(0)
    return HIR(offers, **options)


def awake(plugin):
    """With the last layer away from zero, as after some training."""
    nn.init.normal_(plugin.inter.decoder[-1].weight, std=0.1)
    return plugin


def loss_of(prior):
    return sum((x - 1).square().mean() for x in (prior.flow_t0, prior.flow_t1, prior.latent))


def seen_by_inter(plugin, *inputs):
    """F0t^h, F1t^h, ft0^h, ft1^h of a forward pass, and what HIR-L gave (None without it)."""
    seen = {}
    plugin.inter.register_forward_hook(lambda module, given, out: seen.update(inter=given))
    if "L" in plugin.stages:
        plugin.long_range.register_forward_hook(lambda module, given, out: seen.update(given=given, long=out))
    if "S" in plugin.stages:
        plugin.short_range.register_forward_hook(lambda module, given, out: seen.update(short_given=given, short=out))
        plugin.fuse.register_forward_hook(lambda module, given, out: seen.update(fuse_given=given[0], fused=out))
    plugin(*inputs)
    return seen


@pytest.mark.parametrize("stages", STAGES)
def test_starts_at_zero_and_learns_everywhere(stages, offers, sample):
    """At the first step only Inter's last layer has a gradient, as it starts at zero; after one step all have."""
    plugin, inputs = make(offers, stages=stages), sample(8)
    prior = plugin(*inputs)
    height, width = (side * 16 // offers.motion.stride for side in (5, 7))
    assert prior.flow_t0.shape == prior.flow_t1.shape == (2, 2, height, width)
    assert prior.latent.shape == (2, offers.motion.channels, height, width)
    assert not any(bool(x.any()) for x in (prior.flow_t0, prior.flow_t1, prior.latent))

    optimiser = torch.optim.SGD(plugin.parameters(), lr=0.1)
    loss_of(prior).backward()
    last = set(plugin.inter.decoder[-1].parameters())
    assert all(bool(p.grad.any()) == (p in last) for p in plugin.parameters())
    optimiser.step()
    optimiser.zero_grad()
    loss_of(plugin(*inputs)).backward()
    assert [name for name, p in plugin.named_parameters() if not p.grad.any()] == []


@pytest.mark.parametrize("stages", STAGES)
def test_repeats_exactly(stages, offers, sample):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        runs = []
        for _ in range(2):
            plugin = awake(make(offers, stages=stages))
            prior = plugin(*sample(8, grid=(14, 14)))
            loss_of(prior).backward()
            runs.append([prior.flow_t0, prior.flow_t1, prior.latent, *(p.grad for p in plugin.parameters())])
        assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("stages", STAGES)
def test_time_is_each_samples_own(stages, offers, sample):
    features, regions, _ = sample(8, batch=1)
    double, both_regions, t = sample(8, batch=2)
    plugin = awake(make(offers, stages=stages))
    both = plugin(double, both_regions, t)
    shared = plugin(double, both_regions, t[:1])
    torch.testing.assert_close(shared.flow_t0[0], both.flow_t0[0])
    if "L" in stages:
        assert (shared.flow_t0[1] - both.flow_t0[1]).abs().max() > 1e-4
    else:
        torch.testing.assert_close(shared.flow_t0, both.flow_t0)  # S alone starts at zero motion: it knows no time
    assert plugin(features, regions, t[:1]).flow_t0.shape[0] == 1


def test_target_then_pixel_level_are_the_equations(offers, sample):
    """Eq. 8: ft0^ = t f10h, ft1^ = (1 - t) f01h, Ft^ = Fuse(W(F0h, ft0^), W(F1h, ft1^)), then IS, then Inter."""
    features, regions, t = sample(8)
    seen = seen_by_inter(make(offers), features, regions, t)
    f0_h, f1_h, f01, f10 = seen["long"]
    assert seen["given"][:2] == (features.f0, features.f1)
    ft, to0, to1, ft0, ft1 = seen["short_given"]
    torch.testing.assert_close(ft0, t * f10)
    torch.testing.assert_close(ft1, (1 - t) * f01)
    assert torch.equal(to0, f0_h)
    assert torch.equal(to1, f1_h)
    torch.testing.assert_close(seen["fuse_given"], torch.cat([warp(f0_h, t * f10), warp(f1_h, (1 - t) * f01)], 1))
    assert torch.equal(ft, seen["fused"])
    assert all(torch.equal(a, b) for a, b in zip(seen["inter"], seen["short"], strict=True))


def test_target_level_alone_warps_its_features(offers, sample):
    features, regions, t = sample(8)
    seen = seen_by_inter(make(offers, stages="L"), features, regions, t)
    f0_h, f1_h, f01, f10 = seen["long"]
    expected = warp(f0_h, t * f10), warp(f1_h, (1 - t) * f01), t * f10, (1 - t) * f01
    for got, wanted in zip(seen["inter"], expected, strict=True):
        torch.testing.assert_close(got, wanted)


def test_pixel_level_alone_starts_at_zero_motion(offers, sample):
    features, regions, t = sample(8)
    seen = seen_by_inter(make(offers, stages="S"), features, regions, t)
    torch.testing.assert_close(seen["fuse_given"], torch.cat([features.f0, features.f1], 1), atol=1e-5, rtol=1e-5)
    assert not seen["short_given"][3].any()
    assert not seen["short_given"][4].any()


def test_pixel_then_target_level_adds_the_motions(offers, sample):
    features, regions, t = sample(8)
    seen = seen_by_inter(make(offers, stages="SL"), features, regions, t)
    assert all(torch.equal(a, b) for a, b in zip(seen["short_given"][1:3], (features.f0, features.f1), strict=True))
    f0t, f1t, s0, s1 = seen["short"]
    f0_h, f1_h, f01, f10 = seen["long"]
    assert torch.equal(seen["given"][0], f0t)
    assert torch.equal(seen["given"][1], f1t)
    torch.testing.assert_close(seen["inter"][0], warp(f0_h, t * f10))
    torch.testing.assert_close(seen["inter"][1], warp(f1_h, (1 - t) * f01))
    torch.testing.assert_close(seen["inter"][2], s0 + t * f10)
    torch.testing.assert_close(seen["inter"][3], s1 + (1 - t) * f01)


def test_latent_motion_of_a_moving_object(scene, sharp):
    """At t = 1/4 the object is a quarter of its way: 3/4 of the motion leads to frame 1, a quarter back to frame 0."""
    plugin = make(Offers(channels=64, stride=16, motion=MotionSeam(stride=8, latent="feature", channels=6)), stages="L")
    sharp(plugin.long_range)
    _, _, ft0, ft1 = seen_by_inter(plugin, scene.features, scene.regions, torch.full((1, 1, 1, 1), 0.25))["inter"]
    torch.testing.assert_close(ft0[0][:, scene.object1].mean(1), -0.25 * scene.motion, atol=1e-3, rtol=0)
    torch.testing.assert_close(ft1[0][:, scene.object0].mean(1), 0.75 * scene.motion, atol=1e-3, rtol=0)


def test_flows_are_in_pixels_of_the_seam(sample):
    """The same HIR on a seam of stride 1 and of stride 8: eight times the flow, the same latent."""
    inputs = sample(8)
    fine, coarse = (
        awake(make(Offers(channels=8, stride=16, motion=MotionSeam(stride=s, latent="blend", channels=1))))(*inputs)
        for s in (1, 8)
    )
    for name, factor in (("flow_t0", 8), ("flow_t1", 8), ("latent", 1)):
        small, large = getattr(coarse, name), getattr(fine, name)
        assert large.shape[-2:] == (80, 112)
        up = nn.functional.interpolate(small, (80, 112), mode="bilinear")
        torch.testing.assert_close(large, factor * up)
        assert small.any()


@pytest.mark.parametrize("stages", STAGES)
def test_autocast_is_finite_and_its_flows_float32(stages, offers, sample):
    plugin, inputs = awake(make(offers, stages=stages)), sample(8)
    with torch.autocast("cpu", torch.bfloat16):
        prior = plugin(*inputs)
        loss = loss_of(prior)
    loss.backward()
    assert prior.flow_t0.dtype == prior.flow_t1.dtype == torch.float32
    assert all(bool(x.isfinite().all()) for x in (prior.flow_t0, prior.latent, *(p.grad for p in plugin.parameters())))


def test_pixel_and_target_have_the_same_parameters_in_either_order(offers):
    shapes = [{k: v.shape for k, v in make(offers, stages=s).state_dict().items()} for s in ("LS", "SL")]
    assert shapes[0] == shapes[1]


def test_a_variant_has_no_parameters_that_it_does_not_use(offers):
    assert not hasattr(make(offers, stages="L"), "short_range")
    assert not hasattr(make(offers, stages="S"), "long_range")


def test_inject_is_passed_on(offers, sample):
    assert make(offers)(*sample(8)).inject == "residual"
    assert make(offers, inject="replace")(*sample(8)).inject == "replace"


def test_errors(offers, sample):
    with pytest.raises(ValueError, match="no motion seam"):
        HIR(Offers(channels=8, stride=16))
    with pytest.raises(ValueError, match="radius"):
        HIR(offers, radius=0)
    features, _, t = sample(8)
    with pytest.raises(ValueError, match="label maps"):
        make(offers)(features, None, t)


@pytest.mark.parametrize(
    ("channels", "latent", "limit"),
    [(96, 72, 0.02), (128, 1, 0.025), (128, 72, 0.03), (256, 1, 0.10)],
    ids=["ifrnet", "rife", "amt", "ema"],
)
def test_costs_what_the_paper_prints(channels, latent, limit, sample):
    """Multiply-accumulates with HCE's 144 C^2 a cell, at 1280x720, transposed convolutions over their output, in T."""
    plugin, macs = (
        make(Offers(channels=channels, stride=16, motion=MotionSeam(stride=8, latent="feature", channels=latent))),
        [],
    )

    def count(module, inputs, output):
        k = module.kernel_size[0] * module.kernel_size[1]
        macs.append(output.numel() * module.in_channels // module.groups * k)

    for module in plugin.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(count)
        assert not isinstance(module, nn.Linear)
    with torch.no_grad():
        plugin(*sample(channels, batch=1, grid=(5, 8)))
    cell = sum(macs) / 40
    inter = cell - (18 + 10) * channels**2  # Fuse; keys and values of two frames, then of two frames and Ft^
    assert 144 <= inter / channels**2 <= 270
    assert (cell + 144 * channels**2) * 45 * 80 / 1e12 <= limit


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("stages", STAGES)
def test_never_waits_for_the_device(stages, offers, sample):
    device = torch.device("cuda")
    features, regions, t = sample(8)
    there = features.refined(features.f0.to(device), features.f1.to(device))
    plugin, regions, t = make(offers, stages=stages).to(device), regions.to(device), t.to(device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss_of(plugin(there, regions, t)).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_spec():
    (spec,) = harness_plugins()
    assert (spec.name, spec.stage, spec.needs_masks) == ("hir", "motion", True)
    assert spec.factory == f"{HIR.__module__}:{HIR.__qualname__}"


@pytest.mark.parametrize("stages", STAGES)
def test_attended_flow_is_what_enters_inter(stages, offers, sample):
    plugin, inputs = make(offers, stages=stages), sample(8)
    seen = seen_by_inter(plugin, *inputs)["inter"]
    with torch.autocast("cpu", torch.bfloat16):
        rough = plugin(*inputs)
    prior = plugin(*inputs)
    assert torch.equal(prior.attended_t0, seen[2])
    assert torch.equal(prior.attended_t1, seen[3])
    for flow in (prior.attended_t0, prior.attended_t1, rough.attended_t0, rough.attended_t1):
        assert flow.dtype == torch.float32
        assert flow.shape == (2, 2, 5, 7)
        assert flow.any()
