"""Label maps on the feature grid, and the two operations on them: pool-and-copy, and attention inside regions.

A label map gives every pixel of a frame a number; the same number in both frames of a pair means the same target.
What the operations need of the maps is index tensors. They are built on the host, where the maps are, so that
nothing on the device ever has to wait for a size: neither operation synchronises, or loops over regions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

CALL = 2**15
"""Pairs of cells that count as much as one more bucket (decided: a call costs less on a CPU, and more on a GPU)."""
STEPS = 8
"""Sizes that are told apart from a size to its double."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Regions of similar size, padded to the largest: `cells0` (R, L0) and `cells1` (R, L1) are positions in the
    flattened batch of grids (B*h*w), the position B*h*w being padding. `padded0`, `padded1`: some of them are."""

    cells0: Tensor
    cells1: Tensor
    padded0: bool
    padded1: bool


@dataclass(frozen=True, kw_only=True)
class Regions:
    """The regions of a batch of frame pairs on a feature grid.

    ids0, ids1  (B*h*w,) number of each cell's region, in [0, count): equal numbers mean the same label of the
                same sample, in whichever frame
    buckets     the regions that both frames have, by size
    """

    ids0: Tensor
    ids1: Tensor
    count: int
    buckets: tuple[Bucket, ...]

    @classmethod
    def of(cls, maps0: NDArray[np.integer], maps1: NDArray[np.integer], grid: tuple[int, int]) -> Regions:
        """Label maps (B, H, W) brought to `grid` by nearest-exact sampling, and indexed; on the host.

        Raises ValueError for maps of different shapes and for negative labels.
        """
        if maps0.ndim != 3 or maps0.shape != maps1.shape:
            raise ValueError(f"label maps: expected two of one shape (B, H, W), got {maps0.shape} and {maps1.shape}")
        low0, low1 = nearest_exact(maps0, grid), nearest_exact(maps1, grid)
        if min(low0.min(), low1.min()) < 0:  # it would run into the labels of the sample before
            raise ValueError("label maps: labels are 0 or more")
        batch = len(low0)
        sample = np.arange(batch)[:, None]
        # one number for each (sample, label): unique's inverse makes the labels dense over the whole batch
        span = int(max(low0.max(), low1.max())) + 1
        keys = np.stack([(low.reshape(batch, -1) + sample * span).reshape(-1) for low in (low0, low1)])
        present, ids = np.unique(keys, return_inverse=True)
        ids = ids.reshape(keys.shape)
        return cls(
            ids0=torch.from_numpy(ids[0]),
            ids1=torch.from_numpy(ids[1]),
            count=len(present),
            buckets=tuple(_buckets(ids[0], ids[1], len(present))),
        )

    def to(self, device: torch.device) -> Regions:
        """The same on `device`; nothing waits for the copies."""

        def move(x: Tensor) -> Tensor:
            pinned = x.pin_memory() if device.type == "cuda" and x.device.type == "cpu" else x
            return pinned.to(device, non_blocking=True)

        buckets = tuple(replace(b, cells0=move(b.cells0), cells1=move(b.cells1)) for b in self.buckets)
        return replace(self, ids0=move(self.ids0), ids1=move(self.ids1), buckets=buckets)

    def mirrored(self) -> Regions:
        """The same seen from frame 1."""
        buckets = tuple(
            Bucket(cells0=b.cells1, cells1=b.cells0, padded0=b.padded1, padded1=b.padded0) for b in self.buckets
        )
        return Regions(ids0=self.ids1, ids1=self.ids0, count=self.count, buckets=buckets)


def nearest_exact(maps: NDArray[np.integer], grid: tuple[int, int]) -> NDArray[np.int64]:
    """Label maps (B, H, W) sampled at the pixel nearest to the centre of each cell of `grid`.

    In float32, as torch's `interpolate(mode="nearest-exact")` reckons, so that the two agree at ties too.
    """
    rows, columns = (
        np.minimum((np.arange(cells, dtype=np.float32) + 0.5) * (np.float32(size) / np.float32(cells)), size - 1)
        for cells, size in zip(grid, maps.shape[1:], strict=True)
    )
    return maps[:, rows.astype(np.int64)[:, None], columns.astype(np.int64)[None]].astype(np.int64)


def _buckets(ids0: NDArray[np.int64], ids1: NDArray[np.int64], count: int) -> list[Bucket]:
    sizes = np.stack([np.bincount(ids, minlength=count) for ids in (ids0, ids1)])
    starts = np.cumsum(sizes, axis=1) - sizes
    order = [np.argsort(ids, kind="stable") for ids in (ids0, ids1)]
    shared = np.flatnonzero(sizes.min(axis=0))
    level = np.ceil(STEPS * np.log2(sizes[:, shared].max(axis=0)))
    buckets: list[Bucket] = []
    for regions in _alike(shared[np.argsort(level, kind="stable")], np.sort(level), sizes):
        cells: list[Tensor] = []
        padded: list[bool] = []
        for frame in (0, 1):
            length = sizes[frame, regions].max()
            offset = np.arange(length)
            real = offset < sizes[frame, regions, None]
            position = np.minimum(starts[frame, regions, None] + offset, len(ids0) - 1)
            cells.append(torch.from_numpy(np.where(real, order[frame][position], len(ids0))))
            padded.append(not real.all())
        buckets.append(Bucket(cells0=cells[0], cells1=cells[1], padded0=padded[0], padded1=padded[1]))
    return buckets


def _alike(regions: NDArray[np.int64], level: NDArray[np.float64], sizes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Regions in the order of their levels, parted where levels change, so that pairs, padding included, and buckets
    are fewest together. `sizes` (2, all regions) are those in either frame."""
    starts = np.flatnonzero(np.diff(level, prepend=-1.0))
    if not len(starts):
        return []
    longest = np.maximum.reduceat(sizes[:, regions], starts, axis=1)
    ends = np.append(starts[1:], len(regions))
    costs, first = [0], []  # of the best parting up to each level, and where its last part starts
    for last in range(len(starts)):
        length = np.maximum.accumulate(longest[:, last::-1], axis=1)[:, ::-1]  # of a part from each level up to this
        up_to = np.array(costs) + (ends[last] - starts[: last + 1]) * length[0] * length[1] + CALL
        first.append(int(up_to.argmin()))
        costs.append(int(up_to.min()))
    parts, end = [], len(starts)
    while end:
        at = first[end - 1]
        parts.append(regions[starts[at] : ends[end - 1]])
        end = at
    return parts[::-1]


def flatten(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B*h*w, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def unflatten(x: Tensor, like: Tensor) -> Tensor:
    """(B*h*w, C) -> (B, C, h, w) on the grid of `like`."""
    batch, _, height, width = like.shape
    return x.view(batch, height, width, -1).permute(0, 3, 1, 2)


def pool_and_copy(source: Tensor, source_ids: Tensor, target_ids: Tensor, count: int) -> Tensor:
    """Mean of `source` (B, C, h, w) over each region, copied to the cells of that region (paper, Eq. 6).

    With other `target_ids` than `source_ids` the mean is pooled in one frame and copied to the other; a region
    that the source frame lacks gives 0. Sums are float32 whatever the type of `source`, which the result has too.
    """
    _same_cells(source, source_ids, target_ids)
    flat = flatten(source.float())
    total = flat.new_zeros(count, flat.shape[1]).index_add(0, source_ids, flat)
    size = flat.new_zeros(count).index_add(0, source_ids, flat.new_ones(len(flat)))
    mean = total / size.clamp(min=1)[:, None]
    # index_select, not mean[target_ids]: the backward pass of that adds in an order that depends on the threads
    return unflatten(mean.index_select(0, target_ids), source).to(source.dtype)


def region_attention(
    query: Tensor, key: Tensor, value: Tensor, regions: Regions, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """Softmax attention from frame 0's cells to frame 1's cells of the same region (paper, Eq. 9).

    query (B, D, h, w), key (B, D, h, w), value (B, E, h, w); `scale` of their products, 1 / sqrt(D) by default.
    Returns the attended values (B, E, h, w) and `found` (B, 1, h, w), 1 where the cell's label occurs in frame 1;
    elsewhere the value is 0. Float32 inside, under autocast too; the result has the type of `value`.

    Costs, padding included, at most 1.2 times the sum over regions of the square of the larger of its two sizes, and
    CALL for every size there is, as a bucket tells sizes apart. Memory grows with the cells, not with their pairs.
    """
    _same_cells(query, regions.ids0, regions.ids1)
    channels = value.shape[1]
    # The fused kernels want (B, heads, L, D) with one D, a multiple of 8, for all three; zeros change no product.
    lanes = -(-max(query.shape[1], channels) // 8) * 8
    scale = query.shape[1] ** -0.5 if scale is None else scale
    with torch.autocast(query.device.type, enabled=False):
        q, k, v = (F.pad(flatten(x.float()), (0, lanes - x.shape[1], 0, 1)) for x in (query, key, value))
        out, found = torch.zeros_like(v), v.new_zeros(len(v), 1)
        if regions.buckets:
            cells0, cells1 = [b.cells0 for b in regions.buckets], [b.cells1 for b in regions.buckets]
            rows = zip(_rows(q, cells0), _rows(k, cells1), _rows(v, cells1), regions.buckets, strict=True)
            attended = [
                _attend(own, keys, values, b.cells1 != len(q) - 1 if b.padded1 else None, scale)
                for own, keys, values, b in rows
            ]
            at = _joined(cells0)
            out = out.index_copy(0, at, torch.cat(attended))
            found = found.index_fill(0, at, 1.0)
    return unflatten(out[:-1, :channels], query).to(value.dtype), unflatten(found[:-1], query).to(value.dtype)


def _rows(x: Tensor, cells: list[Tensor]) -> list[Tensor]:
    """Rows of `x` (N, C) at the `cells` (R, L) of each bucket, (R, 1, L, C). They are taken for all buckets at once: on
    the way back, each taking would cost a plane of zeros."""
    parts = x.index_select(0, _joined(cells)).split_with_sizes([each.numel() for each in cells])
    return [part.view(len(each), 1, -1, x.shape[1]) for part, each in zip(parts, cells, strict=True)]


def _joined(cells: list[Tensor]) -> Tensor:
    return torch.cat([each.reshape(-1) for each in cells])


def _attend(q: Tensor, k: Tensor, v: Tensor, real: Tensor | None, scale: float) -> Tensor:
    """Attention inside each region of a bucket, (R, 1, L, lanes) -> (R*L0, lanes); `real` (R, L1) are the keys that are
    no padding, where some are."""
    mask = None if real is None else real[:, None, None]
    return F.scaled_dot_product_attention(q, k, v, mask, scale=scale).reshape(-1, v.shape[3])


def _same_cells(x: Tensor, *ids: Tensor) -> None:
    batch, _, height, width = x.shape
    if any(len(each) != batch * height * width for each in ids):
        raise ValueError(f"features {tuple(x.shape)} and regions of {len(ids[0])} cells are not on one grid")
