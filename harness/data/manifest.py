"""What a folder of videos says of itself: `clips.yaml`, and list files of test triplets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harness.data.names import check_name
from harness.errors import HarnessError
from harness.files import small_file
from harness.yamlfile import load_yaml

SCALES = {"1": 1.0, "1/2": 0.5, "1/4": 0.25, "1.0": 1.0, "0.5": 0.5, "0.25": 0.25}
LONGEST = 32 << 20  # bytes of a list: a million triplets
COLUMNS = ("level", "clip", "frame0", "frame_gt", "frame1")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Frozen):
    """Where a clip was taken from.

    package  that holds it
    version  of the package
    path     in the package
    """

    package: str = ""
    version: str = ""
    path: str = ""


def _scale(given: Any) -> float | None:
    if given is not None and str(given) not in SCALES:
        raise ValueError("give 1, 1/2 or 1/4")
    return SCALES.get(str(given))


class Entry(_Frozen):
    """One clip. All keys may be left out.

    split       else the folder `train` or `test` it is in, else by name order
    shots       [first, last] frame of each shot, ascending; frames outside of them are not used. Else detected
    frame_step  uses frames 0, frame_step, ...
    scale       1, 1/2 or 1/4, whatever the size of its frames
    matrix      of colours: bt601, bt709 or bt2020, where the video states none, or a wrong one
    times       `even`: frames in use are evenly spaced, whatever the time stamps say and without those that repeat
    licence     of the clip, for the reader
    source      where it was taken from, for the reader
    sha256      of the file: another one is refused
    content     what is to be seen, for the reader
    """

    split: Literal["train", "test"] | None = None
    shots: Annotated[tuple[tuple[int, int], ...], Field(min_length=1)] | None = None
    frame_step: Annotated[int, Field(ge=1)] = 1
    scale: Annotated[float | None, BeforeValidator(_scale)] = None
    matrix: Literal["bt601", "bt709", "bt2020"] | None = None
    times: Literal["stamps", "even"] = "stamps"
    licence: str = ""
    source: Source = Source()
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    content: str = ""

    @model_validator(mode="after")
    def _shots_ascend(self) -> Entry:
        before = -1
        for first, last in self.shots or ():
            if not before < first <= last:
                raise ValueError(f"shots: [{first}, {last}] is out of order; give [first, last] of each, ascending")
            before = last
        return self


class Manifest(_Frozen):
    """`clips.yaml` in a folder of videos.

    clips  an entry per video that has something to state, by its path in the folder
    """

    clips: Mapping[str, Entry] = {}


def read_manifest(file: Path) -> Manifest:
    """An empty one where there is no such file. Raises HarnessError with file, line and key."""
    return load_yaml(file, Manifest) if file.exists() else Manifest()


@dataclass(frozen=True)
class Listed:
    """A line of a list file; `where` is file and line."""

    where: str
    level: str
    clip: str
    frames: tuple[int, int, int]


def read_list(file: Path) -> tuple[Listed, ...]:
    """Lines of a CSV file with the columns level,clip,frame0,frame_gt,frame1; others are ignored.

    Raises HarnessError with file and line where it cannot be read or frames are out of order."""
    try:
        lines = io.StringIO(small_file(file, LONGEST).decode("utf-8-sig"), newline="")
        rows = tuple(_rows(file, csv.DictReader(lines)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise HarnessError(f"{file}: cannot be read as a list of triplets: {error}") from error
    if not rows:
        raise HarnessError(f"{file}: lists no triplet")
    return rows


def _rows(file: Path, reader: csv.DictReader[str]) -> Iterator[Listed]:
    if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
        raise HarnessError(f"{file}:1: column {', '.join(missing)} is missing; a list has {','.join(COLUMNS)}")
    for row in reader:
        where = f"{file}:{reader.line_num}"
        try:
            first, middle, last = (_frame(row[column]) for column in COLUMNS[2:])
        except (TypeError, ValueError) as error:
            raise HarnessError(f"{where}: frame numbers are not whole numbers; give {','.join(COLUMNS)}") from error
        if not 0 <= first < middle < last:
            raise HarnessError(f"{where}: frames {first}, {middle}, {last} are out of order")
        if not row["level"] or row["level"] == "train":
            raise HarnessError(f"{where}: level {row['level']!r} is no name of a test level")
        if not row["clip"]:
            raise HarnessError(f"{where}: names no clip")
        check_name(row["level"], where)
        yield Listed(where, row["level"], row["clip"], (first, middle, last))


def _frame(text: str) -> int:
    """`int` alone takes 1_0, the digits of every script, and thousands of them."""
    if not re.fullmatch(r"\s*-?[0-9]{1,9}\s*", text):
        raise ValueError(text[:20])
    return int(text)
