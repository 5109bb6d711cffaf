"""Videos as frames: what is decoded, by which decoder, and what is refused."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError

if TYPE_CHECKING:
    from av.container import InputContainer

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv", ".y4m"}
    | {".h264", ".264", ".h265", ".265", ".hevc"}
)
LARGE = 540
"""Frames whose shorter side is above this are halved where no scale is given."""

OLDEST = 17
"""Of PyAV, the first version that goes by a video's own colour matrix: those before take BT.709 for BT.601."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A frame as it is shown.

    rgb    (H, W, 3), at full size
    stamp  when it is shown, in ticks of the container; None where that is not stated
    """

    rgb: NDArray[np.uint8]
    stamp: int | None


@functools.cache
def decoder() -> str:
    """PyAV and the FFmpeg libraries that it is linked with, each with its version: other ones may give other pixels.

    Raises HarnessError where it is one that converts colours wrong.
    """
    import av

    if int(av.__version__.partition(".")[0]) < OLDEST:
        raise HarnessError(
            f"PyAV {av.__version__} converts the colours of BT.709 video wrong, by up to 0.35 dB; "
            f"pip install 'av>={OLDEST}'"
        )
    libraries = (f"{name} {'.'.join(map(str, version))}" for name, version in sorted(av.library_versions.items()))
    return ", ".join((f"av {av.__version__}", *libraries))


def reduced(image: NDArray[np.uint8], scale: float | None) -> NDArray[np.uint8]:
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


def images(path: Path, frame_step: int, threads: int) -> Iterator[Shown]:
    """Every `frame_step`-th frame."""
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
                    yield Shown(frame.to_ndarray(format="rgb24"), frame.pts)
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
