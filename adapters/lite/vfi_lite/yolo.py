"""Tiny YOLOv3 through ONNX Runtime: boxes of COCO classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness import HarnessError
from harness.masks import Box, Detector
from harness.weights import locate
from vfi_lite.coco import CLASSES
from vfi_lite.weights import YOLO

SIDES = (320, 416)  # of the squares that the network sees: large things are found in the small one, small in the large
SAME = 0.7  # boxes of two classes with more IoU than this are one thing
GREY = 128  # round the frame in it


class TinyYolo(Detector):
    """Boxes of the 80 COCO classes. Given tags, only of those.

    score    lowest score of a box, above 0 and below 1
    overlap  of two boxes of one tag with more IoU than this, above 0 and below 1, the one with the lower score goes
    weights  the ONNX file, where it is in no known place
    """

    own_vocabulary = True

    def __init__(self, *, score: float = 0.25, overlap: float = 0.5, weights: str = "") -> None:
        for name, value in (("score", score), ("overlap", overlap)):
            if not 0 < value < 1:
                raise HarnessError(f"tiny-yolov3: {name}={value} is not between 0 and 1")
        self.score, self.overlap, self.weights = score, overlap, weights
        self._session: Any = None

    def detect(self, image: NDArray[np.uint8], tags: list[str] | None) -> list[Box]:
        """Boxes within the RGB frame (H, W, 3), highest score first. Raises HarnessError where the weights are not."""
        boxes, scores = self.proposals(image)
        found = []
        for number, tag in enumerate(CLASSES):
            if tags is None or tag in tags:
                found += [(at, number) for at in best(boxes, scores[number], self.score, self.overlap)]
        # what two classes claim belongs to the surer one
        claimed = np.array(found, np.int64).reshape(-1, 2)
        places, classes = claimed.T
        kept = best(boxes[places], scores[classes, places], self.score, SAME)
        return [_box(boxes[places[at]], int(classes[at]), float(scores[classes[at], places[at]])) for at in kept]

    def proposals(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """All boxes (N, 4) in an RGB frame (H, W, 3), as x0, y0, x1, y1 within it, and scores (80, N)."""
        if self._session is None:
            self._session = _session(locate(YOLO, self.weights))
        seen = [self._seen(image, side) for side in SIDES]
        return np.concatenate([boxes for boxes, _ in seen]), np.concatenate([scores for _, scores in seen], 1)

    def _seen(self, image: NDArray[np.uint8], side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same of a square of one size."""
        height, width = image.shape[:2]
        size = np.array([[height, width]], np.float32)
        corners, scores, _ = self._session.run(None, {"input_1": letterboxed(image, side), "image_shape": size})
        within = corners[0].clip(0, np.array([height, width, height, width], np.float32))
        return within[:, [1, 0, 3, 2]], scores[0]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_session": None}  # each process opens its own


def _box(corners: NDArray[np.float32], number: int, score: float) -> Box:
    x0, y0, x1, y1 = map(float, corners)
    return Box(CLASSES[number], (x0, y0, x1, y1), score)


def letterboxed(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """The frame (H, W, 3) in the middle of a grey square, in [0, 1]: (1, 3, side, side)."""
    height, width = image.shape[:2]
    scale = min(side / height, side / width)
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    square = Image.new("RGB", (side, side), (GREY, GREY, GREY))
    resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    square.paste(resized, ((side - size[0]) // 2, (side - size[1]) // 2))
    planes: NDArray[np.float32] = np.asarray(square, np.float32).transpose(2, 0, 1) / np.float32(255)
    return planes[None]


def best(boxes: NDArray[np.float32], scores: NDArray[np.float32], lowest: float, overlap: float) -> list[int]:
    """Which of the boxes (N, 4), as x0, y0, x1, y1, stay: not flat, scored at `lowest` or above, and of no more IoU
    than `overlap` with one that stays and is scored higher."""
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = sides.prod(1)
    left = np.flatnonzero((scores >= lowest) & (sides > 0).all(1))
    left = left[np.argsort(-scores[left], kind="stable")]
    kept = []
    while len(left):
        first, left = left[0], left[1:]
        kept.append(int(first))
        shared = np.minimum(boxes[first, 2:], boxes[left, 2:]) - np.maximum(boxes[first, :2], boxes[left, :2])
        both = shared.clip(0).prod(1)
        left = left[both <= overlap * (areas[first] + areas[left] - both)]
    return kept


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the processes that build masks share the cores
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors have no common base
        reason = str(error).strip().partition("\n")[0]
        raise HarnessError(f"{path}: not the ONNX file of tiny YOLOv3: {reason}") from error
