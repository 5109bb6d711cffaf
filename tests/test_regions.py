"""The region operations against Python loops written from the paper, Eq. 6 and 9."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import harness.model.regions
from harness.bench.attention import nearest_of_points, pairs_of_one_region
from harness.measure.speed import most_held
from harness.model.regions import Regions, nearest_exact, pool_and_copy, region_attention

quick = settings(deadline=None, max_examples=30)


def attention_loop(query, key, value, maps0, maps1):
    """Eq. 9, one sample and one label at a time: A = softmax(K0 K1^T / sqrt(D)), V* = A V1."""
    out = torch.zeros_like(value)
    found = torch.zeros(len(value), 1, *value.shape[2:])
    for b in range(len(value)):
        for label in np.unique(maps0[b]):
            here, there = torch.from_numpy(maps0[b] == label), torch.from_numpy(maps1[b] == label)
            if not there.any():
                continue
            k0, k1, v1 = query[b][:, here].T, key[b][:, there].T, value[b][:, there].T
            weights = torch.softmax(k0 @ k1.T / np.sqrt(k0.shape[1]), dim=1)
            out[b][:, here] = (weights @ v1).T
            found[b][:, here] = 1
    return out, found


def pool_loop(source, source_maps, target_maps):
    """Eq. 6, one sample and one label at a time."""
    out = torch.zeros_like(source)
    for b in range(len(source)):
        for label in np.unique(target_maps[b]):
            here, there = torch.from_numpy(target_maps[b] == label), torch.from_numpy(source_maps[b] == label)
            if there.any():
                out[b][:, here] = source[b][:, there].mean(1, keepdim=True)
    return out


def some_maps(seed, batch, height, width, labels):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, labels, (batch, height, width)).astype(np.uint16) for _ in range(2)]


def some_features(seed, batch, height, width, depth=5, channels=7):
    torch.manual_seed(seed)
    return [torch.randn(batch, c, height, width) for c in (depth, depth, channels)]


cases = given(
    seed=st.integers(0, 10_000),
    batch=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 11),
    labels=st.sampled_from([1, 2, 3, 12, 200]),
)


@quick
@cases
def test_attention_is_the_loop(seed, batch, height, width, labels):
    maps = some_maps(seed, batch, height, width, labels)
    qkv = some_features(seed, batch, height, width)
    expected, expected_found = attention_loop(*qkv, *maps)
    out, found = region_attention(*qkv, Regions.of(*maps, (height, width)))
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(found, expected_found)


def test_attention_of_200_regions_of_all_sizes():
    rng = np.random.default_rng(0)
    odds = rng.pareto(1.0, 200)
    maps = [rng.choice(200, (2, 30, 40), p=odds / odds.sum()) for _ in range(2)]
    qkv = some_features(0, 2, 30, 40)
    regions = Regions.of(*maps, (30, 40))
    assert len(regions.buckets) > 3
    torch.testing.assert_close(region_attention(*qkv, regions)[0], attention_loop(*qkv, *maps)[0], atol=1e-5, rtol=1e-5)


def test_one_region_is_plain_attention():
    qkv = some_features(1, 2, 6, 5, depth=16, channels=18)
    zeros = np.zeros((2, 6, 5), np.uint8)
    q, k, v = (x.flatten(2).transpose(1, 2) for x in qkv)
    expected = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).view_as(qkv[2])
    by_hand = torch.softmax(q @ k.transpose(1, 2) / 16**0.5, 2) @ v
    out, found = region_attention(*qkv, Regions.of(zeros, zeros, (6, 5)))
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(out, by_hand.transpose(1, 2).view_as(out), atol=1e-5, rtol=1e-5)
    assert bool(found.all())


def test_samples_of_a_batch_do_not_see_each_other():
    maps = some_maps(2, 3, 6, 7, 3)
    qkv = some_features(2, 3, 6, 7)
    together, _ = region_attention(*qkv, Regions.of(*maps, (6, 7)))
    pooled = pool_and_copy(qkv[2], *_ids(Regions.of(*maps, (6, 7))))
    for b in range(3):
        alone = Regions.of(maps[0][b : b + 1], maps[1][b : b + 1], (6, 7))
        one = [x[b : b + 1] for x in qkv]
        torch.testing.assert_close(together[b : b + 1], region_attention(*one, alone)[0])
        torch.testing.assert_close(pooled[b : b + 1], pool_and_copy(one[2], *_ids(alone)))


def _ids(regions):
    return regions.ids0, regions.ids1, regions.count


@quick
@cases
def test_gradients_are_the_loops(seed, batch, height, width, labels):
    maps = some_maps(seed, batch, height, width, labels)
    towards = torch.randn(batch, 7, height, width, generator=torch.Generator().manual_seed(seed))
    grads = []
    for attend in (
        lambda *qkv: region_attention(*qkv, Regions.of(*maps, (height, width)))[0],
        lambda *qkv: attention_loop(*qkv, *maps)[0],
    ):
        qkv = [x.requires_grad_() for x in some_features(seed, batch, height, width)]
        (attend(*qkv) * towards).sum().add(sum(0 * x.sum() for x in qkv)).backward()
        grads.append([x.grad for x in qkv])
    for got, expected in zip(*grads, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


@quick
@given(seed=st.integers(0, 10_000), labels=st.sampled_from([1, 3, 40]))
def test_renaming_labels_changes_nothing(seed, labels):
    maps = some_maps(seed, 2, 6, 7, labels)
    names = np.random.default_rng(seed).choice(65_536, labels, replace=False).astype(np.uint16)
    qkv = some_features(seed, 2, 6, 7)
    results = []
    for pair in (maps, [names[m] for m in maps]):
        regions = Regions.of(*pair, (6, 7))
        results.append((*region_attention(*qkv, regions), pool_and_copy(qkv[2], *_ids(regions))))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)


def test_largest_label_of_16_bits():
    maps = np.full((2, 4, 4), 65_535, np.uint16)
    maps[:, :2] = 0
    qkv = some_features(3, 2, 4, 4)
    out, found = region_attention(*qkv, Regions.of(maps, maps, (4, 4)))
    torch.testing.assert_close(out, attention_loop(*qkv, maps, maps)[0], atol=1e-5, rtol=1e-5)
    assert bool(found.all())


def test_attention_without_a_shared_label_is_zero():
    ones, twos = np.ones((1, 3, 4), np.uint8), np.full((1, 3, 4), 2, np.uint8)
    out, found = region_attention(*some_features(4, 1, 3, 4), Regions.of(ones, twos, (3, 4)))
    assert not out.any()
    assert not found.any()


def test_attention_stays_exact_under_autocast():
    maps = some_maps(5, 2, 12, 12, 3)
    regions, (q, k, v) = Regions.of(*maps, (12, 12)), some_features(5, 2, 12, 12)
    v = v * 100  # coordinates are as large
    expected, _ = region_attention(q, k, v, regions)
    with torch.autocast("cpu", torch.bfloat16):
        out, _ = region_attention(q, k, v, regions)
    assert torch.equal(out, expected)


@quick
@cases
def test_pool_and_copy_is_the_loop(seed, batch, height, width, labels):
    maps = some_maps(seed, batch, height, width, labels)
    x = some_features(seed, batch, height, width)[2]
    regions = Regions.of(*maps, (height, width))
    own = pool_and_copy(x, regions.ids0, regions.ids0, regions.count)
    across = pool_and_copy(x, regions.ids1, regions.ids0, regions.count)  # absent labels give 0 in the loop
    torch.testing.assert_close(own, pool_loop(x, maps[0], maps[0]))
    torch.testing.assert_close(across, pool_loop(x, maps[1], maps[0]))
    torch.testing.assert_close(own.mean((2, 3)), x.mean((2, 3)), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(pool_and_copy(own, regions.ids0, regions.ids0, regions.count), own)


def test_pool_and_copy_gradients_are_the_loops():
    maps = some_maps(6, 2, 5, 6, 8)
    regions, towards = Regions.of(*maps, (5, 6)), torch.randn(2, 7, 5, 6)
    grads = []
    for pool in (lambda x: pool_and_copy(x, *_ids(regions)), lambda x: pool_loop(x, *maps)):
        x = some_features(6, 2, 5, 6)[2].requires_grad_()
        (pool(x) * towards).sum().backward()
        grads.append(x.grad)
    torch.testing.assert_close(*grads, atol=1e-6, rtol=1e-5)


def test_pooling_sums_in_float32():
    """A half-precision count stops at 256, a half-precision sum long before 3,600 cells."""
    zeros = np.zeros((1, 45, 80), np.uint8)
    regions = Regions.of(zeros, zeros, (45, 80))
    x = torch.rand(1, 3, 45, 80).bfloat16()
    pooled = pool_and_copy(x, *_ids(regions))
    assert pooled.dtype == torch.bfloat16
    torch.testing.assert_close(pooled.float(), x.float().mean((2, 3), keepdim=True).expand(x.shape), atol=2e-3, rtol=0)


@quick
@given(
    size=st.tuples(st.integers(1, 97), st.integers(1, 97)),
    grid=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    seed=st.integers(0, 99),
)
def test_nearest_exact_is_torchs(size, grid, seed):
    maps = np.random.default_rng(seed).integers(0, 65_536, (2, *size)).astype(np.uint16)
    expected = F.interpolate(torch.from_numpy(maps.astype(np.float32))[:, None], grid, mode="nearest-exact")[:, 0]
    assert np.array_equal(nearest_exact(maps, grid), expected.numpy())


def test_maps_are_brought_to_the_grid():
    maps0 = np.zeros((1, 32, 48), np.uint8)
    maps0[:, :16, 16:32] = 1  # cell (0, 1) of a 2 x 3 grid
    regions = Regions.of(maps0, np.zeros_like(maps0), (2, 3))
    assert regions.ids0.tolist() == [0, 1, 0, 0, 0, 0]
    assert regions.ids1.tolist() == [0] * 6


def test_mirrored_is_an_involution_and_swaps_the_frames():
    maps = some_maps(7, 2, 6, 7, 9)
    maps[0][:, 0] = 9  # in frame 0 alone
    regions, swapped = Regions.of(*maps, (6, 7)), Regions.of(*maps[::-1], (6, 7))
    qkv = some_features(7, 2, 6, 7)
    assert _parts(regions.mirrored()) == _parts(swapped)
    assert _parts(regions.mirrored().mirrored()) == _parts(regions)
    torch.testing.assert_close(region_attention(*qkv, regions.mirrored())[0], attention_loop(*qkv, *maps[::-1])[0])


def test_mirrored_knows_which_frame_is_padded():
    maps0, maps1 = (np.repeat([[[0, 1]]], counts, 2) for counts in ([4, 4], [3, 5]))
    regions, qkv = Regions.of(maps0, maps1, (1, 8)), some_features(10, 1, 1, 8)
    assert [(b.padded0, b.padded1) for b in regions.buckets] == [(False, True)]
    for each, maps in ((regions, (maps0, maps1)), (regions.mirrored(), (maps1, maps0))):
        torch.testing.assert_close(region_attention(*qkv, each)[0], attention_loop(*qkv, *maps)[0])
    swapped = Regions.of(maps1, maps0, (1, 8)).mirrored()
    torch.testing.assert_close(region_attention(*qkv, swapped)[0], attention_loop(*qkv, maps0, maps1)[0])


def _parts(regions):
    buckets = [(b.cells0.tolist(), b.cells1.tolist(), b.padded0, b.padded1) for b in regions.buckets]
    return regions.ids0.tolist(), regions.ids1.tolist(), regions.count, buckets


@quick
@given(seed=st.integers(0, 10_000), labels=st.integers(1, 60))
def test_padding_is_bounded(seed, labels):
    maps = some_maps(seed, 2, 12, 14, labels)
    with mock.patch.object(harness.model.regions, "CALL", 0):
        regions = Regions.of(*maps, (12, 14))
    sizes = torch.stack([torch.bincount(ids, minlength=regions.count) for ids in (regions.ids0, regions.ids1)])
    shared = sizes[:, sizes.min(0).values > 0].max(0).values
    assert pairs(regions) <= 1.2 * int((shared**2).sum())


def pairs(regions):
    """Of cells, padding included."""
    return sum(b.cells0.numel() * b.cells1.shape[1] for b in regions.buckets)


def test_few_large_regions_are_hardly_padded():
    maps = nearest_of_points(20, (135, 240), seed=0)
    regions = Regions.of(maps[:1], maps[1:], (135, 240))
    assert pairs(regions) <= 1.15 * pairs_of_one_region(maps)


def test_many_small_regions_share_their_buckets():
    """Crops of 224 at stride 16: each bucket is a call."""
    maps = np.stack([nearest_of_points(12, (14, 14), seed) for seed in range(24)])
    regions = Regions.of(maps[:, 0], maps[:, 1], (14, 14))
    assert len(regions.buckets) <= 6
    assert pairs(regions) <= 4 * sum(map(pairs_of_one_region, maps))


def test_memory_of_attention_grows_with_the_cells():
    zeros, qkv = np.zeros((1, 40, 50), np.uint8), some_features(11, 1, 40, 50)
    regions = Regions.of(zeros, zeros, (40, 50))
    assert most_held(lambda: region_attention(*qkv, regions), torch.device("cpu")) < 4 * 2000**2 / 8


def test_one_region_needs_no_mask():
    zeros = np.zeros((3, 5, 6), np.uint8)
    (bucket,) = Regions.of(zeros, zeros, (5, 6)).buckets
    assert not bucket.padded0
    assert not bucket.padded1
    assert bucket.cells0.shape == bucket.cells1.shape == (3, 30)


def test_forward_and_backward_are_deterministic():
    """On two threads and with gradients laid out channels last, where an indexing operator's backward pass is not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        maps = some_maps(8, 1, 45, 80, 1)
        towards = torch.randn(1, 98, 45, 80).contiguous(memory_format=torch.channels_last)
        regions = Regions.of(*maps, (45, 80))
        runs = []
        for _ in range(3):
            qkv = [x.requires_grad_() for x in some_features(8, 1, 45, 80, depth=96, channels=98)]
            pooled = pool_and_copy(qkv[2], *_ids(regions))
            attended, _ = region_attention(*qkv, regions)
            (attended * towards).sum().add((pooled * towards).sum()).backward()
            runs.append([pooled, *(x.grad for x in qkv)])
        assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(runs[0], run, strict=True))
    finally:
        torch.set_num_threads(threads)


def test_wrong_maps_and_grids_are_told():
    maps = np.zeros((1, 4, 4), np.int64)
    with pytest.raises(ValueError, match="one shape"):
        Regions.of(maps, maps[:, :2], (2, 2))
    with pytest.raises(ValueError, match="0 or more"):
        Regions.of(maps, maps - 1, (2, 2))
    regions = Regions.of(maps, maps, (2, 2))
    with pytest.raises(ValueError, match="one grid"):
        region_attention(*some_features(9, 1, 4, 4), regions)
    with pytest.raises(ValueError, match="one grid"):
        pool_and_copy(torch.zeros(1, 3, 4, 4), *_ids(regions))
