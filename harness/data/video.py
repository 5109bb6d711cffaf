"""Videos as frames: what is decoded, by which decoder, and what is refused."""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.data.picture import rgb, states_no_matrix, upright, way_up
from harness.errors import HarnessError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.filter import Graph
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv", ".y4m"}
    | {".h264", ".264", ".h265", ".265", ".hevc", ".mts", ".m2ts", ".ts", ".flv", ".3gp", ".3g2", ".gif", ".vob"}
)
"""Of files that claim to be videos: those are refused where they cannot be decoded. Others are, where they can be."""

_REFERRING = {b"ffconcat": "an ffconcat list", b"#EXTM3U": "an HLS playlist", b"<?xml": "XML", b"v=0": "an SDP file"}
_TEXT = {"tty", "bin", "xbin", "adf", "idf"}  # demuxers that make pictures of text
_BUFFER = 1 << 18  # bytes that are read at once
_SOUND = Fraction(1, 10)  # seconds of a packet of sound that does not say how long it is

OLDEST = 17
"""Of PyAV, the first version that goes by a video's own colour matrix: those before take BT.709 for BT.601."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A frame as it is shown.

    image     RGB (H, W, 3), at full size
    stamp     when it is shown, in ticks of the container; None where that is not stated
    unstated  whether its colour matrix was taken by its size, for want of anything that states it
    """

    image: NDArray[np.uint8]
    stamp: int | None
    unstated: bool = False


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


def images(path: Path, frame_step: int, threads: int, matrix: str, deinterlace: str) -> Iterator[Shown]:
    """Every `frame_step`-th frame. `matrix` and `deinterlace` as of `harness.data.framecache.decode`."""
    import av

    if not path.stat().st_size:
        raise HarnessError(f"{path}: the file is empty; copy it anew")
    count = 0
    try:
        with opened(path) as container:
            stream = film(container)
            if stream is None:
                raise HarnessError(f"{path}: no video in this file")
            frames = _whole(container, stream, path, threads)
            rotation, way = None, (1.0, 0.0, 0.0, 1.0)
            for picture, frame in _deinterlaced(frames) if deinterlace == "yadif" else _progressive(frames, path):
                if count % frame_step == 0:
                    if frame.rotation != rotation:  # the matrix itself takes a quarter of a millisecond
                        rotation, way = frame.rotation, way_up(frame, path)
                    image = upright(rgb(picture, matrix, path), way)
                    yield Shown(image, frame.pts, not matrix and states_no_matrix(frame))
                count += 1
    except av.FFmpegError as error:
        where = f"after {count} frames" if count else "from the start"
        reason = getattr(error, "strerror", None) or error
        raise HarnessError(f"{path}: cannot be decoded {where} ({reason}); cut off or damaged, copy it anew") from error
    if not count:
        raise HarnessError(f"{path}: no frame can be decoded; cut off or damaged, copy it anew")


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A file as FFmpeg reads it: by its content, since its name is not told, and with nothing else within reach.

    No protocol is open, so that what names other files or addresses cannot have them. Raises HarnessError for such
    files, and for text; av.FFmpegError for what cannot be read.
    """
    import av

    with path.open("rb") as start:
        head = start.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    for begins, what in _REFERRING.items():
        if head.startswith(begins):
            raise HarnessError(f"{path}: is no video but {what}, which may name others; give those")
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a number is all that FFmpeg has for a name
    with (
        open(handle, "rb", buffering=0) as file,  # noqa: PTH123 - there is no path to it
        av.open(file, "r", options={"protocol_whitelist": "none"}, buffer_size=_BUFFER) as container,
    ):
        if container.format.name in _TEXT:
            raise HarnessError(f"{path}: is no video but text")
        yield container


def film(container: InputContainer) -> VideoStream | None:
    """The stream of video that FFmpeg itself would choose; covers and other pictures that are attached are none."""
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    films = [stream for stream in container.streams.video if not stream.disposition & pictures]
    best = container.streams.best("video")
    chosen = [stream for stream in films if best is not None and stream.index == best.index]
    return next(iter(chosen or films), None)


def _whole(container: InputContainer, stream: VideoStream, path: Path, threads: int) -> Iterator[VideoFrame]:
    """All frames, and HarnessError where the video ends before its container says it does.

    Decoders and demuxers stop early without a word, so the times of the packets are held against the duration; a number
    of frames alone proves nothing, since edit lists leave some of them out. What states one for all streams together
    (Matroska, WebM) has the packets of all of them looked at: sound may last longer than pictures."""
    if stream.codec_context is None:
        raise HarnessError(f"{path}: this PyAV has no decoder for its video; re-encode it as H.264")
    if container.format.name == "asf" and container.duration is None:  # FFmpeg ignores it where the size is another
        raise HarnessError(f"{path}: is shorter than its header says; cut off, copy it anew")
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    together = container.format.name == "matroska,webm" and not stream.codec_context.bit_rate  # else it is a guess
    end: Fraction | None = None
    count = 0
    for packet in container.demux() if together else container.demux(stream):
        if packet.pts is not None:
            until = (packet.pts + (packet.duration or 0)) * packet.time_base
            end = until if end is None else max(end, until)
        if packet.stream.index != stream.index:
            continue
        if packet.is_corrupt:
            raise HarnessError(
                f"{path}: breaks off after {count} frames; cut off or damaged, copy it anew; of parts that were "
                "joined give each by itself"
            )
        if packet.pts is not None and not packet.size:  # of Theora: the frame before it is shown for longer
            continue
        for frame in stream.decode(packet):
            count += 1
            yield frame
    if end is None:  # a raw stream, that states no times
        return
    if together:
        stated, tolerance = Fraction(container.duration or 0, 1_000_000), 2 * end / max(count, 1) + _SOUND
    elif stream.frames and stream.duration and stream.time_base:
        stated, tolerance = stream.duration * stream.time_base, 2 * stream.duration * stream.time_base / stream.frames
        end -= (stream.start_time or 0) * stream.time_base
    else:
        return
    if end < stated - tolerance:
        raise HarnessError(
            f"{path}: breaks off after {float(end):.2f} of {float(stated):.2f} seconds ({count} frames); copy it anew"
        )


def _progressive(frames: Iterable[VideoFrame], path: Path) -> Iterator[tuple[VideoFrame, VideoFrame]]:
    """Each frame twice, as by `_deinterlaced`. HarnessError where one is two fields of different times."""
    for number, frame in enumerate(frames):
        if frame.interlaced_frame:
            raise HarnessError(
                f"{path}: frame {number} is interlaced; deinterlace it by clips:deinterlace=yadif, or "
                "where its frames are whole in truth mark them as that (ffmpeg -vf setfield=prog)"
            )
        yield frame, frame


def _deinterlaced(frames: Iterable[VideoFrame]) -> Iterator[tuple[VideoFrame, VideoFrame]]:
    """What FFmpeg's yadif makes of each frame that is marked as interlaced, and the frame itself: its time, colours and
    way up hold."""
    from av.filter import Graph

    graph = Graph()
    waiting: deque[VideoFrame] = deque()
    for frame in frames:
        if not waiting and not graph.configured:
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
            graph.link_nodes(source, graph.add("yadif", "deint=interlaced"), graph.add("buffersink")).configure()
        waiting.append(frame)
        graph.push(frame)
        yield from _pulled(graph, waiting)
    if waiting:
        graph.push(None)
        yield from _pulled(graph, waiting)


def _pulled(graph: Graph, waiting: deque[VideoFrame]) -> Iterator[tuple[VideoFrame, VideoFrame]]:
    """One picture a frame, in order."""
    from av.error import BlockingIOError as MoreNeeded

    while True:
        try:
            picture = graph.vpull()
        except (MoreNeeded, EOFError):
            return
        frame = waiting.popleft()
        picture.colorspace, picture.color_range = frame.colorspace, frame.color_range
        yield picture, frame
