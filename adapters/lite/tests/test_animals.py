"""Which boxes of tiny YOLOv3 the classifier is asked about, what its word counts for, and what both find in clips."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from vfi_lite.animals import ANIMAL_LIKE, KINDS, SMALLEST, NamedYolo, square
from vfi_lite.coco import CLASSES
from vfi_lite.yolo import TinyYolo

FRAME = np.zeros((400, 600, 3), np.uint8)
LARGE, OTHER, SMALL = (10.0, 10.0, 300.0, 300.0), (320.0, 20.0, 590.0, 390.0), (400.0, 10.0, 480.0, 120.0)

Detect = Callable[..., list[tuple[str, float]]]


@pytest.fixture
def detect(monkeypatch: pytest.MonkeyPatch) -> Detect:
    """What is found where YOLO proposes boxes with scores by class, and the classifier gives kinds their
    probabilities, the same in each box that it is asked about; or fails the test where it is not to be asked."""

    def found(
        proposed: list[tuple[tuple[float, ...], Mapping[str, float]]],
        kinds: Mapping[str, float] | None,
        tags: list[str] | None = None,
    ) -> list[tuple[str, float]]:
        scores = np.zeros((80, len(proposed)), np.float32)
        for at, (_, by_class) in enumerate(proposed):
            for name, score in by_class.items():
                scores[CLASSES.index(name), at] = score
        boxes = np.array([box for box, _ in proposed], np.float32)
        monkeypatch.setattr(TinyYolo, "proposals", lambda self, image: (boxes, scores))

        def asked(self: NamedYolo, image: NDArray[np.uint8], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
            assert kinds is not None, "the classifier is asked"
            return np.array([[kinds.get(kind, 0.0) for kind in KINDS]] * len(boxes), np.float32)

        monkeypatch.setattr(NamedYolo, "kinds", asked)
        return [(box.tag, round(box.score, 3)) for box in NamedYolo().detect(FRAME, tags)]

    return found


def test_kinds_are_of_coco_and_share_no_class_of_imagenet() -> None:
    assert set(ANIMAL_LIKE) <= set(CLASSES)
    numbers = [number for of in KINDS.values() for number in of]
    assert len(numbers) == len(set(numbers))
    assert all(0 <= number < 398 for number in numbers)  # those that follow are no animals


def test_what_yolo_is_sure_of_stays(detect: Detect) -> None:
    assert detect([(LARGE, {"person": 0.3, "dog": 0.2})], None) == [("person", 0.3)]


@pytest.mark.parametrize("called", [{"teddy bear": 0.9}, {"dog": 0.5}, {"person": 0.24}, {"donut": 0.11}])
def test_an_animal_or_an_unsure_box_is_named_anew(called: dict[str, float], detect: Detect) -> None:
    assert detect([(LARGE, called)], {"bird": 0.25, "cat": 0.2}) == [("bird", 0.25)]


def test_yolos_word_stands_where_the_classifier_has_none(detect: Detect) -> None:
    unsure = {"bird": 0.24}
    assert detect([(LARGE, {"dog": 0.5}), (OTHER, {"person": 0.24})], unsure) == [("dog", 0.5)]


def test_small_boxes_are_not_asked_about(detect: Detect) -> None:
    assert SMALL[3] - SMALL[1] < SMALLEST <= LARGE[2] - LARGE[0]
    assert detect([(SMALL, {"person": 0.2}), (SMALL, {"sheep": 0.3})], None) == [("sheep", 0.3)]


def test_given_tags_only_those(detect: Detect) -> None:
    proposed = [(LARGE, {"teddy bear": 0.9}), (OTHER, {"car": 0.8})]
    assert detect(proposed, {"bird": 0.6}, ["bird", "truck"]) == [("bird", 0.6)]
    assert detect(proposed, {"bird": 0.6}, ["teddy bear"]) == []


def test_nothing_proposed(detect: Detect) -> None:
    assert detect([(LARGE, {"dog": 0.09})], None) == []


def test_the_classifier_sees_a_square_round_the_box() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    image[:, 187:413] = 255  # the square, 1.1 times as wide as the box is high, and what interpolation sees beside it
    seen = square(image, np.array([250, 100, 350, 300], np.float32))
    assert seen.shape == (1, 3, 260, 260)
    assert seen.unique().tolist() == [1.0]
    assert square(image, np.array([150, 100, 350, 300], np.float32)).unique().numel() > 1


def test_frames_end_where_they_end() -> None:
    image = np.full((300, 200, 3), 127, np.uint8)
    for box in ((0, 0, 200, 300), (190, 290, 200, 300), (-0.0, 0, 1, 1)):
        assert square(image, np.array(box, np.float32)).unique().tolist() == [0.0]


def test_a_kind_s_probability_is_that_of_its_classes(cockatoo: NDArray[np.uint8]) -> None:
    """With the real classifier on a real frame, against the classes one by one; and it survives pickling."""
    detector, box = pickle.loads(pickle.dumps(NamedYolo())), np.array([[60, 0, 400, 360]], np.float32)
    kinds = detector.kinds(cockatoo, box)
    assert kinds.shape == (1, len(KINDS))
    with torch.inference_mode():
        every = detector._namer(square(cockatoo, box[0])).softmax(1)[0]
    for found, numbers in zip(kinds[0], KINDS.values(), strict=True):
        assert found == pytest.approx(sum(float(every[number]) for number in numbers), abs=1e-6)
    assert pickle.loads(pickle.dumps(detector))._namer is None


@pytest.mark.usefixtures("real")
def test_the_cockatoo_is_a_bird_in_most_frames(frames: Any) -> None:
    """Tiny YOLOv3 alone takes it for dogs, cats and teddy bears."""
    seen = frames("cockatoo.mp4", 20)
    birds = {
        kind: sum("bird" in {box.tag for box in kind().detect(frame, None)} for frame in seen)
        for kind in (TinyYolo, NamedYolo)
    }
    assert birds[NamedYolo] > len(seen) / 2 > birds[TinyYolo]


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("clip", ["pose2sim_multi_cam01.mp4", "pose2sim_single_cam01.mp4"])
def test_people_are_no_animals(clip: str, frames: Any) -> None:
    for frame in frames(clip, 25):
        tags = {box.tag for box in NamedYolo().detect(frame, None)}
        assert "person" in tags
        assert not tags & set(ANIMAL_LIKE)
