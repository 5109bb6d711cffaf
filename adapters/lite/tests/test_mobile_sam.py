"""MobileSAM: official checkpoints of a tiny network, and the real one where it is here."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from vfi_lite.mobile_sam import MobileSam, Sam, Size, renamed, squared

from harness import HarnessError
from harness.masks import Box

TINY = Size(
    image=128,
    encoder={"widths": (8, 8, 12, 16), "depths": (1, 1, 1, 1), "heads": (2, 2, 2), "windows": (7, 4, 3)},
    embedding=32,
    decoder={"mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16},
)
OFFICIAL = (
    (r"shared_embedding\.positional_embedding", "pe_layer.positional_encoding_gaussian_matrix"),
    (r"\.point_embed\.", ".point_embeddings."),
    (r"mask_embed\.conv1", "mask_downscaling.0"),
    (r"mask_embed\.layer_norm1", "mask_downscaling.1"),
    (r"mask_embed\.conv2", "mask_downscaling.3"),
    (r"mask_embed\.layer_norm2", "mask_downscaling.4"),
    (r"mask_embed\.conv3", "mask_downscaling.6"),
    (r"upscale_conv1", "output_upscaling.0"),
    (r"upscale_layer_norm", "output_upscaling.1"),
    (r"upscale_conv2", "output_upscaling.3"),
    (r"(iou_prediction_head|mlps\.\d)\.layers\.0", r"\1.layers.1"),
    (r"proj_in", "layers.0"),
    (r"proj_out", "layers.2"),
    (r"layer_norm_final_attn", "norm_final_attn"),
    (r"(transformer.*)layer_norm", r"\1norm"),
)


def official(name: str) -> str:
    """The official name of a tensor; written apart from the map that is tested."""
    if not name.startswith("image_encoder."):
        for ours, theirs in OFFICIAL:
            name = re.sub(ours, theirs, name)
    return name


def written(path: Path, **changes: Tensor) -> dict[str, Tensor]:
    """Write a random tiny checkpoint in the official layout, with the classifier that it has beside; its tensors."""
    torch.manual_seed(1)
    state = {}
    for name, value in Sam(TINY).state_dict().items():
        random = torch.rand_like(value) + 0.5 if value.is_floating_point() else value
        state[official(name)] = random * 0.1 if value.ndim > 1 else random
    state |= {"image_encoder.head.weight": torch.zeros(3, 16), "image_encoder.norm_head.bias": torch.zeros(16)}
    torch.save(state | changes, path)
    return state


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MobileSam:
    monkeypatch.setattr(MobileSam, "size", TINY)
    return MobileSam(weights=str(tmp_path / "mobile_sam.pt"))


def test_every_tensor_is_the_one_of_its_official_name(tiny: MobileSam, tmp_path: Path) -> None:
    state = written(tmp_path / "mobile_sam.pt")
    loaded = tiny.sam().state_dict()
    assert len(loaded) == len(state) - 2
    for name, value in loaded.items():
        torch.testing.assert_close(value, state[official(name)], rtol=0, atol=0)
    assert renamed("mask_decoder.iou_prediction_head.layers.2.bias") == "mask_decoder.iou_prediction_head.proj_out.bias"


def test_a_mask_for_each_box_and_the_same_every_time(tiny: MobileSam, tmp_path: Path) -> None:
    written(tmp_path / "mobile_sam.pt")
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    boxes = [Box("cat", (3.0, 4.0, 30.0 + at, 40.0), 0.5) for at in range(20)]
    masks = tiny.segment(image, boxes)
    assert (masks.shape, masks.dtype) == ((20, 50, 70), bool)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(tiny)).segment(image, boxes), masks)
    alone = np.concatenate([tiny.segment(image, [box]) for box in boxes])
    assert (alone != masks).mean() < 1e-3
    assert tiny.segment(image, []).shape == (0, 50, 70)


def test_the_frame_lies_in_the_upper_left_normalised() -> None:
    image = np.full((10, 20, 3), (124, 116, 104), np.uint8)
    square = squared(image, (32, 64), 64)
    assert square.shape == (1, 3, 64, 64)
    assert square[:, :, :32].abs().max() < 0.02
    assert square[:, :, 32:].eq(0).all()


def test_a_missing_tensor_is_named(tiny: MobileSam, tmp_path: Path) -> None:
    state = written(tmp_path / "mobile_sam.pt")
    del state["mask_decoder.iou_token.weight"]
    torch.save(state, tmp_path / "mobile_sam.pt")
    with pytest.raises(HarnessError, match=r"mobile_sam.pt: not a checkpoint of MobileSAM: .*mask_decoder.iou_token"):
        tiny.sam()


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("executed"),)  # type: ignore[return-value]


def test_nothing_in_a_file_is_executed(tiny: MobileSam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Hostile()}, tmp_path / "mobile_sam.pt")
    with pytest.raises(HarnessError, match="not a checkpoint of MobileSAM"):
        tiny.sam()
    assert not (tmp_path / "executed").exists()
    for junk in (b"", b"junk"):
        (tmp_path / "mobile_sam.pt").write_bytes(junk)
        with pytest.raises(HarnessError, match="not a checkpoint of MobileSAM"):
            tiny.sam()


def test_absent_weights_say_where_from_and_where_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_WEIGHTS", raising=False)
    with pytest.raises(
        HarnessError, match=r"'mobile-sam' \(mobile_sam.pt\) are not here; get them from .*HARNESS_WEIGHTS"
    ):
        MobileSam().segment(np.zeros((4, 4, 3), np.uint8), [Box("cat", (0.0, 0.0, 2.0, 2.0), 1.0)])


@pytest.mark.usefixtures("real")
def test_the_published_weights_cut_out_the_cockatoo(cockatoo: NDArray[np.uint8]) -> None:
    """The stored mask was made by this code and looked at; the box is what the detector finds at a score of 0.75."""
    sam = MobileSam()
    with torch.inference_mode():
        embedding = sam.sam().image_encoder(squared(cockatoo, (576, 1024), 1024))
    assert embedding.shape == (1, 256, 64, 64)
    (mask,) = sam.segment(cockatoo, [Box("bird", (204.0, 14.0, 412.0, 360.0), 1.0)])
    with Image.open(Path(__file__).with_name("cockatoo_mask.png")) as image:
        stored = np.asarray(image) > 0
    assert (mask & stored).sum() / (mask | stored).sum() >= 0.98
