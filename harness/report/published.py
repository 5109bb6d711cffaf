"""Numbers that papers print, to be shown beside what is measured and never mixed with it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, RootModel

from harness.yamlfile import load_yaml

FILE = Path(__file__).parent / "published.yaml"


class Score(BaseModel):
    """`psnr` in dB, `ssim`, and `ie`, the interpolation error; None for what is not given or cannot be read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    psnr: float | None = None
    ssim: float | None = None
    ie: float | None = None


class PublishedRow(BaseModel):
    """`columns` by "benchmark level"; `cost` in 10^12 multiply-accumulates at 1280x720, transposed convolutions counted
    over their output; `source` where it is not that of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    columns: Mapping[str, Score]
    cost: float | None = None
    source: str = ""


class PublishedTable(BaseModel):
    """`rows` by key; a suite's rows name them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    source: str
    rows: Mapping[str, PublishedRow]


class _File(RootModel[Mapping[str, PublishedTable]]):
    """The file: tables by name."""


@functools.cache
def tables() -> Mapping[str, PublishedTable]:
    """Every published table, by name."""
    return load_yaml(FILE, _File).root


def published() -> dict[str, dict[str, float]]:
    """Under `cost`, the costs of the paper's Table 1, by the label of an arm."""
    rows = tables()["table1"].rows
    return {"cost": {name: row.cost for name, row in rows.items() if row.cost is not None}}
