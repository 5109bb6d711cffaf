"""harness run: train a matched pair, evaluate it, print the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.common import data_root_option, find_device, output, results_option, stoppable, warn_broken


@click.command()
@click.option("--baseline", required=True, metavar="NAME", help="The network, e.g. ifrnet-s.")
@click.option("--with", "plugins", default="", metavar="NAMES", help="Plug-ins, e.g. hce,hir:stages=L,radius=2.")
@click.option("--recipe", default="quick", show_default=True, metavar="NAME", help="A recipe's name or YAML file.")
@click.option("--data", default="clips", show_default=True, metavar="NAME", help="Benchmark, e.g. clips:root=DIR.")
@click.option("--test", default="", metavar="NAMES", help="Benchmarks to test on.  [default: that of --data]")
@click.option("--masks", default="", metavar="NAME", help="Mask source.  [default: the best one installed]")
@click.option("--test-masks", default="", metavar="NAME", help="Masks given to the network when it is tested.")
@click.option("--protocol", default="unified", show_default=True, metavar="NAME", help="How it is tested.")
@click.option("--metrics", default="psnr,ssim", show_default=True, metavar="NAMES", help="PSNR and SSIM always are.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), metavar="N")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@click.option("--workers", default=0, show_default=True, type=click.IntRange(0, 256), help="Processes that read data.")
@data_root_option
@results_option
def run(device: str | None, workers: int, results: Path, **asked: Any) -> None:
    """Train a baseline alone and with plug-ins, identically, evaluate both and print the table.

    The same command again finds the finished run, or goes on where it was stopped.
    """
    from harness.catalog import catalog
    from harness.cli.progress import Progress
    from harness.compare.outcome import read_pair
    from harness.compare.pair import run_pair
    from harness.compare.request import Asked
    from harness.compare.session import Session
    from harness.report.figures import draw_figures
    from harness.report.formats import draw
    from harness.report.tables import pair_sheets
    from harness.results.store import Store
    from harness.train.loop import Interrupted

    known = catalog()
    warn_broken(known)
    request = Asked(**asked).settle(known, find_device(device), workers)
    store = Store(results)
    with Progress([arm.slug for arm in request.arms]).watching(known.plugins.manager) as progress, stoppable() as stop:
        session = Session(store, known.plugins.notify, progress.note, lambda: bool(stop))
        try:
            pair = read_pair(store, run_pair(request, session))
        except Interrupted as interrupted:
            progress.note(f"{interrupted}; the same command goes on from there")
            raise SystemExit(128 + stop[0]) from None
        folder = draw_figures(pair, request, store, progress.note)
    draw(pair_sheets(pair), output())
    click.echo(f"table, curves and gallery: {folder}")
