"""A table before it is drawn: what it says, whatever it is drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """`text` as people read it; `values` by name, unrounded, for CSV and JSON; `best` of its column, in bold."""

    text: str = ""
    values: tuple[tuple[str, float], ...] = ()
    best: bool = False


@dataclass(frozen=True)
class Line:
    """A row; `rule` draws a line above it."""

    label: str
    cells: tuple[Cell, ...]
    rule: bool = False


@dataclass(frozen=True)
class Sheet:
    """`lines` have a cell for each of `columns`; `notes` stand below."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


def scores(psnr: float, ssim: float, sign: str = "") -> Cell:
    """PSNR in dB and SSIM, with the digits that papers give; one more where `sign` is "+", for differences."""
    digits = 3 if sign else 2
    return Cell(f"{psnr:{sign}.{digits}f}/{ssim:{sign}.4f}", (("psnr", psnr), ("ssim", ssim)))


def blank(count: int) -> Sequence[Cell]:
    """So many empty cells."""
    return [Cell()] * count
