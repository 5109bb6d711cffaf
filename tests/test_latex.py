"""LaTeX that compiles and fits: read by rules here, and by pdflatex where that is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.latex import FITTED, LINES, as_latex, in_latex
from harness.report.sheet import Cell, Line, ScoreCell, Sheet
from tests.test_layout import PAIR

SPECIAL = "a1[]*& %$#_{}~^\\<>|\"-+±−Δ×'`,."


def sheet_of(text: str) -> Sheet:
    """With that text wherever there is one."""
    cells = (Cell(text), ScoreCell(f"{text}/0.98", bold=(True, False)) if "/" not in text else Cell(text))
    lines = (Line(text, cells), Line(f"{text} more", cells, rule=True, short=text))
    return Sheet(text, (text, "easy"), lines, (text,), (f"{text} too",), setting=text, name=text)


LONG = Sheet(
    "many rows",
    ("easy", "medium"),
    tuple(Line(f"row {at}", (Cell("-0.10/-0.0001"), Cell("[-0.1, +0.1]")), rule=at % 3 == 0) for at in range(100)),
    ("-0.5 dB less, by --metrics",),
    setting="Tested on clips under protocol unified.",
)


def check(text: str) -> None:
    """Groups and environments are closed, no sign is left that means something else, and the rows of a table are as
    long as it has columns."""
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    plain = "\n".join(lines).replace(r"\\", " ")
    depth = 0
    for sign in re.sub(r"\\.", "", plain):
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", plain):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    bare = re.sub(r"\\.", "x", plain.replace(FITTED, "").replace(r"Table~\ref", ""))
    assert not re.findall(r'[#%_^~<>|"]|--', bare)
    assert bare.count("$") % 2 == 0
    for columns, body in re.findall(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert rows
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns) - 1}
        assert not [row for row in rows if row.lstrip().startswith(("[", "*"))]


@given(st.text(SPECIAL, max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_text_is_a_text(text: str) -> None:
    check(as_latex([sheet_of(text)]))


def test_a_pair_is_long_and_as_narrow_as_a_column() -> None:
    text = as_latex([PAIR])
    check(text)
    assert r"easy & \textbf{38.45} & \textbf{40.29} & \textbf{40.21} & $-$0.084 & [$-$0.200, \\" in text
    for word in (r"\toprule", r"\midrule", r"\bottomrule", r"\label{tab:a-pair}", r"\ifdim\width>\columnwidth"):
        assert word in text


def test_a_caption_says_on_what_and_how_it_was_tested() -> None:
    assert r"\caption{many rows. Tested on clips under protocol unified.}" in as_latex([LONG])


@pytest.mark.parametrize("rules", [range(0, 100, 3), (), (5, 60)])
def test_what_is_longer_than_a_page_goes_on_in_another_table(rules: Sequence[int]) -> None:
    """Cut at rules; a difference by clip has none for a hundred rows."""
    lines = tuple(replace(line, rule=at in rules) for at, line in enumerate(LONG.lines))
    text = as_latex([replace(LONG, lines=lines)])
    check(text)
    assert text.count(r"\begin{table}") > 2
    assert text.count(r"\caption{") == text.count(r"\label{") == 1
    assert text.count(r"\ref{tab:many-rows}, continued") == text.count(r"\begin{table}") - 1
    for table in text.split(r"\end{table}")[:-1]:
        assert sum(line.endswith(r"\\") for line in table.splitlines()) <= LINES
    assert len(re.findall(r"row \d+ &", text)) == 100


def test_minus_signs_and_hyphens() -> None:
    found = in_latex("[-0.1, -1] of -.5 in s-1, 24 -> 8, --metrics, net-2")
    assert found == r"[$-$0.1, $-$1] of $-$.5 in s-1, 24 -\textgreater{} 8, -{}-metrics, net-2"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex")
@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
def test_pdflatex_takes_it(tmp_path: Path, columns: str) -> None:
    """Nothing is wider or higher than its place."""
    body = as_latex([PAIR, LONG, sheet_of(SPECIAL)])
    packages = r"\usepackage[utf8]{inputenc}\usepackage{booktabs,graphicx}"
    document = f"\\documentclass[{columns}]{{article}}{packages}\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "tables.tex").write_text(document, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Float too large" not in done.stdout
    assert not re.findall(r"Overfull \\hbox.*(?:alignment|tabular)", done.stdout)
