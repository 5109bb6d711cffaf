"""A folder of numbered images as a video: which frames it has, in what order, and what is in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from harness.data.contents import contents
from harness.data.video import Shown
from harness.errors import HarnessError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
FEWEST = 3
"""Images of a video: of fewer there is no triplet."""


def numbered(images: Iterable[Path]) -> dict[int, Path]:
    """Images by the number that their names end with, ascending: 9 is before 10, however they are written.

    Empty where the names differ in more than that. Raises HarnessError where two have one number."""
    found: dict[int, Path] = {}
    alike = set()
    for image in images:
        match = re.fullmatch(r"(.*?)([0-9]{1,20})", image.stem)
        if not match:
            return {}
        alike.add((match[1], image.suffix.lower()))
        if other := found.get(number := int(match[2])):
            raise HarnessError(f"{image}: has the number of {other.name}; remove one")
        found[number] = image
    return dict(sorted(found.items())) if len(alike) == 1 else {}


def frames_of(folder: Path) -> dict[int, Path]:
    """The frames of such a folder, by number; empty where it is none."""
    return numbered(file for file in folder.iterdir() if is_image(file))


def is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()


def gaps(numbers: Iterable[int]) -> list[int]:
    """Numbers after which more are left out than elsewhere."""
    steps = [(after - number, number) for number, after in pairwise(numbers)]
    usual = min(step for step, _ in steps)
    return [number for step, number in steps if step != usual]


def content_of(folder: Path) -> str:
    """sha256 over the number and the content of each frame, whatever the names."""
    frames = frames_of(folder)
    hashes = contents(folder, [image.name for image in frames.values()])
    return sha256(json.dumps([(number, hashes[image.name]) for number, image in frames.items()]).encode()).hexdigest()


def images(folder: Path, frame_step: int) -> Iterator[Shown]:
    """Every `frame_step`-th frame as it is stored; its number is its time stamp, so that a missing one leaves a gap.

    Raises HarnessError where one is no 8-bit RGB image, or has another size than the first."""
    from harness.data.images import read_image

    size = None
    for number, image in list(frames_of(folder).items())[::frame_step]:
        frame = read_image(image, size)
        size = frame.shape[1], frame.shape[0]
        yield Shown(frame, number)


def reader() -> str:
    """What decodes the images, with its version."""
    import PIL
    from PIL import features

    return ", ".join([f"pillow {PIL.__version__}", *(f"{name} {features.version(name)}" for name in ("jpg", "webp"))])
