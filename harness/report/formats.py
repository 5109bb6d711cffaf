"""Sheets as text: on a terminal, and in the formats that people paste. The same bytes for the same sheets.

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
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from harness.printable import printable
from harness.report.sheet import Cell, Sheet

WIDE = 160  # columns of a picture


@dataclass(frozen=True)
class ScoreCell(Cell):
    """A cell whose text is scores with a '/' between; `bold` has an entry for each."""

    bold: tuple[bool, ...] = ()


def draw(sheets: Sequence[Sheet], console: Console) -> None:
    """On a terminal; where a table is too wide for it, scores stand over each other."""
    for sheet in sheets:
        console.print(Text(sheet.title), style="bold", highlight=False)
        drawn = _drawn(sheet, "/")
        endless = console.options.update(width=10_000)
        fits = console.measure(drawn, options=endless).maximum <= console.width
        console.print(drawn if fits else _drawn(sheet, "\n"))
        for note in sheet.notes:
            console.print(Text(note), style="italic", highlight=False)


def _drawn(sheet: Sheet, separator: str) -> Table:
    drawn = Table("")
    drawn.columns[0].overflow = "fold"
    for column in sheet.columns:
        drawn.add_column(Text(column), justify="right")
    for line in sheet.lines:
        if line.rule:
            drawn.add_section()
        cells = [Text(separator).join(Text(t, "bold" if b else "") for t, b in pieces(cell)) for cell in line.cells]
        drawn.add_row(Text(line.label), *cells)
    return drawn


def pieces(cell: Cell) -> list[tuple[str, bool]]:
    """The scores of a cell, and whether each is bold."""
    pieces = cell.text.split("/")
    bold = cell.bold if isinstance(cell, ScoreCell) and cell.bold else (cell.best,) * len(pieces)
    return list(zip(pieces, bold, strict=True))


def _marked(cell: Cell, bold: Callable[[str], str], plain: Callable[[str], str]) -> str:
    """The cell's text, each score as `bold` or `plain` writes it."""
    return "/".join(bold(plain(text)) if is_bold else plain(text) for text, is_bold in pieces(cell))


def as_markdown(sheets: Sequence[Sheet]) -> str:
    """GitHub's tables."""
    parts = []
    for sheet in sheets:
        lines = [
            [_in_markdown(line.label), *(_marked(cell, "**{}**".format, _in_markdown) for cell in line.cells)]
            for line in sheet.lines
        ]
        header = ["", *map(_in_markdown, sheet.columns)]
        body = tabulate(lines, header, tablefmt="github", disable_numparse=True)
        notes = ["- " + re.sub(r"^([-+=#>])", r"\\\1", _in_markdown(note)) for note in sheet.notes]
        parts.append("\n".join([f"**{_in_markdown(sheet.title)}**", "", body, "", *notes]))
    return "\n\n".join(parts).rstrip() + "\n"


MARKDOWN = re.compile(
    r"[\\|*<`~$]"
    r"|\](?=[(\[:])"  # a link, an image, where a link leads
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis: not within a word
    r"|&(?=#?\w+;)"
    r"|(?<=\w):(?=//)|(?i:(?<=www)\.)"  # links without any brackets
)


def _in_markdown(text: str) -> str:
    return MARKDOWN.sub(r"\\\g<0>", text)


LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "−": "$-$",
    "Δ": r"$\Delta$",
}


def as_latex(sheets: Sequence[Sheet]) -> str:
    r"""A `table` each, with the rules of the package booktabs; notes stand below the table."""
    return "\n".join(line for sheet in sheets for line in _latex(sheet)) + "\n"


def _latex(sheet: Sheet) -> Iterator[str]:
    yield from (r"\begin{table}", r"  \centering", rf"  \caption{{{_in_latex(sheet.title)}}}")
    yield from (rf"  \begin{{tabular}}{{l{'r' * len(sheet.columns)}}}", r"    \toprule")
    yield "    " + " & ".join(["", *map(_in_latex, sheet.columns)]).strip() + r" \\"
    yield r"    \midrule"
    for line in sheet.lines:
        if line.rule:
            yield r"    \midrule"
        cells = [_marked(cell, r"\textbf{{{}}}".format, lambda text: _in_latex(_minus(text))) for cell in line.cells]
        # after the end of a line, [ and * are options of it
        guard = "{}" if line.label.startswith(("[", "*")) else ""
        yield "    " + " & ".join([guard + _in_latex(line.label), *cells]).rstrip() + r" \\"
    yield from (r"    \bottomrule", r"  \end{tabular}")
    if sheet.notes:
        yield r"  \par\smallskip\footnotesize"
        yield from (rf"  {_in_latex(note)}\par" for note in sheet.notes)
    yield r"\end{table}"


def _in_latex(text: str) -> str:
    return "".join(LATEX.get(sign, sign) for sign in text)


def _minus(text: str) -> str:
    """A number's sign as a minus, where a hyphen would be set."""
    return re.sub(r"^-(?=\d)", "−", text)


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
    return {"table": sheet.title, "columns": list(sheet.columns), "rows": rows, "notes": list(sheet.notes)}


STYLE = """\
body { font: 15px/1.4 sans-serif; margin: 2em; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: bold; padding-bottom: .5em; }
th, td { padding: .2em .7em; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; font-weight: normal; }
thead { border-bottom: 1px solid; }
table { border-top: 2px solid; border-bottom: 2px solid; }
tr.rule { border-top: 1px solid; }"""


def as_html(sheets: Sequence[Sheet]) -> str:
    """A page that needs nothing else."""
    title = html.escape(sheets[0].title) if sheets else ""
    head = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n<style>\n{STYLE}\n</style>'
    )
    return "\n".join([head, *(line for sheet in sheets for line in _html(sheet)), "</html>"]) + "\n"


def _html(sheet: Sheet) -> Iterator[str]:
    header = "".join(f"<th>{html.escape(column)}</th>" for column in ("", *sheet.columns))
    yield from (
        "<table>",
        f"<caption>{html.escape(sheet.title)}</caption>",
        f"<thead><tr>{header}</tr></thead>",
        "<tbody>",
    )
    for line in sheet.lines:
        cells = "".join(f"<td>{_marked(cell, '<b>{}</b>'.format, html.escape)}</td>" for cell in line.cells)
        opening = '<tr class="rule">' if line.rule else "<tr>"
        yield f"{opening}<th>{html.escape(line.label)}</th>{cells}</tr>"
    yield from ("</tbody>", "</table>")
    if sheet.notes:
        yield from ("<ul>", *(f"<li>{html.escape(note)}</li>" for note in sheet.notes), "</ul>")


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
