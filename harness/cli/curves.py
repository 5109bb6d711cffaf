"""harness curves: the convergence curves of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from harness.cli.common import results_option, say


@click.command()
@click.argument("pairs", nargs=-1, required=True, metavar="PAIR...")
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write them there.  [default: the pair's folder in figures; figures/curves of several]",
)
@click.option(
    "--scale", type=click.Choice(["log", "linear"]), default="log", show_default=True, help="Of the axis of the losses."
)
@results_option
def curves(pairs: tuple[str, ...], folder: Path | None, scale: Literal["log", "linear"], results: Path) -> None:
    """Draw the convergence curves of each PAIR, e.g. ifrnet-s+hce+hir, with its other seeds: PNG, PDF, SVG, and the
    data behind them as CSV. Also while it is in training."""
    from harness.outcome.pairs import find_pair, read_pair
    from harness.report.curves import curves_of, draw_curves
    from harness.results.store import Store

    store = Store(results)
    names = list(dict.fromkeys(find_pair(store, pair) for pair in pairs))
    drawn = [curves_of(read_pair(store, name), store) for name in names]
    for path in draw_curves(drawn, folder or store.figures(names[0] if len(names) == 1 else "curves"), scale):
        say(path)
