"""Small copies of the field's data sets: their folders and names, filled with frames of a bundled clip."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data.sets.clips import BUNDLED

Frame = NDArray[np.uint8]


@functools.cache
def frames(count: int = 12) -> tuple[Frame, ...]:
    """The first frames of a bundled clip, RGB (720, 1280, 3)."""
    with av.open(str(BUNDLED / "cockatoo.mp4")) as container:
        decoded = zip(range(count), container.decode(video=0), strict=False)
        return tuple(frame.to_ndarray(format="rgb24") for _, frame in decoded)


def frame(number: int, width: int, height: int) -> Frame:
    """A part of the clip's frame of that number, counted round."""
    return frames()[number % 12][200 : 200 + height, 300 : 300 + width]


def write(path: Path, image: Frame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, compress_level=1)
    return path


def vimeo90k(root: Path, train: int = 2, test: int = 3, images: str = "sequences") -> Path:
    """Triplet n of both lists, counted from 0, shows frames n, n + 1 and n + 2."""
    names = [f"{1 + n // 2:05d}/{1 + n % 2:04d}" for n in range(train + test)]
    for n, name in enumerate(names):
        for k in range(3):
            write(root / images / name / f"im{k + 1}.png", frame(n + k, 448, 256))
    (root / "tri_trainlist.txt").write_text("".join(f"{name}\n" for name in names[:train]))
    (root / "tri_testlist.txt").write_text("".join(f"{name}\n" for name in names[train:]) + "\n")
    return root


def vimeo90k_septuplet(root: Path, train: int = 2, test: int = 3) -> Path:
    """Image k of septuplet n of both lists, counted from 0, shows frame n + k."""
    names = [f"{1 + n // 2:05d}/{1 + n % 2:04d}" for n in range(train + test)]
    for n, name in enumerate(names):
        for k in range(1, 8):
            write(root / "sequences" / name / f"im{k}.png", frame(n + k, 448, 256))
    (root / "sep_trainlist.txt").write_text("".join(f"{name}\n" for name in names[:train]))
    (root / "sep_testlist.txt").write_text("".join(f"{name}\n" for name in names[train:]) + "\n")
    return root


SNU_LISTS = {"easy": 1, "medium": 2, "hard": 4}
SNU_CLIPS = {"GOPRO_test/GOPR0384_11_00": "{:06d}", "YouTube_test/0000": "{:05d}"}


def snu_film(root: Path, below: str = "", lists: str = "", prefix: str = "data/SNU-FILM/test/") -> Path:
    """Nine frames, numbered from 1, of two sequences; one triplet of each on three levels, and on the fourth none."""
    (root / lists).mkdir(parents=True, exist_ok=True)
    for clip, name in SNU_CLIPS.items():
        for number in range(1, 10):
            write(root / below / clip / f"{name.format(number)}.png", frame(number, 160, 96))
    for level, reach in SNU_LISTS.items():
        lines = [
            " ".join(f"{prefix}{clip}/{name.format(number)}.png" for number in (5 - reach, 5, 5 + reach))
            for clip, name in SNU_CLIPS.items()
        ]
        (root / lists / f"test-{level}.txt").write_text("\n".join(lines) + "\n")
    (root / lists / "test-extreme.txt").write_text("\n")
    return root


def ucf101(root: Path, names: Sequence[str] = ("1", "11", "21")) -> Path:
    for n, name in enumerate(names):
        for k, file in enumerate(("frame_00", "frame_01_gt", "frame_02")):
            write(root / name / f"{file}.png", frame(n + k, 256, 256))
    return root


def middlebury(root: Path, names: Sequence[str] = ("Beanbags", "Venus")) -> Path:
    for n, name in enumerate(names):
        width, height = (420, 380) if name == "Venus" else (640, 480)
        for k, file in enumerate((f"other-data/{name}/frame10", f"other-gt-interp/{name}/frame10i11")):
            write(root / f"{file}.png", frame(n + k, width, height))
        write(root / f"other-data/{name}/frame11.png", frame(n + 2, width, height))
    return root


SMALL = (512, 270)
"""An eighth of 4096x2160, which would take seconds to write."""


def xiph(root: Path, mark: str) -> Path:
    """Frames 1 to 3 of Tango; `mark` is what stands between the clip's name and the number."""
    for number in (1, 2, 3):
        write(root / f"Tango{mark}{number:03d}.png", frame(number, *SMALL))
    return root


def x4k1000fps(root: Path, top: str = "test/") -> Path:
    """One scene; its frame 4k shows frame k of the clip."""
    for k in range(9):
        write(root / top / "Type1" / "TEST01" / f"{4 * k:04d}.png", frame(k, *SMALL))
    return root


def video(folder: Path, count: int, first: int = 1, digits: int = 6, width: int = 96, height: int = 80) -> Path:
    """A folder of numbered frames; the one that is numbered n shows the clip's frame n."""
    for number in range(first, first + count):
        write(folder / f"{number:0{digits}d}.png", frame(number, width, height))
    return folder
