"""A sheet that is made to fit a width, in characters: nothing of it is cut.

As it is, if that fits; else with short labels and folded heads; else turned, its columns as rows; else with scores over
each other and intervals folded; else both; else in parts, some columns after the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from rich.cells import cell_len

from harness.report.sheet import Line, Sheet

LABEL = 12
"""Characters below which a column of labels is not folded where that can be helped."""

INDENT = "  "
"""Before a label that is short for one of the row above."""

BREAKS = re.compile(r"(?<= )|(?<=[/,])(?![ \d])|(?<=[^\s(/,])(?=\+)")
"""Where a text may go on in the next line; the '+' of a plug-in begins one."""

Run = tuple[str, bool]
"""A text, and whether it is bold."""

Block = tuple[tuple[Run, ...], ...]
"""What stands in a cell: lines of runs."""


@dataclass(frozen=True)
class Grid:
    """Cells as they are drawn, labels first, with the width of each column. `rules` says which rows have a line
    above."""

    widths: tuple[int, ...]
    head: tuple[Block, ...]
    rows: tuple[tuple[Block, ...], ...]
    rules: tuple[bool, ...]


@dataclass(frozen=True)
class Page:
    """How wide a table may be: `width` characters, of which each column takes `gap` besides its own, and the whole
    `edge`."""

    width: int
    gap: int
    edge: int

    def room(self, columns: int) -> int:
        """What so many columns have for themselves."""
        return self.width - self.edge - self.gap * columns


@dataclass(frozen=True)
class _Texts:
    """Columns of a sheet, labels first, each from its head down: the pieces of a cell, which may stand over each
    other."""

    columns: tuple[tuple[tuple[Run, ...], ...], ...]
    short: bool = False  # labels are short ones
    narrow: bool = False  # scores over each other, and all that may fold folds

    @classmethod
    def of(cls, sheet: Sheet, short: bool, narrow: bool) -> _Texts:
        labels = [(("", False),), *(((_label(line, short), False),) for line in sheet.lines)]
        body = [
            (((head, False),), *(tuple(line.cells[at].pieces) for line in sheet.lines))
            for at, head in enumerate(sheet.columns)
        ]
        return cls((tuple(labels), *body), short, narrow)

    def narrowest(self, at: int) -> int:
        """The least width at which no word of a column is cut; what may not fold does not count as words."""
        head, *cells = self.columns[at]
        if not self.narrow:
            return max([_longest(head), *(cell_len(_joined(cell)) for cell in cells)])
        least = max(map(_longest, (head, *cells)))
        return least if at else max(least, min(LABEL, self.widest(at)))

    def lines(self, at: int, width: int) -> int:
        """How many lines all rows have at a width of one column, where no other folds."""
        return sum(max(least, len(self.block(at, row, width))) for row, least in enumerate(self.unfolded))

    @cached_property
    def unfolded(self) -> list[int]:
        """Of each row, the lines that it has where nothing folds."""
        return [max(map(len, row)) if self.narrow else 1 for row in zip(*self.columns, strict=True)]

    def widest(self, at: int) -> int:
        """The width at which nothing of a column folds."""
        return max(cell_len(text) for cell in self.columns[at] for text, _ in cell)

    def height(self, widths: Sequence[int]) -> int:
        """How many lines all rows have."""
        return sum(
            max(len(self.block(at, row, width)) for at, width in enumerate(widths))
            for row in range(len(self.columns[0]))
        )

    def block(self, at: int, row: int, width: int) -> Block:
        """A cell at the width of its column."""
        pieces = self.columns[at][row]
        if row and not self.narrow:
            between: list[Run] = [run for piece in pieces for run in (("/", False), piece)]
            return (tuple(between[1:]),)
        return tuple(((line, bold),) for text, bold in pieces for line in folded(text, width))


def grids(sheet: Sheet, page: Page) -> list[Grid]:
    """The tables that a sheet becomes, one after the other; one where that is wide enough."""
    whole = _Texts.of(sheet, short=False, narrow=False)
    natural = [max(cell_len(_joined(cell)) for cell in column) for column in whole.columns]
    if sum(natural) <= page.room(len(natural)):
        return [_grid(sheet, whole, natural)]
    turned = sheet.turned()
    ways: list[tuple[Sheet, _Texts]] = [
        (of, _Texts.of(of, short=True, narrow=narrow)) for narrow in (False, True) for of in (sheet, turned)
    ]
    for of, texts in ways:
        if widths := _widths(texts, page.room(len(texts.columns))):
            return [_grid(of, texts, widths)]
    return list(_parts(sheet, page))


def _parts(sheet: Sheet, page: Page) -> Iterator[Grid]:
    """As many columns after each other as fit beside the labels, and of their rows those that have something there; a
    single column that does not fit is as wide as it is."""
    texts = _Texts.of(sheet, short=True, narrow=True)
    least = [texts.narrowest(at) for at in range(len(texts.columns))]
    groups: list[list[int]] = []
    for at in range(len(sheet.columns)):
        group = [*groups[-1], at] if groups else []
        if group and least[0] + sum(least[1 + each] for each in group) <= page.room(1 + len(group)):
            groups[-1] = group
        else:
            groups.append([at])
    for group in groups:
        part = sheet.of_columns(group)
        part = replace(part, lines=tuple(line for line in part.lines if any(cell.text for cell in line.cells)))
        of_part = _Texts.of(part, short=True, narrow=True)
        yield _grid(part, of_part, _widths(of_part, page.room(1 + len(group))) or [least[0], least[1 + group[0]]])


def _widths(texts: _Texts, room: int) -> list[int] | None:
    """Of each column, from the narrowest up: what is left of the room goes where a character saves most lines. None
    where there is too little."""
    widths = [texts.narrowest(at) for at in range(len(texts.columns))]
    left = room - sum(widths)
    if left < 0:
        return None
    while left:
        saved, at, more = max(_offer(texts, at, width, left) for at, width in enumerate(widths))
        if not saved:
            break
        widths[-at] += more
        left -= more
    return _tight(texts, widths)


def _tight(texts: _Texts, widths: list[int]) -> list[int]:
    """Columns beside the labels, without the room that makes no row lower: there another column folds, too."""
    height = texts.height(widths)
    for at in range(1, len(widths)):
        for width in range(texts.narrowest(at), widths[at]):
            tried = [*widths[:at], width, *widths[at + 1 :]]
            if texts.height(tried) == height:
                widths = tried
                break
    return widths


def _offer(texts: _Texts, at: int, width: int, left: int) -> tuple[float, int, int]:
    """Lines that a column saves with each of so many characters more, at best; the column, negative, so that the first
    of equals is the largest; so many."""
    now, useful = texts.lines(at, width), min(left, texts.widest(at) - width)
    offers = (((now - texts.lines(at, width + more)) / more, -at, more) for more in range(1, useful + 1))
    return max(offers, default=(0.0, -at, 0))


def _grid(sheet: Sheet, texts: _Texts, widths: Sequence[int]) -> Grid:
    rows = [
        tuple(texts.block(at, row, width) for at, width in enumerate(widths)) for row in range(1 + len(sheet.lines))
    ]
    return Grid(tuple(widths), rows[0], tuple(rows[1:]), tuple(line.rule for line in sheet.lines))


@lru_cache(4096)
def folded(text: str, width: int) -> tuple[str, ...]:
    """In lines of that width, or of a word that is longer; what is indented stays so."""
    indent = text[: len(text) - len(text.lstrip(" "))]
    lines = [""]
    for word in filter(None, BREAKS.split(text.lstrip(" "))):
        if lines[-1] and cell_len(f"{indent}{lines[-1]}{word}".rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return tuple(indent + line.rstrip() for line in lines)


def _longest(pieces: Sequence[Run]) -> int:
    return max(cell_len(line) for text, _ in pieces for line in folded(text, 0))


def _joined(pieces: Sequence[Run]) -> str:
    return "/".join(text for text, _ in pieces)


def _label(line: Line, short: bool) -> str:
    return f"{INDENT}{line.short}" if short and line.short else line.label
