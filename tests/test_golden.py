"""The rule by which weights and frames are made anew: networks are held against official outputs by it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.testing import golden_frame, golden_weights


def test_the_rule_gives_the_published_values() -> None:
    """Those that stand beside the official outputs of RIFE and IFRNet."""
    layer = nn.Conv2d(6, 120, 3)
    golden_weights(nn.ModuleDict({"block0": nn.ModuleDict({"conv0": nn.Sequential(nn.Sequential(layer))})}), {})
    assert layer.weight.flatten()[:3].tolist() == pytest.approx([0.15215439, 0.15802681, -0.22943988], rel=1e-7)


def test_the_first_gain_that_fits_a_name_counts() -> None:
    network = nn.ModuleDict({name: nn.Linear(300, 40) for name in ("one", "two", "three")})
    golden_weights(network, {"^t": 2.0, "two": 9.0})
    sizes = [float(layer.weight.detach().abs().max() * 10) for layer in network.values()]
    assert sizes == pytest.approx([1.3, 2.0, 2.0], rel=1e-2)
    assert all(0.04 < float(layer.bias.detach().abs().max()) < 0.05 for layer in network.values())


@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (3, 1), (2, 2)])
def test_features_keep_their_size(kernel: int, stride: int) -> None:
    """Through convolutions of both kinds, with what the gain is for after each, a PReLU."""
    layers = nn.Conv2d(32, 64, 3, padding=1), nn.ConvTranspose2d(64, 32, kernel, stride)
    network = nn.Sequential(layers[0], nn.PReLU(64), layers[1], nn.PReLU(32), nn.GroupNorm(4, 32))
    golden_weights(network, {})
    x = torch.randn(1, 32, 40, 40, generator=torch.Generator().manual_seed(0))
    assert 0.8 < float(network[:4](x)[..., 4:-4, 4:-4].std()) < 1.2
    assert float(network[4].weight.min()) > 0.89


def test_frames_are_of_a_pattern_that_moves() -> None:
    first, third = golden_frame(0, 40, 60), golden_frame(2, 40, 60)
    assert first.shape == (1, 3, 40, 60)
    assert 0 <= float(first.min()) < 0.3
    assert 0.7 < float(first.max()) <= 1
    still = float((first - third).abs().mean())
    moved = float((first[..., 3:, :-5] - third[..., :-3, 5:]).abs().mean())
    assert moved < 0.35 * still
