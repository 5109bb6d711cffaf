"""The detector: what the network sees, what is kept of its proposals, and what it finds in real frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from vfi_lite import harness_mask_parts, harness_mask_sources, harness_weights
from vfi_lite.coco import CLASSES
from vfi_lite.mobile_sam import MobileSam
from vfi_lite.yolo import TinyYolo, best, letterboxed

from harness import HarnessError
from harness.masks import Pipeline


def test_specs_name_each_other_and_import_nothing_heavy() -> None:
    (source,) = harness_mask_sources()
    assert set(source.parts) | {"tiny-yolov3"} == {part.name for part in harness_mask_parts()}
    assert {name for part in harness_mask_parts() for name in part.weights} == {w.name for w in harness_weights()}
    code = "import sys, vfi_lite; print({'torch', 'onnxruntime', 'transformers', 'PIL'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_classes() -> None:
    assert (len(CLASSES), len(set(CLASSES))) == (80, 80)
    assert (CLASSES[0], CLASSES[2], CLASSES[14], CLASSES[16], CLASSES[79]) == (
        "person", "car", "bird", "dog", "toothbrush",
    )  # fmt: skip


@pytest.mark.parametrize(("size", "rows", "columns"), [((100, 200), (8, 24), (0, 32)), ((200, 100), (0, 32), (8, 24))])
def test_a_frame_lies_in_the_middle_of_grey(
    size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    square = letterboxed(np.full((*size, 3), 255, np.uint8), 32)
    assert (square.shape, square.dtype) == ((1, 3, 32, 32), np.float32)
    inside = np.zeros((32, 32), bool)
    inside[rows[0] : rows[1], columns[0] : columns[1]] = True
    assert (square[0, :, inside] == 1).all()
    assert (square[0, :, ~inside] == np.float32(128) / 255).all()


def iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = float(sides[0] * sides[1]) if (sides > 0).all() else 0.0
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (one, other)]
    return both / (sum(areas) - both)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_what_stays_is_what_a_slow_search_keeps(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 8, (count, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, 8, (count, 2))], 1).astype(np.float32)
    scores = rng.random(count).astype(np.float32)
    kept: list[int] = []
    for at in sorted(range(count), key=lambda at: -scores[at]):
        flat = boxes[at, 0] == boxes[at, 2] or boxes[at, 1] == boxes[at, 3]
        if scores[at] >= 0.3 and not flat and all(iou(boxes[at], boxes[other]) <= 0.45 for other in kept):
            kept.append(at)
    assert best(boxes, scores, 0.3, 0.45) == kept


@pytest.mark.parametrize("wrong", [{"score": 0.0}, {"score": 1.0}, {"overlap": -0.1}])
def test_wrong_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(HarnessError, match=f"tiny-yolov3: {next(iter(wrong))}="):
        TinyYolo(**wrong)  # type: ignore[arg-type]


def test_a_file_that_is_no_onnx_is_named(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"junk")
    with pytest.raises(HarnessError, match=r"net.onnx: not the ONNX file of tiny YOLOv3"):
        TinyYolo(weights=str(tmp_path / "net.onnx")).detect(np.zeros((8, 8, 3), np.uint8), None)


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("clip", ["pose2sim_multi_cam01.mp4", "pose2sim_single_cam01.mp4"])
def test_people_are_found(clip: str, frames: Any) -> None:
    detector = TinyYolo()
    seen = frames(clip, 25)
    for frame in seen:
        found = detector.detect(frame, None)
        assert "person" in {box.tag for box in found}
        assert [box.score for box in found] == sorted((box.score for box in found), reverse=True)
        height, width = frame.shape[:2]
        for box in found:
            x0, y0, x1, y1 = box.box
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height
    assert detector.detect(seen[0], ["dog", "unheard of"]) == []


@pytest.mark.usefixtures("real")
def test_a_pair_of_frames_has_a_mask_of_the_people(frames: Any) -> None:
    one, two = (frame[::2, ::2] for frame in frames("pose2sim_multi_cam01.mp4", 4)[:2])
    found = Pipeline(TinyYolo(), MobileSam()).label_maps(one, two)
    assert "person" in found.tags
    share = (found.maps == found.tags.index("person") + 1).mean((1, 2))
    assert (share > 0.05).all()
    assert (share < 0.5).all()
