"""SAM 2 with tiny random weights in one folder, for images and for videos, and the frames' way there and back."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from vfi_sam2 import frames as sizes
from vfi_sam2 import harness_mask_parts, harness_mask_sources, harness_weights, segmenter, video
from vfi_sam2.hub import import_transformers
from vfi_sam2.segmenter import Sam2
from vfi_sam2.video import Sam2Video

from harness import HarnessError
from harness.masks import Box, Detector, Segmenter

BOXES = [Box("car", (20, 30, 60, 70), 0.9), Box("dog", (0, 0, 128, 96), 0.5), Box("car", (100, 10, 127.5, 40), 0.3)]
HIERA = {
    "model_type": "sam2_hiera_det_model",
    "hidden_size": 16,
    "num_attention_heads": 1,
    "image_size": [128, 128],
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [16, 32, 64, 128],
    "num_attention_heads_per_stage": [1, 2, 4, 8],
    "window_size_per_stage": [4, 4, 4, 4],
    "global_attention_blocks": [3],
    "window_positional_embedding_background_size": [4, 4],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers = import_transformers()
    config = transformers.Sam2VideoConfig(
        vision_config={
            "backbone_config": HIERA,
            "backbone_channel_list": [128, 64, 32, 16],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "fpn_hidden_size": 128,
            "num_feature_levels": 3,
        },
        prompt_encoder_config={"hidden_size": 128, "image_size": 128, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 128,
            "mlp_dim": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
            "iou_head_depth": 2,
        },
        image_size=128,
        memory_attention_hidden_size=128,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_encoder_hidden_size=128,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=128,
        memory_fuser_embed_dim=128,
        memory_fuser_intermediate_dim=64,
        memory_fuser_num_layers=1,
        num_maskmem=3,
    )
    weights = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.Sam2VideoModel(config)
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        model.save_pretrained(weights / "sam2.1-hiera-large")
    return weights


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_WEIGHTS", str(folder))
    return folder / "sam2.1-hiera-large"


@pytest.fixture(scope="module")
def pair() -> NDArray[np.uint8]:
    """Two frames (2, 96, 128, 3) with a square that moves."""
    made = np.random.default_rng(0).integers(0, 60, (2, 96, 128, 3), np.uint8)
    for frame, left in zip(made, (20, 30), strict=True):
        frame[30:70, left : left + 40] = (220, 40, 20)
    return made


class Known(Detector):
    own_vocabulary = True

    def detect(self, image: NDArray[np.uint8], tags: list[str] | None) -> list[Box]:
        return [BOXES[0], Box("dog", (90, 20, 120, 60), 1.0)]


class Filled(Segmenter):
    def segment(self, image: NDArray[np.uint8], boxes: list[Box]) -> NDArray[np.bool_]:
        masks = np.zeros((len(boxes), *image.shape[:2]), bool)
        for mask, box in zip(masks, boxes, strict=True):
            x0, y0, x1, y1 = map(int, box.box)
            mask[y0:y1, x0:x1] = True
        return masks


def test_a_frame_is_stretched_to_a_square_and_normalised() -> None:
    frame = np.zeros((40, 80, 3), np.uint8)
    frame[:] = (255, 0, 51)
    seen = sizes.squared(frame, 128)
    assert seen.shape == (1, 3, 128, 128)
    expected = torch.tensor([(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225])
    torch.testing.assert_close(seen.mean((0, 2, 3)), expected, rtol=1e-5, atol=1e-5)
    split = np.zeros((40, 80, 3), np.uint8)
    split[:, 40:] = 255
    assert (sizes.squared(split, 128)[0, 0, :, :62] < 0).all()
    assert (sizes.squared(split, 128)[0, 0, :, 66:] > 0).all()


def test_boxes_and_masks_go_to_the_square_and_back() -> None:
    assert sizes.scaled([(20, 10, 40, 30)], (60, 80), 128).tolist() == [[[32, pytest.approx(64 / 3), 64, 64]]]
    masks = Filled().segment(np.zeros((96, 128, 3), np.uint8), BOXES)
    square = sizes.prompts(masks, 128)
    assert square.shape == (3, 1, 128, 128)
    assert set(square.flatten().tolist()) == {0.0, 1.0}
    back = sizes.full(square * 20 - 10, (96, 128))
    overlap = (back & masks).sum((1, 2)) / (back | masks).sum((1, 2))
    assert (overlap > 0.93).all()
    assert back.dtype == bool


def test_one_folder_holds_the_image_model_and_the_video_model(installed: Path) -> None:
    image, moving = segmenter._loaded(installed, "cpu").state_dict(), video._loaded(installed, "cpu").state_dict()
    assert len(image) > 100
    assert all(torch.equal(value, moving[name]) for name, value in image.items())


def test_masks_are_those_of_the_model_and_boxes_are_done_some_at_a_time(
    installed: Path, pair: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = Sam2().segment(pair[0], BOXES)
    assert masks.shape == (3, 96, 128)
    assert masks.dtype == bool
    model = segmenter._loaded(installed, "cpu")
    with torch.inference_mode():
        out = model(
            pixel_values=sizes.squared(pair[0], 128),
            input_boxes=sizes.scaled([box.box for box in BOXES], (96, 128), 128),
            multimask_output=False,
        )
    np.testing.assert_array_equal(masks, sizes.full(out.pred_masks[0], (96, 128)))
    assert len(np.unique(masks.reshape(3, -1), axis=0)) > 1
    monkeypatch.setattr(segmenter, "AT_ONCE", 2)
    encoded: list[int] = []
    hook = model.vision_encoder.register_forward_hook(lambda *_: encoded.append(1))
    np.testing.assert_array_equal(Sam2().segment(pair[0], BOXES), masks)
    hook.remove()
    assert len(encoded) == 1
    assert Sam2().segment(pair[0], []).shape == (0, 96, 128)


def test_following_depends_on_frames_and_masks_and_repeats(installed: Path, pair: NDArray[np.uint8]) -> None:
    """Random weights follow nothing, but what comes out is a function of all that goes in; objects do not mix."""
    source = Sam2Video(Known(), Filled())
    masks = Filled().segment(pair[0], BOXES)
    followed = source.followed(pair[0], pair[1], masks)
    assert followed.shape == masks.shape
    assert followed.dtype == bool
    np.testing.assert_array_equal(source.followed(pair[0], pair[1], masks), followed)
    np.testing.assert_array_equal(source.followed(pair[0], pair[1], masks[::-1].copy()), followed[::-1])
    assert not np.array_equal(source.followed(pair[0], pair[1, ::-1], masks), followed)


def test_a_pair_has_the_masks_that_were_followed_by_the_pair_rules(
    installed: Path, pair: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Sam2Video(Known(), Filled())
    maps = source.label_maps(*pair)
    labels = set(range(1, len(maps.tags) + 1))
    assert [set(np.unique(m)) - {0} for m in maps.maps] == [labels, labels]
    moved = np.zeros((2, 96, 128), bool)
    moved[0, 30:70, 30:70] = True  # the car; nothing of the dog is left
    monkeypatch.setattr(Sam2Video, "followed", lambda *_: moved)
    maps = source.label_maps(*pair)
    assert maps.tags == ("car",)
    assert maps.dropped == ("dog: in one frame only",)
    np.testing.assert_array_equal(maps.maps[1] == 1, moved[0])
    np.testing.assert_array_equal(maps.maps[0] == 1, Filled().segment(pair[0], BOXES)[0])


def test_nothing_found_is_one_region(pair: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Known, "detect", lambda *_: [])
    assert not Sam2Video(Known(), Filled()).label_maps(*pair).maps.any()


def test_frames_of_different_sizes_are_refused(pair: NDArray[np.uint8]) -> None:
    with pytest.raises(HarnessError, match="sam2-video: frames differ in size"):
        Sam2Video(Known(), Filled()).label_maps(pair[0], pair[1, :90])


def test_weights_that_are_absent_or_others(
    installed: Path, tmp_path: Path, pair: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "sam2.1-hiera-large"
    import_transformers().Sam2Model.from_pretrained(installed).save_pretrained(state)
    with pytest.raises(HarnessError, match=r"sam2.1-hiera-large: not weights of Sam2VideoModel: .* missing"):
        Sam2Video(Known(), Filled(), weights=str(state)).label_maps(*pair)
    monkeypatch.setenv("HARNESS_WEIGHTS", "")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for call in (lambda: Sam2().segment(pair[0], BOXES), lambda: Sam2Video(Known(), Filled()).label_maps(*pair)):
        with pytest.raises(HarnessError, match=r"are not here; get them from https://huggingface.co/facebook/sam2"):
            call()


def test_parts_are_small_to_pickle_and_nothing_heavy_is_imported(installed: Path, pair: NDArray[np.uint8]) -> None:
    part = Sam2()
    part.segment(pair[0], BOXES)
    assert len(pickle.dumps(part)) < 1000
    (source,), (spec,), (weights,) = harness_mask_sources(), harness_mask_parts(), harness_weights()
    assert source.weights == spec.weights == (weights.name,)
    assert source.parts[-1] == spec.name
    code = "import sys, vfi_sam2; print({'torch', 'transformers'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
