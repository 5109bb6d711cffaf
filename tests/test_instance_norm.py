"""The instance norm of the networks is torch's, but for rounding."""

from __future__ import annotations

import torch
from torch import nn

from harness.model import InstanceNorm


def test_is_that_of_torch_both_ways() -> None:
    draw = torch.Generator().manual_seed(0)
    x = (3 * torch.randn(2, 6, 11, 14, generator=draw) + 5).requires_grad_()
    gradient = torch.randn(x.shape, generator=draw)
    ours, torchs = InstanceNorm(6), nn.InstanceNorm2d(6)
    assert not ours.state_dict()  # weights of checkpoints keep their names
    torch.testing.assert_close(ours(x), torchs(x), rtol=0, atol=1e-5)
    of_ours, of_torchs = (torch.autograd.grad(norm(x), x, gradient)[0] for norm in (ours, torchs))
    torch.testing.assert_close(of_ours, of_torchs, rtol=0, atol=1e-5)
    assert of_torchs.abs().max() > 0.1
