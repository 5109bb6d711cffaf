"""HIR-L and HIR-S alone: known motions are found, and the equations hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from vfi_hir.long_range import LongRange
from vfi_hir.short_range import ShortRange, window_attention
from vfi_hir.similarity import Cosine

from harness.model import Regions, pixel_grid


@pytest.fixture(params=["patch", "cosine", "dot"])
def similarity(request):
    return request.param


@pytest.fixture
def long_range(scene, sharp, similarity):
    module = LongRange(scene.features.f0.shape[1], similarity)
    sharp(module)
    return module


def test_long_range_finds_the_true_motion(scene, long_range, similarity):
    _, _, f01, f10 = long_range(scene.features.f0, scene.features.f1, scene.regions)
    covered = scene.object0 | scene.object1
    if similarity == "patch":  # a mean over the cells around
        covered = F.max_pool2d(covered[None].float(), 3, 1, 1)[0] > 0
    visible = ~covered  # background that both frames show
    for flow, shape, motion in ((f01, scene.object0, scene.motion), (f10, scene.object1, -scene.motion)):
        torch.testing.assert_close(flow[0][:, shape], motion[:, None].expand(2, int(shape.sum())), atol=1e-3, rtol=0)
        assert flow[0][:, visible].abs().max() < 1e-3


def test_long_range_adds_the_matched_value(scene, long_range):
    f0_h, _, _, _ = long_range(scene.features.f0, scene.features.f1, scene.regions)
    inside = scene.object0
    torch.testing.assert_close(f0_h[0][:, inside], 2 * scene.features.f0[0][:, inside], atol=1e-3, rtol=1e-3)


def test_labels_keep_equal_textures_apart(scene, long_range):
    """The background shows the object's texture too: only the label tells which one is the object."""
    decoy0, decoy1 = scene.features.f0.clone(), scene.features.f1.clone()
    decoy1[:, :, 2:7, 3:7] = decoy0[:, :, 2:7, 3:7]  # where the object was
    _, _, f01, _ = long_range(decoy0, decoy1, scene.regions)
    found = f01[0][:, scene.object0]
    torch.testing.assert_close(found, scene.motion[:, None].expand_as(found), atol=1e-3, rtol=0)


def test_absent_label_has_no_motion(scene, long_range):
    maps0, maps1 = scene.object0.numpy()[None].astype(np.uint8), np.zeros((1, 14, 17), np.uint8)
    f0_h, _, f01, f10 = long_range(scene.features.f0, scene.features.f1, Regions.of(maps0, maps1, (14, 17)))
    assert not f01[0][:, scene.object0].any()
    torch.testing.assert_close(f0_h[0][:, scene.object0], scene.features.f0[0][:, scene.object0])
    assert f10.any()


def test_long_range_is_the_equation():
    """Eq. 9 written out, label by label: the scale is that of the keys' width, and each frame has its own map."""
    torch.manual_seed(3)
    h0, h1 = torch.randn(2, 1, 8, 5, 7)
    maps = [np.random.default_rng(frame).integers(0, 3, (1, 5, 7)) for frame in (0, 1)]
    module = LongRange(8, "dot")
    with torch.no_grad():
        module.key.weight.mul_(5)  # far from uniform attention
    f0_h, f1_h, f01, f10 = module(h0, h1, Regions.of(*maps, (5, 7)))
    grid = pixel_grid(5, 7, torch.device("cpu"))[0]
    k0, k1, v0, v1 = (p(x)[0] for p in (module.key, module.value) for x in (h0, h1))
    own, other = (k0, v0, maps[0]), (k1, v1, maps[1])
    for (ka, va, a), (kb, vb, b), feature, flow in ((own, other, f0_h, f01), (other, own, f1_h, f10)):
        for label in range(3):
            here, there = torch.from_numpy(a[0] == label), torch.from_numpy(b[0] == label)
            weights = torch.softmax(ka[:, here].T @ kb[:, there] / 8**0.5, 1)
            expected = va[:, here].T + weights @ vb[:, there].T
            torch.testing.assert_close(feature[0][:, here].T, expected, atol=1e-5, rtol=1e-5)
            expected = weights @ grid[:, there].T - grid[:, here].T
            torch.testing.assert_close(flow[0][:, here].T, expected, atol=1e-5, rtol=1e-5)


def test_coordinates_stay_exact_under_autocast(sharp, similarity):
    """Above 256, bfloat16 does not have every whole number."""
    torch.manual_seed(0)
    frame, zeros = torch.randn(1, 64, 2, 300), np.zeros((1, 2, 300), np.uint8)
    module = LongRange(64, similarity)
    sharp(module)
    with torch.autocast("cpu", torch.bfloat16):
        _, _, f01, _ = module(frame, frame, Regions.of(zeros, zeros, (2, 300)))
    assert f01.dtype == torch.float32
    assert f01.abs().max() < 1e-2


@pytest.mark.parametrize("offset", [(2, -1), (-3, 3), (0, 0)])
def test_short_range_finds_the_offset_that_the_latent_motion_misses(offset, sharp, similarity):
    """Of two frames that have nothing in common but what the latent feature, half one and half the other, shows."""
    torch.manual_seed(0)
    frames, latents = torch.randn(2, 1, 64, 12, 15), ([1, -2], [-1, 1])
    offsets = offset, (-offset[0], 1)
    motions = [tuple(a + b for a, b in zip(*each, strict=True)) for each in zip(latents, offsets, strict=True)]
    seen = [torch.roll(f, (-dy, -dx), (2, 3)) for f, (dx, dy) in zip(frames, motions, strict=True)]  # f(x + motion)
    module = ShortRange(64, 3, similarity)
    sharp(module)
    flows = [torch.tensor(m, dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, 12, 15) for m in latents]
    ft = seen[0] + seen[1]
    f0t, f1t, ft0, ft1 = module(ft, *frames, *flows)
    inside = (..., slice(5, -5), slice(5, -5))  # away from where roll wraps around
    for flow, feature, motion, found in zip((ft0, ft1), (f0t, f1t), motions, seen, strict=True):
        expected = torch.tensor(motion, dtype=torch.float32).view(1, 2, 1, 1).expand_as(flow)
        torch.testing.assert_close(flow[inside], expected[inside], atol=1e-3, rtol=0)
        torch.testing.assert_close(feature[inside], (ft + found)[inside], atol=1e-3, rtol=1e-3)


def test_short_range_at_the_border_does_not_drift_outwards(sharp, similarity):
    """The padding repeats the border cell; all its repeats count as that cell."""
    torch.manual_seed(0)
    frame, still = torch.randn(1, 64, 6, 6), torch.zeros(1, 2, 6, 6)
    module = ShortRange(64, 2, similarity)
    sharp(module)
    _, _, ft0, _ = module(frame, frame, frame, still, still)
    assert ft0.abs().max() < 1e-3


def window_loop(query, key, value, flow, radius, reach):
    """One window position at a time, keys and values and coordinates sampled by grid_sample."""
    _, _, height, width = key.shape
    grid = pixel_grid(height, width, flow.device)
    last = torch.tensor([width - 1, height - 1]).view(1, 2, 1, 1)
    logits, values, places = [], [], []
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            at = grid + flow + torch.tensor([dx, dy]).view(1, 2, 1, 1)
            where = (at * 2 / last - 1).permute(0, 2, 3, 1)
            k, v, g = (
                F.grid_sample(x, where, padding_mode="border", align_corners=True)
                for x in (key, value, grid.expand(len(key), -1, -1, -1))
            )
            logits.append((query * k).sum(1, keepdim=True) - (0 if reach is None else (dx**2 + dy**2) / (2 * reach**2)))
            values.append(v)
            places.append(g)
    weights = torch.stack(logits).softmax(0)
    return (weights * torch.stack(values)).sum(0), (weights * torch.stack(places)).sum(0) - grid


@pytest.mark.parametrize(("radius", "reach"), [(1, None), (3, None), (3, 1.5)])
def test_window_attention_is_the_loop(radius, reach):
    """At fractional positions, inside and outside the frame, with gradients."""
    results = []
    for attend in (window_attention, window_loop):
        torch.manual_seed(4)
        inputs = [torch.randn(2, c, 6, 9) * s for c, s in ((8, 1), (8, 1), (8, 1), (2, 3))]
        inputs = [x.requires_grad_() for x in inputs]
        value, motion = attend(*inputs, radius, reach)
        (value.square().sum() + motion.square().sum()).backward()
        results.append([value, motion, *(x.grad for x in inputs)])
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_window_attention_stays_exact_under_autocast():
    torch.manual_seed(5)
    inputs = [torch.randn(1, c, 6, 9) for c in (8, 8, 8, 2)]
    exact = window_attention(*inputs, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(a, b) for a, b in zip(window_attention(*inputs, 2), exact, strict=True))


def test_cosine_is_the_equation():
    """Written out label by label: keys less the region's mean in both frames, of length 1, times 20, near first."""
    torch.manual_seed(3)
    h0, h1 = torch.randn(2, 1, 8, 5, 7)
    maps = [torch.randint(0, 3, (5, 7)) for _ in range(2)]
    module = LongRange(8, "cosine")
    _, _, f01, f10 = module(h0, h1, Regions.of(*(m.numpy()[None] for m in maps), (5, 7)))
    grid = pixel_grid(5, 7, torch.device("cpu"))[0]
    mean = torch.zeros(2, 8, 5, 7)
    for label in range(3):
        cells = [m == label for m in maps]
        both = torch.cat([h0[0][:, cells[0]], h1[0][:, cells[1]]], 1).mean(1, keepdim=True)
        mean[0][:, cells[0]], mean[1][:, cells[1]] = both, both
    keys = [h[0] - m for h, m in zip((h0, h1), mean, strict=True)]
    keys = [k / (k.square().sum(0) + 0.01 * k.square().sum(0).mean()).sqrt() for k in keys]
    for own, other, flow in ((0, 1, f01), (1, 0, f10)):
        for label in range(3):
            here, there = maps[own] == label, maps[other] == label
            apart = (grid[:, here][:, :, None] - grid[:, there][:, None]).square().sum(0)
            weights = torch.softmax(20 * keys[own][:, here].T @ keys[other][:, there] - apart / (2 * 4.0**2), 1)
            expected = weights @ grid[:, there].T - grid[:, here].T
            torch.testing.assert_close(flow[0][:, here].T, expected, atol=1e-4, rtol=1e-4)


def test_patch_is_the_equation():
    """Written out cell by cell: keys less the region's mean in both frames, of length 1, with those of the region
    around them, of length 1 again but for one cell more, times 20, near first as seen from the region's centre; then
    the mean over those around.
    """
    torch.manual_seed(3)
    h0, h1 = torch.randn(2, 1, 8, 5, 7)
    maps = [torch.randint(0, 3, (5, 7)) for _ in range(2)]
    module = LongRange(8, "patch")
    _, _, f01, f10 = module(h0, h1, Regions.of(*(m.numpy()[None] for m in maps), (5, 7)))
    grid = pixel_grid(5, 7, torch.device("cpu"))[0]
    keys, mean, places = [module.key(h)[0].detach() for h in (h0, h1)], torch.zeros(2, 8, 5, 7), torch.zeros(2, 2, 5, 7)
    for label in range(3):
        cells = [m == label for m in maps]
        both = torch.cat([k[:, c] for k, c in zip(keys, cells, strict=True)], 1).mean(1, keepdim=True)
        for frame, c in enumerate(cells):
            mean[frame][:, c] = both
            places[frame][:, c] = grid[:, c] - grid[:, c].mean(1, keepdim=True)

    def around(frame, y, x):
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                inside = 0 <= y + dy < 5 and 0 <= x + dx < 7
                yield (y + dy, x + dx) if inside and maps[frame][y + dy, x + dx] == maps[frame][y, x] else None

    def unit(k):
        return k / (k.square().sum(0) + 0.01 * k.square().sum(0).mean()).sqrt()

    patches = []
    for frame in (0, 1):
        key = unit(keys[frame] - mean[frame])
        patch = torch.zeros(8, 9, 5, 7)
        for y in range(5):
            for x in range(7):
                for i, cell in enumerate(around(frame, y, x)):
                    if cell:
                        patch[:, i, y, x] = key[:, *cell]
        patches.append(patch.flatten(0, 1) / (patch.square().sum((0, 1)) + 1).sqrt())
    for own, other, flow in ((0, 1, f01), (1, 0, f10)):
        raw = torch.zeros(2, 5, 7)
        for label in range(3):
            here, there = maps[own] == label, maps[other] == label
            apart = (places[own][:, here][:, :, None] - places[other][:, there][:, None]).square().sum(0)
            weights = torch.softmax(20 * patches[own][:, here].T @ patches[other][:, there] - apart / 2, 1)
            raw[:, here] = grid[:, there] @ weights.T - grid[:, here]
        for y in range(5):
            for x in range(7):
                expected = torch.stack([raw[:, *cell] for cell in around(own, y, x) if cell]).mean(0)
                torch.testing.assert_close(flow[0][:, y, x], expected, atol=1e-4, rtol=1e-4)


def test_patch_sees_through_noise(scene):
    """Each frame with noise of its own, as strong as what they share: cells alike by chance are no match."""
    errors = {}
    for similarity in ("patch", "cosine"):
        torch.manual_seed(1)
        f0, f1 = (0.02 * (f + torch.randn_like(f)) for f in (scene.features.f0, scene.features.f1))
        still = (~(scene.object0 | scene.object1)).nonzero().T
        masks = Regions.of(*(np.zeros((1, 14, 17), np.uint8) for _ in range(2)), (14, 17))
        inside = LongRange(64, similarity)(f0, f1, scene.regions)[2][0][:, scene.object0] - scene.motion[:, None]
        outside = LongRange(64, similarity)(f0, f1, masks)[2][0][:, *still]
        errors[similarity] = inside.norm(dim=0).mean(), outside.norm(dim=0).mean()
    assert errors["patch"][0] < 0.5 * errors["cosine"][0]
    assert errors["patch"][1] < 0.5 * errors["cosine"][1]


def test_what_sees_nothing_moves_with_its_region(scene):
    """Without any texture a shape is known by its mask alone, and a frame without masks stays where it is."""
    flat = torch.zeros_like(scene.features.f0)
    module = LongRange(64, "patch")
    f01 = module(flat, flat, scene.regions)[2]
    torch.testing.assert_close(f01[0][:, scene.object0].mean(1), scene.motion, atol=1e-3, rtol=0)
    zeros = np.zeros((1, 14, 17), np.uint8)
    assert module(flat, flat, Regions.of(zeros, zeros, (14, 17)))[2].norm(dim=1).mean() < 0.2


def test_place_looks_at_no_feature(scene):
    """The control: whatever the frames show, a region moves as its centre does."""
    still = torch.zeros(1, 2, 14, 17)
    found = {}
    for name in ("patch", "place"):
        torch.manual_seed(0)
        module, short = LongRange(64, name), ShortRange(64, 3, name)
        for seen in (scene.features.f1, scene.features.f1.roll(3, 3)):
            flow = module(scene.features.f0, seen, scene.regions)[2]
            found.setdefault(name, []).append(torch.cat([flow, short(scene.features.f0, seen, seen, still, still)[2]]))
    assert not torch.equal(*found["patch"])
    assert torch.equal(*found["place"])
    torch.testing.assert_close(found["place"][0][0][:, scene.object0].mean(1), scene.motion, atol=1e-3, rtol=0)


def test_names_of_labels_do_not_matter(scene, similarity):
    torch.manual_seed(0)
    module = LongRange(64, similarity)
    f0, f1 = scene.features.f0, scene.features.f1
    maps = [m.numpy()[None].astype(np.uint16) for m in (scene.object0, scene.object1)]
    one, other = (
        module(f0, f1, Regions.of(*(name[m] for m in maps), (14, 17))) for name in (np.array([0, 1]), np.array([9, 4]))
    )
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_patches_in_a_window_leave_what_was_found(scene):
    """Between frames with noise of their own, HIR-S at the true motion moves it by less than a tenth of a cell."""
    moved, still = {}, torch.zeros(1, 2, 14, 17)
    for similarity in ("patch", "cosine"):
        torch.manual_seed(1)
        ft, f0, f1 = (0.02 * (scene.features.f0 + 1.7 * torch.randn(1, 64, 14, 17)) for _ in range(3))
        moved[similarity] = ShortRange(64, 3, similarity)(ft, f0, f1, still, still)[2].norm(dim=1).mean()
    assert moved["patch"] < 0.1
    assert moved["cosine"] > 0.3


@pytest.mark.parametrize("factor", [0.01, 100.0])
@pytest.mark.parametrize("name", ["patch", "cosine"])
def test_cosine_does_not_see_how_large_features_are(name, factor, scene):
    f0, f1, regions = scene.features.f0, scene.features.f1, scene.regions
    module, still = LongRange(64, name), torch.zeros(1, 2, 14, 17)
    short = ShortRange(64, 3, name)
    seen = f0.roll(1, 3)
    for plain, scaled in (
        (module(f0, f1, regions)[2:], module(factor * f0, factor * f1, regions)[2:]),
        (short(seen, f0, f1, still, still)[2:], short(*(factor * x for x in (seen, f0, f1)), still, still)[2:]),
    ):
        assert plain[0].abs().max() > 0.5
        for one, other in zip(plain, scaled, strict=True):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
    dot = [LongRange(64, "dot")(x * f0, x * f1, regions)[2] for x in (1, factor)]
    assert (dot[0] - dot[1]).abs().max() > 0.5


def test_untrained_cosine_sees_motion_that_dot_does_not(scene):
    """Of features as small as a trained encoder's."""
    errors = {}
    for similarity in ("cosine", "dot"):
        f01 = LongRange(64, similarity)(0.02 * scene.features.f0, 0.02 * scene.features.f1, scene.regions)[2]
        errors[similarity] = (f01[0][:, scene.object0] - scene.motion[:, None]).norm(dim=0).mean().item()
    assert errors["cosine"] < 0.1
    assert errors["dot"] > 1.5


@pytest.mark.parametrize("name", ["patch", "cosine"])
@pytest.mark.parametrize("flat", ["all", "region", "cell"])
def test_flat_features_are_safe(flat, name, scene):
    """No direction: attention that sees no difference, finite gradients of a sane size, the same bits again."""
    runs = []
    for _ in range(2):
        f0, f1 = scene.features.f0.clone(), scene.features.f1.clone()
        if flat == "all":
            f0, f1 = torch.zeros_like(f0), torch.zeros_like(f1)
        elif flat == "region":
            f0[0][:, ~scene.object0], f1[0][:, ~scene.object1] = 0.3, 0.3
        else:
            f0[0][:, 0, 0] = 0
        f0.requires_grad_()
        torch.manual_seed(0)
        module, short = LongRange(64, name), ShortRange(64, 3, name)
        f0_h, f1_h, f01, f10 = module(f0, f1, scene.regions)
        found = short(f0_h + f1_h, f0_h, f1_h, f10, f01)
        sum(x.square().mean() for x in found).backward()
        runs.append([*found, f0.grad, *(p.grad for p in (*module.parameters(), *short.parameters()))])
    assert all(bool(x.isfinite().all()) for x in runs[0])
    assert f0.grad.abs().max() < 10
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


@pytest.mark.parametrize("flat", [True, False])
def test_offsets_do_not_grow_with_the_frame(flat):
    """One region, features that say nothing, or noise that matches nowhere: what Inter is given on frames four times
    as large is as on crops; that of plain products grows with the frame."""
    lengths = {}
    for similarity in ("patch", "cosine", "dot"):
        for cells in (16, 64):
            torch.manual_seed(0)
            h0, h1 = torch.zeros(2, 1, 8, cells, cells) if flat else 0.02 * torch.randn(2, 1, 8, cells, cells)
            zeros = np.zeros((1, cells, cells), np.uint8)
            module = LongRange(8, similarity)
            module.similarity.requires_grad_(False)
            if similarity != "dot":
                module.similarity.scale.fill_(-3.0)  # a scale of 5: much of the noise is alike
            f01 = module(h0, h1, Regions.of(zeros, zeros, (cells, cells)))[2]
            lengths[similarity, cells] = f01.norm(dim=1).mean().item()
    assert lengths["cosine", 64] < 1.3 * lengths["cosine", 16]
    assert lengths["patch", 64] < 1.3 * lengths["patch", 16] < 1
    assert lengths["dot", 64] > 3.5 * lengths["dot", 16]


def test_mirrored_frames_mirror_the_result(scene, similarity):
    f0, f1, regions = scene.features.f0, scene.features.f1, scene.regions
    module = LongRange(64, similarity)
    forth, back = module(f0, f1, regions), module(f1, f0, regions.mirrored())
    for at, other in ((0, 1), (1, 0), (2, 3), (3, 2)):
        torch.testing.assert_close(forth[at], back[other])


@pytest.mark.parametrize("weight", [-1e4, 0.0, 1e4])
def test_the_scale_stays_positive_and_bounded(weight):
    module = Cosine()
    assert (100 * module.scale.sigmoid()).item() == pytest.approx(20)
    module.scale.data.fill_(weight)
    query = torch.eye(8)[None, :, :, None]
    logits, _ = module(query, query)
    assert 0 <= logits.min() <= logits.max() <= 100
