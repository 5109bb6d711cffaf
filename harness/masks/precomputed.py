"""Label maps that a user brings: one file a frame, grey PNG or NPZ."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.files import expanded, small_file
from harness.masks.png import OtherSizeError, labels_of
from harness.masks.source import MaskSource
from harness.weights.digest import digest

SUFFIXES = (".png", ".npz")
MARGIN = 1 << 16  # bytes beside the labels in a file
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)


class Precomputed(MaskSource):
    """Maps from the files `CLIP/NUMBER.png` or `CLIP/NUMBER.npz` in a folder, as `harness masks build` asks for them.

    root   the folder

    CLIP is the clip's name in the benchmark, of Vimeo90K the triplet's (00001/0389, with frames 1 to 3); NUMBER is the
    frame's in it, leading zeros as you like, and one file a frame. A PNG is grey with 8 or 16 bits, an NPZ file has one
    array of integers (H, W). Equal numbers name the same target in both frames
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
            shape = image.shape[0], image.shape[1]
            content = small_file(file, MARGIN + 16 * shape[0] * shape[1])
            return labels_of(content, shape)[0] if file.suffix == ".png" else _npz(content, shape)
        except OtherSizeError as error:
            raise HarnessError(f"{file}: is {error} high and wide, its frame {shape}") from error
        except DAMAGE as error:
            raise HarnessError(f"{file}: not a label map: {error}") from error

    def _file(self, clip: str, number: int) -> Path:
        folder = self.root / clip
        files = folder.iterdir() if folder.is_dir() else ()
        named = (path for path in files if path.suffix in SUFFIXES and path.stem.isdecimal())
        found = sorted(path for path in named if int(path.stem) == number)
        if len(found) > 1:
            raise HarnessError(f"{found[0]}: {found[1].name} is of that frame, too; remove the one that is not meant")
        if found:
            return found[0]
        raise HarnessError(f"{folder / f'{number:05d}.png'}: no label map of that frame, in no file type or padding")


def _npz(content: bytes, shape: tuple[int, int]) -> NDArray[np.uint16]:
    """One array of integers (H, W). What unfolds to more than the frame can need is not unfolded."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if len(entries) != 1:
            raise ValueError(f"{len(entries)} arrays; one is needed")
        if entries[0].file_size > MARGIN + 8 * shape[0] * shape[1]:
            raise ValueError(f"an array of {entries[0].file_size:,} bytes; its frame is {shape} high and wide")
        array = archive.read(entries[0])  # which looks at its checksum
    labels: NDArray[np.generic] = np.lib.format.read_array(io.BytesIO(array), allow_pickle=False)
    if labels.dtype.kind not in "iu" or labels.ndim != 2:
        raise ValueError(f"{labels.dtype} {labels.shape}; integers (H, W) are needed")
    if labels.shape != shape:
        raise OtherSizeError(labels.shape)
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= 65535:
        raise ValueError(f"labels {labels.min()} to {labels.max()}; 0 to 65535 are needed")
    return labels.astype(np.uint16)
