"""harness table: the table of one pair or of all."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.common import output, results_option


@click.command()
@click.argument("pair", required=False)
@click.option("--format", "form", type=click.Choice(["terminal", "markdown", "csv", "svg"]), default="terminal")
@results_option
def table(pair: str | None, form: str, results: Path) -> None:
    """Print the table of PAIR, e.g. ifrnet-s+hce+hir, or of every pair in the results folder."""
    from harness.compare.outcome import find_pair, read_pair
    from harness.errors import HarnessError
    from harness.report.formats import FORMATS, draw
    from harness.report.tables import pair_sheets
    from harness.results.store import Store

    store = Store(results)
    names = [find_pair(store, pair)] if pair else store.pairs()
    if not names:
        raise HarnessError(f"no pair in {results} yet: harness run makes one")
    for name in names:
        sheets = pair_sheets(read_pair(store, name))
        if form == "terminal":
            draw(sheets, output())
        else:
            click.echo(FORMATS[form](sheets), nl=False)
