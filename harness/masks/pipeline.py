"""Tagger, detector and segmenter in a row, then the pair rules (paper, A.3)."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.masks.parts import Detector, Segmenter, Tagger
from harness.masks.rules import Mask, pair_masks, tag_masks
from harness.masks.source import Masks, MaskSource

FRAMES = 512  # whose masks are kept, a bit a pixel: neighbouring pairs share frames


class Pipeline(MaskSource):
    """Names, boxes, masks; one mask a tag and frame, and labels by the pair rules.

    A mask source of which a spec says `parts` is built with the parts as keyword arguments. Without a tagger the
    detector must have a vocabulary of its own.
    """

    def __init__(self, detector: Detector, segmenter: Segmenter, tagger: Tagger | None = None) -> None:
        if tagger is None and not detector.own_vocabulary:
            raise HarnessError(f"the detector {type(detector).__name__} finds what it is told: it needs a tagger")
        self.tagger, self.detector, self.segmenter = tagger, detector, segmenter
        self._kept: OrderedDict[bytes, dict[str, NDArray[np.uint8]]] = OrderedDict()

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> Masks:
        """M0, M1 (2, H, W) with the tags behind the labels, for RGB frames (H, W, 3) of one size."""
        if img0.shape != img1.shape:
            raise HarnessError(f"masks: frames differ in size: {img0.shape} and {img1.shape}")
        height, width = img0.shape[:2]
        return pair_masks(self.frame_masks(img0), self.frame_masks(img1), (height, width))

    def frame_masks(self, image: NDArray[np.uint8]) -> dict[str, Mask]:
        """The mask (H, W) of every tag that is found in an RGB frame (H, W, 3)."""
        key = sha256(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).digest()
        packed = self._kept.pop(key, None)
        if packed is None:
            packed = {tag: np.packbits(mask) for tag, mask in self._found(image).items()}
        self._kept[key] = packed
        while len(self._kept) > FRAMES:
            self._kept.popitem(last=False)
        height, width = image.shape[:2]
        return {
            tag: np.unpackbits(bits, count=height * width).astype(bool).reshape(height, width)
            for tag, bits in packed.items()
        }

    def _found(self, image: NDArray[np.uint8]) -> dict[str, Mask]:
        tags = self.tagger.tags(image) if self.tagger else None
        boxes = self.detector.detect(image, tags) if tags is None or tags else []
        if not boxes:
            return {}
        masks = self.segmenter.segment(image, boxes)
        if masks.shape != (len(boxes), *image.shape[:2]) or masks.dtype != bool:
            name = type(self.segmenter).__name__
            raise HarnessError(
                f"the segmenter {name} returns {masks.dtype} {masks.shape} for {len(boxes)} boxes in {image.shape[:2]}"
            )
        return tag_masks(boxes, masks)

    def to(self, device: str) -> None:
        for part in (self.tagger, self.detector, self.segmenter):
            if part is not None:
                part.to(device)
