"""The benchmark `snu-film`: four lists of triplets, by the distance between the inputs."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

from harness.data.benchmark import Triplet
from harness.data.imageset import ImageSet, Sample, lines_of
from harness.data.roots import find_root
from harness.errors import HarnessError

LEVELS = ("easy", "medium", "hard", "extreme")
PREFIX = "data/SNU-FILM/test/"
"""What the paths in the published lists begin with."""

Line = tuple[str, str, tuple[str, str, str]]
"""Level, file and line, and the three paths as listed."""
Convention = Callable[[str], str]
"""From a listed path to the one below the root, "" where the convention leads elsewhere."""


class SNUFilm(ImageSet):
    """4 x 310 triplets of up to 1280x720, t = 1/2: inputs 2 (easy), 4, 8 or 16 (extreme) frames apart.

    root     the folder with the frames, and the lists `test-easy.txt` and so on, in it or in its `eval_modes`;
             see `harness.data.roots` for where it is looked for
    partial  allows lists and triplets to be missing

    The first listed file that is found tells how paths are meant, for all: as they are, from the root or from a folder
    that the root is in; without `data/SNU-FILM/test/`; by their last three parts; by these in the root's `test`.
    """

    totals: ClassVar = dict.fromkeys(LEVELS, 310)

    def __init__(self, *, root: str = "", partial: bool = False) -> None:
        folder = find_root("snu-film", root)
        top = "" if any((folder / f"test-{level}.txt").exists() for level in LEVELS) else "eval_modes/"
        lists = {level: f"{top}test-{level}.txt" for level in LEVELS}
        missing = [name for name in lists.values() if not (folder / name).exists()]
        if len(missing) == len(LEVELS):
            raise HarnessError(
                f"{folder}: no test-easy.txt and so on in it or in eval_modes; copy the data set's lists"
            )
        lines = [line for level, name in lists.items() if name not in missing for line in _lines(level, folder / name)]
        convention = _convention(folder, lines)
        clips = _clips(lines, convention)
        super().__init__(folder, [_sample(line, convention, clips) for line in lines], partial, missing)


def _lines(level: str, path: Path) -> Iterator[Line]:
    for where, line in lines_of(path):
        files = [PurePosixPath(part) for part in line.split()]
        if len(files) != 3 or any(len(file.parts) < 3 for file in files):
            raise HarnessError(f"{where}: expected three paths: first input, ground truth, second input")
        yield level, where, (str(files[0]), str(files[1]), str(files[2]))


def _convention(folder: Path, lines: Sequence[Line]) -> Convention:
    """The first by which the first listed file that is there at all is found."""
    conventions: list[Convention] = [
        *(functools.partial(_as_listed, f"{folder}/", str(base)) for base in (folder, *folder.parents)),
        lambda listed: listed.removeprefix(PREFIX),
        _last_three,
        lambda listed: f"test/{_last_three(listed)}",
    ]
    for _, _, files in lines:
        for convention in conventions:
            if (below := convention(files[0])) and (folder / below).exists():
                return convention
    if not lines:
        raise HarnessError(f"{folder}: the lists name no triplet; copy them anew")
    _, where, files = lines[0]
    tried = ", ".join(dict.fromkeys(filter(None, (convention(files[0]) for convention in conventions))))
    raise HarnessError(f"{where}: {files[0]}: no such file in {folder}, nor any other that is listed (tried {tried})")


def _as_listed(folder: str, base: str, listed: str) -> str:
    path = os.path.join(base, listed)  # noqa: PTH118 - for every listed file
    return path.removeprefix(folder) if path.startswith(folder) else ""


def _last_three(listed: str) -> str:
    return "/".join(listed.split("/")[-3:])


def _clips(lines: Sequence[Line], convention: Convention) -> dict[str, str]:
    """The clip's name of each listed folder: its last two parts; all of it where another folder has the same two."""
    folders = {path.rpartition("/")[0]: convention(path).rpartition("/")[0] for _, _, paths in lines for path in paths}
    places: dict[str, set[str]] = defaultdict(set)
    for listed, below in folders.items():
        places[_last_two(listed)].add(below)
    return {listed: _last_two(listed) if len(places[_last_two(listed)]) == 1 else listed for listed in folders}


def _last_two(folder: str) -> str:
    return "/".join(folder.split("/")[-2:])


def _sample(line: Line, convention: Convention, clips: Mapping[str, str]) -> Sample:
    level, where, listed = line
    folders = {path.rpartition("/")[0] for path in listed}
    stems = [PurePosixPath(path).stem for path in listed]
    numbers = [int(stem) if stem.isdecimal() else -1 for stem in stems]
    if len(folders) > 1 or not 0 <= numbers[0] < numbers[1] < numbers[2]:
        raise HarnessError(f"{where}: not first input, ground truth and second input of one sequence, in this order")
    clip = clips[folders.pop()]
    t = (numbers[1] - numbers[0]) / (numbers[2] - numbers[0])
    triplet = Triplet(f"{clip}/{stems[1]}", clip=clip, level=level, frames=(numbers[0], numbers[1], numbers[2]), t=t)
    return Sample(triplet, (convention(listed[0]), convention(listed[1]), convention(listed[2])), where)
