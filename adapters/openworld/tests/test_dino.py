"""Grounding DINO: what its answers mean, and the whole of it with tiny weights from disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from vfi_openworld import dino
from vfi_openworld.boxes import corners, overlaps, suppress
from vfi_openworld.dino import GroundingDino
from vfi_openworld.hub import import_transformers
from vfi_openworld.prompt import Prompt

from harness import HarnessError
from harness.masks import Box

PROMPT = Prompt((101, 7, 1012, 8, 9, 1012, 102), ("dog", "hot dog"), ((1, 2), (3, 5)))
START, DOG, STOP, HOT, HOT_DOG, LAST_STOP, END = range(7)


def answer(*queries: tuple[dict[int, float], tuple[float, float, float, float]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and places from the probabilities of some tokens."""
    logits = torch.full((len(queries), 256), -torch.inf)
    logits[:, : len(PROMPT.tokens)] = -8.0
    for row, (tokens, _) in zip(logits, queries, strict=True):
        for token, probability in tokens.items():
            row[token] = torch.logit(torch.tensor(probability))
    return logits, torch.tensor([place for _, place in queries])


def found(*queries: tuple[dict[int, float], tuple[float, float, float, float]], **options: float) -> list[Box]:
    return GroundingDino(**options).boxes(*answer(*queries), PROMPT, 100, 200)  # type: ignore[arg-type]


MIDDLE = (0.5, 0.5, 0.2, 0.4)


def test_a_box_belongs_to_the_tag_with_the_most_probable_token() -> None:
    (box,) = found(({DOG: 0.3, HOT: 0.25, HOT_DOG: 0.6}, MIDDLE))
    assert box.tag == "hot dog"
    assert box.score == pytest.approx(0.6)
    assert box.box == pytest.approx((80, 30, 120, 70))
    assert [box.tag for box in found(({DOG: 0.1}, MIDDLE), ({HOT: 0.9}, MIDDLE))] == ["hot dog"]


def test_a_box_of_no_tag_is_dropped() -> None:
    """Its most probable token is a mark, or the tag's is not above the threshold for text."""
    assert not found(
        ({STOP: 0.9}, MIDDLE), ({START: 0.9, END: 0.9, LAST_STOP: 0.9}, MIDDLE), ({STOP: 0.9, DOG: 0.19}, MIDDLE)
    )
    assert [box.tag for box in found(({STOP: 0.9, DOG: 0.21}, MIDDLE))] == ["dog"]


def test_thresholds() -> None:
    assert not found(({DOG: 0.24}, MIDDLE))
    assert found(({DOG: 0.26}, MIDDLE))
    assert found(({DOG: 0.24}, MIDDLE), box_threshold=0.23)
    assert not found(({DOG: 0.26}, MIDDLE), text_threshold=0.27)
    with pytest.raises(HarnessError, match=r"text_threshold=1.2 is not in 0 to 1"):
        GroundingDino(text_threshold=1.2)


def test_the_worse_of_two_like_boxes_goes_only_within_a_tag() -> None:
    near = (0.51, 0.5, 0.2, 0.4)
    both = found(({DOG: 0.5}, MIDDLE), ({DOG: 0.7}, near), ({HOT: 0.4}, near))
    assert [(box.tag, round(box.score, 3)) for box in both] == [("dog", 0.7), ("hot dog", 0.4)]
    assert len(found(({DOG: 0.5}, MIDDLE), ({DOG: 0.7}, near), overlap=0.95)) == 2


def test_boxes_are_clipped_and_what_is_outside_is_dropped() -> None:
    assert found(({DOG: 0.5}, (0.0, 1.0, 0.5, 0.5)))[0].box == pytest.approx((0, 75, 50, 100))
    assert not found(({DOG: 0.5}, (-0.5, 0.5, 0.5, 0.5)), ({DOG: 0.5}, (0.5, 0.5, 0.0, 0.5)))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 40), st.integers(0, 2**31), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_suppression_is_that_of_a_plain_loop(count: int, seed: int, limit: float) -> None:
    draw = np.random.default_rng(seed)
    first = draw.integers(0, 20, (count, 2))
    boxes = np.concatenate([first, first + draw.integers(0, 12, (count, 2))], 1).astype(np.float64)
    scores, groups = draw.integers(0, 6, count) / 5, draw.integers(0, 3, count)
    kept: list[int] = []
    for index in sorted(range(count), key=lambda i: (-scores[i], i)):
        rivals = [other for other in kept if groups[other] == groups[index]]
        if all(plain_overlap(boxes[index], boxes[other]) <= limit for other in rivals):
            kept.append(index)
    assert suppress(torch.tensor(boxes), torch.tensor(scores), torch.tensor(groups), limit) == kept


def plain_overlap(a: Any, b: Any) -> float:
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / area if area else 0.0


def test_corners_and_overlaps() -> None:
    assert torch.equal(corners(torch.tensor([[0.5, 0.25, 0.5, 0.5]]), 40, 80), torch.tensor([[20.0, 0, 60, 20]]))
    pair = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10]])
    torch.testing.assert_close(overlaps(pair), torch.tensor([[1, 1 / 3], [1 / 3, 1]]))


def test_tiny_weights_find_boxes_of_every_prompt(
    installed: Path, frames: NDArray[np.uint8], tags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten tags need three prompts of 12 tokens; their order does not matter; boxes lie in the frame."""
    detector = GroundingDino(box_threshold=0, text_threshold=0, overlap=1)
    seen: list[list[int]] = []
    model, *others = dino._loaded(installed / "grounding-dino-tiny", "cpu")

    def spied(**inputs: Any) -> Any:
        seen.append(inputs["input_ids"][0].tolist())
        return model(**inputs)

    spied.config = model.config  # type: ignore[attr-defined]
    monkeypatch.setattr(dino, "_loaded", lambda *_: (spied, *others))
    boxes = detector.detect(frames[0], list(tags))
    assert [len(tokens) for tokens in seen] == [12, 11, 4]
    assert len(boxes) == 20 * 3
    assert {box.tag for box in boxes} <= set(tags)
    height, width = frames.shape[1:3]
    for box in boxes:
        x0, y0, x1, y1 = box.box
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert 0 < box.score < 1
    assert detector.detect(frames[0], list(reversed(tags))) == boxes
    assert detector.detect(frames[0], []) == []


def test_prompts_are_what_the_library_makes_of_the_same_tags(installed: Path, tags: tuple[str, ...]) -> None:
    """And so are the inputs made from a frame."""
    model, tokenizer, preprocessor = dino._loaded(installed / "grounding-dino-tiny", "cpu")
    processor = import_transformers().GroundingDinoProcessor(preprocessor, tokenizer)
    theirs = processor(images=np.zeros((96, 128, 3), np.uint8), text=[["bird", "hot dog"]], return_tensors="pt")
    seen: list[Any] = []

    def spied(**inputs: Any) -> Any:
        seen.append(inputs)
        return model(**inputs)

    spied.config = model.config  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dino, "_loaded", lambda *_: (spied, tokenizer, preprocessor))
        GroundingDino().detect(np.zeros((96, 128, 3), np.uint8), ["hot dog", "Bird"])
    assert torch.equal(seen[0]["input_ids"], theirs["input_ids"])
    assert torch.equal(seen[0]["pixel_values"], theirs["pixel_values"])


def test_without_a_tagger_it_says_so() -> None:
    with pytest.raises(HarnessError, match="it needs a tagger"):
        GroundingDino().detect(np.zeros((8, 8, 3), np.uint8), None)


def test_a_wrong_folder_is_named(installed: Path, tmp_path: Path) -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(HarnessError, match=r"elsewhere: no such file; get them from https://huggingface.co/IDEA"):
        GroundingDino(weights=str(tmp_path / "elsewhere")).detect(frame, ["dog"])
    with pytest.raises(HarnessError, match=r"no folder with a model.safetensors"):
        GroundingDino(weights=str(tmp_path)).detect(frame, ["dog"])
    with pytest.raises(HarnessError, match=r"sam-hq-vit-huge: (cannot be loaded as|not weights of) GroundingDino"):
        GroundingDino(weights=str(installed / "sam-hq-vit-huge")).detect(frame, ["dog"])
    torn = shutil.copytree(installed / "grounding-dino-tiny", tmp_path / "torn")
    (torn / "model.safetensors").write_bytes((torn / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(HarnessError, match=r"torn: cannot be loaded"):
        GroundingDino(weights=str(torn)).detect(frame, ["dog"])
