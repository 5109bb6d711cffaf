"""HQ-SAM with tiny weights, and the whole chain on frames of a bundled clip."""

from __future__ import annotations

import pickle
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from vfi_openworld import harness_mask_parts, harness_mask_sources, harness_weights, hqsam
from vfi_openworld.dino import GroundingDino
from vfi_openworld.hqsam import HQSam
from vfi_openworld.tagger import Ram

from harness import HarnessError
from harness.masks import Box, Pipeline

BUNDLED = Path(__file__).resolve().parents[3] / "harness/data/bundled"
BOXES = [Box("a", (20, 30, 60, 70), 0.9), Box("b", (0, 0, 128, 96), 0.5), Box("a", (100, 10, 127.5, 40), 0.3)]


def test_masks_are_those_of_the_model_asked_for_all_boxes_at_once(installed: Path, frames: NDArray[np.uint8]) -> None:
    masks = HQSam().segment(frames[0], BOXES)
    assert masks.shape == (3, 96, 128)
    assert masks.dtype == bool
    assert not np.array_equal(masks[0], masks[1])
    model, processor = hqsam._loaded(installed / "sam-hq-vit-huge", "cpu")
    inputs = processor(images=frames[0], input_boxes=[[list(box.box) for box in BOXES]], return_tensors="pt")
    sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
    with torch.inference_mode():
        out = model(
            pixel_values=inputs["pixel_values"], input_boxes=inputs["input_boxes"].float(), multimask_output=False
        )
    (expected,) = processor.post_process_masks(out.pred_masks, *sizes)
    np.testing.assert_array_equal(masks, expected[:, 0].numpy())


def test_many_boxes_are_done_some_at_a_time_and_the_frame_once(
    installed: Path, frames: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = HQSam().segment(frames[0], BOXES)
    model, _ = hqsam._loaded(installed / "sam-hq-vit-huge", "cpu")
    encoded: list[Any] = []
    decoded: list[Any] = []
    hooks = [
        model.vision_encoder.register_forward_hook(lambda *_: encoded.append(1)),
        model.mask_decoder.register_forward_hook(lambda *_: decoded.append(1)),
    ]
    monkeypatch.setattr(hqsam, "AT_ONCE", 2)
    np.testing.assert_array_equal(HQSam().segment(frames[0], BOXES), masks)
    for hook in hooks:
        hook.remove()
    assert (len(encoded), len(decoded)) == (1, 2)
    assert HQSam().segment(frames[0], []).shape == (0, 96, 128)


def test_the_chain_on_bundled_frames_obeys_the_pair_rules(installed: Path, tags: tuple[str, ...]) -> None:
    with av.open(BUNDLED / "cockatoo.mp4") as clip:
        decoded = [frame.to_ndarray(format="rgb24") for frame in islice(clip.decode(video=0), 3)]
    img0, img1 = (np.ascontiguousarray(frame[::2, ::2]) for frame in (decoded[0], decoded[2]))
    chain = Pipeline(GroundingDino(box_threshold=0, text_threshold=0), HQSam(), Ram())
    assert chain.frame_masks(img0)
    masks = chain.label_maps(img0, img1)
    assert masks.maps.shape == (2, *img0.shape[:2])
    labels = set(range(1, len(masks.tags) + 1))
    assert [set(np.unique(m)) - {0} for m in masks.maps] == [labels, labels]
    assert set(masks.tags) <= set(tags)
    assert masks.tags or masks.dropped
    again = pickle.loads(pickle.dumps(Pipeline(GroundingDino(box_threshold=0, text_threshold=0), HQSam(), Ram())))
    np.testing.assert_array_equal(again.label_maps(img0, img1).maps, masks.maps)


def test_parts_are_small_to_pickle_after_use(installed: Path, frames: NDArray[np.uint8]) -> None:
    parts = [Ram(), GroundingDino(), HQSam()]
    parts[0].tags(frames[0])  # type: ignore[attr-defined]
    parts[1].detect(frames[0], ["dog"])  # type: ignore[attr-defined]
    parts[2].segment(frames[0], BOXES)  # type: ignore[attr-defined]
    assert all(len(pickle.dumps(part)) < 1000 for part in parts)


def test_names_and_factories_agree_and_nothing_heavy_is_imported() -> None:
    (source,) = harness_mask_sources()
    parts = {spec.name: spec for spec in harness_mask_parts()}
    assert [parts[name].part for name in source.parts] == ["tagger", "detector", "segmenter"]
    known = {spec.name for spec in harness_weights()}
    assert {name for spec in parts.values() for name in spec.weights} == known
    code = "import sys, vfi_openworld; print({'torch', 'transformers'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(("part", "url"), [(HQSam(), "syscv-community/sam-hq-vit-huge")])
def test_absent_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: HQSam, url: str) -> None:
    monkeypatch.setenv("HARNESS_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(HarnessError, match=f"are not here; get them from https://huggingface.co/{url}"):
        part.segment(np.zeros((8, 8, 3), np.uint8), BOXES)
