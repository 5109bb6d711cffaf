"""What a folder holds, and what lies below it: videos by their content, folders of numbered images, and the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from glob import escape
from itertools import islice
from pathlib import Path

from harness.cache import cache_dir
from harness.data.names import check_name, escaped
from harness.data.numbered import FEWEST, gaps, is_image, numbered
from harness.data.video import SUFFIXES, film, opened
from harness.errors import HarnessError

NAMED = 3
"""Files of one kind of which the names are given; of more, how many there are."""

MANIFEST = "clips.yaml"
LISTS = ".csv"  # what `list=` reads

log = logging.getLogger(__name__)


def find(folder: Path, say: bool = True) -> dict[str, Path]:
    """Videos, and folders of images that are one, in the folder and all below it: by their path in it, sorted.

    Hidden files and folders do not count. What else is passed over is said in one line, with the reason, if `say`.
    Raises HarnessError where there is none.
    """
    if not folder.is_dir():
        cut_off = any(folder.parent.glob(f"{escape(folder.name)},*"))
        how = 'a path with a comma goes in double quotes: root="..."' if cut_off else "give one of videos with root="
        raise HarnessError(f"{folder}: no such folder; {how}")
    videos: dict[str, Path] = {}
    passed: dict[str, list[str]] = {}
    for place, files in _places(folder):
        beside = [file for file in files if not is_image(file)]
        for file in beside:
            if reason := "" if file.name == MANIFEST or file.suffix == LISTS else _no_video(file):
                passed.setdefault(reason, []).append(_key(file, folder))
            elif file.name != MANIFEST and file.suffix != LISTS:
                videos[_key(file, folder)] = file
        images = [file for file in files if is_image(file)]
        own = place not in (folder, folder / "train", folder / "test") and not any(
            file.parent == place for file in videos.values()
        )
        if own and len(images) >= FEWEST and (frames := numbered(images)):
            videos[_key(place, folder)] = place
            if left_out := gaps(frames):
                _say_gaps(place, left_out)
        elif images:
            passed.setdefault(_NO_FRAMES, []).extend(_key(image, folder) for image in images)
    rest = _in_words(passed)
    for name in videos:
        check_name(name, folder)
    if not videos:
        raise HarnessError(
            f"{folder}: no video in this folder or below (mp4, mov, mkv, avi, ...), and no folder of numbered images"
            + (f"; there are {rest}" if rest else "")
        )
    if rest and say:
        log.warning("%s: passed over: %s", folder, rest)
    return dict(sorted(videos.items()))


_NO_FRAMES = "images that are no frames (a video is a folder of its own, of 3 or more that differ in their number)"


def _places(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Every folder and its files, sorted, but for the cache. Links are followed, but nowhere twice."""
    seen = {cache_dir().resolve()}
    left = [folder]
    while left:
        place = left.pop()
        if (real := place.resolve()) in seen:
            continue
        seen.add(real)
        inside = sorted(each for each in place.iterdir() if not each.name.startswith("."))
        yield place, [each for each in inside if each.is_file()]
        left += reversed([each for each in inside if each.is_dir()])


def _key(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _no_video(file: Path) -> str:
    """What a file is instead; "" for a video, and for what is called one: it is refused when it cannot be decoded."""
    import av

    called_one = file.suffix.lower() in SUFFIXES
    try:
        with opened(file) as container:
            stream = film(container)
            if stream is None:
                return "" if called_one and not len(container.streams) else "files without moving pictures"
            if called_one and file.suffix.lower() != ".gif":
                return ""
            moving = len(list(islice((packet for packet in container.demux(stream) if packet.size), 2))) == 2
            return "" if moving else "single pictures"
    except (av.FFmpegError, HarnessError, OSError):
        return "" if called_one else "files that are no video"


def _in_words(passed: dict[str, list[str]]) -> str:
    return "; ".join(
        f"{len(names)} {reason} ({', '.join(map(escaped, names[:NAMED]))}{', ...' if len(names) > NAMED else ''})"
        for reason, names in passed.items()
    )


def _say_gaps(place: Path, after: list[int]) -> None:
    listed = ", ".join(map(str, after[:NAMED])) + (", ..." if len(after) > NAMED else "")
    log.warning("%s: numbers are left out after %s; frames there are further apart in time", place, listed)
