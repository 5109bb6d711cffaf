"""HCE against a transcription of the paper's, Eq. 5-7 with Python loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from vfi_hce import harness_plugins
from vfi_hce.hce import HCE

from harness import Offers
from harness.model import Features, Regions

CHANNELS, GRID = 8, (5, 7)


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    maps = [rng.integers(0, 4, (2, *GRID)) for _ in range(2)]
    maps[0][0, 0], maps[1][1, 1] = 9, 8  # each in one frame alone
    return maps


@pytest.fixture
def features():
    torch.manual_seed(0)
    return Features(f0=torch.randn(2, CHANNELS, *GRID), f1=torch.randn(2, CHANNELS, *GRID), kept="for the decoder")


def make(**options):
    """With random weights everywhere, as after some training."""
    torch.manual_seed(1)
    plugin = HCE(Offers(channels=CHANNELS, stride=16), **options)
    for convolution in (m for m in plugin.modules() if isinstance(m, nn.Conv2d)):
        convolution.reset_parameters()
    for slope in (m.weight for m in plugin.modules() if isinstance(m, nn.PReLU)):
        nn.init.uniform_(slope, -0.5, 0.5)
    return plugin


def pconv(x, weights, at):
    return F.prelu(
        F.conv2d(x, weights[f"{at}.0.weight"], weights[f"{at}.0.bias"], padding=1), weights[f"{at}.1.weight"]
    )


def block(own, other, own_maps, other_maps, weights):
    """Eq. 6 and 7: T*_i pooled from `other` over its region i, copied to region i of `own`."""
    target = torch.zeros_like(own)
    for b in range(len(own)):
        for label in np.unique(own_maps[b]):
            here, there = torch.from_numpy(own_maps[b] == label), torch.from_numpy(other_maps[b] == label)
            if there.any():
                target[b][:, here] = other[b][:, there].mean(1, keepdim=True)
    gate = F.conv2d(pconv(own, weights, "select.0"), weights["select.1.weight"], weights["select.1.bias"], padding=1)
    selected = torch.sigmoid(gate) * target
    return pconv(torch.cat([own, selected], 1), weights, "aggregate")


def transcription(f0, f1, m0, m1, spatial, temporal):
    if spatial is not None:
        f0, f1 = block(f0, f0, m0, m0, spatial), block(f1, f1, m1, m1, spatial)
    if temporal is not None:
        f0, f1 = block(f0, f1, m0, m1, temporal), block(f1, f0, m1, m0, temporal)
    return f0, f1


@pytest.mark.parametrize(("spatial", "temporal"), [(True, True), (True, False), (False, True)])
def test_is_the_equations(spatial, temporal, features, maps):
    plugin = make(spatial=spatial, temporal=temporal)
    weights = [None if part is None else part.state_dict() for part in (plugin.spatial, plugin.temporal)]
    out = plugin(features, Regions.of(*maps, GRID))
    h0, h1 = transcription(features.f0, features.f1, *maps, *weights)
    torch.testing.assert_close(out.f0, h0, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(out.f1, h1, atol=1e-5, rtol=1e-5)
    assert out.kept == "for the decoder"


@pytest.mark.parametrize(("spatial", "temporal"), [(True, True), (True, False), (False, True)])
def test_starts_as_the_identity_and_learns_everywhere(spatial, temporal, features, maps):
    """Whatever is in no mask of the other frame, too. Select gets a gradient as soon as U has a weight."""
    torch.manual_seed(1)
    plugin = HCE(Offers(channels=CHANNELS, stride=16), spatial=spatial, temporal=temporal)
    start = {name: value.clone() for name, value in plugin.named_parameters()}
    out = plugin(features, Regions.of(*maps, GRID))
    assert torch.equal(out.f0, features.f0)
    assert torch.equal(out.f1, features.f1)
    optimiser = torch.optim.SGD(plugin.parameters(), lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        out = plugin(features, Regions.of(*maps, GRID))
        ((out.f0 - 1).square().mean() + (out.f1 - 1).square().mean()).backward()
        optimiser.step()
    assert [name for name, value in plugin.named_parameters() if torch.equal(value, start[name])] == []


def test_one_set_of_weights_serves_both_frames(features, maps):
    plugin, swapped = make(), Features(f0=features.f1, f1=features.f0)
    out = plugin(features, Regions.of(*maps, GRID))
    mirrored = plugin(swapped, Regions.of(*maps[::-1], GRID))
    torch.testing.assert_close(mirrored.f0, out.f1)
    torch.testing.assert_close(mirrored.f1, out.f0)


def test_spatial_and_temporal_have_weights_of_their_own():
    both, one = (sum(p.numel() for p in make(**options).parameters()) for options in ({}, {"temporal": False}))
    assert both == 2 * one


def test_both_switches_off_is_an_error():
    with pytest.raises(ValueError, match="both off"):
        make(spatial=False, temporal=False)


def test_needs_masks(features):
    with pytest.raises(ValueError, match="label maps"):
        make()(features, None)


def test_costs_144_channels_squared_a_cell(features, maps):
    plugin, macs = make(), []

    def count(module, inputs, output):
        macs.append(output.numel() * module.weight[0].numel())

    for module in plugin.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    plugin(features, Regions.of(*maps, GRID))
    assert sum(macs) == 144 * CHANNELS**2 * features.f0[:, 0].numel()


def test_gradients_reach_everything_and_repeat_exactly(features, maps):
    runs = []
    for _ in range(2):
        plugin = make()
        out = plugin(features, Regions.of(*maps, GRID))
        (out.f0.square().sum() + out.f1.square().sum()).backward()
        runs.append([out.f0, *(p.grad for p in plugin.parameters())])
    assert all(bool(x.any()) for x in runs[0])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_autocast_is_close(features, maps):
    plugin, regions = make(), Regions.of(*maps, GRID)
    with torch.autocast("cpu", torch.bfloat16):
        out = plugin(features, regions)
    torch.testing.assert_close(out.f0.float(), plugin(features, regions).f0, atol=0.05, rtol=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_never_waits_for_the_device(features, maps):
    device = torch.device("cuda")
    plugin, regions = make().to(device), Regions.of(*maps, GRID).to(device)
    there = Features(f0=features.f0.to(device), f1=features.f1.to(device))
    torch.cuda.set_sync_debug_mode("error")
    try:
        plugin(there, regions).f0.sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_spec():
    (spec,) = harness_plugins()
    assert (spec.name, spec.stage, spec.needs_masks) == ("hce", "feature", True)
    assert spec.factory == f"{HCE.__module__}:{HCE.__qualname__}"
