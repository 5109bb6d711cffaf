r"""Sheets as LaTeX: a `table` each, as wide as a column at most, with the rules of booktabs.

What is too wide is turned, folded or parted, as on a terminal; what is still too wide is made smaller (graphicx).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.report.layout import INDENT, Block, Grid, Page, Run, grids
from harness.report.sheet import Sheet

COLUMN = Page(width=66, gap=2, edge=-2)
"""In digits of a small font: a seventh more than most columns of journals and conferences have, so that what is a
little too wide is made smaller, and no more than that, before it is turned, folded or parted."""

SIGNS = {
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
    "×": r"$\times$",
    "²": r"\textsuperscript{2}",
}

LINES = 44
"""As many as stand on a page of a journal, with some notes: what is longer goes on in another table."""

OPENING = r"""\begin{table}
  \centering
  \footnotesize
  \setlength{\tabcolsep}{3pt}
  \setlength{\belowcaptionskip}{4pt}
"""

FITTED = r"\resizebox{\ifdim\width>\columnwidth\columnwidth\else\width\fi}{!}{%"


def as_latex(sheets: Sequence[Sheet]) -> str:
    r"""For a document with `\usepackage{booktabs,graphicx}`. Each stands for itself, with all notes below."""
    names: list[str] = []
    parts = ["% needs \\usepackage{booktabs,graphicx}"]
    for sheet in (sheet.for_people() for sheet in sheets):
        name = re.sub(r"[^a-z0-9]+", "-", (sheet.name or sheet.title).lower()).strip("-") or "table"
        names.append(name)
        again = f"-{names.count(name)}" if names.count(name) > 1 else ""
        parts.append("\n".join(_table(sheet, f"tab:{name}{again}")))
    return "\n\n".join(parts) + "\n"


def _table(sheet: Sheet, label: str) -> Iterator[str]:
    end = "" if sheet.title.endswith((".", "?", "!")) else "."
    caption = f"{sheet.title}{end} {sheet.setting}" if sheet.setting else sheet.title
    yield f"{OPENING}  \\caption{{{in_latex(caption)}}}"
    yield rf"  \label{{{label}}}"
    lines = 0
    for at, part in enumerate(part for grid in grids(sheet, COLUMN) for part in _short(grid)):
        if at and (lines := lines + _height(part)) > LINES:
            yield "\\end{table}\n\n" + OPENING + rf"  Table~\ref{{{label}}}, continued\par\smallskip"
        elif at:
            yield r"  \par\medskip"
        lines = _height(part) if not at or lines > LINES else lines
        yield from _tabular(part)
    notes = (*sheet.notes, *sheet.legend)
    if notes:
        yield r"  \par\smallskip\raggedright"
        yield from (rf"  {in_latex(note)}\par" for note in notes)
    yield r"\end{table}"


def _short(grid: Grid) -> Iterator[Grid]:
    """In parts that stand on a page each, cut at rules; where there is none for a page, before any row."""
    head, *heights = (max(map(len, row)) for row in (grid.head, *grid.rows))
    start, rule, lines = 0, 0, head
    for at, height in enumerate(heights):
        if grid.rules[at]:
            rule = at
        while at > start and lines + height > LINES:
            cut = rule if rule > start else at
            yield _rows(grid, start, cut)
            start, lines = cut, head + sum(heights[cut:at])
        lines += height
    yield _rows(grid, start, len(heights))


def _rows(grid: Grid, start: int, end: int) -> Grid:
    return replace(grid, rows=grid.rows[start:end], rules=grid.rules[start:end])


def _height(grid: Grid) -> int:
    return sum(max(map(len, row)) for row in (grid.head, *grid.rows))


def _tabular(grid: Grid) -> Iterator[str]:
    yield f"  {FITTED}"
    yield rf"  \begin{{tabular}}{{@{{}}l{'r' * (len(grid.widths) - 1)}@{{}}}}"
    yield r"    \toprule"
    yield from _row(grid.head)
    yield r"    \midrule"
    tall = any(len(block) > 1 for row in grid.rows for block in row)
    for at, (row, rule) in enumerate(zip(grid.rows, grid.rules, strict=True)):
        if rule and at:
            yield r"    \midrule"
        elif tall and at:
            yield r"    \addlinespace[1.5pt]"
        yield from _row(row)
    yield from (r"    \bottomrule", r"  \end{tabular}}")


def _row(blocks: Sequence[Block]) -> Iterator[str]:
    """Lines that stand over each other are rows: nothing else breaks within a cell."""
    for at in range(max(map(len, blocks))):
        label, *cells = ("".join(map(_run, block[at])) if at < len(block) else "" for block in blocks)
        # after the end of a line, [ and * are options of it
        guard = "{}" if label.startswith(("[", "*")) else ""
        yield f"    {guard}{label} & {' & '.join(cells)}".rstrip() + r" \\"


def _run(run: Run) -> str:
    text, bold = run
    indent = r"\quad " if text.startswith(INDENT) else ""
    written = in_latex(text.strip(" "))
    return f"{indent}\\textbf{{{written}}}" if bold else indent + written


def in_latex(text: str) -> str:
    """Its signs as signs: a minus before a number, two hyphens that stay two."""
    minus = re.sub(r"(?<![\w.)-])-(?=\.?\d)", "−", text)
    return re.sub("-(?=-)", "-{}", "".join(SIGNS.get(sign, sign) for sign in minus))
