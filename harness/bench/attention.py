"""Attention inside regions beside that of all cells to all cells: what the paper's O(sum S_i^2) of O(S^2) is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from harness.bench.turns import Turns, in_turn
from harness.model import Regions, region_attention
from harness.model.regions import flatten, unflatten


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


def dense(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What `region_attention` gives where there is one region, by the same kernel: (B, E, h, w)."""
    lanes = -(-max(query.shape[1], value.shape[1]) // 8) * 8
    q, k, v = (F.pad(flatten(x), (0, lanes - x.shape[1])).view(len(x), 1, -1, lanes) for x in (query, key, value))
    attended = F.scaled_dot_product_attention(q, k, v, scale=1.0)
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
