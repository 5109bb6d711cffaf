"""Sheets as text: on a terminal, and in the formats that people paste. The same bytes for the same sheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tabulate import tabulate

from harness.report.sheet import Sheet

WIDE = 140  # columns of a terminal from which a table stands in one piece


def draw(sheets: Sequence[Sheet], console: Console) -> None:
    """On a terminal; where it is narrow, scores stand over each other."""
    for sheet in sheets:
        console.print(escape(sheet.title), style="bold", highlight=False)
        console.print(_drawn(sheet, "/" if console.width >= WIDE else "\n"))
        for note in sheet.notes:
            console.print(escape(note), style="italic", highlight=False)


def _drawn(sheet: Sheet, separator: str) -> Table:
    drawn = Table("", *sheet.columns)
    drawn.columns[0].overflow = "fold"
    for column in drawn.columns[1:]:
        column.justify = "right"
    for line in sheet.lines:
        if line.rule:
            drawn.add_section()
        cells = [cell.text.replace("/", separator) for cell in line.cells]
        drawn.add_row(escape(line.label), *cells)
    return drawn


def as_markdown(sheets: Sequence[Sheet]) -> str:
    parts = []
    for sheet in sheets:
        lines = [[line.label, *(cell.text for cell in line.cells)] for line in sheet.lines]
        body = tabulate(lines, ["", *sheet.columns], tablefmt="github", disable_numparse=True)
        parts.append("\n".join([f"**{sheet.title}**", "", body, "", *(f"- {note}" for note in sheet.notes)]))
    return "\n\n".join(parts).rstrip() + "\n"


def as_csv(sheets: Sequence[Sheet]) -> str:
    """Long form: one value a line, unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "row", "column", "value", "number"])
    for sheet in sheets:
        for line in sheet.lines:
            for column, cell in zip(sheet.columns, line.cells, strict=True):
                for name, number in cell.values:
                    writer.writerow([sheet.title, line.label, column, name, repr(number)])
    return out.getvalue()


def as_svg(sheets: Sequence[Sheet]) -> str:
    """The tables as they look on a terminal, as a picture."""
    console = Console(record=True, width=WIDE, file=io.StringIO())
    draw(sheets, console)
    return console.export_svg(title="harness table")


FORMATS: dict[str, Callable[[Sequence[Sheet]], str]] = {"markdown": as_markdown, "csv": as_csv, "svg": as_svg}
