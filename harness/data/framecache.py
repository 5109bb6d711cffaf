"""Decoded frames on disk: each video is decoded once, and processes share what came out.

The key says what was decoded, by which decoder, and how. Every frame has a hash beside it, which a process checks when
it first reads the frame: what is damaged is made anew, never used. Frames are read, not mapped into memory: a file that
is cut off under a running process is then damaged like any other, and does not end the process.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from harness.cache import cache_dir, writing
from harness.data import numbered
from harness.data.contents import sha256_of
from harness.data.picture import reduced
from harness.data.prints import told, waves_of
from harness.data.shots import SMALL, cells_of, change, find_repeats, find_shots, thumbnail
from harness.data.video import Shown, decoder, images
from harness.errors import HarnessError
from harness.files import replacing

VERSION = 6
"""Part of every key: raise it when frames, their times, repeats, shots or prints come out otherwise than before, or
another video is refused."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A video, or a folder of numbered images, and how it is decoded: all as of `decode`, which calls it `path`."""

    video: Path
    content: str
    scale: float | None
    frame_step: int
    threads: int
    matrix: str
    deinterlace: str

    def key(self) -> str:
        """Of all that decides the frames."""
        reader = numbered.reader() if self.video.is_dir() else decoder()
        decides = [VERSION, reader, self.content, self.scale, self.frame_step, self.matrix, self.deinterlace]
        return sha256(json.dumps(decides).encode()).hexdigest()[:32]

    def frames(self) -> Iterator[Shown]:
        if self.video.is_dir():
            return numbered.images(self.video, self.frame_step)
        return images(self.video, self.frame_step, self.threads, self.matrix, self.deinterlace)


@dataclass(frozen=True)
class Decoded:
    """Frames of one video in the cache.

    source   what they come from
    file     uint8 RGB (rows, height, width, 3), and nothing else
    repeats  rows that show nothing new, ascending
    shots    first and last row of each, ascending; what lies between two of them is a dissolve, or repeats
    stamps   when each row is shown, in ticks of the container; None where it states none (`harness.data.times`)
    unstated whether the colour matrix was taken by the size of frames, for want of anything that states it
    sums     a hash of each row
    prints   of each row what the eye sees of it (`harness.data.prints`); empty where that says nothing
    """

    source: Source
    file: Path
    rows: int
    height: int
    width: int
    repeats: tuple[int, ...]
    shots: tuple[tuple[int, int], ...]
    stamps: tuple[int | None, ...]
    unstated: bool
    sums: tuple[str, ...]
    prints: tuple[str, ...]

    def open(self) -> Frames:
        return Frames(self)


class Frames:
    """The frames of a video, by row. One object a process; reading is safe from several threads."""

    def __init__(self, decoded: Decoded) -> None:
        self.decoded = decoded
        self._checked = bytearray(decoded.rows)
        self._state: tuple[int, ...] = ()

    def read(self, row: int) -> NDArray[np.uint8]:
        """RGB (H, W, 3). Against its hash it is held once, and again where the file was changed meanwhile.

        A damaged frame is named in one warning, and the whole video decoded anew. Raises HarnessError where that
        cannot be done, or gives other frames.
        """
        frame = self._sound(row)
        return self._anew(row) if frame is None else frame

    def _sound(self, row: int) -> NDArray[np.uint8] | None:
        """None where the frame is gone, cut off, or not what was written."""
        shape = (self.decoded.height, self.decoded.width, 3)
        frame = np.empty(shape, np.uint8)
        try:
            with self.decoded.file.open("rb", buffering=0) as file:
                now = _state(file.fileno())
                if now != self._state:
                    self._checked, self._state = bytearray(self.decoded.rows), now
                checked = self._checked
                file.seek(row * frame.nbytes)
                if file.readinto(frame.data.cast("B")) != frame.nbytes:
                    return None
        except OSError:
            return None
        if not checked[row]:
            if _sum(frame) != self.decoded.sums[row]:
                return None
            checked[row] = 1
        return frame

    def _anew(self, row: int) -> NDArray[np.uint8]:
        made = self.decoded
        with writing(made.file.parent), FileLock(made.file.with_suffix(".lock")):
            frame = self._sound(row)  # another process was faster
            if frame is None:
                video = made.source.video
                log.warning("%s: frame %d of %s is damaged in the cache; decoded anew", made.file, row, video)
                if content_of(video) != made.source.content:
                    raise HarnessError(f"{video}: is another file now, and its cached frames are damaged; start again")
                _fill(made.file.with_suffix(".json"), made.source)
                frame = self._sound(row)
        if frame is None:
            raise HarnessError(
                f"{made.file}: frames cannot be kept there as they are; check the disk, or set HARNESS_CACHE"
            )
        return frame


def content_of(path: Path) -> str:
    """sha256 of a video's file, or over a folder of numbered images. HarnessError where it cannot be read."""
    return numbered.content_of(path) if path.is_dir() else sha256_of(path)


def decode(
    path: Path,
    content: str,
    scale: float | None = None,
    frame_step: int = 1,
    threads: int = 0,
    *,
    matrix: str = "",
    deinterlace: str = "no",
) -> Decoded:
    """The frames of a video, or of a folder of numbered images, from the cache where they are there.

    content      as of `content_of`: the cache goes by it, not by the path
    scale        1, 1/2 or 1/4, by averaging squares of pixels (a rest at the right and lower edge is cut off);
                 None halves frames whose shorter side is above LARGE
    frame_step   takes frames 0, frame_step, 2 * frame_step, ...
    threads      for decoding, 0 for as many as there are cores; frames do not depend on it
    matrix       of colours, by its name in `harness.data.picture.MATRICES`; "" for what the video states
    deinterlace  `yadif` of what is interlaced; `no` refuses that

    Raises HarnessError where the video is empty, damaged or cut off (a raw stream that is cut off cannot be told from a
    shorter one), interlaced or of colours that are refused, where the decoder is one that is refused, or where the
    cache cannot be written.
    """
    source = Source(path, content, scale, frame_step, threads, matrix, deinterlace)
    folder = cache_dir() / "clips"
    facts = folder / f"{source.key()}.json"
    if found := _cached(facts, source):
        return found
    with writing(folder), FileLock(facts.with_suffix(".lock")):
        if found := _cached(facts, source):
            return found
        if facts.exists():
            log.warning("%s: the cached frames of %s are damaged or cut off; decoded anew", facts, path)
        _fill(facts, source)
        made = _cached(facts, source)
    if made is None:
        raise HarnessError(f"{facts}: is not kept as it was written; check the disk, or set HARNESS_CACHE")
    return made


def _cached(facts: Path, source: Source) -> Decoded | None:
    """None where it is absent, or damaged. What is in the frames is looked at when they are read."""
    try:
        record = json.loads(facts.read_bytes())
        if record.pop("sha256") != _sum(_text(record)):
            return None
        for name in ("repeats", "stamps", "sums", "prints"):
            record[name] = tuple(record[name])
        record["shots"] = tuple((first, last) for first, last in record["shots"])
        decoded = Decoded(file=facts.with_suffix(".rgb"), source=source, **record)
        whole = decoded.file.stat().st_size == decoded.rows * decoded.height * decoded.width * 3
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return decoded if whole else None


def _fill(facts: Path, source: Source) -> None:
    """Decodes into temporary files and renames them, the facts last: where they are, the frames are whole."""
    path = source.video
    log.info("decoding %s", path)
    shape, changes, thumbnails, stamps, sums, waves = (0, 0), [], [], [], [], []
    unstated = False
    for stale in facts.parent.glob(f"{facts.stem}.*.tmp"):  # of a process that was killed; the lock is ours
        stale.unlink(missing_ok=True)
    with replacing(facts.with_suffix(".rgb")) as out:
        before: NDArray[np.uint16] | None = None
        for shown in source.frames():
            frame = reduced(shown.image, source.scale)
            if before is None:
                shape = (frame.shape[0], frame.shape[1])
                if 0 in shape:
                    height, width = shown.image.shape[:2]
                    raise HarnessError(f"{path}: frames of {width}x{height} are too small to reduce")
            elif frame.shape[:2] != shape:
                raise HarnessError(f"{path}: the frame size changes within the video; split or re-encode it")
            cells = cells_of(frame)
            if before is not None:
                changes.append(change(cells, before))
            thumbnails.append(thumbnail(cells))
            stamps.append(shown.stamp)
            sums.append(_sum(frame))
            waves.append(waves_of(cells))
            unstated |= shown.unstated
            out.write(frame.data)
            before = cells
        if content_of(path) != source.content:
            raise HarnessError(f"{path}: was changed while it was decoded; start again when it is whole")
    repeats = find_repeats(changes)
    kept = sorted(set(range(len(thumbnails))) - set(repeats))
    shots = [
        (kept[first], kept[last]) for first, last in find_shots([thumbnails[row] for row in kept], min(shape) < SMALL)
    ]
    record: dict[str, Any] = {"rows": len(thumbnails), "height": shape[0], "width": shape[1]}
    record |= {"repeats": repeats, "shots": shots, "stamps": stamps, "unstated": unstated}
    record |= {"sums": sums, "prints": told(waves)}
    with replacing(facts) as out:
        out.write(json.dumps(record | {"sha256": _sum(_text(record))}).encode())


def _state(handle: int) -> tuple[int, ...]:
    """What tells whether a file is still the one that was checked."""
    now = os.fstat(handle)
    return now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def _text(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, sort_keys=True).encode()


def _sum(content: bytes | NDArray[np.uint8]) -> str:
    data = content if isinstance(content, bytes) else content.data
    return sha256(data).hexdigest()[:16]
