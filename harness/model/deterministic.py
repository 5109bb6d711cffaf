"""Sampling, resizing and spreading that give the same bits each time. On CUDA torch's own add with atomics, in whatever
order its threads come: in the backward passes of the first two, whose forward passes are torch's own here too, and in
the forward pass of the third, whose backward pass gathers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def applies(x: Tensor) -> bool:
    """Whether what is computed from `x` needs a backward pass of ours: torch's are deterministic but on CUDA."""
    return x.is_cuda and torch.are_deterministic_algorithms_enabled()


def sample(source: Tensor, grid: Tensor) -> Tensor:
    """`source` (B, C, H, W) at `grid` (B, h, w, 2) -> (B, C, h, w): bilinear, border padding, corners aligned.

    `grid` holds x, y from -1 to 1 across the source. Both are of one type, float32 or float64.
    """
    return _Sample.apply(source, grid) if applies(source) else _sample(source, grid)  # type: ignore[no-untyped-call]


def bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """`x` (B, C, H, W) at `size`: align_corners=False, no antialiasing."""
    return _Bilinear.apply(x, size) if applies(x) else _bilinear(x, size)  # type: ignore[no-untyped-call]


def spread(values: Tensor, corner: Tensor, right: Tensor, below: Tensor, size: tuple[int, int]) -> Tensor:
    """`values` (B, C, N) added to the four cells around their positions in a grid of `size` (H, W) -> (B, C, H, W).

    A position is its upper left cell, the `corner` (B, N), a number below (H - 1) W - 1, and the fractions `right` and
    `below` (B, N) beyond it.
    """
    batch, channels, _ = values.shape
    height, width = size
    if applies(values):
        first = torch.arange(batch, device=corner.device)[:, None] * (height * width)
        rows = values.transpose(1, 2).reshape(-1, channels)
        right, below = right.reshape(-1, 1), below.reshape(-1, 1)
        return _spread(rows, (corner + first).flatten(), right, below, torch.Size((batch, channels, *size)))
    total = values.new_zeros(batch, channels, height * width)
    for step, share in (
        (0, (1 - right) * (1 - below)),
        (1, right * (1 - below)),
        (width, (1 - right) * below),
        (width + 1, right * below),
    ):
        total.scatter_add_(2, (corner + step)[:, None].expand(-1, channels, -1), values * share[:, None])
    return total.view(batch, channels, height, width)


def _sample(source: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


class _Sample(torch.autograd.Function):
    """The gradient to the grid gathers, and has nothing to add up; only that to the source has."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(source, grid)
        return _sample(source, grid)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        source, grid = ctx.saved_tensors
        batch, channels, height, width = source.shape
        column, right, slope_x = _position(grid[..., 0], width)
        row, below, slope_y = _position(grid[..., 1], height)
        first = torch.arange(batch, device=grid.device).view(-1, 1, 1) * (height * width)
        corner = (first + row * width + column).flatten()
        right, below = right.reshape(-1, 1), below.reshape(-1, 1)
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, channels)

        to_source = to_grid = None
        if ctx.needs_input_grad[0]:
            to_source = _spread(rows, corner, right, below, source.shape)
        if ctx.needs_input_grad[1]:
            pixels = source.permute(0, 2, 3, 1).reshape(-1, channels)
            aside = (column < width - 1).long().flatten()  # the last column is its own neighbour
            under = (row < height - 1).long().flatten() * width
            here, east, south, both = (
                pixels.index_select(0, corner + step) for step in (0, aside, under, aside + under)
            )
            by_x = (rows * torch.lerp(east - here, both - south, below)).sum(1).view_as(slope_x) * slope_x
            by_y = (rows * torch.lerp(south - here, both - east, right)).sum(1).view_as(slope_y) * slope_y
            to_grid = torch.stack([by_x, by_y], -1)
        return to_source, to_grid


def _position(coordinate: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cell, fraction beyond it, and derivative of the position by the coordinate: 0 before the first cell. Beyond the
    last that is of no account, for between it and itself, as its own neighbour, nothing changes.

    Reckoned as the CUDA kernel does, so that both passes agree on the cell. What is not a number comes to some cell,
    with a fraction, and so a gradient, that is not a number either.
    """
    at = (coordinate + 1) / 2 * (size - 1)
    slope = (at > 0) * ((size - 1) / 2)
    at = at.clamp(0, size - 1)
    cell = at.floor()
    return cell.long().clamp(0, size - 1), at - cell, slope


def _spread(rows: Tensor, corner: Tensor, right: Tensor, below: Tensor, shape: torch.Size) -> Tensor:
    """Each of `rows` (N, C) added to the four cells around its position, of a source of `shape` (B, C, H, W).

    All four shares are added at the upper left cell, side by side, and moved to their own cells as whole planes:
    one sorted index for the four.
    """
    batch, channels, height, width = shape
    shares = torch.stack([(1 - right) * (1 - below), right * (1 - below), (1 - right) * below, right * below], 1)
    sums = rows.new_zeros(batch * height * width, 4 * channels)
    sums.index_add_(0, corner, (shares * rows[:, None]).flatten(1))
    here, east, south, both = sums.view(batch, height, width, 4, channels).unbind(3)
    total = here.clone()
    total[:, :, 1:] += east[:, :, :-1]
    total[:, 1:] += south[:, :-1]
    total[:, 1:, 1:] += both[:, :-1, :-1]
    return total.permute(0, 3, 1, 2)


class _Bilinear(torch.autograd.Function):
    """Resizing is linear and goes axis by axis, so its gradient is a matrix product on either side."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: tuple[int, int]) -> Tensor:
        ctx.size = x.shape[-2:]
        # the operator itself: in deterministic mode F.interpolate takes a slower way, whose last bits are others
        return torch.ops.aten.upsample_bilinear2d(x, list(size), False)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        precise = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
        weights = _weights.__wrapped__ if torch.compiler.is_compiling() else _weights  # a compiler warns of caches
        rows, columns = (
            weights(before, after, precise.dtype, precise.device)
            for before, after in zip(ctx.size, gradient.shape[-2:], strict=True)
        )
        return (rows @ (precise @ columns.mT)).to(gradient.dtype), None


@lru_cache(maxsize=64)
def _weights(before: int, after: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(before, after): what each of `before` positions gives to each of `after` ones. Resized unit vectors say it."""
    unit = torch.eye(before, dtype=dtype, device=device)
    return F.interpolate(unit[None], after, mode="linear", align_corners=False)[0]
