"""PSNR by region, and the two kinds of regions: masks, and motion between the input frames."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from harness.data.sets.clips import LEVELS
from harness.metrics.motion import BINS, EDGES, SHORTER_SIDE, bins, motion_magnitude
from harness.metrics.pixelwise import PERFECT, psnr
from harness.metrics.regional import MASK_COLUMNS, MOTION_COLUMNS, inside, regional_error, regional_psnr

Case = tuple[Tensor, Tensor, Tensor, int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Frames, regions, and how many there may be: some of them are empty more often than not."""
    batch, height, width, count = (draw(st.integers(1, high)) for high in (3, 9, 9, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    frame, truth = torch.rand(2, batch, 3, height, width, generator=generator)
    return frame, truth, torch.randint(0, count, (batch, height, width), generator=generator), count


@given(cases())
@settings(max_examples=60, deadline=None)
def test_regions_weighted_by_their_pixels_give_the_whole(case: Case) -> None:
    frame, truth, regions, count = case
    errors = regional_error(frame, truth, regions, count)
    pixels = torch.stack([(regions == number).sum((1, 2)) for number in range(count)], 1)
    assert torch.equal(errors.isnan(), pixels == 0)
    assert torch.equal(regional_psnr(frame, truth, regions, count).isnan(), pixels == 0)
    whole = (errors.nan_to_num() * pixels).sum(1) / pixels.sum(1)
    expected = (frame.double() - truth.double()).square().mean((1, 2, 3))
    assert whole.tolist() == pytest.approx(expected.tolist(), rel=1e-12)


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_numbers_of_regions_are_only_names(case: Case, random: np.random.Generator) -> None:
    frame, truth, regions, count = case
    order = list(range(count))
    random.shuffle(order)
    renamed = regional_psnr(frame, truth, torch.tensor(order)[regions], count)[:, order]
    plain = regional_psnr(frame, truth, regions, count)
    assert renamed.flatten().tolist() == pytest.approx(plain.flatten().tolist(), rel=1e-12, nan_ok=True)


@given(cases())
@settings(max_examples=30, deadline=None)
def test_a_region_is_of_its_own_frame_alone(case: Case) -> None:
    frame, truth, regions, count = case
    together = regional_psnr(frame, truth, regions, count)
    alone = [regional_psnr(frame[i : i + 1], truth[i : i + 1], regions[i : i + 1], count)[0] for i in range(len(frame))]
    torch.testing.assert_close(together, torch.stack(alone), rtol=0, atol=0, equal_nan=True)


def test_one_region_is_the_whole_frame_and_a_perfect_one_is_finite() -> None:
    frame, truth = torch.rand(2, 2, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    regions = torch.zeros(2, 8, 9, dtype=torch.int64)
    assert regional_psnr(frame, truth, regions, 1)[:, 0].tolist() == pytest.approx(psnr(frame, truth).tolist())
    frame[0, :, :4] = truth[0, :, :4]
    regions[:, :4] = 1
    assert regional_psnr(frame, truth, regions, 2)[0, 1].item() == PERFECT


@pytest.mark.parametrize("wrong", [-1, 2])
def test_a_number_outside_is_refused(wrong: int) -> None:
    frame = torch.rand(2, 3, 4, 4)
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        regional_psnr(frame, frame, torch.full((2, 4, 4), wrong), 2)
    with pytest.raises(ValueError, match=r"expected the shape \(2, 4, 4\)"):
        regional_psnr(frame, frame, torch.zeros(1, 4, 4, dtype=torch.int64), 2)


def test_inside_is_where_either_frame_has_a_mask() -> None:
    maps = np.array([[[0, 3, 0, 1]], [[0, 0, 7, 2]]], np.uint16)
    assert inside(maps).tolist() == [[1, 0, 0, 0]]
    assert inside(maps).dtype == torch.int64
    assert MASK_COLUMNS == ("psnr@inside", "psnr@outside")


def test_bins_are_at_full_size_and_an_edge_belongs_to_the_faster() -> None:
    magnitude = np.array([[0, 1.99, 2, 7.99], [8, 23.99, 24, 500]], np.float32)
    assert bins(magnitude, (2, 4)).tolist() == [[0, 0, 1, 1], [2, 2, 3, 3]]
    assert bins(magnitude, (6, 9)).shape == (6, 9)
    assert bins(magnitude, (2, 4)).dtype == torch.int64


def test_each_bin_has_a_name_of_its_own() -> None:
    assert len(BINS) == len(EDGES) + 1
    assert not set(BINS) & set(LEVELS)
    assert MOTION_COLUMNS == ("psnr@still", "psnr@slow", "psnr@fast", "psnr@racing")


@pytest.fixture(scope="module")
def real(root: Path) -> NDArray[np.uint8]:
    """A frame of a bundled clip, (720, 1280, 3)."""
    import av

    with av.open(root / "harness" / "data" / "bundled" / "cockatoo.mp4") as video:
        return next(frame.to_ndarray(format="rgb24") for frame in video.decode(video=0))


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, 3), (20, 0), (-12, 16), (40, 0)])
def test_a_shifted_frame_has_that_motion(real: NDArray[np.uint8], right: int, down: int) -> None:
    border = 48
    height, width = (side - 2 * border for side in real.shape[:2])
    first = real[border:, border:][:height, :width]
    second = real[border - down :, border - right :][:height, :width]
    magnitude, true = motion_magnitude(first, second), math.hypot(right, down)
    assert min(magnitude.shape) == SHORTER_SIDE
    assert magnitude.dtype == np.float32
    assert (abs(magnitude - true) <= 0.25 * true).mean() > 0.97
    assert np.array_equal(magnitude, motion_magnitude(first, second))


def test_only_what_moves_has_motion(real: NDArray[np.uint8]) -> None:
    """An object 400 pixels wide that moves by 20 over a still background."""
    first, second = real.copy(), real.copy()
    first[200:500, 400:800] = second[200:500, 420:820] = real[200:500, 300:700][:, ::-1]
    moving = bins(motion_magnitude(first, second), first.shape[:2])
    assert (moving[220:480, 440:780] == BINS.index("fast")).float().mean() > 0.95
    far = torch.ones(moving.shape, dtype=torch.bool)
    far[150:550, 350:870] = False
    assert (moving[far] == BINS.index("still")).float().mean() > 0.99


@pytest.mark.parametrize("size", [(2, 5), (16, 40), (130, 128)])
def test_equal_frames_are_still_whatever_their_size(size: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    magnitude = motion_magnitude(frame, frame)
    assert magnitude.shape == tuple(min(side, 128 * side // min(size)) if min(size) > 128 else side for side in size)
    assert not magnitude.any()
