"""Segmenter `hq-sam`: a mask in every box."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.masks import Box, Segmenter
from harness.weights import locate
from vfi_openworld.hub import device_or_default, import_transformers, load_model, load_other
from vfi_openworld.specs import HQ_SAM

AT_ONCE = 16  # boxes: what a decoder holds of 16 is well below what the encoder needs


class HQSam(Segmenter):
    """Segmentation in boxes by HQ-SAM, one mask a box, from both its standard and its fine output (paper, A.3).

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
        if not boxes:
            return np.zeros((0, *image.shape[:2]), bool)
        device = device_or_default(self.device)
        model, processor = _loaded(locate(HQ_SAM, self.weights), device)
        prompt = [[list(box.box) for box in boxes]]
        inputs = processor(images=image, input_boxes=prompt, return_tensors="pt")
        masks = []
        with torch.inference_mode():
            embedded, intermediate = model.get_image_embeddings(inputs["pixel_values"].to(device))
            for some in inputs["input_boxes"].float().to(device).split(AT_ONCE, 1):
                out = model(
                    image_embeddings=embedded,
                    intermediate_embeddings=intermediate,
                    input_boxes=some,
                    multimask_output=False,
                )
                (found,) = processor.post_process_masks(
                    out.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"]
                )
                masks.append(found[:, 0].cpu().numpy())
        return np.concatenate(masks)


@functools.lru_cache(maxsize=1)
def _loaded(folder: Path, device: str) -> tuple[Any, Any]:
    preprocessor = load_other("SamImageProcessorPil", folder)
    return load_model("SamHQModel", folder, device), import_transformers().SamHQProcessor(preprocessor)
