"""samples.csv: one row a test triplet, appended as soon as it is known."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from harness.files import append_line, whole_lines, write_text

COLUMNS = ("data", "level", "triplet", "clip", "protocol", "weights", "psnr", "ssim")


def read_rows(path: Path) -> list[tuple[str, ...]]:
    """The whole rows, as written, by COLUMNS; one that a crash tore is left out. No file, no rows."""
    return [tuple(row) for row in csv.reader(whole_lines(path)[1:]) if len(row) == len(COLUMNS)]


def append_row(path: Path, values: Sequence[str]) -> None:
    append_line(path, _line(values))


def mend(path: Path) -> None:
    """Make the file ready to append to: with its header, without the end of a torn line."""
    lines = whole_lines(path) or [_line(COLUMNS)]
    text = "\n".join(lines) + "\n"
    if not path.exists() or path.read_text("utf-8") != text:
        write_text(path, text)


def _line(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
