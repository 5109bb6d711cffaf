"""harness curves: the convergence curves of a pair."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.common import results_option


@click.command()
@click.argument("pair")
@results_option
def curves(pair: str, results: Path) -> None:
    """Draw the convergence curves of PAIR, e.g. ifrnet-s+hce+hir: a PNG, and a CSV with the data behind it."""
    from harness.compare.outcome import find_pair, read_pair
    from harness.report.curves import draw_curves
    from harness.results.store import Store

    store = Store(results)
    name = find_pair(store, pair)
    for path in draw_curves(read_pair(store, name), store.figures(name)):
        click.echo(path)
