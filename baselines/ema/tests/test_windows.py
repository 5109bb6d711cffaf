"""Windows against a plain account of them, and what is kept of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch._subclasses.fake_tensor import FakeTensorMode
from vfi_ema import windows as module
from vfi_ema.windows import SHIFT, WINDOW, windows_of

SIZES = ((4, 6), (14, 7), (8, 12), (1, 1), (9, 21))


def regions(lengths: tuple[int, int], bounds: list[list[int]]) -> NDArray[np.int64]:
    """A grid cut into nine, numbered; `bounds` are where the middle starts and ends, by axis."""
    ids = np.zeros(lengths, np.int64)
    ys, xs = ([0, *bounds[axis], lengths[axis]] for axis in (0, 1))
    for i in range(3):
        for j in range(3):
            ids[ys[i] : ys[i + 1], xs[j] : xs[j + 1]] = 3 * i + j
    return ids


def cut(grid: NDArray[Any]) -> NDArray[Any]:
    """(h, w, ...) -> (N, L, ...), window by window."""
    tops, lefts = (range(0, side, WINDOW) for side in grid.shape[:2])
    pieces = [grid[y : y + WINDOW, x : x + WINDOW] for y in tops for x in lefts]
    return np.stack([piece.reshape(WINDOW**2, *grid.shape[2:]) for piece in pieces])


def account(height: int, width: int, shifted: bool, rolled: bool) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Cells, coordinates and mask, step by step as published."""
    sides = (height, width)
    total = [-(-side // WINDOW) * WINDOW for side in sides]
    before = [(t - side) // 2 for t, side in zip(total, sides, strict=True)]
    pads = [(b, t - side - b) for b, t, side in zip(before, total, sides, strict=True)]
    cells = np.pad(np.arange(height * width).reshape(sides), pads, constant_values=height * width)
    x, y = np.meshgrid(torch.linspace(-1, 1, width).numpy(), torch.linspace(-1, 1, height).numpy())
    coordinates = np.pad(np.stack([x, y], -1), [*pads, (0, 0)])
    padding = regions((total[0], total[1]), [[b, b + side] for b, side in zip(before, sides, strict=True)])
    wrapped = np.zeros_like(padding)
    if shifted:
        cells, coordinates = (np.roll(a, (-SHIFT, -SHIFT), (0, 1)) for a in (cells, coordinates))
        wrapped = regions((total[0], total[1]), [[t - WINDOW, t - SHIFT] for t in total])
        if rolled:
            padding = np.roll(padding, (-SHIFT, -SHIFT), (0, 1))
    mask = np.zeros((cells.size // WINDOW**2, WINDOW**2, WINDOW**2), np.float32)
    for ids in (padding, wrapped):
        mask[cut(ids)[:, :, None] != cut(ids)[:, None, :]] = -100
    return cut(cells), cut(coordinates), mask


@pytest.mark.parametrize("padding", ["official", "rolled"])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_windows_are_those_published(size: tuple[int, int], shifted: bool, padding: Any) -> None:
    windows = windows_of(torch.zeros(1, 1, *size), shifted, padding)
    cells, coordinates, mask = account(*size, shifted, padding == "rolled")
    assert np.array_equal(windows.cells.numpy(), cells.reshape(-1))
    assert np.array_equal(windows.coordinates.numpy(), coordinates)
    assert np.array_equal(np.zeros_like(mask) if windows.mask is None else windows.mask.numpy(), mask)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_join_undoes_cut(size: tuple[int, int], shifted: bool) -> None:
    tokens = torch.randn(2, size[0] * size[1], 3)
    windows = windows_of(torch.zeros(1, 1, *size), shifted, "official")
    assert torch.equal(windows.join(windows.cut(tokens)), tokens)


def test_no_mask_where_nothing_is_to_be_kept_apart() -> None:
    assert windows_of(torch.zeros(1, 1, 14, 28), False, "official").mask is None


def test_the_padding_option_changes_shifted_windows_of_padded_grids_only() -> None:
    def masks(size: tuple[int, int], shifted: bool) -> list[Any]:
        options: tuple[module.ShiftedPadding, ...] = ("official", "rolled")
        return [windows_of(torch.zeros(1, 1, *size), shifted, option).mask for option in options]

    assert not torch.equal(*masks((8, 12), True))
    assert torch.equal(*masks((8, 12), False))
    assert torch.equal(*masks((14, 7), True))


def test_windows_are_kept_by_size_and_not_for_ever() -> None:
    """13x10 and 10x13 have the same area when padded, and must not share a mask."""
    module._kept.cache_clear()
    one, other = torch.zeros(1, 1, 13, 10), torch.zeros(1, 1, 10, 13)
    first = windows_of(one, True, "official")
    turned = windows_of(other, True, "official")
    assert windows_of(one, True, "official") is first
    assert first.mask is not None
    assert turned.mask is not None
    assert not torch.equal(first.mask, turned.mask)
    for side in range(1, 60):
        windows_of(torch.zeros(1, 1, side, 7), True, "official")
    assert module._kept.cache_info().currsize <= 16


def test_what_is_made_in_inference_mode_serves_training() -> None:
    module._kept.cache_clear()
    grid = torch.zeros(1, 1, 8, 12)
    with torch.inference_mode():
        windows_of(grid, True, "official")
    windows = windows_of(grid, True, "official")
    assert not windows.coordinates.is_inference()
    embed = torch.nn.Linear(2, 4)
    embed(windows.coordinates).sum().backward()
    assert embed.weight.grad is not None


def test_what_is_made_without_data_is_not_kept() -> None:
    module._kept.cache_clear()
    with FakeTensorMode():
        windows_of(torch.zeros(1, 1, 8, 12), True, "official")
    assert module._kept.cache_info().currsize == 0
    assert type(windows_of(torch.zeros(1, 1, 8, 12), True, "official").coordinates) is torch.Tensor
