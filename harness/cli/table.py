"""harness table: the table of a suite, of one pair, or of all pairs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import output, results_option

if TYPE_CHECKING:
    from harness.outcome.pairs import PairOutcome
    from harness.report.sheet import Sheet
    from harness.results.records import PairRecord
    from harness.results.store import Store

log = logging.getLogger("harness")

FORMS = ("terminal", "markdown", "latex", "csv", "json", "html", "svg")


@click.command()
@click.argument("name", required=False)
@click.option("--format", "form", type=click.Choice(FORMS), default="terminal", show_default=True)
@click.option(
    "--output", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there."
)
@click.option("--mix-protocols", is_flag=True, help="Let rows of several protocols stand in one table, which says so.")
@click.option("--speed", is_flag=True, help="Show how long a training step took, too; CSV and JSON always have it.")
@click.option("--show-unmatched", is_flag=True, help="Give differences of arms that are not matched, with the reasons.")
@results_option
def table(
    name: str | None,
    form: str,
    file: Path | None,
    mix_protocols: bool,
    speed: bool,
    show_unmatched: bool,
    results: Path,
) -> None:
    """Print the table of NAME: a suite, e.g. table1, a pair, e.g. ifrnet-s+hce+hir, or a published table, e.g.
    ifrnet-paper. Without NAME, of every pair in the results folder."""
    from harness.files import write_text
    from harness.report.formats import FORMATS, draw
    from harness.report.tables import with_speed
    from harness.results.store import Store

    store = Store(results)
    sheets = _named(name, store, mix_protocols, show_unmatched) if name else _every(store, show_unmatched)
    if speed:
        sheets = list(map(with_speed, sheets))
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
    """One table for all seeds of a comparison. One that has none is named and left out, unless it is the only one."""
    from harness.errors import HarnessError
    from harness.report.sheet import Sheet
    from harness.report.tables import seed_sheets

    names = store.pairs()
    if not names:
        raise HarnessError(f"no pair in {store.root} yet: harness run makes one")
    if len(names) == 1:
        return _pair(store, names[0], show_unmatched)
    records, sheets, shown = store.pair_records(), list[Sheet](), set[str]()
    for name in records:
        try:
            pairs = [] if name in shown else _seeds(store, name, show_unmatched, records)
            if not shown.issuperset(pair.name for pair in pairs):
                sheets += seed_sheets(store, pairs, records)
            shown.update(pair.name for pair in pairs)
        except HarnessError as error:
            log.warning("left out: %s", error)
    if not sheets:
        raise HarnessError(f"no pair in {store.root} can be shown")
    return sheets


def _pair(store: Store, name: str, show_unmatched: bool) -> list[Sheet]:
    from harness.report.tables import seed_sheets

    records = store.pair_records()
    return seed_sheets(store, _seeds(store, name, show_unmatched, records), records)


def _seeds(store: Store, name: str, show_unmatched: bool, records: dict[str, PairRecord]) -> list[PairOutcome]:
    """All seeds of a pair's comparison; `records` are those of all pairs."""
    from dataclasses import replace

    from harness.outcome.pairs import read_pair
    from harness.outcome.seeds import of_all_seeds

    pair = replace(read_pair(store, name, records.get(name)), show_unmatched=show_unmatched)
    return of_all_seeds(store, pair, records)
