"""The six formats of a table: snapshots of a sheet that has everything in it, and what each must escape."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from harness.report.formats import FORMATS, draw
from harness.report.sheet import Cell, Line, ScoreCell, Sheet

SNAPSHOTS = Path(__file__).parent / "snapshots"
PSNR, SSIM = 35.401234567890123, 0.97771234567890123


@pytest.fixture
def sheet() -> Sheet:
    """Labels with all that some format takes for a command."""
    best = ScoreCell("35.40/0.9777", (("psnr", PSNR), ("ssim", SSIM)), bold=(True, False))
    return Sheet(
        "A & B_1: 50 % of <x> | #1",
        ("easy_1", "cost (T)"),
        (
            Line("rife+hce(temporal=false)", (best, Cell("0.16", (("cost", 0.1641),), best=True))),
            Line("x~y^2 {z} *w*", (Cell("not measured"), Cell()), rule=True),
            Line(
                "difference",
                (ScoreCell("-0.03/+0.0002", (("psnr", -0.03), ("ssim", 0.0002))), Cell("nan", (("v", math.nan),))),
            ),
        ),
        ('Still < 2 px, & "so" on.', r"back\slash"),
    )


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "csv", "json", "html"])
def test_snapshot(form: str, sheet: Sheet) -> None:
    """A file in `snapshots` is what a person has looked at: after a change on purpose, look at it again."""
    assert FORMATS[form]([sheet, sheet]) == (SNAPSHOTS / f"sheet.{form}").read_text("utf-8")


def test_csv_and_json_have_every_digit(sheet: Sheet) -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"]([sheet]))))
    numbers = {(row["row"], row["column"], row["value"]): float(row["number"]) for row in rows}
    assert numbers["rife+hce(temporal=false)", "easy_1", "psnr"] == PSNR
    (table,) = json.loads(FORMATS["json"]([sheet]))
    assert table["rows"][0]["cells"]["easy_1"] == {"text": "35.40/0.9777", "psnr": PSNR, "ssim": SSIM}
    assert table["rows"][2]["cells"]["cost (T)"]["v"] is None


def test_latex_escapes(sheet: Sheet) -> None:
    latex = FORMATS["latex"]([sheet])
    assert r"\caption{A \& B\_1: 50 \% of \textless{}x\textgreater{} \textbar{} \#1}" in latex
    assert r"rife+hce(temporal=false) & \textbf{35.40}/0.9777 & \textbf{0.16} \\" in latex
    assert r"x\textasciitilde{}y\textasciicircum{}2 \{z\} *w* & not measured & \\" in latex
    assert r"\label{tab:a-b-1-50-of-x-1}" in latex
    assert r"\label{tab:a-b-1-50-of-x-1-2}" in FORMATS["latex"]([sheet, sheet])
    assert r"difference & $-$0.03/+0.0002" in latex
    assert r"back\textbackslash{}slash" in latex


def test_html_escapes_and_needs_nothing_else(sheet: Sheet) -> None:
    page = FORMATS["html"]([sheet])
    assert "<h2>A &amp; B_1: 50 % of &lt;x&gt; | #1</h2>" in page
    assert "<td><b><span>35.40</span></b>/<wbr><span>0.9777</span></td>" in page
    assert "http" not in page


def test_markdown_escapes(sheet: Sheet) -> None:
    markdown = FORMATS["markdown"]([sheet])
    assert r"| x\~y^2 {z} \*w\* " in markdown
    assert r"of \<x> \| #1" in markdown
    assert "**35.40**/0.9777" in markdown


def test_no_digit_is_lost_on_a_narrow_terminal(sheet: Sheet) -> None:
    narrow = Console(width=44, file=io.StringIO(), color_system=None)
    draw([sheet], narrow)
    assert isinstance(narrow.file, io.StringIO)
    drawn = narrow.file.getvalue()
    assert "35.40/0.9777" not in drawn
    assert "35.40" in drawn
    assert "0.9777" in drawn


def test_a_picture_is_a_picture(sheet: Sheet) -> None:
    assert FORMATS["svg"]([sheet]).startswith("<svg")
