"""A video, or a folder of numbered images, as it is read to be interpolated: looked through once, frame by frame, then
read again. Neither is kept in memory or on disk."""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.data import numbered
from harness.data.images import MOST_PIXELS, text_of
from harness.data.picture import LINES, Way, upright
from harness.data.shots import cells_of, change, find_repeats, find_shots, thumbnail
from harness.data.times import tell
from harness.data.video import Shown, film, images, opened
from harness.errors import HarnessError
from harness.files import check_no_device
from harness.interpolate.copying import kinds
from harness.interpolate.plan import moments

if TYPE_CHECKING:
    from av.video.stream import VideoStream

UNSTATED = Fraction(25)
"""Frames a second of what states none: folders of images, raw streams."""

_WINDOW, _OVERLAP = 2048, 64  # frames in which cuts are looked for at a time; more than a cut depends on

_WORDS = {
    "deinterlace it by clips:deinterlace=yadif": "deinterlace it by --deinterlace yadif",
    ", or state the true one by `matrix` in clips.yaml": "",
    "of which 8 bits say little to metrics": "of which 8 bits hold little",
    "is no frame of a data set": "is no frame of a video",
    "copy the data set anew": "copy all of them anew",
}
"""What a reader of whole benchmarks says, whose words decide rows and stay; and what is said of one video."""

_NEARLY = Fraction(1, 100_000)
_MATRICES = (1, 4, 5, 6, 7, 9)  # of ITU-T H.273, those that frames are converted by

_UPRIGHT: Way = (1, 0, 0, 1)
_TURNS: Mapping[int, Way] = {
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""By the orientation of EXIF, where that is not upright."""


@dataclass(frozen=True)
class Look:
    """How pixels are to be understood, by the numbers of ITU-T H.273.

    matrix, primaries, transfer, full   of colours; whether values have the full range
    aspect                              width of a pixel by its height
    chroma                              whether colours are stored at full size
    """

    matrix: int
    primaries: int = 2
    transfer: int = 2
    full: bool = False
    aspect: Fraction = Fraction(1)
    chroma: bool = False


@dataclass(frozen=True)
class Footage:
    """What was seen of it.

    size    height and width, the right way up
    shown   when each frame is shown, in seconds of the container
    end     when the last one is no longer shown
    copies  frames that show nothing new, by the rules of docs/footage.md
    cuts    frames with which a new shot begins
    beside  what it has beside pictures, as sound
    notes   what a user should know
    """

    path: Path
    deinterlace: str
    size: tuple[int, int]
    shown: tuple[Fraction, ...]
    end: Fraction
    copies: frozenset[int]
    cuts: frozenset[int]
    look: Look
    beside: tuple[str, ...]
    notes: tuple[str, ...]

    def frames(self) -> Generator[NDArray[np.uint8], None, None]:
        """RGB (H, W, 3), every one. Raises HarnessError where it is not what was looked through."""
        count = 0
        for shown in _read(self.path, self.deinterlace):
            if shown.image.shape[:2] != self.size:
                break
            yield np.array(shown.image)
            count += 1
        if count != len(self.shown):
            raise HarnessError(f"{self.path}: was changed while it was read; start again when it is whole")


@dataclass(frozen=True)
class _Stated:
    """What the container says: seconds of a tick, frames a second, the best first, when the video ends, the look of
    frames of a size, whether it states no times at all, and what it has beside pictures."""

    tick: Fraction
    rates: tuple[Fraction, ...]
    until: Fraction | None
    look: Callable[[tuple[int, int]], Look]
    raw: bool
    beside: tuple[str, ...] = ()


def look_through(
    path: Path,
    deinterlace: str,
    source_fps: Fraction | None,
    progress: Callable[[int], None] = lambda count: None,
    check: Callable[[tuple[int, int]], None] = lambda size: None,
) -> Footage:
    """Decode all of it, and say what is there. `progress` is told how many frames were seen, and may raise to stop;
    `check` is given height and width as soon as they are known, and may refuse them.

    source_fps  of what states none; None for UNSTATED

    Raises HarnessError for what is no video, has fewer than two frames, is too large, or is refused as docs/footage.md
    says.
    """
    stated = _of_images(path, source_fps) if path.is_dir() else _of_video(path, source_fps)
    stamps, changes, thumbnails = [], [], []
    size, before = (0, 0), None
    for shown in _read(path, deinterlace):
        shape = shown.image.shape[0], shown.image.shape[1]
        if before is None:
            size = shape
            _check_size(path, size)
            check(size)
        elif shape != size:
            raise HarnessError(f"{path}: the frame size changes within the video; split or re-encode it")
        cells = cells_of(shown.image)
        if before is not None:
            changes.append(change(cells, before))
        thumbnails.append(thumbnail(cells))
        stamps.append(shown.stamp)
        before = cells
        progress(len(stamps))
    if len(stamps) < 2:
        raise HarnessError(f"{path}: has one frame, and there is nothing between it and another")
    copies = frozenset(find_repeats(changes))
    times = moments(stamps, stated.tick, stated.rates)
    step = times[-1] - times[-2]
    even = all(b - a == step for a, b in pairwise(times))
    end = times[-1] + step if even or stated.until is None or stated.until <= times[-1] else stated.until
    return Footage(
        path=path,
        deinterlace=deinterlace,
        size=size,
        shown=times,
        end=end,
        copies=copies,
        cuts=_cuts(thumbnails, copies),
        look=stated.look(size),
        beside=stated.beside,
        notes=tuple(_notes(path, stamps, stated, source_fps)),
    )


def _read(path: Path, deinterlace: str) -> Iterator[Shown]:
    try:
        yield from _as_shown(path) if path.is_dir() else images(path, 1, 0, "", deinterlace)
    except HarnessError as error:
        said = str(error)
        for of_benchmark, here in _WORDS.items():
            said = said.replace(of_benchmark, here)
        raise HarnessError(said) from error


def _of_video(path: Path, source_fps: Fraction | None) -> _Stated:
    """Raises HarnessError where it is no video, and for av's errors in one line."""
    import av

    if not path.exists():
        raise HarnessError(f"{path}: there is no such file")
    check_no_device(path)
    if not path.stat().st_size:
        raise HarnessError(f"{path}: the file is empty; copy it anew")
    try:
        with opened(path) as container:
            stream = film(container)
            if stream is None:
                raise HarnessError(f"{path}: no video in this file")
            return replace(_stated(stream, path, source_fps), beside=kinds(container))
    except av.FFmpegError as error:
        raise HarnessError(
            f"{path}: no video that can be read ({getattr(error, 'strerror', None) or error})"
        ) from error


def _stated(stream: VideoStream, path: Path, source_fps: Fraction | None) -> _Stated:
    context, tick = stream.codec_context, stream.time_base or Fraction(1, 90000)
    if context is None:
        raise HarnessError(f"{path}: this PyAV has no decoder for its video; re-encode it as H.264")
    width, height = context.width, context.height
    _check_size(path, (height, width))
    rates = [
        each for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate) if rate for each in _meant(rate)
    ]
    until = (stream.start_time or 0) * tick + stream.duration * tick if stream.duration else None
    form, stated = context.format, int(context.colorspace)
    yuv = form is not None and not form.is_rgb and not form.has_palette and len(form.components) > 2
    matrix = stated if yuv and stated in _MATRICES else _by_lines(height)
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio or Fraction(1)
    shared = (int(context.color_primaries), int(context.color_trc), yuv and int(context.color_range) == 2)
    chroma = yuv and form is not None and form.chroma_width(2) == 2 and form.chroma_height(2) == 2

    def look(size: tuple[int, int]) -> Look:
        turned = size == (width, height) != (height, width)
        return Look(matrix, *shared, 1 / aspect if turned else aspect, chroma)

    raw = stream.duration is None and stream.start_time is None
    given = [source_fps] if source_fps and raw else []
    return _Stated(tick, (*given, *rates, UNSTATED), until, look, raw)


def _meant(rate: Fraction) -> list[Fraction]:
    """Frames a second that are stated as `rate`, the best first: the whole number, or the 1000/1001 of one, that it is
    nearly, for some are read back as 19001/317."""
    usual = [Fraction(round(rate)), Fraction(1000 * round(rate * 1001 / 1000), 1001)]
    return [*(each for each in usual if each and abs(each / rate - 1) < _NEARLY), rate]


def _of_images(folder: Path, source_fps: Fraction | None) -> _Stated:
    from PIL import Image

    frames = numbered.frames_of(folder)
    if not frames:
        raise HarnessError(
            f"{folder}: no frames of a video here: give 2 or more images that differ in their number alone"
        )
    first = next(iter(frames.values()))
    try:
        with Image.open(first) as image:
            _check_size(first, (image.height, image.width))
    except Image.DecompressionBombError as error:
        raise _too_large(first, "is") from error
    except OSError:
        pass  # no image: whoever reads it says so
    rate = source_fps or UNSTATED
    step = min((after - before for before, after in pairwise(frames)), default=1)  # 10 of 0010, 0020, 0030
    return _Stated(1 / rate / step, (rate,), None, lambda size: Look(_by_lines(size[0])), True)


def _as_shown(folder: Path) -> Iterator[Shown]:
    """Its images as viewers show them. Benchmarks take them as they are stored, and their rows go by that."""
    for shown, file in zip(numbered.images(folder, 1), numbered.frames_of(folder).values(), strict=False):
        yield replace(shown, image=upright(shown.image, _way_up(file)))


def _way_up(image: Path) -> Way:
    """As a camera says in EXIF how it was held. Of TIFF Pillow has seen to it already."""
    from PIL import ExifTags, Image

    try:
        with Image.open(image, formats=["JPEG", "PNG", "WEBP"]) as header:
            stated = header.getexif() if "exif" in header.info else {}  # else all of a PNG is decoded, to look for it
            return _TURNS.get(stated.get(ExifTags.Base.Orientation, 1), _UPRIGHT)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):  # none that can be read
        return _UPRIGHT


def _by_lines(height: int) -> int:
    """What is taken where no matrix is stated."""
    return 5 if height < LINES else 1


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise _too_large(path, f"frames of {text_of((size[1], size[0]))} are")


def _too_large(path: Path, what: str) -> HarnessError:
    return HarnessError(
        f"{path}: {what} more than {MOST_PIXELS / 1e6:.0f} million pixels, of which several are in memory; make them "
        "smaller first (ffmpeg -vf scale=7680:-2)"
    )


def _notes(path: Path, stamps: Sequence[int | None], stated: _Stated, source_fps: Fraction | None) -> Iterator[str]:
    if path.is_dir():
        if left_out := numbered.gaps(numbered.frames_of(path)):
            listed = ", ".join(map(str, left_out[:3])) + (", ..." if len(left_out) > 3 else "")
            yield f"{path}: numbers are left out after {listed}; frames there are further apart in time"
    elif any(stamp is not None for stamp in stamps) and not tell(stamps):
        yield f"{path}: its time stamps are missing or go back; its frames are taken for evenly spaced"
    if source_fps and not stated.raw:
        yield f"{path}: states its own times: --source-fps changes nothing"


def _cuts(thumbnails: Sequence[NDArray[np.float32]], copies: frozenset[int]) -> frozenset[int]:
    """Frames with which a shot begins; copies begin none. In a bounded part of the video at a time."""
    kept = [row for row in range(len(thumbnails)) if row not in copies]
    found: set[int] = set()
    for start in range(0, len(kept), _WINDOW - 2 * _OVERLAP):
        part = kept[start : start + _WINDOW]
        # of what is called small no dissolve is looked for: frames within one are made like any others
        begins = [first for first, _ in find_shots([thumbnails[row] for row in part], small=True)][1:]
        low = _OVERLAP if start else 0
        high = _WINDOW - _OVERLAP if start + _WINDOW < len(kept) else len(part)
        found.update(part[at] for at in begins if low <= at < high)
        if start + _WINDOW >= len(kept):
            break
    return frozenset(found)
