"""How long the correlation is held in memory, and where it is looked up."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
import vfi_amt.network
from torch import Tensor
from vfi_amt.network import AMT

from harness.model import Correlation, Frames, MotionPrior

HALF = torch.full((1, 1, 1, 1), 0.5)


def test_the_volume_is_gone_when_the_large_sizes_come(
    network: Any, frames: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[Correlation]] = []

    class Watched(Correlation):
        def __init__(self, fmap0: Tensor, fmap1: Tensor, **sizes: int) -> None:
            super().__init__(fmap0, fmap1, **sizes)
            alive.append(weakref.ref(self))

    monkeypatch.setattr(vfi_amt.network, "Correlation", Watched)
    net, pair = network("s"), frames(32, 48)
    features, states = net.encode(pair), []
    handle = net.decoder1.register_forward_pre_hook(lambda *_: states.append(alive[-1]()))
    try:
        net.decode(pair, features, HALF, None)
    finally:
        handle.remove()
    assert states == [None]


@pytest.mark.parametrize(("choice", "times"), [("official", (0.7 / 0.3, 0.3 / 0.7)), ("linear", (1, 1))])
def test_time_scales(choice: Any, times: tuple[float, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where decoder4 says linear motion by (2, 1) from frame 0 to frame 1, at t = 0.3."""
    looked: list[tuple[Tensor, Tensor]] = []

    def lookup(self: Correlation, flow_01: Tensor, flow_10: Tensor) -> Tensor:
        looked.append((flow_01, flow_10))
        return torch.zeros(1, 392, *self.grid)

    monkeypatch.setattr(Correlation, "lookup", lookup)
    motion = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 4, 6)
    prior = MotionPrior(flow_t0=-0.3 * motion, flow_t1=0.7 * motion, latent=torch.zeros(1, 44, 4, 6), inject="replace")
    net, pair = (
        AMT(variant="s", time_scales=choice).eval(),
        Frames(img0=torch.rand(1, 3, 32, 48), img1=torch.rand(1, 3, 32, 48)),
    )
    with torch.inference_mode():
        net.decode(pair, net.encode(pair), torch.full((1, 1, 1, 1), 0.3), prior)
    torch.testing.assert_close(looked[0][0], motion * times[0])
    torch.testing.assert_close(looked[0][1], -motion * times[1])
