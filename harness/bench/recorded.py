"""Ratios of networks to the code of their authors as they were measured where that was at hand: what is shown where it
is not. `harness bench --official DIR --record FILE` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.bench.turns import Spread, Timed

FILE = Path(__file__).with_name("recorded.json")


class Ratio(BaseModel):
    """Ours over the authors': median and quartiles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    whose: str
    what: str
    median: float
    low: float
    high: float


class Recorded(BaseModel):
    """Ratios, and by what code and where they were measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    commit: str
    machine: str
    ratios: tuple[Ratio, ...]


def read(file: Path | None = None) -> Recorded:
    """Those that come with the harness, where no file is named."""
    return Recorded.model_validate_json((file or FILE).read_bytes())


def recorded(timed: Iterable[Timed], commit: str, machine: str) -> Recorded:
    """Of those lines that have another to be compared with."""
    spreads = [(each, Spread.of(each.turns.ratios)) for each in timed if each.turns.other]
    ratios = tuple(
        Ratio(whose=each.whose, what=each.what, **{name: round(value, 3) for name, value in vars(spread).items()})
        for each, spread in spreads
    )
    return Recorded(commit=commit, machine=machine, ratios=ratios)
