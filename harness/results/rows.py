"""rows.csv: one row a test triplet, appended as soon as it is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from harness.results import lines
from harness.results.envelope import Frozen, damaged

KEYS = ("data", "level", "triplet", "clip", "protocol", "weights", "masks", "regions")
"""What decides the values of a row: benchmark and content, triplet, protocol, network, the masks it was given, and
those that regional values are measured by."""

SEEN = ("frames", "maps", "groups")
"""Hashes of what was really read for a row. Values that were measured on others are not of the same row, whatever its
key. The columns after these are metrics."""

Key = tuple[str, ...]
"""Values of KEYS."""


class Row(Frozen):
    """One test triplet.

    frames  hash of the three frames and their time as they were read
    maps    hash of the label maps that the network was given, "none" without masks
    groups  hash of the parts of the frame whose PSNR is measured apart; all three are empty in the landed schema
    values  of each metric that was measured; nan where it has no value here, as a region without pixels
    """

    data: str
    level: str
    triplet: str
    clip: str
    protocol: str
    weights: str
    masks: str
    regions: str
    frames: str = ""
    maps: str = ""
    groups: str = ""
    values: Mapping[str, float] = {}

    @property
    def key(self) -> Key:
        return tuple(getattr(self, name) for name in KEYS)

    @property
    def seen(self) -> Key:
        """Values of SEEN."""
        return tuple(getattr(self, name) for name in SEEN)

    def has(self, metrics: Iterable[str]) -> bool:
        """Whether each of the metrics was measured."""
        return all(name in self.values for name in metrics)


def whole_row(of_level: Sequence[Row]) -> Row:
    """The row of all these triplets together, without values yet: of one level, measured alike. In place of a triplet's
    name and of what was seen of it stand those of all."""
    rows = sorted(of_level, key=lambda row: row.triplet)
    seen = {name: _short(getattr(row, name) for row in rows) for name in SEEN}
    return rows[0].model_copy(
        update={"triplet": f"*{_short(row.triplet for row in rows)}", "clip": "*", "values": {}, **seen}
    )


def _short(words: Iterable[str]) -> str:
    return sha256("\n".join(words).encode()).hexdigest()[:16]


def read_rows(path: Path, remedy: str, checked: bool = True) -> list[Row]:
    """The whole rows; none where there is no file. Those of the landed schema are not `checked`.

    Raises HarnessError naming the file and a line that is not as it was written.
    """
    table = lines.read(path, remedy, checked)
    try:
        return [_row(line) for line in table.lines]
    except (ValueError, KeyError) as error:
        raise damaged(path, error, remedy) from error


def rows_by_key(path: Path, remedy: str, checked: bool = True) -> dict[Key, Row]:
    """What is known of each key, for readers: a file that is still the same is not taken apart twice by a process."""
    content = sha256(path.read_bytes()).digest() if path.exists() else b""
    return _merged_of(path, remedy, checked, content)


@lru_cache(maxsize=256)
def _merged_of(path: Path, remedy: str, checked: bool, content: bytes) -> dict[Key, Row]:
    return merged(read_rows(path, remedy, checked))


def merged(rows: Iterable[Row]) -> dict[Key, Row]:
    """One row for each key: the last written, with the values of those before it that were measured on the same
    frames and maps."""
    found: dict[Key, Row] = {}
    for row in rows:
        before = found.get(row.key)
        if before is not None and before.seen == row.seen:
            row = row.model_copy(update={"values": {**before.values, **row.values}})
        found[row.key] = row
    return found


def prepare(path: Path, metrics: Iterable[str]) -> list[str]:
    """Make the file ready to append rows with these metrics to: header, no torn line, no damaged one. Returns all its
    columns."""
    lines.mend(path)
    rows = read_rows(path, "")
    measured = dict.fromkeys(name for row in rows for name in row.values)
    columns = list(dict.fromkeys([*KEYS, *SEEN, *measured, *metrics]))
    before = path.read_bytes() if path.exists() else None
    if before != lines.text_of(columns, map(_line, rows)).encode():
        write_rows(path, columns, rows)
    return columns


def append_row(path: Path, columns: Sequence[str], row: Row) -> None:
    """One more row of a prepared file."""
    lines.append(path, columns, _line(row))


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """The file anew, with these rows."""
    lines.write(path, columns, map(_line, rows))


def _line(row: Row) -> Mapping[str, str]:
    fields = {name: getattr(row, name) for name in (*KEYS, *SEEN)}
    return fields | {name: repr(value) for name, value in row.values.items()}


def _row(line: Mapping[str, str]) -> Row:
    fields = {name: line[name] for name in KEYS} | {name: line.get(name, "") for name in SEEN}
    values = {name: float(text) for name, text in line.items() if text and name not in fields}
    return Row.model_validate({**fields, "values": values})
