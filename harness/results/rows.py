"""samples.csv: one row a test triplet, appended as soon as it is known."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.files import append_line, whole_lines, write_text

KEYS = ("data", "level", "triplet", "clip", "protocol", "weights", "masks", "regions")
"""What decides the values of a row: benchmark and content, triplet, protocol, network, the masks it was given, and
those that regional values are measured by."""

HASHES = ("frames", "maps")
"""What was really read for a row: hashes of its three frames, and of the label maps that the network was given. Values
that were measured on others are not of the same row, whatever its key. The columns after these are metrics; `nan` where
one has no value, empty where it was not measured."""

Row = dict[str, str]


def read_rows(path: Path) -> list[Row]:
    """The whole rows, as written, by column; one that a crash tore is left out. No file, no rows."""
    lines = list(csv.reader(whole_lines(path)))
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:] if len(line) == len(lines[0])]


def merged(rows: Iterable[Row]) -> dict[tuple[str, ...], Row]:
    """One row for each key, with every value that is known of it; of several, the last written. What was measured on
    other frames or label maps than the last is left out."""
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        of = key(row)
        before = found.get(of, {})
        if any(before.get(name) != (row.get(name) or None) for name in HASHES):
            before = {}
        found[of] = before | {name: value for name, value in row.items() if value}
    return found


def key(row: Mapping[str, str]) -> tuple[str, ...]:
    """Values of KEYS; empty for those that the row does not have."""
    return tuple(row.get(name, "") for name in KEYS)


def prepare(path: Path, metrics: Iterable[str]) -> list[str]:
    """Make the file ready to append rows with these metrics to: header, no torn line. Returns all its columns."""
    rows = read_rows(path)
    before = list(rows[0]) if rows else []
    columns = list(dict.fromkeys([*KEYS, *HASHES, *before, *metrics]))
    text = "".join(
        _line([row.get(name, "") for name in columns]) + "\n"
        for row in (dict(zip(columns, columns, strict=True)), *rows)
    )
    if not path.exists() or path.read_text("utf-8") != text:
        write_text(path, text)
    return columns


def append_row(path: Path, columns: Sequence[str], row: Mapping[str, str]) -> None:
    """One more row of a prepared file."""
    append_line(path, _line([row.get(name, "") for name in columns]))


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """The file anew, with these rows."""
    write_text(path, _text(columns, rows))


def _text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    lines = [_line(columns), *(_line([row.get(name, "") for name in columns]) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
