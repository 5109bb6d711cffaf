"""Sheets as text: on a terminal, and in the formats that people paste;

The same bytes for the same sheets. LaTeX has a module of its own.

No text of a sheet is a command of its format: a formula of a spreadsheet, a link, a tag.
"""

from __future__ import annotations

import csv
import html
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from harness.printable import printable
from harness.report.latex import as_latex
from harness.report.layout import Block, Grid, Page, grids
from harness.report.sheet import Cell, Sheet

WIDE = 160  # columns of a picture


def draw(sheets: Sequence[Sheet], console: Console) -> None:
    """On a terminal; a table that is too wide for it is turned, folded or parted until it fits."""
    for sheet in (sheet.for_people() for sheet in sheets):
        console.print(Text(sheet.title), style="bold", highlight=False)
        for grid in grids(sheet, Page(console.width, gap=3, edge=1)):
            console.print(_drawn(grid))
        for note in sheet.notes:
            console.print(Text(note), style="italic", highlight=False)
    for note in legend_of(sheets):
        console.print(Text(note), style="italic", highlight=False)


def legend_of(sheets: Sequence[Sheet]) -> list[str]:
    """What signs mean that several sheets have: each said once."""
    return list(dict.fromkeys(note for sheet in sheets for note in sheet.legend))


def _drawn(grid: Grid) -> Table:
    drawn = Table()
    for at, (width, head) in enumerate(zip(grid.widths, grid.head, strict=True)):
        drawn.add_column(_text(head), justify="right" if at else "left", width=width, overflow="fold")
    for row, rule in zip(grid.rows, grid.rules, strict=True):
        if rule:
            drawn.add_section()
        drawn.add_row(*map(_text, row))
    return drawn


def _text(block: Block) -> Text:
    return Text("\n").join(Text.assemble(*((text, "bold" if bold else "") for text, bold in line)) for line in block)


def _marked(cell: Cell, bold: Callable[[str], str], plain: Callable[[str], str]) -> str:
    """The cell's text, each score as `bold` or `plain` writes it."""
    return "/".join(bold(plain(text)) if is_bold else plain(text) for text, is_bold in cell.pieces)


def as_markdown(sheets: Sequence[Sheet]) -> str:
    """GitHub's tables."""
    parts = []
    for sheet in (sheet.for_people() for sheet in sheets):
        lines = [
            [_in_markdown(line.label), *(_marked(cell, "**{}**".format, _in_markdown) for cell in line.cells)]
            for line in sheet.lines
        ]
        header = ["", *map(_in_markdown, sheet.columns)]
        body = tabulate(lines, header, tablefmt="github", disable_numparse=True)
        notes = map(_item, sheet.notes)
        parts.append("\n".join([f"**{_in_markdown(sheet.title)}**", "", body, "", *notes]).rstrip())
    if legend := legend_of(sheets):
        parts.append("\n".join(map(_item, legend)))
    return "\n\n".join(parts).rstrip() + "\n"


def _item(note: str) -> str:
    """Of a list, and of nothing else that its first sign might begin."""
    return "- " + re.sub(r"^([-+=#>])", r"\\\1", _in_markdown(note))


MARKDOWN = re.compile(
    r"[\\|*<`~$]"
    r"|\](?=[(\[:])"  # a link, an image, where a link leads
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis: not within a word
    r"|&(?=#?\w+;)"
    r"|(?<=\w):(?=//)|(?i:(?<=www)\.)"  # links without any brackets
)


def _in_markdown(text: str) -> str:
    return MARKDOWN.sub(r"\\\g<0>", text)


FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def as_csv(sheets: Sequence[Sheet]) -> str:
    """Long form: one value a line, unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "row", "column", "value", "number"])
    for sheet in sheets:
        for line in sheet.lines:
            for column, cell in zip(sheet.columns, line.cells, strict=True):
                for name, number in cell.values:
                    writer.writerow([*map(in_csv, (sheet.title, line.label, column, name)), repr(number)])
    return out.getvalue()


def in_csv(text: str) -> str:
    """A text that a spreadsheet takes for a formula, with the mark of a text before it."""
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def as_json(sheets: Sequence[Sheet]) -> str:
    """All that the tables say: texts as people read them and values unrounded; null for one that is no number."""
    return json.dumps([_record(sheet) for sheet in sheets], indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _record(sheet: Sheet) -> dict[str, object]:
    rows = []
    for line in sheet.lines:
        cells = {}
        for column, cell in zip(sheet.columns, line.cells, strict=True):
            values = {name: number if math.isfinite(number) else None for name, number in cell.values}
            cells[column] = {"text": cell.text, **values}
        rows.append({"row": line.label, "cells": cells})
    return {"table": sheet.title, "columns": list(sheet.columns), "rows": rows, "notes": [*sheet.notes, *sheet.legend]}


STYLE = """\
body { font: 15px/1.4 sans-serif; margin: 2em; color-scheme: light dark; }
div { overflow-x: auto; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
h2 { font-size: 1em; margin: 1.5em 0 0; }
th, td { padding: .2em .7em; text-align: right; vertical-align: top; }
td span { white-space: nowrap; }
th:first-child { text-align: left; font-weight: normal; min-width: 9em; }
tr > th:first-child { position: sticky; left: 0; background: Canvas; }
thead { border-bottom: 1px solid; vertical-align: bottom; }
table { border-top: 2px solid; border-bottom: 2px solid; }
tr.rule { border-top: 1px solid; }
@media (max-width: 60em) { body { margin: 1em; } th, td { padding: .2em .3em; } th:first-child { min-width: 6em; } }
@media print { body { margin: 0; font-size: 9px; } div { overflow: visible; } th:first-child { min-width: 0; } }"""


def as_html(sheets: Sequence[Sheet]) -> str:
    """A page that needs nothing else. On a narrow one labels and scores fold, and what is still wider scrolls."""
    title = html.escape(sheets[0].title) if sheets else ""
    head = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>\n{STYLE}\n</style>"
    )
    shown = [sheet.for_people() for sheet in sheets]
    body = [line for sheet in shown for line in _html(sheet)]
    return "\n".join([head, *body, *_listed(legend_of(shown)), "</html>"]) + "\n"


def _html(sheet: Sheet) -> Iterator[str]:
    header = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in sheet.columns)
    yield from (
        f"<h2>{html.escape(sheet.title)}</h2>",
        f'<div tabindex="0" role="region" aria-label="{html.escape(sheet.title)}">',
        "<table>",
        f"<thead><tr><th></th>{header}</tr></thead>",
        "<tbody>",
    )
    for line in sheet.lines:
        cells = "".join(f"<td>{_cell(cell)}</td>" for cell in line.cells)
        opening = '<tr class="rule">' if line.rule else "<tr>"
        yield f'{opening}<th scope="row">{html.escape(line.label)}</th>{cells}</tr>'
    yield from ("</tbody>", "</table>", "</div>", *_listed(sheet.notes))


def _cell(cell: Cell) -> str:
    """It folds after a '/' and at spaces, and within no number."""
    if not cell.text:
        return ""
    marked = [(" ".join(f"<span>{html.escape(word)}</span>" for word in text.split(" ")), b) for text, b in cell.pieces]
    return "/<wbr>".join(f"<b>{text}</b>" if bold else text for text, bold in marked)


def _listed(notes: Sequence[str]) -> list[str]:
    return ["<ul>", *(f"<li>{html.escape(note)}</li>" for note in notes), "</ul>"] if notes else []


def as_terminal(sheets: Sequence[Sheet]) -> str:
    """As on a terminal that is wide and knows no colours."""
    console = Console(width=WIDE, file=io.StringIO(), color_system=None)
    draw(sheets, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def as_svg(sheets: Sequence[Sheet]) -> str:
    """The tables as they look on a terminal, as a picture."""
    console = Console(record=True, width=WIDE, file=io.StringIO())
    draw(sheets, console)
    return console.export_svg(title="harness table")


FORMATS: dict[str, Callable[[Sequence[Sheet]], str]] = {
    "terminal": as_terminal,
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
    "json": as_json,
    "html": as_html,
    "svg": as_svg,
}
