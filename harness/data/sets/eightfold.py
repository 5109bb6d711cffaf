"""The benchmarks `gopro` and `adobe240`: videos of 240 frames a second, of which every eighth frame is an input."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.benchmark import Triplet
from harness.data.images import centre
from harness.data.imageset import ImageSet, Sample, folders_in
from harness.data.roots import find_root
from harness.errors import HarnessError

TEST_VIDEOS = (
    *("GOPR0384_11_00", "GOPR0384_11_05", "GOPR0385_11_01", "GOPR0396_11_00", "GOPR0410_11_00", "GOPR0854_11_00"),
    *("GOPR0862_11_00", "GOPR0868_11_00", "GOPR0869_11_00", "GOPR0871_11_00", "GOPR0881_11_01"),
)
TRAIN_VIDEOS = (
    *("GOPR0372_07_00", "GOPR0372_07_01", "GOPR0374_11_00", "GOPR0374_11_01", "GOPR0374_11_02", "GOPR0374_11_03"),
    *("GOPR0378_13_00", "GOPR0379_11_00", "GOPR0380_11_00", "GOPR0384_11_01", "GOPR0384_11_02", "GOPR0384_11_03"),
    *("GOPR0384_11_04", "GOPR0385_11_00", "GOPR0386_11_00", "GOPR0477_11_00", "GOPR0857_11_00", "GOPR0868_11_01"),
    *("GOPR0868_11_02", "GOPR0871_11_01", "GOPR0881_11_00", "GOPR0884_11_00"),
)
FRAME = re.compile(r"(.*?)(\d+)(\.(?:png|jpe?g))", re.IGNORECASE)
"""Name of a frame: what is before its number, the number, the suffix."""


class _Eightfold(ImageSet):
    """`crop` is the side in pixels of the square in the middle of a test frame that is used, 0 for all of it."""

    def __init__(
        self, root: Path, samples: Sequence[Sample], partial: bool, missing: Sequence[str], shortfall: str, crop: int
    ) -> None:
        if crop < 0:
            raise HarnessError(f"crop={crop}: give the side of the square in pixels, or 0 for whole frames")
        self._crop = crop
        super().__init__(root, samples, partial, missing, shortfall)

    def view(self, frame: NDArray[np.uint8], triplet: Triplet) -> NDArray[np.uint8]:
        if not self._crop or triplet.level == "train":
            return frame
        if min(frame.shape[:2]) < self._crop:
            raise HarnessError(
                f"{self.root}: {triplet.id}: frames of {frame.shape[1]}x{frame.shape[0]} are smaller than the crop of "
                f"{self._crop}; give a smaller crop="
            )
        return centre(frame, (self._crop, self._crop))

    def settings(self) -> Mapping[str, object]:
        return {"crop": self._crop}


class GoPro(_Eightfold):
    """7 triplets out of 9 frames at 240 a second, of 1280x720: 0 and 8 are the inputs, t = 1/8 to 7/8.

    root     the folder with `train` and `test`, or with all videos; see `harness.data.roots` for where it is looked for
    partial  allows videos and frames to be missing
    crop     side in pixels of the square in the middle of a test frame that is used, as by IFRNet and AMT; 0 for all

    A video's groups share their end frames: 0 to 8, 8 to 16, ... Test and training videos are those that the data set's
    authors state and IFRNet uses; either split may be absent.
    """

    def __init__(self, *, root: str = "", partial: bool = False, crop: int = 512) -> None:
        folder = find_root("gopro", root)
        samples: list[Sample] = []
        missing: list[str] = []
        shortfalls: list[str] = []
        for level, split, videos in (("train", "train", TRAIN_VIDEOS), ("8x", "test", TEST_VIDEOS)):
            top = f"{split}/" if (folder / split).is_dir() else ""
            there = [video for video in videos if (folder / top / video).is_dir()]
            samples += [each for video in there for each in groups(folder, top, video, level)]
            if 0 < len(there) < len(videos):
                missing += [f"{top}{video}" for video in videos if video not in there]
                shortfalls.append(f"{len(there)} of {len(videos)} {split} videos")
        if not samples:
            raise HarnessError(f"{folder}: no folder of frames of GoPro's videos, such as test/{TEST_VIDEOS[0]}")
        super().__init__(folder, samples, partial, missing, ", ".join(shortfalls), crop)


class Adobe240(_Eightfold):
    """7 triplets out of 9 frames at 240 a second: 0 and 8 are the inputs, t = 1/8 to 7/8.

    root     the folder with `test_frames` or `test`, or with one folder a video; see `harness.data.roots` for where it
             is looked for
    partial  allows frames to be missing
    crop     side in pixels of the square in the middle of a frame that is used, as by IFRNet and AMT; 0 for all

    Which videos to test on was never published as a list: AMT takes every tenth folder in the order in which the file
    system gives them, IFRNet does not say. Here all folders are used; numbers compare only where these are the same.
    """

    def __init__(self, *, root: str = "", partial: bool = False, crop: int = 512) -> None:
        folder = find_root("adobe240", root)
        top = next((f"{name}/" for name in ("test_frames", "test") if (folder / name).is_dir()), "")
        samples = [each for video in folders_in(folder / top) for each in groups(folder, top, video, "8x")]
        if not samples:
            raise HarnessError(f"{folder / top}: no folder of nine or more numbered frames in it")
        super().__init__(folder, samples, partial, (), "", crop)


def groups(root: Path, top: str, video: str, level: str) -> Iterator[Sample]:
    """The triplets of the video in `root/top/video`. Its frames are numbered; a gap in the numbers is a missing file.

    Raises HarnessError where two files have the same number.
    """
    folder = root / top / video
    found = [match for name in sorted(path.name for path in folder.iterdir()) if (match := FRAME.fullmatch(name))]
    names: dict[int, str] = {}
    for match in found:
        if twin := names.get(int(match[2])):
            raise HarnessError(f"{folder}: {twin} and {match[0]} have the same number; remove one")
        names[int(match[2])] = match[0]
    if not names:
        return
    before, digits, after = found[0].groups()

    def name(number: int) -> str:
        return names.get(number) or f"{before}{number:0{len(digits)}}{after}"

    for first in range(min(names), max(names) - 7, 8):
        for k in range(1, 8):
            numbers = (first, first + k, first + 8)
            triplet = Triplet(f"{video}/{first + k:0{len(digits)}}", clip=video, level=level, frames=numbers, t=k / 8)
            start, middle, end = (f"{top}{video}/{name(number)}" for number in numbers)
            yield Sample(triplet, (start, middle, end))
