"""Boxes by tiny YOLOv3, animals in them named by EfficientNet-Lite2.

Tiny YOLOv3 sees where a close-up animal is, and takes it for a teddy bear. A classifier of ImageNet, of whose 1000
classes 398 are animals, knows it once it is shown the box alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.weights import locate
from vfi_lite.coco import CLASSES
from vfi_lite.efficientnet import SIDE, EfficientNetLite2, load
from vfi_lite.weights import EFFICIENTNET
from vfi_lite.yolo import SAME, TinyYolo, best

KINDS = {
    # COCO's name -> classes of ImageNet
    "bird": (*range(7, 25), *range(80, 101), *range(127, 147)),
    "cat": tuple(range(281, 286)),
    "dog": tuple(range(151, 269)),
    "horse": (339,),
    "sheep": (348, 349),
    "cow": (345,),
    "elephant": (101, 385, 386),
    "bear": tuple(range(294, 298)),
    "zebra": (340,),
}
ANIMAL_LIKE = (*KINDS, "giraffe", "teddy bear")  # what YOLO may call an animal of any kind
LOWEST = 0.1  # score by which YOLO proposes a box, whatever it calls it
SMALLEST = SIDE / 2  # longer side of a box in pixels; what is smaller is a blur when it is enlarged
MARGIN = 1.1  # sides of the square that is looked at, in longer sides of the box


class NamedYolo(TinyYolo):
    """Boxes of the 80 COCO classes. Given tags, only of those.

    What YOLO is sure of and does not take for an animal stays. Any other box that it proposes, if it is not small, is
    of the kind of animal that the classifier gives a probability of `score` or more. Where it gives none that, YOLO's
    word stands.

    score    lowest score of a box, above 0 and below 1
    overlap  of two boxes of one tag with more IoU than this, above 0 and below 1, the one with the lower score goes
    weights  YOLO's ONNX file, where it is in no known place
    """

    def __init__(self, *, score: float = 0.25, overlap: float = 0.5, weights: str = "") -> None:
        super().__init__(score=score, overlap=overlap, weights=weights)
        self._device = torch.device("cpu")
        self._namer: EfficientNetLite2 | None = None

    def to(self, device: str) -> None:
        self._device = torch.device(device)
        if self._namer is not None:
            self._namer.to(self._device)

    def proposals(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        boxes, scores = super().proposals(image)
        kept = best(boxes, scores.max(0), LOWEST, SAME)
        boxes, scores = boxes[kept], scores[:, kept]
        clear = (scores.max(0) >= self.score) & ~np.isin(scores.argmax(0), _places(ANIMAL_LIKE))
        small = (boxes[:, 2:] - boxes[:, :2]).max(1) < SMALLEST
        asked = np.flatnonzero(~clear & ~small)
        if len(asked):
            kinds = self.kinds(image, boxes[asked])
            sure = kinds.max(1) >= self.score
            scores[:, asked[sure]] = 0
            scores[np.ix_(_places(tuple(KINDS)), asked[sure])] = kinds[sure].T
        return boxes, scores

    @torch.inference_mode()
    def kinds(self, image: NDArray[np.uint8], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability (N, 9) of each of KINDS in each box (N, 4), as x0, y0, x1, y1, of an RGB frame (H, W, 3)."""
        if self._namer is None:
            self._namer = load(locate(EFFICIENTNET)).to(self._device)
        squares = torch.cat([square(image, box) for box in boxes]).to(self._device)
        probabilities = self._namer(squares).softmax(1)
        found = torch.stack([probabilities[:, list(of)].sum(1) for of in KINDS.values()], 1)
        of_kinds: NDArray[np.float32] = found.cpu().numpy()
        return of_kinds

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_namer": None}  # each process loads its own


def square(image: NDArray[np.uint8], box: NDArray[np.float32]) -> Tensor:
    """What of an RGB frame (H, W, 3) is in a square round a box, a little larger than it, as the classifier sees it:
    (1, 3, 260, 260), distorted where the frame ends within the square."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = map(float, box)
    half = MARGIN * max(x1 - x0, y1 - y0) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    within = (max(0.0, x - half), max(0.0, y - half), min(float(width), x + half), min(float(height), y + half))
    resized = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=within)
    return (torch.from_numpy(np.array(resized, np.float32)).permute(2, 0, 1)[None] - 127) / 128


def _places(names: tuple[str, ...]) -> list[int]:
    return [CLASSES.index(name) for name in names]
