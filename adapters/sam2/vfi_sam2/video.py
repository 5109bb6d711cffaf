"""Mask source `sam2-video`: correspondence by following, where others intersect the tags of two frames."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness import HarnessError
from harness.masks import Detector, Masks, Pipeline, Segmenter, Tagger, pair_masks
from harness.weights import locate
from vfi_sam2.frames import full, prompts, squared
from vfi_sam2.hub import device_or_default, import_transformers, load_model
from vfi_sam2.specs import SAM2


class Sam2Video(Pipeline):
    """Masks of the first frame, one a tag, followed into the second by SAM 2's video model; then the pair rules.

    A tag of which nothing is left in the second frame goes. The second frame is never tagged, so what appears only
    there is part of the rest. Swapping the frames gives other maps.

    weights  the folder of the video model, where it is not in one of HARNESS_WEIGHTS
    """

    def __init__(
        self, detector: Detector, segmenter: Segmenter, tagger: Tagger | None = None, *, weights: str = ""
    ) -> None:
        super().__init__(detector, segmenter, tagger)
        self.weights = weights
        self.device = ""

    def to(self, device: str) -> None:
        super().to(device)
        self.device = device

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> Masks:
        """M0, M1 (2, H, W) with the tags behind the labels, for RGB frames (H, W, 3) of one size.

        Raises HarnessError where the sizes differ, and where weights are missing or wrong."""
        if img0.shape != img1.shape:
            raise HarnessError(f"sam2-video: frames differ in size: {img0.shape} and {img1.shape}")
        height, width = img0.shape[:2]
        first = {tag: mask for tag, mask in self.frame_masks(img0).items() if mask.any()}
        second = self.followed(img0, img1, np.stack(list(first.values()))) if first else []
        return pair_masks(first, dict(zip(first, second, strict=True)), (height, width))

    def followed(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8], masks: NDArray[np.bool_]) -> Any:
        """Masks (N, H, W) of the first frame -> the same objects' in the second, empty where one is gone."""
        device = device_or_default(self.device)
        model = _loaded(locate(SAM2, self.weights), device)
        side = model.config.image_size
        session = import_transformers().Sam2VideoInferenceSession(
            video=torch.cat([squared(img0, side), squared(img1, side)]),
            video_height=img0.shape[0],
            video_width=img0.shape[1],
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=torch.float32,
        )
        for number, prompt in enumerate(prompts(masks, side)):
            session.add_mask_inputs(session.obj_id_to_idx(number), 0, prompt[None])
            session.obj_with_new_inputs.append(number)
        *_, last = model.propagate_in_video_iterator(inference_session=session, start_frame_idx=0)
        return full(last.pred_masks, img0.shape[:2])


@functools.lru_cache(maxsize=1)
def _loaded(folder: Path, device: str) -> Any:
    return load_model("Sam2VideoModel", folder, device)
