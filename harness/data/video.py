"""Videos as memory-mapped frames: each is decoded once, into a cache that processes share."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from harness.cache import cache_dir, writing
from harness.data.shots import difference, find_cuts, find_repeats, thumbnail
from harness.errors import HarnessError
from harness.files import replacing

if TYPE_CHECKING:
    from av.container import InputContainer

VERSION = 1
"""Part of every key: raise it when frames, repeats or cuts come out otherwise than before."""

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv", ".y4m"}
    | {".h264", ".264", ".h265", ".265", ".hevc"}
)
LARGE = 540
"""Frames whose shorter side is above this are halved where no scale is given."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decoded:
    """Frames of one video in the cache.

    file     .npy of uint8 RGB (rows, height, width, 3)
    repeats  rows that show nothing new, ascending
    cuts     rows with which a new shot begins, ascending, without 0
    """

    file: Path
    rows: int
    height: int
    width: int
    repeats: tuple[int, ...]
    cuts: tuple[int, ...]

    def open(self) -> NDArray[np.uint8]:
        """The frames, memory-mapped, read-only."""
        try:
            frames: NDArray[np.uint8] = np.load(self.file, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise HarnessError(f"{self.file}: cached frames are gone or damaged ({error}); start again") from error
        return frames


def decode(path: Path, content: str, scale: float | None = None, frame_step: int = 1, threads: int = 0) -> Decoded:
    """The frames of a video, from the cache where they are there.

    content     sha256 of the file: the cache goes by it, not by the path
    scale       1, 1/2 or 1/4, by averaging squares of pixels (a rest at the right and lower edge is cut off);
                None halves frames whose shorter side is above LARGE
    frame_step  takes frames 0, frame_step, 2 * frame_step, ...
    threads     for decoding, 0 for as many as there are cores; frames do not depend on it

    Marks of rotation in the file are ignored. Raises HarnessError where the video is empty, damaged or cut off (a raw
    stream that is cut off cannot be told from a shorter one), or where the cache cannot be written.
    """
    folder = cache_dir() / "clips"
    key = sha256(f"{VERSION} {content} {scale} {frame_step}".encode()).hexdigest()[:32]
    facts = folder / f"{key}.json"
    if found := _cached(facts):
        return found
    from filelock import FileLock

    with writing(folder), FileLock(folder / f"{key}.lock"):
        return _cached(facts) or _fill(facts, path, scale, frame_step, threads)


def _cached(facts: Path) -> Decoded | None:
    try:
        record = json.loads(facts.read_text())
        repeats, cuts = (tuple(record.pop(name)) for name in ("repeats", "cuts"))
        decoded = Decoded(facts.with_suffix(".npy"), repeats=repeats, cuts=cuts, **record)
        frames = np.load(decoded.file, mmap_mode="r")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # absent, or damaged: made anew
    return decoded if frames.shape == (decoded.rows, decoded.height, decoded.width, 3) else None


def _fill(facts: Path, path: Path, scale: float | None, frame_step: int, threads: int) -> Decoded:
    """Decodes into temporary files and renames them, the facts last: where they are, the frames are whole."""
    log.info("decoding %s", path)
    shape, differences, thumbnails = (0, 0), [], []
    target = facts.with_suffix(".npy")
    for stale in facts.parent.glob(f"{facts.stem}.*.tmp"):  # of a process that was killed; the lock is ours
        stale.unlink(missing_ok=True)
    with replacing(target) as out:
        before: NDArray[np.uint8] | None = None
        for image in _images(path, frame_step, threads):
            frame = _reduce(image, scale)
            if before is None:
                shape = (frame.shape[0], frame.shape[1])
                if 0 in shape:
                    raise HarnessError(f"{path}: frames of {image.shape[1]}x{image.shape[0]} are too small to reduce")
                _header(out, 0, *shape)
            elif frame.shape != before.shape:
                raise HarnessError(f"{path}: the frame size changes within the video; split or re-encode it")
            else:
                differences.append(difference(frame, before))
            thumbnails.append(thumbnail(frame))
            out.write(frame.data)
            before = frame
        out.seek(0)
        _header(out, len(thumbnails), *shape)  # numpy leaves room in it for the first axis to grow
    repeats = find_repeats(differences)
    kept = sorted(set(range(len(thumbnails))) - set(repeats))
    cuts = tuple(kept[i] for i in find_cuts([thumbnails[row] for row in kept]))
    decoded = Decoded(target, len(thumbnails), *shape, tuple(repeats), cuts)
    record = asdict(replace(decoded, file=Path()))
    del record["file"]
    with replacing(facts) as out:
        out.write(json.dumps(record).encode())
    return decoded


def _header(out: BinaryIO, rows: int, height: int, width: int) -> None:
    layout: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": (rows, height, width, 3)}
    np.lib.format.write_array_header_1_0(out, layout)


def _reduce(image: NDArray[np.uint8], scale: float | None) -> NDArray[np.uint8]:
    """Averages squares of pixels, rounding half up."""
    if scale is None:
        scale = 0.5 if min(image.shape[:2]) > LARGE else 1.0
    side = round(1 / scale)
    if side == 1:
        return np.ascontiguousarray(image)
    height, width = (length // side * side for length in image.shape[:2])
    total = np.full((height // side, width // side, 3), side * side // 2, np.uint16)
    for y in range(side):
        for x in range(side):
            total += image[y:height:side, x:width:side]
    return (total >> (2 * (side // 2))).astype(np.uint8)


def _images(path: Path, frame_step: int, threads: int) -> Iterator[NDArray[np.uint8]]:
    """Every `frame_step`-th frame as RGB (H, W, 3), at full size."""
    import av

    if not path.stat().st_size:
        raise HarnessError(f"{path}: the file is empty; copy it anew")
    count = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise HarnessError(f"{path}: no video in this file")
            for frame in _whole(container, path, threads):
                if count % frame_step == 0:
                    yield frame.to_ndarray(format="rgb24")
                count += 1
    except av.FFmpegError as error:
        where = f"after {count} frames" if count else "from the start"
        reason = getattr(error, "strerror", None) or error
        raise HarnessError(f"{path}: cannot be decoded {where} ({reason}); cut off or damaged, copy it anew") from error
    if not count:
        raise HarnessError(f"{path}: no frame can be decoded; cut off or damaged, copy it anew")


def _whole(container: InputContainer, path: Path, threads: int) -> Iterator[Any]:
    """All frames, and HarnessError where the video ends before its container says it does.

    Decoders stop early without a word, so the times of the packets are held against the duration; a number of
    frames alone proves nothing, since edit lists leave some of them out."""
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise HarnessError(f"{path}: this PyAV has no decoder for its video; re-encode it as H.264")
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    last = count = 0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise HarnessError(f"{path}: breaks off after {count} frames; cut off or damaged, copy it anew")
        if packet.pts is not None:
            last = max(last, packet.pts + (packet.duration or 0))
        for frame in packet.decode():
            count += 1
            yield frame
    if stream.frames and stream.duration and stream.time_base and last:
        tolerance = 2 * stream.duration / stream.frames
        if last - (stream.start_time or 0) < stream.duration - tolerance:
            seconds, stated = (float(x * stream.time_base) for x in (last, stream.duration))
            raise HarnessError(
                f"{path}: breaks off after {seconds:.2f} of {stated:.2f} seconds ({count} frames); copy it anew"
            )
