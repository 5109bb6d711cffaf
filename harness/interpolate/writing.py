"""What was made, into a video or a folder of images: whole, or not there."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError, suggestion
from harness.files import check_place, disk_is_full, expanded, hold, is_being_written, remove_abandoned, replacing, sync
from harness.interpolate.copying import copied
from harness.interpolate.footage import Look
from harness.interpolate.plan import Wanted
from harness.registry.options import Choice, parse_choice

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""By suffix, as FFmpeg calls them."""

CODECS = {"webm": "libvpx-vp9"}
"""Of each format where it is not H264."""

H264 = "libx264"

QUALITY: Mapping[str, Mapping[str, str]] = {
    "libx264": {"crf": "16", "preset": "medium"},
    "libx265": {"crf": "18", "preset": "medium", "x265-params": "log-level=error"},
    "libvpx-vp9": {"crf": "20", "b": "0", "row-mt": "1", "cpu-used": "4", "deadline": "good"},
    "libsvtav1": {"crf": "22", "preset": "8"},
}
"""Options of encoders where the user gives none: what a viewer does not tell from the frames."""

_RATES = frozenset({"b", "qp", "lossless"})
"""Options of a user's that say how many bits there are: encoders would follow a `crf` in place of them."""

_TICKS = 1_000_000  # a second at most where moments have no common part that containers can state
_FINEST = 10_000_000  # parts of a second that they can
_EXACT = 0x44002  # SWS_BILINEAR | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND: without, greys of full range are greenish
_PNG = 1  # compression: higher ones take longer than a network

Put = Callable[[Wanted, NDArray[np.uint8]], None]


@dataclass(frozen=True)
class Output:
    """What is written: a video by the encoder of FFmpeg's name, or a folder of images."""

    path: Path
    as_images: bool
    codec: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, codec: str, images: bool = True) -> Output:
        """By a user's words: a name that ends in / or has no suffix is a folder of images, where these may be; `codec`
        is `libx265:crf=20`, or "" for that of the format.

        Raises HarnessError where something is there already, or nothing can be written so; OSError where the folder
        takes no file."""
        choice = parse_choice(codec) if codec else Choice("")
        path = expanded(text)
        output = cls(path, images and (text.endswith("/") or not path.suffix), choice.name, choice.options)
        if os.path.lexists(path):
            raise HarnessError(f"{path}: is there already; remove it, or give another name")
        if is_being_written(path):
            raise HarnessError(f"{path}: is being written by another process; wait for it, or give another name")
        if output.as_images and codec:
            raise HarnessError(f"{path}: is a folder of images, which --codec does not go with")
        if not output.as_images and path.suffix.lower() not in FORMATS:
            others = ", or in / for a folder of images" if images else ""
            raise HarnessError(f"{path}: give a name that ends in {', '.join(FORMATS)}{others}")
        if not path.parent.is_dir():
            raise HarnessError(f"{path}: there is no folder {path.parent}")
        check_place(path)
        if not output.as_images:
            output.encoder()
        return output

    @property
    def format(self) -> str:
        return FORMATS[self.path.suffix.lower()]

    def encoder(self) -> Any:
        """PyAV's. Raises HarnessError where there is none of that name, or not in that kind of file."""
        import av
        from av.codec import codecs_available

        name = self.codec or CODECS.get(self.format, H264)
        try:
            encoder = av.Codec(name, "w")
        except (av.FFmpegError, ValueError):
            encoder = None
        if encoder is None or encoder.type != "video":
            hint = suggestion(name, codecs_available)
            raise HarnessError(f"codec '{name}': this FFmpeg has no encoder of videos of that name{hint}")
        with av.open(os.devnull, "w", format=self.format) as trial:
            if name not in trial.supported_codecs:
                raise HarnessError(f"codec '{name}': does not go into {self.path.suffix} files; give another, or .mkv")
        return encoder


@contextmanager
def images_to(output: Output, count: int) -> Iterator[Put]:
    """A folder of `count` PNG files, numbered from 0, that takes its name when all of them are there."""
    from PIL import Image

    path = output.path
    remove_abandoned(path)
    temporary = path.with_name(f"{path.name}.{token_hex(6)}.tmp")  # numbers of processes repeat, as in containers
    temporary.mkdir()
    handle = os.open(temporary, os.O_RDONLY)
    hold(handle)
    digits = max(5, len(str(count - 1)))
    written = 0

    def put(wanted: Wanted, frame: NDArray[np.uint8]) -> None:
        nonlocal written
        with (temporary / f"{written:0{digits}d}.png").open("xb") as file:
            Image.fromarray(frame).save(file, "PNG", compress_level=_PNG)
            file.flush()
            os.fsync(file.fileno())
        written += 1

    try:
        with _room(path):
            yield put
            _still_free(path)
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
    finally:
        os.close(handle)
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def video_to(
    output: Output,
    wanted: Sequence[Wanted],
    size: tuple[int, int],
    look: Look,
    source: Path | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> Iterator[Put]:
    """A video of all that is `wanted`, of frames (H, W, 3) of that `size`, that takes its name when it is whole.

    source  a video, of which all but the pictures is copied; None for none. What is left out of it is noted

    Raises HarnessError where the encoder does not take frames of this size, or an option.
    """
    import av

    path = output.path
    with (
        _room(path),
        replacing(path) as out,
        _in_words(file := _Kept(out), path),
        av.open(file, "w", format=output.format) as container,
    ):
        stream = _stream(container, output, wanted, size, look)
        with copied(source, container, lambda line: note(f"{source}: {line}")) as beside:
            start = min([wanted[0].at, *beside.starts])
            shift = start if start > 0 else Fraction(0)  # what begins before 0, as the priming of sound, may stay so
            ticks = math.lcm(*((each.at - shift).denominator for each in wanted))
            tick = Fraction(1, ticks if ticks <= _FINEST else _TICKS)
            stream.codec_context.time_base = tick
            beside.mark(shift)
            _open(container, stream, output)
            colours = _colours(stream, look)

            def put(each: Wanted, frame: NDArray[np.uint8]) -> None:
                for packet in beside.until(each.at, shift):
                    container.mux(packet)
                picture = colours(frame)
                picture.time_base = tick
                picture.pts = round((each.at - shift) / tick)
                picture.duration = round((each.at + each.long - shift) / tick) - picture.pts
                container.mux(stream.encode(picture))

            yield put
            container.mux(stream.encode())
            for packet in beside.until(None, shift):
                container.mux(packet)
        container.close()
        _still_free(path)


@contextmanager
def _room(path: Path) -> Iterator[None]:
    """A full disk in one line."""
    try:
        yield
    except OSError as error:
        if not disk_is_full(error):
            error.filename = error.filename or str(path)
            raise
        raise HarnessError(
            f"{path}: {error.strerror}: nothing is left of what was written; free some space, or write elsewhere"
        ) from error


def _still_free(path: Path) -> None:
    if os.path.lexists(path):
        raise HarnessError(f"{path}: has come to be there meanwhile; give another name")


def _stream(
    container: OutputContainer, output: Output, wanted: Sequence[Wanted], size: tuple[int, int], look: Look
) -> VideoStream:
    encoder = output.encoder()
    whole = wanted[-1].at + wanted[-1].long - wanted[0].at
    options = {**QUALITY.get(encoder.name, {}), **output.options}
    if "crf" not in output.options and not _RATES.isdisjoint(output.options):
        options.pop("crf", None)
    stream: Any = container.add_stream(
        encoder.name, rate=(len(wanted) / whole).limit_denominator(100_000), options=options
    )
    stream.height, stream.width = size
    stream.pix_fmt = _pixels(encoder, size, look)
    context = stream.codec_context
    context.sample_aspect_ratio = look.aspect
    if not _is_rgb(stream.pix_fmt):
        context.colorspace, context.color_range = look.matrix, 2 if look.full else 1
    context.color_primaries, context.color_trc = look.primaries, look.transfer
    found: VideoStream = stream
    return found


def _pixels(encoder: Any, size: tuple[int, int], look: Look) -> str:
    """RGB for an encoder that loses nothing; else colours at half size, as players take them, unless the source has
    them whole or a side is odd; else what the encoder takes first."""
    known = [each.name for each in encoder.video_formats or ()]
    whole = look.chroma or size[0] % 2 or size[1] % 2
    wishes = ["yuv444p", "yuv420p"] if whole else ["yuv420p", "yuv422p", "yuv444p"]
    if encoder.lossless and not encoder.lossy:
        wishes = ["rgb24", "gbrp", "bgr0", *wishes]
    return next((each for each in wishes if each in known), known[0] if known else wishes[0])


def _is_rgb(pixels: str) -> bool:
    return "rgb" in pixels or "bgr" in pixels or "gbr" in pixels


def _open(container: OutputContainer, stream: VideoStream, output: Output) -> None:
    import av

    name, size = stream.codec_context.name, f"{stream.width}x{stream.height}"
    try:
        container.start_encoding()
    except av.FFmpegError as error:
        raise HarnessError(
            f"codec '{name}': cannot make {output.path.suffix} of {size} here ({error.strerror or error}); give other "
            "options, or another codec"
        ) from error
    if unknown := [key for key in stream.codec_context.options if key in output.options]:
        raise HarnessError(f"codec '{name}': has no option '{unknown[0]}'; ffmpeg -h encoder={name} lists them")


def _colours(stream: VideoStream, look: Look) -> Callable[[NDArray[np.uint8]], Any]:
    """RGB (H, W, 3) as the encoder takes it."""
    from av import VideoFrame

    pixels = str(stream.pix_fmt)

    def converted(frame: NDArray[np.uint8]) -> VideoFrame:
        given = VideoFrame.from_ndarray(frame, format="rgb24")
        if _is_rgb(pixels):
            return given.reformat(format=pixels)
        full = 2 if look.full else 1
        made = given.reformat(format=pixels, dst_colorspace=look.matrix, dst_color_range=full, interpolation=_EXACT)
        made.colorspace, made.color_range = look.matrix, full
        made.color_primaries, made.color_trc = look.primaries, look.transfer
        return made

    return converted


class _Kept:
    """A file as FFmpeg writes it. It is told that a write failed, and not why: that is kept."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None
        self.seek, self.tell, self.read = file.seek, file.tell, file.read

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise


@contextmanager
def _in_words(file: _Kept, path: Path) -> Iterator[None]:
    """What went wrong while a file was written, of FFmpeg or of the system."""
    import av

    try:
        yield
    except av.FFmpegError as error:
        if file.error is not None:
            raise file.error from error
        raise HarnessError(f"{path}: cannot be written ({error.strerror or error})") from error
