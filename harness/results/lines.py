"""Files that grow by a line at a time: CSV whose last column is a checksum of the line and of the names of its columns.

A line that a crash tore has no end, and is left out; any other change of a byte is found.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from harness.errors import HarnessError
from harness.files import append_line, lines_and_rest, write_text
from harness.results.envelope import damaged

CHECK = "crc32"

log = logging.getLogger("harness")

Line = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """`columns` without the checksum; `lines` by column, as written."""

    columns: tuple[str, ...]
    lines: tuple[dict[str, str], ...]


def read(path: Path, remedy: str, checked: bool = True) -> Table:
    """All whole lines; none where there is no file. Those of the landed schema have no checksum: not `checked`.

    Raises HarnessError naming file and line where one is not as it was written.
    """
    whole, rest = lines_and_rest(path)
    header, *texts = whole or [""]
    names = _split(header)
    if checked and whole and names[-1:] != [CHECK]:
        raise damaged(path, "its first line is not as it was written", remedy)
    if checked and _is_sealed(header, rest[:-1]):  # torn, it would be shorter
        raise damaged(path, f"the end of line {len(whole) + 1} is not as it was written", remedy)
    columns = tuple(names[:-1] if checked else names)
    lines = []
    for number, text in enumerate(texts, start=2):
        cells = _split(text)
        if checked and not _is_sealed(header, text):
            raise damaged(path, f"line {number} is not as it was written", remedy)
        if checked:
            cells.pop()
        if len(cells) == len(columns):  # in the landed schema a torn line may have been written on
            lines.append(dict(zip(columns, cells, strict=True)))
    return Table(columns, tuple(lines))


def mend(path: Path) -> None:
    """Leave out what is not as it was written, and name it: whoever writes the file measures that again."""
    try:
        whole, _ = lines_and_rest(path)
    except HarnessError:  # no text
        whole = [""]
    if not whole:
        return
    if _split(whole[0])[-1:] != [CHECK]:
        aside = path.with_name(f"{path.name}.damaged")
        log.warning("%s: no such table, or its first line is damaged; moved to %s, and made anew", path, aside.name)
        path.replace(aside)
        return
    kept = [whole[0], *(line for line in whole[1:] if _is_sealed(whole[0], line))]
    if len(kept) < len(whole):
        log.warning("%s: %d damaged lines are left out, and made anew", path, len(whole) - len(kept))
        write_text(path, "\n".join(kept) + "\n")


def write(path: Path, columns: Sequence[str], lines: Iterable[Line]) -> None:
    """The file anew, with these lines."""
    write_text(path, text_of(columns, lines))


def text_of(columns: Sequence[str], lines: Iterable[Line]) -> str:
    """All of such a file."""
    header = _header(columns)
    return "\n".join([header, *(_sealed(header, _text(columns, line)) for line in lines)]) + "\n"


def append(path: Path, columns: Sequence[str], line: Line, durable: bool = True) -> None:
    """One more line of a file that has these columns."""
    append_line(path, _sealed(_header(columns), _text(columns, line)), durable)


def _header(columns: Sequence[str]) -> str:
    return _join([*columns, CHECK])


def _sealed(header: str, text: str) -> str:
    """The line with its checksum."""
    checksum = crc32("\n".join((header, text)).encode())
    return f"{text},{checksum:08x}"


def _is_sealed(header: str, line: str) -> bool:
    text, comma, _ = line.rpartition(",")
    return bool(comma) and _sealed(header, text) == line


def _text(columns: Sequence[str], line: Line) -> str:
    return _join([line.get(name, "") for name in columns])


def _join(cells: Sequence[str]) -> str:
    if broken := next((cell for cell in cells if "\n" in cell or "\r" in cell), None):
        raise HarnessError(f"{broken!r}: a name with a line break in it cannot be kept in a table; rename it")
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _split(text: str) -> list[str]:
    try:
        return next(csv.reader([text]), [])
    except csv.Error:
        return []
