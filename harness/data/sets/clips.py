"""The benchmark `clips`: any folder of videos, graded by the gap between the inputs as SNU-FILM is."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.data.benchmark import Benchmark, Triplet
from harness.data.folder import Clip, load, resolve, short_names
from harness.data.framecache import VERSION, Frames
from harness.data.holdings import find
from harness.data.leaks import Content, check
from harness.data.manifest import Listed, read_list
from harness.data.picture import LINES
from harness.data.prints import prints_of
from harness.data.times import MIDDLE, TOLERANCE
from harness.errors import HarnessError
from harness.files import expanded

BUNDLED = Path(__file__).parents[1] / "bundled"
LEVELS = {"easy": 1, "medium": 2, "hard": 4, "extreme": 8}
"""Test levels, and frames from the centre to either input: gaps of 2, 4, 8, 16 between the inputs."""

NAMED = 5
"""Clips of which the names are given in one line; of more, how many there are."""

log = logging.getLogger(__name__)


class Clips(Benchmark):
    """Triplets of a folder of videos.

    root     the folder, with all below it (`harness.data.holdings`): videos, and folders of numbered images, each of
             which is a clip. Empty: the clips that come with the harness
    half     halves frames whose shorter side is above 540 (1280x720 to 640x360, 1088x1920 to 544x960; 640x360 stays),
             save for clips that have a `scale` in `clips.yaml`
    gaps     frames from the centre of a training triplet to either input: "1-8", "2", "1+2+4+8"
    list     CSV file of the test triplets with the columns level,clip,frame0,frame_gt,frame1 (frames as numbered in the
             video, from 0), by its path or its name in `root`. Empty: gaps of 2, 4, 8, 16 around `centres`
    centres  test triplets per clip and level, with the same centre frames on all levels, evenly spread; 0 for all
    deinterlace  `yadif` makes whole frames of interlaced ones, by FFmpeg's filter; else such videos are refused

    `clips.yaml` in the folder (see `harness.data.manifest`) may state each clip's split, shots, frame step, scale,
    colour matrix and times. Splits it leaves open go by the subfolders `train` and `test`; then what the list names is
    for testing; where no clip is for testing yet, every fifth by name is, at least one; the rest is for training.
    Frames that repeat their predecessor do not count, and no triplet crosses the border of a shot: of stated ones, else
    of those that `harness.data.shots` finds. t goes by the frames' time stamps. Where no list asks for other triplets,
    those alone are taken of which the second frame is the middle by them (`harness.data.times` says how close that is);
    how many are not is said of each clip. A triplet has frames around it, for networks that take four, where its shot
    has them and the four are evenly spaced likewise.
    Clips for training and for testing are compared by their frames (`harness.data.leaks`).
    Videos are decoded here, once, into the cache. Raises HarnessError where a file, a list or an option is wrong, or a
    clip for testing has the frames of one for training.
    """

    def __init__(
        self,
        *,
        root: str = "",
        half: bool = True,
        gaps: str = "1-8",
        list: str = "",
        centres: int = 20,
        deinterlace: Literal["no", "yadif"] = "no",
    ) -> None:
        folder = expanded(root) if root else BUNDLED
        distances = _parse_gaps(gaps)
        if centres < 0:
            raise HarnessError(f"centres={centres}: give the number of test triplets per clip and level, or 0 for all")
        videos = find(folder, say=bool(root))  # texts of licences lie beside ours
        listed = read_list(_list_file(list, folder)) if list else ()
        self._clips = {clip.name: clip for clip in load(folder, videos, listed, half, deinterlace)}
        self._frames: dict[str, Frames] = {}
        clips = tuple(self._clips.values())
        _say_unstated(clips)
        self.test = tuple(_listed(listed, videos, self._clips) if listed else _graded(clips, centres))
        self.levels = tuple(dict.fromkeys(triplet.level for triplet in self.test))
        self.train = tuple(_train(clips, distances))
        if not self.train and any(clip.split == "train" for clip in clips):
            _without_training(folder, clips, distances, gaps)
        check(self.contents("train"), self.contents("test"), where=f"{folder}: ")

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        """I0, It, I1 as RGB (3, H, W, 3). Raises HarnessError where cached frames are damaged and cannot be remade."""
        return self._read(triplet.clip, triplet.frames)

    def read_around(self, triplet: Triplet) -> NDArray[np.uint8]:
        """I-1, I2 as RGB (2, H, W, 3). Raises HarnessError likewise, and ValueError for a triplet without them."""
        if triplet.around is None:
            raise ValueError(f"{triplet.id} has no frames around it")
        return self._read(triplet.clip, triplet.around)

    def _read(self, name: str, numbers: Sequence[int]) -> NDArray[np.uint8]:
        clip = self._clips[name]
        if name not in self._frames:
            self._frames[name] = clip.decoded.open()
        frames = self._frames[name]
        return np.stack([frames.read(number // clip.entry.frame_step) for number in numbers])

    def digest(self, split: Literal["train", "test"]) -> str:
        """sha256 over the clips' content, every decoded frame and what decides triplets; paths are no part of it.

        Decoders that give other frames therefore give another digest."""
        clips = [
            (clip.name, clip.split, clip.content, clip.scale, clip.entry.frame_step, clip.shots, clip.decoded.sums)
            for clip in self._clips.values()
            if clip.split == split
        ]
        triplets = [(each.id, each.level, each.t) for each in (self.train if split == "train" else self.test)]
        return sha256(json.dumps([VERSION, clips, triplets]).encode()).hexdigest()

    def contents(self, split: Literal["train", "test"]) -> Sequence[Content]:
        """Of the clips that triplets are of, the frames in use."""
        used = dict.fromkeys(triplet.clip for triplet in (self.train if split == "train" else self.test))
        return [_content(self._clips[name]) for name in used]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_frames": {}}  # each process checks the frames itself


def _content(clip: Clip) -> Content:
    rows = [number // clip.entry.frame_step for shot in clip.shots for number in shot]
    return Content(
        name=clip.name,
        shots=tuple((shot[0], shot[-1]) for shot in clip.shots if shot),
        sums=frozenset(clip.decoded.sums[row] for row in rows),
        prints=prints_of([clip.decoded.prints[row] for row in rows]),
    )


def _say_unstated(clips: Sequence[Clip]) -> None:
    names = [clip.name for clip in clips if clip.decoded.unstated]
    if names:
        log.warning(
            "%d clips state no colour matrix: taken for BT.601 below %d lines, else for BT.709 (%s); "
            "state `matrix` in clips.yaml where that is wrong",
            *(len(names), LINES, ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")),
        )


def _list_file(name: str, folder: Path) -> Path:
    given = expanded(name)
    return given if given.exists() else folder / given


def _parse_gaps(text: str) -> tuple[int, ...]:
    gaps: set[int] = set()
    for part in text.split("+"):
        match = re.fullmatch(r"\s*([0-9]{1,4})\s*(?:-\s*([0-9]{1,4})\s*)?", part)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high:
            raise HarnessError(f"gaps={text[:60]}: give frames to either side of the centre, such as 1-8, 2 or 1+2+4+8")
        gaps.update(range(low, high + 1))
    return tuple(sorted(gaps))


def _without_training(folder: Path, clips: Sequence[Clip], distances: Sequence[int], gaps: str) -> None:
    if any(any(_around(clip, gap)) for clip in clips if clip.split == "train" for gap in distances):
        raise HarnessError(f"{folder}: no training triplet has its middle frame in the middle; {_ADVICE}")
    raise HarnessError(f"{folder}: no training clip is long enough for gaps={gaps}; give smaller ones")


def _triplet(
    clip: Clip, level: str, frames: tuple[int, int, int], around: tuple[int, int] | None, t: Fraction = MIDDLE
) -> Triplet:
    return Triplet(
        "{}/{:05d}-{:05d}-{:05d}".format(clip.name, *frames),
        clip=clip.name,
        level=level,
        frames=frames,
        t=float(t),
        around=around,
    )


def _neighbours(clip: Clip, shot: tuple[int, ...], start: int, end: int) -> tuple[int, int] | None:
    """The frames that are as far before place `start` of a shot and after place `end` as these are apart, where there
    are any and by time stamps the four are evenly spaced."""
    before, after = 2 * start - end, 2 * end - start
    if before < 0 or after >= len(shot):
        return None
    four = shot[before], shot[start], shot[end], shot[after]
    even = clip.t((four[0], four[1], four[2])) == clip.t((four[1], four[2], four[3])) == MIDDLE
    return (four[0], four[3]) if even else None


def _around(clip: Clip, distance: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Every shot and position in it that has `distance` frames on either side."""
    for shot in clip.shots:
        for centre in range(distance, len(shot) - distance):
            yield shot, centre


def _three(shot: tuple[int, ...], centre: int, distance: int) -> tuple[int, int, int]:
    return shot[centre - distance], shot[centre], shot[centre + distance]


def _centred(clip: Clip, level: str, shot: tuple[int, ...], centre: int, distance: int) -> Triplet:
    around = _neighbours(clip, shot, centre - distance, centre + distance)
    return _triplet(clip, level, _three(shot, centre, distance), around)


def _train(clips: Sequence[Clip], gaps: Sequence[int]) -> Iterator[Triplet]:
    for clip in (clip for clip in clips if clip.split == "train"):
        if clip.length <= 2 * min(gaps):
            log.warning("%s; left out", _too_short(clip, "training", min(gaps)))
        places = [(shot, centre, gap) for gap in gaps for shot, centre in _around(clip, gap)]
        steps = [clip.t(_three(*place)) for place in places]
        _say_off(clip, "triplets", [abs(t - MIDDLE) for t in steps])
        yield from (_centred(clip, "train", *place) for place, t in zip(places, steps, strict=True) if t == MIDDLE)


def _graded(clips: Sequence[Clip], centres: int) -> Iterator[Triplet]:
    """Level by level, the same centre frames on each."""
    widest = max(LEVELS.values())
    chosen: list[tuple[Clip, tuple[int, ...], int]] = []
    for clip in clips:
        if clip.split != "test":
            continue
        around = list(_around(clip, widest))
        off = [max(abs(clip.t(_three(*place, d)) - MIDDLE) for d in LEVELS.values()) for place in around]
        _say_off(clip, "centre frames", off)
        places = [place for place, far in zip(around, off, strict=True) if not far]
        useless = "" if places else _never_middle(clip, len(around)) if around else _too_short(clip)
        if useless and clip.entry.split == "test":
            raise HarnessError(useless)
        if useless:
            why = useless
            log.warning("%s; left out", useless)
        count = min(centres or len(places), len(places))
        spread = (
            [i * (len(places) - 1) // (count - 1) for i in range(count)] if count > 1 else [len(places) // 2] * count
        )
        chosen += [(clip, *places[i]) for i in spread]
    if not chosen:
        raise HarnessError(why)
    for level, d in LEVELS.items():
        for clip, shot, c in chosen:
            yield _centred(clip, level, shot, c, d)


_ADVICE = "give list= with other triplets, or state `times: even` in clips.yaml where the time stamps are wrong"


def _say_off(clip: Clip, what: str, off: Sequence[Fraction]) -> None:
    """By how much t is not 1/2; of `off`, those above 0 are left out."""
    if count := sum(map(bool, off)):
        log.warning(
            "clip %s: %d of %d %s are left out: by time stamps, t is not 1/2 but up to %.3f off (more than %s); "
            "its frames are unevenly spaced, or some are lost or repeated",
            *(clip.name, count, len(off), what, max(off), float(TOLERANCE)),
        )


def _never_middle(clip: Clip, count: int) -> str:
    return (
        f"clip {clip.name}: none of its {count} frames is the middle, by time stamps, at gaps of "
        f"{', '.join(str(2 * d) for d in LEVELS.values())}; {_ADVICE}"
    )


def _too_short(clip: Clip, kind: str = "test", gap: int = max(LEVELS.values())) -> str:
    rows, copies = clip.decoded.rows, len(clip.decoded.repeats)
    return (
        f"clip {clip.name}: its longest shot has {clip.length} distinct frames, a {kind} clip needs {2 * gap + 1}"
        f" (of its {rows} frames {copies} are copies; harness data shots shows them)"
    )


def _listed(lines: Sequence[Listed], videos: dict[str, Path], clips: dict[str, Clip]) -> Iterator[Triplet]:
    names = short_names(videos)
    seen: dict[str, str] = {}
    for line in lines:
        clip = clips[names[resolve(line, videos)]]
        if clip.split != "test":
            raise HarnessError(f"{line.where}: clip {line.clip} is for training; it cannot be tested on")
        step, last = clip.entry.frame_step, clip.decoded.rows * clip.entry.frame_step - 1
        for number in line.frames:
            if number > last or number % step:
                kind = f"frames 0 to {last}" + (f" in steps of {step}" if step > 1 else "")
                raise HarnessError(f"{line.where}: clip {line.clip} has no frame {number}, it has {kind}")
        first, middle, end = line.frames
        if clip.entry.shots and not any(a <= first and end <= b for a, b in clip.entry.shots):
            raise HarnessError(
                f"{line.where}: frames {first} to {end} of {line.clip} are not within one shot of clips.yaml"
            )
        shown = [clip.times[number // step] for number in line.frames]
        if not shown[0] < shown[1] < shown[2]:
            raise HarnessError(f"{line.where}: one of frames {first}, {middle}, {end} of {line.clip} repeats another")
        shot = next((shot for shot in clip.shots if first in shot and end in shot), None)
        around = _neighbours(clip, shot, shot.index(first), shot.index(end)) if shot else None
        triplet = _triplet(clip, line.level, line.frames, around, clip.t(line.frames))
        if twin := seen.get(triplet.id):
            raise HarnessError(f"{line.where}: the same triplet as {twin}")
        seen[triplet.id] = line.where
        yield triplet
