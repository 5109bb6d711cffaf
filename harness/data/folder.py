"""A folder of videos: what they are called, which of them are for testing, what frames of them are in use."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from harness.data.framecache import Decoded, content_of, decode
from harness.data.manifest import Entry, Listed, read_manifest
from harness.data.times import tell, time_step, times_of
from harness.errors import HarnessError, suggestion

TEST_EVERY = 5
"""Where nothing says which clips are for testing: every fifth by name, at least one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """One video, or folder of numbered images.

    shots  the numbers, in the file, of the frames in use: without repeats, one tuple a shot
    times  when each row of `decoded` is shown, in whatever unit (`harness.data.times`)
    """

    name: str
    split: str
    content: str
    entry: Entry
    scale: float | None
    decoded: Decoded
    shots: tuple[tuple[int, ...], ...]
    times: tuple[int, ...]

    def t(self, frames: tuple[int, int, int]) -> Fraction:
        """Of the second between the first and the third, by their numbers in the file."""
        return time_step(*(self.times[number // self.entry.frame_step] for number in frames))

    @property
    def length(self) -> int:
        """Frames in the longest shot."""
        return max(map(len, self.shots), default=0)


def short_names(videos: dict[str, Path]) -> dict[str, str]:
    """Short names: without folder and suffix where that is unique, and no other clip's path: `a.mp4.mp4` is not called
    `a.mp4` beside one."""
    plain = {key: file.name if file.is_dir() else file.stem for key, file in videos.items()}
    count = Counter(plain.values())
    unique = {key: name for key, name in plain.items() if count[name] == 1 and (name == key or name not in videos)}
    return {key: unique.get(key, key) for key in videos}


def resolve(line: Listed, videos: dict[str, Path]) -> str:
    """The path in the folder of the clip that a line of a list names by path, file name or short name."""
    names = short_names(videos)
    found = [key for key in videos if line.clip in (key, videos[key].name, names[key])]
    if line.clip in videos:
        return line.clip
    if len(found) != 1:
        wrong = "may be any of " + ", ".join(found) if found else "is not here" + suggestion(line.clip, videos)
        raise HarnessError(f"{line.where}: clip {line.clip!r} {wrong}")
    return found[0]


def _splits(folder: Path, videos: dict[str, Path], entries: dict[str, Entry], listed: set[str]) -> dict[str, str]:
    splits: dict[str, str] = {}
    for key in videos:
        top = key.partition("/")[0]
        place = top if top != key and top in ("train", "test") else None
        if split := entries[key].split or place or ("test" if key in listed else None):
            splits[key] = split
    rest = [key for key in videos if key not in splits]
    tested = rest[TEST_EVERY - 1 :: TEST_EVERY] or rest[-1:]
    if "test" in splits.values():
        tested = []
    elif len(videos) < 2:
        raise HarnessError(f"{folder}: one video cannot be split into training and test; add one, or give list=")
    splits.update((key, "test" if key in tested else "train") for key in rest)
    if "test" not in splits.values():
        raise HarnessError(f"{folder}: every clip is for training; leave one for testing")
    return splits


def load(
    folder: Path, videos: dict[str, Path], listed: Sequence[Listed], half: bool, deinterlace: str = "no"
) -> Iterator[Clip]:
    """Decodes all videos, in the order of their paths."""
    manifest = folder / "clips.yaml"
    stated = read_manifest(manifest).clips
    for key in stated:
        if key not in videos:
            raise HarnessError(f"{manifest}: clips.{key}: no such video{suggestion(key, videos)}")
    entries = {key: stated.get(key, Entry()) for key in videos}
    splits = _splits(folder, videos, entries, {resolve(line, videos) for line in listed})
    names = short_names(videos)
    seen: dict[str, str] = {}
    for key, file in videos.items():
        entry = entries[key]
        content = content_of(file)
        if entry.sha256 not in (None, content):
            raise HarnessError(
                f"{file}: sha256 is {content[:12]}..., not {entry.sha256} as {manifest} states; copy it anew"
            )
        twin = seen.setdefault(content, key)
        if splits[twin] != splits[key]:
            raise HarnessError(f"{file}: the same video as {twin}, once for training and once for testing; remove one")
        scale = entry.scale or (None if half else 1.0)
        decoded = decode(file, content, scale, entry.frame_step, matrix=entry.matrix or "", deinterlace=deinterlace)
        frames = decoded.rows * entry.frame_step
        if entry.shots and entry.shots[-1][1] >= frames + entry.frame_step - 1:
            raise HarnessError(
                f"{manifest}: clips.{key}.shots: frame {entry.shots[-1][1]} is beyond the clip's {frames}"
            )
        shots, times = _shots(entry, decoded), _times(names[key], entry, decoded)
        yield Clip(names[key], splits[key], content, entry, scale, decoded, shots, times)


def _shots(entry: Entry, decoded: Decoded) -> tuple[tuple[int, ...], ...]:
    repeats = set(decoded.repeats)
    numbers = [row * entry.frame_step for row in range(decoded.rows) if row not in repeats]
    found = [(first * entry.frame_step, last * entry.frame_step) for first, last in decoded.shots]
    borders = entry.shots or found
    return tuple(tuple(n for n in numbers if first <= n <= last) for first, last in borders)


def _times(name: str, entry: Entry, decoded: Decoded) -> tuple[int, ...]:
    if entry.times == "even":
        repeats = set(decoded.repeats)
        return tuple(accumulate(int(row not in repeats) for row in range(decoded.rows)))
    if any(stamp is not None for stamp in decoded.stamps) and not tell(decoded.stamps):
        log.warning("clip %s: its time stamps are missing or go back; its frames are taken for evenly spaced", name)
    return times_of(decoded.stamps)
