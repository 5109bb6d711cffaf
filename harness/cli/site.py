"""harness site: the results folder as a static web page."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.common import results_option, say


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
@results_option
def site(out: Path, results: Path) -> None:
    """Write the results folder as a web page that opens from a file, without a network: leaderboards, a page for each
    pair and for each adapter."""
    import logging

    from harness.files import expanded
    from harness.results.store import Store
    from harness.site.write import write_site

    for line in write_site(Store(results), expanded(out)):
        logging.getLogger("harness").warning("left out: %s", line)
    say(expanded(out) / "index.html")
