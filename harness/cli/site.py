"""harness site: the results folder as a static web page."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.common import data_root_option, find_device, results_option, say, warn_broken

if TYPE_CHECKING:
    from harness.outcome.pairs import PairOutcome


@click.command()
@click.option(
    "--output",
    "-o",
    "out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write it there; a site that is there is replaced.",
)
@click.option(
    "--pictures",
    "count",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    metavar="N",
    help="Triplets of each level that gain most, and as many that lose most, to look at. Runs the networks.",
)
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@data_root_option
@results_option
def site(out: Path, count: int, device: str | None, results: Path) -> None:
    """Write the results folder as a web page that opens from a file, without a network: leaderboards, a page for each
    pair and for each adapter."""
    from harness.files import expanded
    from harness.registry.entry import Entry
    from harness.results.store import Store
    from harness.site.write import check_out, write_site

    out = expanded(out)
    check_out(out)
    pictures = _pictures(count, device) if count else None
    for line in write_site(Store(expanded(results)), out, pictures, Entry.options):
        logging.getLogger("harness").warning("left out: %s", line)
    say(out / "index.html")


def _pictures(count: int, device: str | None) -> Any:
    """What writes those of a pair: in this module alone, since it imports torch."""
    from harness.registry.catalog import catalog
    from harness.site.pictures import write_pictures

    known, on = catalog(), find_device(device)
    warn_broken(known)

    def write(pair: PairOutcome, folder: Path) -> list[dict[str, Any]]:
        return write_pictures(pair, folder, count, known, on)

    return write
