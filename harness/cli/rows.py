"""harness rows: what was measured, triplet by triplet, for other programs."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import results_option

if TYPE_CHECKING:
    import pandas as pd

FORMS = ("csv", "json", "parquet")


@click.command()
@click.argument("name", required=False)
@click.option("--format", "form", type=click.Choice(FORMS), default="csv", show_default=True)
@click.option("--output", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write there.")
@results_option
def rows(name: str | None, form: str, file: Path | None, results: Path) -> None:
    """Print what was measured of NAME, a pair or an evaluation: a line for each test triplet and arm. Without NAME, of
    all in the results folder. The same as `harness.results.open(...).rows()`, whose columns the guide names."""
    from harness.errors import HarnessError
    from harness.files import write_bytes
    from harness.results import open as open_results
    from harness.results.store import Store

    if form == "parquet" and file is None:
        raise HarnessError("--format parquet is no text: say where it goes with --output FILE")
    found = open_results(results).rows(name)
    if found.empty and not (store := Store(results)).pairs() and not store.evaluations():
        raise HarnessError(f"no pair in {results} yet: harness run makes one")
    content = _content(found, form)
    if file:
        write_bytes(file, content)
    else:
        click.echo(content, nl=False)


def _content(table: pd.DataFrame, form: str) -> bytes:
    if form == "parquet":
        return _parquet(table)
    if form == "json":
        lines = [
            {name: value if _said(value) else None for name, value in line.items()} for line in table.to_dict("records")
        ]
        return json.dumps(lines, indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
    from harness.report.formats import in_csv

    texts = {name: table[name].map(in_csv) for name in table.columns if table[name].dtype == "string"}
    return table.assign(**texts).to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")


def _said(value: object) -> bool:
    """Whether JSON has a word for it: what is missing or infinite is null."""
    return isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value))


def _parquet(table: pd.DataFrame) -> bytes:
    from harness.errors import HarnessError

    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise HarnessError("--format parquet needs pyarrow: pip install 'vfi-harness[parquet]'") from None
    content = io.BytesIO()
    table.to_parquet(content, engine="pyarrow", index=False)
    return content.getvalue()
