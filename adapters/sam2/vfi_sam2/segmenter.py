"""Segmenter `sam2`: a mask in every box."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.masks import Box, Segmenter
from harness.weights import locate
from vfi_sam2.frames import full, scaled, squared
from vfi_sam2.hub import device_or_default, load_model
from vfi_sam2.specs import SAM2

AT_ONCE = 16  # boxes: what a decoder holds of 16 is well below what the encoder needs


class Sam2(Segmenter):
    """Segmentation in boxes by SAM 2, one mask a box.

    weights  the folder of the model, where it is not in one of HARNESS_WEIGHTS
    """

    def __init__(self, *, weights: str = "") -> None:
        self.weights = weights
        self.device = ""

    def to(self, device: str) -> None:
        self.device = device

    def segment(self, image: NDArray[np.uint8], boxes: list[Box]) -> NDArray[np.bool_]:
        """A mask for each box (len(boxes), H, W) of an RGB frame (H, W, 3), which is encoded once.

        Raises HarnessError where weights are missing or wrong."""
        size = image.shape[:2]
        if not boxes:
            return np.zeros((0, *size), bool)
        device = device_or_default(self.device)
        model = _loaded(locate(SAM2, self.weights), device)
        side = model.config.prompt_encoder_config.image_size
        places = scaled([box.box for box in boxes], size, side).to(device)
        with torch.inference_mode():
            embedded = model.get_image_embeddings(squared(image, side).to(device))
            masks = [
                full(model(image_embeddings=embedded, input_boxes=some, multimask_output=False).pred_masks[0], size)
                for some in torch.split(places, AT_ONCE, 1)
            ]
        return np.concatenate(masks)


@functools.lru_cache(maxsize=1)
def _loaded(folder: Path, device: str) -> Any:
    return load_model("Sam2Model", folder, device)
