"""harness table: the table of a suite, of one pair or evaluation, or of all pairs."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from harness.cli.common import output, results_option

log = logging.getLogger("harness")

FORMS = ("terminal", "markdown", "latex", "csv", "json", "html", "svg")


@click.command()
@click.argument("name", required=False)
@click.option("--format", "form", type=click.Choice(FORMS), default="terminal", show_default=True)
@click.option(
    "--output", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there."
)
@click.option("--mix-protocols", is_flag=True, help="Let rows of several protocols stand in one table, which says so.")
@click.option("--by", type=click.Choice(["clip"]), help="Of a pair: its difference at each clip.")
@click.option("--speed", is_flag=True, help="Show how long a training step took, too; CSV and JSON always have it.")
@click.option("--show-unmatched", is_flag=True, help="Give differences of arms that are not matched, with the reasons.")
@results_option
def table(
    name: str | None,
    form: str,
    file: Path | None,
    mix_protocols: bool,
    by: str | None,
    speed: bool,
    show_unmatched: bool,
    results: Path,
) -> None:
    """Print the table of NAME: a suite, e.g. table1, a pair, e.g. ifrnet-s+hce+hir, an evaluation of given weights, or
    a published table, e.g. ifrnet-paper. Without NAME, of every pair in the results folder."""
    from harness.errors import HarnessError
    from harness.files import write_text
    from harness.report.formats import FORMATS, draw
    from harness.report.named import every_table, tables_named
    from harness.report.tables import with_speed
    from harness.results.store import Store

    store = Store(results)
    if by:
        from harness.report.by_clip import by_clip, clip_sheets

        if not name:
            raise HarnessError("--by clip is of one pair: name it")
        sheets = clip_sheets(by_clip(store, name, show_unmatched))
    elif name:
        sheets = tables_named(store, name, mix_protocols, show_unmatched)
    else:
        sheets, left_out = every_table(store, show_unmatched)
        for reason in left_out:
            log.warning("left out: %s", reason)
        if not sheets:
            raise HarnessError(f"no pair in {store.root} can be shown")
    if speed:
        sheets = list(map(with_speed, sheets))
    if file:
        write_text(file, FORMATS[form](sheets))
    elif form == "terminal":
        draw(sheets, output())
    else:
        click.echo(FORMATS[form](sheets), nl=False)
