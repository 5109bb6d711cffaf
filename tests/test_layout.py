"""Tables on terminals of any width: nothing is cut, nothing is lost, and what fits stays as it is."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from harness.report.formats import draw
from harness.report.layout import Block, Grid, Page, folded, grids
from harness.report.sheet import Cell, Line, ScoreCell, Sheet

LEVELS = ("easy", "medium", "hard", "extreme")


def scored(psnr: float) -> ScoreCell:
    return ScoreCell(f"{psnr:.2f}/0.9812", bold=(True, False))


def interval(mean: float) -> Cell:
    return Cell(f"[{mean - 0.1:+.3f}, {mean + 0.1:+.3f}]")


PAIR = Sheet(
    "a pair",
    (*LEVELS, "params (M)", "MACs (G)", "thop (G)"),
    (
        Line("mean of the two frames", (*map(scored, (38.45, 34.88, 31.75, 28.56)), Cell(), Cell(), Cell())),
        Line("ifrnet-s", (*map(scored, (40.29, 36.17, 32.16, 28.87)), Cell("2.804"), Cell("101.2"), Cell("121.9"))),
        Line(
            "ifrnet-s+hce+hir",
            (*map(scored, (40.21, 36.13, 32.12, 28.83)), Cell("4.181"), Cell("122.4"), Cell("129.7")),
        ),
        Line("difference", (*(Cell("-0.084/-0.0001"),) * 4, Cell("+1.378"), Cell("+21.1"), Cell("+7.8")), rule=True),
        Line("95 % interval (dB)", (*map(interval, (-0.1, 0.0, 0.1, 0.2)), Cell(), Cell(), Cell())),
    ),
)


def drawn(sheet: Sheet, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    draw([sheet], console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def text_of(block: Block) -> str:
    """Without what folding changes."""
    return "".join(text for line in block for text, _ in line).replace(" ", "").replace("/", "")


def texts(found: list[Grid]) -> Counter[str]:
    return Counter(filter(None, (text_of(block) for grid in found for row in grid.rows for block in row[1:])))


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_a_pair_is_as_wide_as_the_terminal_at_most(width: int) -> None:
    lines = drawn(PAIR, width)
    assert max(map(cell_len, lines)) <= width
    for number in ("38.45", "0.9812", "-0.084", "-0.0001", "+0.300]", "2.804", "+21.1"):
        assert any(number in line for line in lines), number


def test_a_pair_turns_before_its_scores_stand_over_each_other() -> None:
    (whole,), (turned,), (narrow,) = (grids(PAIR, Page(width, 3, 1)) for width in (160, 100, 80))
    assert [text_of(block) for block in whole.head[1:5]] == list(LEVELS)
    for grid, scores in ((turned, "38.45/0.9812"), (narrow, "38.45")):
        assert [text_of(row[0]) for row in grid.rows[:4]] == list(LEVELS)
        assert "".join(text for text, _ in grid.rows[0][1][0]) == scores
    assert [bold for line in narrow.rows[0][1] for _, bold in line] == [True, False]


def test_parts_have_the_rows_that_have_something_there() -> None:
    scores, costs = grids(PAIR, Page(60, 3, 1))
    assert [text_of(row[0]) for row in scores.rows] == [line.label.replace(" ", "") for line in PAIR.lines]
    assert [text_of(row[0]) for row in costs.rows] == ["ifrnet-s", "ifrnet-s+hce+hir", "difference"]


def test_a_label_is_short_only_where_the_whole_does_not_fit() -> None:
    lines = (
        Line("RIFE + HCE, HIR", (Cell("1"),)),
        Line("RIFE + HCE, HIR minus RIFE", (Cell("2"),), short="minus RIFE"),
    )
    sheet = Sheet("", ("easy",), lines)
    (whole,), (short,) = grids(sheet, Page(60, 3, 1)), grids(sheet, Page(30, 3, 1))
    assert [row[0][0][0][0] for row in whole.rows] == ["RIFE + HCE, HIR", "RIFE + HCE, HIR minus RIFE"]
    assert [row[0][0][0][0] for row in short.rows] == ["RIFE + HCE, HIR", "  minus RIFE"]


words = st.text("ab+,/ (1", min_size=0, max_size=20).map(str.strip)
numbers = st.sampled_from(["", "38.45/0.9812", "-0.084/-0.0001/+1.123", "[-0.174, +0.005]", "not measured", "1,234"])


@st.composite
def sheets(draw: st.DrawFn) -> Sheet:
    columns = draw(st.lists(words, min_size=1, max_size=8))
    cells = st.tuples(*(numbers.map(Cell) for _ in columns))
    lines = st.builds(Line, words, cells, st.booleans(), words)
    return Sheet("", tuple(columns), tuple(draw(st.lists(lines, min_size=1, max_size=8))))


@given(sheets(), st.integers(40, 170))
@example(PAIR, 60)
def test_nothing_is_lost_and_nothing_is_wider_than_its_page(sheet: Sheet, width: int) -> None:
    page = Page(width, 3, 1)
    found = grids(sheet, page)
    wanted = [cell.text.replace(" ", "").replace("/", "") for line in sheet.lines for cell in line.cells]
    assert texts(found) == Counter(filter(None, wanted))
    for grid in found:
        assert sum(grid.widths) <= page.room(len(grid.widths)) or len(grid.widths) == 2
        for row in (grid.head, *grid.rows):
            for block, room in zip(row, grid.widths, strict=True):
                assert all(cell_len("".join(text for text, _ in line)) <= room for line in block)


@given(st.text("ab+,/ 1", max_size=30), st.integers(0, 40))
def test_folding_loses_spaces_at_ends_alone(text: str, width: int) -> None:
    lines = folded(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(line) <= width or len(folded(line.strip(), 0)) == 1 for line in lines)
