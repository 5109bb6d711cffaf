"""Supervoxels as label maps."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from vfi_supervoxel import harness_mask_sources
from vfi_supervoxel.supervoxel import Supervoxel

from harness import HarnessError

BUNDLED = Path(__file__).resolve().parents[3] / "harness/data/bundled"
GAPS = {"easy": 1, "medium": 2, "hard": 4, "extreme": 8}  # frames between an input and the frame to be made


def halved(clip: str, *numbers: int) -> NDArray[np.uint8]:
    """Frames of a bundled clip at half size (N, H, W, 3)."""
    with av.open(BUNDLED / clip) as opened:
        decoded = [frame.to_ndarray(format="rgb24") for frame in islice(opened.decode(video=0), 20)]
    chosen = np.stack([decoded[number] for number in numbers])
    count, height, width, _ = chosen.shape
    small = chosen[:, : height // 2 * 2, : width // 2 * 2].reshape(count, height // 2, 2, width // 2, 2, 3)
    return small.mean((2, 4)).round().astype(np.uint8)


@pytest.fixture(scope="module")
def pairs() -> dict[str, NDArray[np.uint8]]:
    """The inputs of one test triplet per level, and of one training triplet of another size."""
    train = halved("perception_v1.m4v", 0, 2)
    return {"train": train} | {level: halved("cockatoo.mp4", 9 - gap, 9 + gap) for level, gap in GAPS.items()}


def test_the_spec_finds_the_source_and_imports_no_skimage() -> None:
    (spec,) = harness_mask_sources()
    assert (spec.name, spec.factory) == ("supervoxel", "vfi_supervoxel.supervoxel:Supervoxel")
    code = "import sys, vfi_supervoxel; print({'skimage', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize("level", ["train", "easy", "medium", "hard", "extreme"])
def test_labels_are_dense_and_in_both_frames(pairs: dict[str, NDArray[np.uint8]], level: str) -> None:
    pair = pairs[level]
    maps = Supervoxel().label_maps(*pair)
    assert maps.shape == pair.shape[:3]
    assert maps.dtype == np.uint16
    present = np.unique(maps)
    np.testing.assert_array_equal(present, np.arange(len(present)))
    assert 12 <= len(present) <= 48
    shared = np.intersect1d(maps[0], maps[1])
    assert len(shared) >= 0.9 * len(present)
    np.testing.assert_array_equal(Supervoxel().label_maps(*pair), maps)


@pytest.mark.parametrize("count", [6, 60])
def test_segments_is_about_how_many_there_are(pairs: dict[str, NDArray[np.uint8]], count: int) -> None:
    maps = Supervoxel(segments=count).label_maps(*pairs["easy"])
    assert 0.5 * count <= maps.max() + 1 <= 2 * count


def test_regions_follow_colour_to_where_it_moved() -> None:
    """A red square on a grey ground moves by most of its width and keeps its label, which little else has."""
    pair = np.full((2, 128, 192, 3), 128, np.uint8)
    squares = np.zeros((2, 128, 192), bool)
    for frame, left in enumerate((70, 94)):
        squares[frame, 40:72, left : left + 32] = True
    pair[squares] = (220, 20, 20)
    maps = Supervoxel().label_maps(*pair)
    inside = [set(np.unique(m[s])) for m, s in zip(maps, squares, strict=True)]
    followed = np.isin(maps, list(inside[0] & inside[1]))
    assert all(followed[i][squares[i]].mean() > 0.9 for i in range(2))
    assert followed[~squares].mean() < 0.1


def test_like_frames_have_like_maps(pairs: dict[str, NDArray[np.uint8]]) -> None:
    frame = pairs["easy"][0]
    maps = Supervoxel().label_maps(frame, frame)
    np.testing.assert_array_equal(maps[0], maps[1])


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (37, 53), (180, 320)])
def test_any_size(size: tuple[int, int]) -> None:
    pair = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    assert Supervoxel().label_maps(*pair).shape == (2, *size)


def test_a_single_colour_is_legal() -> None:
    assert Supervoxel().label_maps(*np.zeros((2, 64, 64, 3), np.uint8)).shape == (2, 64, 64)


@pytest.mark.parametrize("wrong", [{"segments": 0}, {"segments": 70000}, {"compactness": 0.0}, {"spacing": -1.0}])
def test_wrong_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(HarnessError, match=f"supervoxel: .*{next(iter(wrong))}="):
        Supervoxel(**wrong)  # type: ignore[arg-type]


def test_frames_of_different_sizes_are_refused() -> None:
    with pytest.raises(HarnessError, match="frames differ in size"):
        Supervoxel().label_maps(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8))
