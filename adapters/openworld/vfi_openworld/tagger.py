"""Taggers `ram` and `ram-plus`."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from harness import HarnessError, WeightsSpec
from harness.masks import Tagger
from harness.weights import locate
from vfi_openworld import specs
from vfi_openworld.hub import device_or_default
from vfi_openworld.ram import RecognizeAnything, load

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, RGB


class Ram(Tagger):
    """Tags whose probability is above their own threshold, by RAM (paper, A.3).

    weights  the checkpoint, where it is not in a folder of HARNESS_WEIGHTS

    The list of tags and their thresholds are always looked for there.
    """

    checkpoint: WeightsSpec = specs.RAM

    def __init__(self, *, weights: str = "") -> None:
        self.weights = weights
        self.device = ""

    def to(self, device: str) -> None:
        self.device = device

    def tags(self, image: NDArray[np.uint8]) -> list[str]:
        """Tags of an RGB frame (H, W, 3), in the order of the list.

        Raises HarnessError where weights are missing or wrong."""
        names, thresholds = _vocabulary(locate(specs.TAGS), locate(specs.THRESHOLDS))
        device = device_or_default(self.device)
        network = _network(locate(self.checkpoint, self.weights), len(names), device)
        with torch.inference_mode():
            probabilities = network(prepared(image, network.side).to(device))[0].sigmoid().cpu()
        return [names[i] for i in (probabilities > torch.tensor(thresholds)).nonzero().flatten().tolist()]


class RamPlus(Ram):
    """The same by RAM++."""

    checkpoint = specs.RAM_PLUS


def prepared(image: NDArray[np.uint8], side: int) -> torch.Tensor:
    """An RGB frame (H, W, 3) as RAM sees it: (1, 3, side, side), less the ImageNet mean, over its deviation."""
    resized = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR), np.float32)
    normalised = (torch.from_numpy(resized) / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    return normalised.permute(2, 0, 1)[None]


@functools.lru_cache(maxsize=1)
def _network(path: Path, tags: int, device: str) -> RecognizeAnything:
    return load(path, tags).to(device)


@functools.lru_cache(maxsize=1)
def _vocabulary(tags: Path, thresholds: Path) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Tags and thresholds, from files with one a line."""
    names, written = (path.read_text("utf-8").splitlines() for path in (tags, thresholds))
    values = []
    for number, line in enumerate(written, 1):
        try:
            values.append(float(line))
        except ValueError:
            raise HarnessError(f"{thresholds}:{number}: '{line.strip()}' is no threshold") from None
    if len(names) != len(values):
        raise HarnessError(f"{thresholds}: has {len(values)} thresholds; {tags} has {len(names)} tags")
    return tuple(name.strip() for name in names), tuple(values)
