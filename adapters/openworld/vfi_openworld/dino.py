"""Detector `grounding-dino`: boxes of the tags that it is given."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import HarnessError
from harness.masks import Box, Detector
from harness.weights import locate
from vfi_openworld.boxes import corners, suppress
from vfi_openworld.hub import device_or_default, load_model, load_other
from vfi_openworld.prompt import Marks, Prompt, by_tag, prompts
from vfi_openworld.specs import GROUNDING_DINO


class GroundingDino(Detector):
    """Open-set detection by Grounding DINO (paper, A.3). Tags fill as many prompts as they need.

    box_threshold   a box stays where its most probable token is above this, 0 to 1
    text_threshold  and it belongs to the tag with the most probable token, where that is above this, 0 to 1
    overlap         of two boxes of one tag with a larger intersection over union the worse goes, 0 to 1
    weights         the folder of the model, where it is not in one of HARNESS_WEIGHTS

    The thresholds are those of the public chain of RAM, Grounding DINO and SAM. Unlike there, boxes of different tags
    never push each other out: that is decided by masks, later.
    """

    def __init__(
        self,
        *,
        box_threshold: float = 0.25,
        text_threshold: float = 0.2,
        overlap: float = 0.5,
        weights: str = "",
    ) -> None:
        for name, value in (("box_threshold", box_threshold), ("text_threshold", text_threshold), ("overlap", overlap)):
            if not 0 <= value <= 1:
                raise HarnessError(f"grounding-dino: {name}={value} is not in 0 to 1")
        self.box_threshold, self.text_threshold, self.overlap = box_threshold, text_threshold, overlap
        self.weights = weights
        self.device = ""

    def to(self, device: str) -> None:
        self.device = device

    def detect(self, image: NDArray[np.uint8], tags: list[str] | None) -> list[Box]:
        """Boxes in an RGB frame (H, W, 3) by prompt and falling score; the same for any order of tags.

        Raises HarnessError where there is no tagger, and where weights are missing or wrong.
        """
        if tags is None:
            raise HarnessError("grounding-dino finds what it is told: it needs a tagger")
        device = device_or_default(self.device)
        model, tokenizer, preprocessor = _loaded(locate(GROUNDING_DINO, self.weights), device)
        marks = Marks(tokenizer.cls_token_id, tokenizer.convert_tokens_to_ids("."), tokenizer.sep_token_id)

        def tokenize(tag: str) -> list[int]:
            return list(tokenizer(tag, add_special_tokens=False)["input_ids"])

        seen = preprocessor(images=image, return_tensors="pt").to(device)
        found: list[Box] = []
        for prompt in prompts(tags, tokenize, marks, model.config.max_text_len):
            with torch.inference_mode():
                out = model(**seen, input_ids=torch.tensor([prompt.tokens], device=device))
            height, width = image.shape[:2]
            found += self.boxes(out.logits[0].cpu(), out.pred_boxes[0].cpu(), prompt, height, width)
        return found

    def boxes(self, logits: Tensor, places: Tensor, prompt: Prompt, height: int, width: int) -> list[Box]:
        """What the answer to a prompt, logits (Q, tokens) and places (Q, 4) as parts of the frame, says of its tags."""
        probabilities = logits.sigmoid()
        scores, owners = by_tag(probabilities, prompt).max(1)
        pixels = corners(places, height, width)
        stays = (probabilities.amax(1) > self.box_threshold) & (scores > self.text_threshold)
        stays &= (pixels[:, 2:] > pixels[:, :2]).all(1)
        pixels, scores, owners = pixels[stays], scores[stays], owners[stays]
        return [
            Box(prompt.tags[owners[i]], tuple(pixels[i].tolist()), float(scores[i]))
            for i in suppress(pixels, scores, owners, self.overlap)
        ]


@functools.lru_cache(maxsize=1)
def _loaded(folder: Path, device: str) -> tuple[Any, Any, Any]:
    model = load_model("GroundingDinoForObjectDetection", folder, device)
    return model, load_other("BertTokenizer", folder), load_other("GroundingDinoImageProcessorPil", folder)
