"""harness table: the table of a suite, of one pair, or of all pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import output, results_option

if TYPE_CHECKING:
    from harness.report.sheet import Sheet
    from harness.results.records import PairRecord
    from harness.results.store import Store

FORMS = ("terminal", "markdown", "latex", "csv", "json", "html", "svg")


@click.command()
@click.argument("name", required=False)
@click.option("--format", "form", type=click.Choice(FORMS), default="terminal", show_default=True)
@click.option(
    "--output", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there."
)
@click.option("--mix-protocols", is_flag=True, help="Let rows of several protocols stand in one table, which says so.")
@click.option("--show-unmatched", is_flag=True, help="Give differences of arms that are not matched, with the reasons.")
@results_option
def table(
    name: str | None, form: str, file: Path | None, mix_protocols: bool, show_unmatched: bool, results: Path
) -> None:
    """Print the table of NAME: a suite, e.g. table1, a pair, e.g. ifrnet-s+hce+hir, or a published table, e.g.
    ifrnet-paper. Without NAME, of every pair in the results folder."""
    from harness.files import write_text
    from harness.report.formats import FORMATS, draw
    from harness.results.store import Store

    store = Store(results)
    sheets = _named(name, store, mix_protocols, show_unmatched) if name else _every(store, show_unmatched)
    if file:
        write_text(file, FORMATS[form](sheets))
    elif form == "terminal":
        draw(sheets, output())
    else:
        click.echo(FORMATS[form](sheets), nl=False)


def _named(name: str, store: Store, mix_protocols: bool, show_unmatched: bool) -> list[Sheet]:
    from harness.errors import HarnessError, suggestion
    from harness.outcome.pairs import find_pair
    from harness.registry.plugins import discover
    from harness.report.published import tables
    from harness.report.suite_table import published_sheet, suite_sheet
    from harness.suites.suite import find_suite, suite_files

    if found := find_suite(discover(), name):
        return [suite_sheet(*found, store, mix_protocols, show_unmatched)]
    if name in tables():
        return [published_sheet(tables()[name])]
    try:
        return _pair(store, find_pair(store, name), show_unmatched)
    except HarnessError:
        nearest = suggestion(name, [*suite_files(discover()), *tables()])
        if nearest and not store.pairs():
            raise HarnessError(f"no suite, pair or published table is called '{name}'{nearest}") from None
        raise


def _every(store: Store, show_unmatched: bool) -> list[Sheet]:
    from harness.errors import HarnessError

    names = store.pairs()
    if not names:
        raise HarnessError(f"no pair in {store.root} yet: harness run makes one")
    records = {name: store.pair(name) for name in names}
    return [sheet for name in names for sheet in _pair(store, name, show_unmatched, records)]


def _pair(store: Store, name: str, show_unmatched: bool, records: dict[str, PairRecord] | None = None) -> list[Sheet]:
    """`records` are those of all pairs, where they are read already. A difference that would be refused carries the
    reasons, where it is shown all the same."""
    from dataclasses import replace

    from harness.outcome.pairs import read_pair
    from harness.outcome.refusals import refusals
    from harness.report.tables import sheets_of

    record = records[name] if records else store.pair(name)
    pair = replace(read_pair(store, name, record), show_unmatched=show_unmatched)
    sheets = sheets_of(store, pair, store.pair_records() if records is None else records)
    unmatched = "; ".join(refusals(pair))
    if not (show_unmatched and unmatched):
        return sheets
    warning = f"NOT MATCHED: the arms differ in {unmatched}; the difference is no measure of the plug-ins."
    return [replace(sheet, notes=(warning, *sheet.notes)) for sheet in sheets]
