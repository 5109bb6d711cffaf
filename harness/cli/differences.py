"""harness differences: the difference of a pair, clip by clip."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.common import results_option, say


@click.command()
@click.argument("pair")
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write them there.  [default: the pair's folder in figures]",
)
@results_option
def differences(pair: str, folder: Path | None, results: Path) -> None:
    """Draw what the plug-ins of PAIR, e.g. ifrnet-s+hce+hir, gain in PSNR at each triplet, clip by clip, as a strip
    plot: PNG, PDF, SVG, and the data behind them as CSV. `harness table --by clip` has the means."""
    from harness.report.by_clip import by_clip, draw_by_clip
    from harness.results.store import Store

    store = Store(results)
    found = by_clip(store, pair)
    for path in draw_by_clip(found, folder or store.figures(found.pair.name)):
        say(path)
