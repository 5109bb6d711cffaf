"""Label maps that a user brings: one file a frame, grey PNG or NPZ."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.files import expanded
from harness.masks.source import MaskSource
from harness.weights.digest import digest

SUFFIXES = (".png", ".npz")


class Precomputed(MaskSource):
    """Maps from the files `CLIP/NUMBER.png` or `CLIP/NUMBER.npz` in a folder, as `harness masks build` asks for them.

    root   the folder

    CLIP is the clip's name in the benchmark, NUMBER the frame's in the clip, leading zeros as you like. A PNG is grey
    with 8 or 16 bits, an NPZ file has one array of integers (H, W). Equal numbers name the same target in both frames
    of a pair, 0 is the rest; a number that one of them lacks is 0 in the other.
    """

    def __init__(self, *, root: str) -> None:
        self.root = expanded(root)
        if not self.root.is_dir():
            raise HarnessError(f"precomputed: root={root}: no such folder")

    def content(self) -> str:
        return digest(self.root)

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Cannot tell whose frames these are. Raises HarnessError with the command that can."""
        raise HarnessError("precomputed: maps are found by clip and frame number: harness masks build BENCHMARK")

    def maps_of(
        self, clip: str, first: int, last: int, img0: NDArray[np.uint8], img1: NDArray[np.uint8]
    ) -> NDArray[np.uint16]:
        """M0, M1 (2, H, W). Raises HarnessError naming a file that is missing, damaged or of another size."""
        found = [self._read(clip, number, image) for number, image in ((first, img0), (last, img1))]
        shared = np.intersect1d(found[0], found[1])
        return np.stack([np.where(np.isin(each, shared), each, 0) for each in found]).astype(np.uint16)

    def _read(self, clip: str, number: int, image: NDArray[np.uint8]) -> NDArray[np.uint16]:
        file = self._file(clip, number)
        try:
            labels = _png(file) if file.suffix == ".png" else _npz(file)
        except (OSError, SyntaxError, ValueError, zipfile.BadZipFile) as error:
            raise HarnessError(f"{file}: not a label map: {error}") from error
        if labels.shape != image.shape[:2]:
            height, width = image.shape[:2]
            raise HarnessError(f"{file}: is {labels.shape} high and wide, its frame {(height, width)}")
        return labels

    def _file(self, clip: str, number: int) -> Path:
        folder = self.root / clip
        files = folder.iterdir() if folder.is_dir() else ()
        named = (path for path in files if path.suffix in SUFFIXES and path.stem.isdecimal())
        for path in sorted(named):
            if int(path.stem) == number:
                return path
        raise HarnessError(f"{folder / f'{number:05d}.png'}: no label map of that frame, in no file type or padding")


def _png(file: Path) -> NDArray[np.uint16]:
    from PIL import Image

    with Image.open(file, formats=["PNG"]) as image:
        image.load()
        if image.mode not in ("L", "I;16"):
            raise ValueError(f"mode {image.mode}; grey with 8 or 16 bits is needed")
        labels: NDArray[np.uint16] = np.asarray(image).astype(np.uint16)
    return labels


def _npz(file: Path) -> NDArray[np.uint16]:
    with np.load(file, allow_pickle=False) as arrays:
        if len(arrays.files) != 1:
            raise ValueError(f"{len(arrays.files)} arrays; one is needed")
        labels: NDArray[np.generic] = arrays[arrays.files[0]]
    if labels.dtype.kind not in "iu" or labels.ndim != 2:
        raise ValueError(f"{labels.dtype} {labels.shape}; integers (H, W) are needed")
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= 65535:
        raise ValueError(f"labels {labels.min()} to {labels.max()}; 0 to 65535 are needed")
    return labels.astype(np.uint16)
