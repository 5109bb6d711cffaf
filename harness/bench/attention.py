"""Attention inside regions beside that of all cells to all cells: what the paper's O(sum S_i^2) of O(S^2) is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from harness.bench.turns import Timed, Turns, in_turn
from harness.errors import HarnessError
from harness.model import Regions, region_attention
from harness.model.regions import flatten, unflatten

REGIONS = 20
KEYS, VALUES = 219, 98
"""Channels, as HIR has them."""


def attention(quick: bool, device: torch.device) -> Iterator[Timed]:
    """On the 240x135 cells of 3840x2160, or a quarter of them. Raises HarnessError where inside a single region it does
    not give what the dense one gives."""
    _check_equal(device)
    rows, columns = (68, 120) if quick else (135, 240)
    beside = beside_dense(nearest_of_points(REGIONS, (rows, columns), seed=0), KEYS, VALUES, 3, device)
    what = f"{REGIONS} regions on {columns}x{rows} cells, {beside.bound:.3f} of all pairs"
    yield Timed("forward", what, beside.forward)
    yield Timed("forward and backward", what, beside.both_passes)


def _check_equal(device: torch.device) -> None:
    one = np.zeros((1, 6, 7), np.int64)
    q, k, v = (torch.randn(1, channels, 6, 7, device=device) for channels in (KEYS, KEYS, VALUES))
    inside, _ = region_attention(q, k, v, Regions.of(one, one, (6, 7)).to(device), scale=KEYS**-0.5)
    if not torch.allclose(inside, dense(q, k, v, KEYS**-0.5), atol=1e-5, rtol=1e-4):
        raise HarnessError("attention inside one region is not that of all cells: not timed, for they are two things")


@dataclass(frozen=True)
class Beside:
    """Turns of the attention inside regions, and of the dense one after each; `bound` is the share of all pairs of
    cells that are of one region, which the ratio of both would be if nothing but pairs took time."""

    bound: float
    forward: Turns
    both_passes: Turns


def beside_dense(maps: NDArray[np.integer], keys: int, values: int, turns: int, device: torch.device) -> Beside:
    """Of two label maps (2, h, w) on the grid itself; queries and keys of so many channels, and values of so many."""
    grid = (maps.shape[1], maps.shape[2])
    regions = Regions.of(maps[:1], maps[1:], grid).to(device)
    given = [torch.randn(1, channels, *grid, device=device) for channels in (keys, keys, values)]

    def inside(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return region_attention(query, key, value, regions, scale=1.0)[0]

    return Beside(
        bound=pairs_of_one_region(maps) / maps[0].size ** 2,
        forward=in_turn(_forward(inside, given), _forward(dense, given), turns, device),
        both_passes=in_turn(_both_passes(inside, given), _both_passes(dense, given), turns, device),
    )


def dense(query: Tensor, key: Tensor, value: Tensor, scale: float = 1.0) -> Tensor:
    """What `region_attention` gives where there is one region, by the same kernel: (B, E, h, w)."""
    lanes = -(-max(query.shape[1], value.shape[1]) // 8) * 8
    q, k, v = (F.pad(flatten(x), (0, lanes - x.shape[1])).view(len(x), 1, -1, lanes) for x in (query, key, value))
    attended = F.scaled_dot_product_attention(q, k, v, scale=scale)
    return unflatten(attended.reshape(-1, lanes)[:, : value.shape[1]], value)


def nearest_of_points(count: int, grid: tuple[int, int], seed: int) -> NDArray[np.int64]:
    """Label maps (2, h, w) of `count` regions of unequal sizes: the cells nearest to each of so many points, which move
    by a cell or two between the frames. Points crowd towards one corner."""
    rng = np.random.default_rng(seed)
    points = rng.beta(1, 1.5, (count, 2)) * grid
    moved = points + rng.uniform(-2, 2, points.shape)
    y, x = np.mgrid[: grid[0], : grid[1]]
    return np.stack(
        [((y[..., None] - at[:, 0]) ** 2 + (x[..., None] - at[:, 1]) ** 2).argmin(2) for at in (points, moved)]
    )


def pairs_of_one_region(maps: NDArray[np.integer]) -> int:
    """sum of S0_i S1_i over the labels of two maps (2, h, w)."""
    sizes = [np.bincount(each.ravel(), minlength=int(maps.max()) + 1) for each in maps]
    return int((sizes[0] * sizes[1]).sum())


Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def _forward(attend: Attention, given: list[Tensor]) -> Callable[[], object]:
    def call() -> object:
        with torch.inference_mode():
            return attend(*given)

    return call


def _both_passes(attend: Attention, given: list[Tensor]) -> Callable[[], object]:
    def call() -> object:
        q, k, v = (x.detach().requires_grad_() for x in given)
        return torch.autograd.grad(attend(q, k, v).sum(), (q, k, v))

    return call
