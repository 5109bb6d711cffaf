"""A table before it is drawn: what it says, whatever it is drawn with.

Labels and names come from results folders that may be anybody's: every text is kept as one printable line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.printable import printable


@dataclass(frozen=True)
class Cell:
    """`text` as people read it; `values` by name, unrounded, for CSV and JSON; `best` of its column, in bold."""

    text: str = ""
    values: tuple[tuple[str, float], ...] = ()
    best: bool = False

    def __post_init__(self) -> None:
        _keep(self, text=printable(self.text))

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        """What stands between the '/' of its text, and whether that is bold."""
        return [(piece, self.best) for piece in self.text.split("/")]


@dataclass(frozen=True)
class ScoreCell(Cell):
    """A cell whose text is scores with a '/' between; `bold` has an entry for each."""

    bold: tuple[bool, ...] = ()

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        pieces = self.text.split("/")
        return list(zip(pieces, self.bold or (self.best,) * len(pieces), strict=True))


@dataclass(frozen=True)
class Line:
    """A row; `rule` draws a line above it. `short` is what says enough of it below the row before, where room is
    scarce."""

    label: str
    cells: tuple[Cell, ...]
    rule: bool = False
    short: str = ""

    def __post_init__(self) -> None:
        _keep(self, label=printable(self.label), short=printable(self.short))


@dataclass(frozen=True)
class Sheet:
    """`lines` have a cell for each of `columns`; `notes` stand below.

    legend   what signs and words in it mean: said once, below the last of several tables that use them
    setting  what a caption says besides the title: test sets and protocol
    name     short, to refer to it
    quiet    columns for data alone: CSV and JSON have them, what people read does not
    """

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    legend: tuple[str, ...] = ()
    setting: str = ""
    name: str = ""
    quiet: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("title", "setting", "name"):
            _keep(self, **{name: printable(getattr(self, name))})
        for name in ("columns", "notes", "legend", "quiet"):
            _keep(self, **{name: tuple(map(printable, getattr(self, name)))})

    def for_people(self) -> Sheet:
        """Without the quiet columns."""
        shown = [at for at, column in enumerate(self.columns) if column not in self.quiet]
        return self.of_columns(shown) if len(shown) < len(self.columns) else self

    def of_columns(self, chosen: Sequence[int]) -> Sheet:
        """With these columns alone."""
        lines = tuple(replace(line, cells=tuple(line.cells[at] for at in chosen)) for line in self.lines)
        return replace(self, columns=tuple(self.columns[at] for at in chosen), lines=lines)

    def turned(self) -> Sheet:
        """Its columns as rows."""
        lines = (Line(column, tuple(line.cells[at] for line in self.lines)) for at, column in enumerate(self.columns))
        return replace(self, columns=tuple(line.label for line in self.lines), lines=tuple(lines))


def _keep(record: object, **fields: Any) -> None:
    """Set fields of a frozen record as it is made."""
    for name, value in fields.items():
        object.__setattr__(record, name, value)


def scores(psnr: float, ssim: float, sign: str = "") -> Cell:
    """PSNR in dB and SSIM, with the digits that papers give; one more where `sign` is "+", for differences."""
    digits = 3 if sign else 2
    return Cell(f"{psnr:{sign}z.{digits}f}/{ssim:{sign}z.4f}", (("psnr", psnr), ("ssim", ssim)))


def blank(count: int) -> Sequence[Cell]:
    """So many empty cells."""
    return [Cell()] * count
