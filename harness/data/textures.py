"""Photographs that drawn scenes are covered with: those of scikit-image, or a folder of the user's."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data.images import read_image
from harness.errors import HarnessError
from harness.files import expanded

DENSITY = 2
"""Texels for each pixel of a photograph: read bilinearly, a texture of twice the size is as sharp between its pixels as
on them, so that a middle frame is not softer than its inputs."""

TRAIN = {
    "astronaut": 512,
    "brick": 512,
    "camera": 512,
    "coins": 303,
    "grass": 512,
    "hubble_deep_field": 872,
    "immunohistochemistry": 512,
    "retina": 1411,
    "rocket": 427,
}
TEST = {"chelsea": 300, "coffee": 400, "gravel": 512, "stereo_motorcycle": 500}
"""Of scikit-image's photographs, by the functions of `skimage.data` that read them, with their shorter sides."""

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

Split = Literal["train", "test"]


def margin(size: int) -> int:
    """Texels that a photograph goes on for on every side, mirrored: a frame of `size` that moves by less than its width
    stays inside of the smallest photograph that way."""
    return DENSITY * size // 2


class Textures:
    """The photographs of a split, each as an image of texels, with `margin(size)` of them mirrored on every side.

    folder  of images, searched for images of the usual suffixes; every fifth by name is for testing, at least one.
            Empty for scikit-image's, of which those that are smaller than a frame are left out
    size    side of a frame in pixels, which no image may be smaller than

    They are read when they are first asked for, once in each process. Raises HarnessError for a folder that is none, or
    that has not an image for each split, or one that is smaller than a frame.
    """

    def __init__(self, folder: str, size: int) -> None:
        self._size = size
        self._names: dict[Split, tuple[str, ...]]
        if folder:
            found = _images_in(expanded(folder))
            for name in found:
                height, width = read_image(Path(name)).shape[:2]
                if min(height, width) < size:
                    raise HarnessError(
                        f"textures={folder}: {Path(name).name} is {width}x{height}, smaller than frames of "
                        f"{size}x{size}; take it out, or give a smaller size="
                    )
            test = found[::5]
            self._names = {"train": tuple(name for name in found if name not in test), "test": tuple(test)}
        else:
            self._names = {
                "train": tuple(name for name, side in TRAIN.items() if side >= size),
                "test": tuple(name for name, side in TEST.items() if side >= size),
            }
            for split, names in self._names.items():
                if not names:
                    raise HarnessError(f"size={size}: none of scikit-image's photographs to {split} on is that large")

    def count(self, split: Split) -> int:
        return len(self._names[split])

    def __call__(self, split: Split, index: int) -> Image.Image:
        """The image with that number."""
        name = self._names[split][index]
        return _texels(name, self._size, Path(name).stat().st_mtime_ns if Path(name).suffix else 0)

    def digest(self, split: Split) -> str:
        """Over every texel of the split, however the images came by them."""
        digest = sha256()
        for index in range(self.count(split)):
            texels = self(split, index)
            digest.update(f"{texels.size} ".encode() + texels.tobytes())
        return digest.hexdigest()


def _images_in(folder: Path) -> Sequence[str]:
    if not folder.is_dir():
        raise HarnessError(f"textures={folder}: no such folder")
    found = sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if len(found) < 2:
        raise HarnessError(
            f"textures={folder}: {len(found)} image{'' if len(found) == 1 else 's'} in it; at least two are needed, to "
            "train and to test on"
        )
    return found


@functools.lru_cache(maxsize=64)
def _texels(name: str, size: int, changed: int) -> Image.Image:
    """Of a path, or of scikit-image."""
    image = Image.fromarray(read_image(Path(name)) if Path(name).suffix else _photograph(name))
    larger = image.resize((DENSITY * image.width, DENSITY * image.height), Image.Resampling.LANCZOS)
    around = margin(size)
    return Image.fromarray(np.pad(np.asarray(larger), ((around, around), (around, around), (0, 0)), "symmetric"))


def _photograph(name: str) -> NDArray[np.uint8]:
    """RGB (H, W, 3)."""
    import skimage.data

    image = getattr(skimage.data, name)()
    image = image[0] if isinstance(image, tuple) else image  # the left of a stereo pair
    return np.ascontiguousarray(np.broadcast_to(image[..., None], (*image.shape, 3)) if image.ndim == 2 else image)
