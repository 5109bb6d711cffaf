"""harness gallery: what the numbers of a pair look like."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.common import data_root_option, find_device, results_option, say, warn_broken


@click.command()
@click.argument("pair")
@click.option(
    "--count", default=1, show_default=True, type=click.IntRange(1), metavar="N", help="Gains of a level, and losses."
)
@click.option(
    "--crop", type=click.IntRange(16), metavar="PIXELS", help="Side of the crop.  [default: a third of the frame's]"
)
@click.option("--level", "levels", multiple=True, metavar="NAME", help="Only that level; may be given several times.")
@click.option(
    "--output",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="png, pdf, svg or jpg.  [default: gallery.png among the pair's figures]",
)
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@data_root_option
@results_option
def gallery(
    pair: str,
    count: int,
    crop: int | None,
    levels: tuple[str, ...],
    file: Path | None,
    device: str | None,
    results: Path,
) -> None:
    """Show the triplets of PAIR, e.g. ifrnet-s+hce+hir, that gain most and, as many, those that lose most: inputs,
    truth, both arms, their errors and flows, and masks."""
    from harness.outcome.pairs import find_pair, read_pair
    from harness.pair.plan import settle
    from harness.registry.catalog import catalog
    from harness.report.exhibit import exhibits
    from harness.report.gallery import picks
    from harness.report.gallery_page import check_count, draw_gallery
    from harness.report.picture import check_format
    from harness.results.store import Store

    store = Store(results)
    outcome = read_pair(store, find_pair(store, pair))
    path = file or store.figures(outcome.name) / "gallery.png"
    check_format(path)
    chosen = picks(outcome, count, levels)
    check_count(len(chosen))
    known = catalog()
    warn_broken(known)
    asked = outcome.record.asked.model_copy(update={"start": ""})  # it shows what was trained, wherever that started
    plan = settle(asked, known, find_device(device))
    say(draw_gallery(exhibits(outcome, plan, chosen, crop), path))
