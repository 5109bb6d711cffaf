"""PNG triplets of the size of a data set, of the clips that come with the harness: what reading is timed on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data.images import Size
from harness.data.sets.clips import BUNDLED
from harness.data.sets.vimeo90k import LISTS, Vimeo90K

CLIPS = ("cockatoo.mp4", "flowers.mp4", "ocean_wave.mp4", "rallye.mp4")
"""Natural pictures, one as large as any set's."""


class Triplets(Vimeo90K):
    """In the folders of Vimeo90K, of any size."""

    size: ClassVar[Size | None] = None  # type: ignore[assignment]  # that of Vimeo90K is a pair
    totals: ClassVar = {}


def written(folder: Path, size: tuple[int, int], count: int) -> Path:
    """So many triplets of frames of `size`, (width, height), written as Pillow does by default; all are in both
    lists."""
    names = [f"00001/{number + 1:04d}" for number in range(count)]
    each = -(-count // len(CLIPS))
    frames = [three for clip in CLIPS for three in _triplets(BUNDLED / clip, each, size)]
    for name, three in zip(names, frames, strict=False):
        place = folder / "sequences" / name
        place.mkdir(parents=True)
        for number, frame in enumerate(three, 1):
            Image.fromarray(frame).save(place / f"im{number}.png")
    for listed in LISTS.values():
        (folder / listed).write_text("".join(f"{name}\n" for name in names))
    return folder


def _triplets(clip: Path, count: int, size: tuple[int, int]) -> list[list[NDArray[np.uint8]]]:
    import av

    with av.open(str(clip)) as container:
        shown: Any = islice(container.decode(video=0), 3 * count)
        frames = [_scaled(frame.to_image(), size) for frame in shown]
    return [frames[at : at + 3] for at in range(0, 3 * count, 3)]


def _scaled(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The middle of the picture, as large as it can be."""
    scale = max(size[0] / image.width, size[1] / image.height)
    wide, high = (round(side * scale) for side in image.size)
    left, top = (wide - size[0]) // 2, (high - size[1]) // 2
    scaled = image.resize((wide, high), Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    return np.asarray(scaled.crop((left, top, left + size[0], top + size[1])))
