"""Correlations against ones written out cell by cell, on tiny maps too."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.model import Correlation, correlation, local_correlation

both_ways = partial(Correlation, levels=4, radius=3)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def written_out(fmap0: Tensor, fmap1: Tensor, flow: Tensor, level: int, y: int, x: int) -> list[float]:
    """The 49 values of one cell: products with average-pooled features, bilinear, zero outside."""
    target, (height, width) = fmap1[None], fmap1.shape[-2:]
    for _ in range(level):
        kernel = [min(2, side) for side in target.shape[-2:]]
        target = F.avg_pool2d(target, kernel)
    height, width = target.shape[-2:]
    values = torch.einsum("c,chw->hw", fmap0[:, y, x], target[0]) / fmap0.shape[0] ** 0.5

    def at(row: float, column: float) -> float:
        total = 0.0
        for i in (int(row // 1), int(row // 1) + 1):
            for j in (int(column // 1), int(column // 1) + 1):
                if 0 <= i < height and 0 <= j < width:
                    total += (1 - abs(row - i)) * (1 - abs(column - j)) * values[i, j].item()
        return total

    centre_x, centre_y = ((p + flow[axis, y, x].item()) / 2**level for axis, p in enumerate((x, y)))
    return [at(centre_y + b - 3, centre_x + a - 3) for a in range(7) for b in range(7)]


@pytest.mark.parametrize("size", [(16, 18), (5, 3), (2, 2)])
def test_lookup(size: tuple[int, int]) -> None:
    """(5, 3) has levels one cell wide, (2, 2) nothing else: published code gives NaN, or fails to pool."""
    fmap0, fmap1 = random(2, 4, *size), random(2, 4, *size, seed=1)
    flow_01, flow_10 = 3 * random(2, 2, *size, seed=2), 3 * random(2, 2, *size, seed=3)
    out = both_ways(fmap0, fmap1).lookup(flow_01, flow_10)
    assert out.shape == (2, 392, *size)
    windows = out.view(2, 2, 4, 49, *size)
    for sample, y, x in ((0, 0, 0), (1, size[0] - 1, size[1] // 2), (0, size[0] // 2, size[1] - 1)):
        for direction, (one, other, flow) in enumerate(((fmap0, fmap1, flow_01), (fmap1, fmap0, flow_10))):
            for level in range(4):
                expected = torch.tensor(written_out(one[sample], other[sample], flow[sample], level, y, x)).double()
                torch.testing.assert_close(windows[sample, direction, level, :, y, x], expected, atol=1e-5, rtol=0)


def test_what_is_not_a_number_stays_where_it_is() -> None:
    """A diverged flow must not become an index out of range."""
    flow = torch.zeros(1, 2, 8, 8)
    flow[..., 0, :] = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 0, 0, 0])
    out = both_ways(torch.ones(1, 4, 8, 8), torch.ones(1, 4, 8, 8)).lookup(flow, flow)
    assert out[..., 1:, :].isfinite().all()


def test_gradients_of_the_lookup() -> None:
    inputs = [random(1, 2, 4, 4, seed=seed).requires_grad_() for seed in range(4)]
    with torch.no_grad():  # away from whole numbers, where a bilinear sample has a kink
        for flow in inputs[2:]:
            flow.copy_(flow.round() + 0.3)

    def lookup(fmap0: Tensor, fmap1: Tensor, flow_01: Tensor, flow_10: Tensor) -> Tensor:
        # pixel coordinates are whole and levels halve them: .3, .15 + .., no kink near
        return both_ways(fmap0, fmap1).lookup(flow_01, flow_10)

    assert torch.autograd.gradcheck(lookup, inputs, eps=1e-5, atol=1e-4, nondet_tol=1e-9, fast_mode=True)


def test_products_are_single_precision_under_autocast() -> None:
    fmap0, fmap1, flow = random(1, 84, 6, 6).float(), random(1, 84, 6, 6, seed=1).float(), torch.zeros(1, 2, 6, 6)
    plain = both_ways(fmap0, fmap1)
    with torch.autocast("cpu", torch.bfloat16):
        under = both_ways(fmap0, fmap1)
    assert torch.equal(plain.to_1[0].cells, under.to_1[0].cells)
    half = both_ways(fmap0.bfloat16(), fmap1.bfloat16())
    assert half.to_1[0].cells.dtype == torch.float32
    assert half.lookup(flow, flow).dtype == torch.bfloat16


def test_one_volume_serves_both_directions() -> None:
    volume = both_ways(random(2, 4, 6, 8), random(2, 4, 6, 8, seed=1))
    assert volume.to_0[0].cells.data_ptr() == volume.to_1[0].cells.data_ptr()
    assert [level.size for level in volume.to_0] == [(6, 8), (3, 4), (1, 2), (1, 1)]


@pytest.fixture
def without_a_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlation, "LARGEST", 0)
    monkeypatch.setattr(correlation, "BLOCK", 64 * 4 * 8 * 7)  # seven cells of float64


@pytest.mark.parametrize("size", [(16, 18), (5, 3), (2, 2)])
def test_a_large_volume_is_not_made(size: tuple[int, int], without_a_volume: None) -> None:
    fmap0, fmap1 = random(2, 4, *size), random(2, 4, *size, seed=1)
    flows = 3 * random(2, 2, *size, seed=2), 3 * random(2, 2, *size, seed=3)
    volume = both_ways(fmap0, fmap1)
    with torch.no_grad():
        products = both_ways(fmap0, fmap1)
    assert not any(hasattr(level, "cells") for level in (*products.to_0, *products.to_1))
    torch.testing.assert_close(products.lookup(*flows), volume.lookup(*flows), atol=1e-12, rtol=0)


def test_without_a_volume_products_are_single_precision_under_autocast(without_a_volume: None) -> None:
    fmap0, fmap1, flow = random(1, 84, 6, 6).float(), random(1, 84, 6, 6, seed=1).float(), torch.zeros(1, 2, 6, 6)
    with torch.no_grad():
        products = both_ways(fmap0, fmap1)
        plain = products.lookup(flow, flow)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(products.lookup(flow, flow), plain)


@pytest.mark.parametrize("radius", [1, 4])
def test_near_cells(radius: int) -> None:
    """Of each cell with its neighbours, row by row; 0 outside, also where the window is larger than the frame."""
    f0, f1 = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    out = local_correlation(f0, f1, radius)
    assert out.shape == (2, (2 * radius + 1) ** 2, 4, 5)
    expected = torch.zeros_like(out)
    steps = range(-radius, radius + 1)
    for channel, (dy, dx) in enumerate((dy, dx) for dy in steps for dx in steps):
        for y in range(4):
            for x in range(5):
                if 0 <= y + dy < 4 and 0 <= x + dx < 5:
                    expected[:, channel, y, x] = (f0[..., y, x] * f1[..., y + dy, x + dx]).sum(1) / 3
    torch.testing.assert_close(out, expected)


def test_gradients_of_near_cells() -> None:
    inputs = [random(2, 2, 3, 4, seed=seed).requires_grad_() for seed in range(2)]
    assert torch.autograd.gradcheck(lambda f0, f1: local_correlation(f0, f1, 2), inputs)


def test_near_cells_are_summed_in_single_precision() -> None:
    f0, f1 = random(1, 300, 4, 5).bfloat16(), random(1, 300, 4, 5, seed=1).bfloat16()
    out = local_correlation(f0, f1, 1)
    assert torch.equal(out, local_correlation(f0.float(), f1.float(), 1).bfloat16())
