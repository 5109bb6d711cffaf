"""A table before it is drawn: what it says, whatever it is drawn with.

Labels and names come from results folders that may be anybody's: every text is kept as one printable line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Line:
    """A row; `rule` draws a line above it."""

    label: str
    cells: tuple[Cell, ...]
    rule: bool = False

    def __post_init__(self) -> None:
        _keep(self, label=printable(self.label))


@dataclass(frozen=True)
class Sheet:
    """`lines` have a cell for each of `columns`; `notes` stand below."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _keep(self, title=printable(self.title))
        _keep(self, columns=tuple(map(printable, self.columns)), notes=tuple(map(printable, self.notes)))


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
