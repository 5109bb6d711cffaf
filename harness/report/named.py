"""Tables by what a user calls them: of a suite, of a pair, of an evaluation, of a published table, or of every pair."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import HarnessError, suggestion
from harness.outcome.pairs import PairOutcome, find_evaluation, find_pair, read_evaluation, read_pair
from harness.outcome.seeds import of_all_seeds
from harness.registry.plugins import discover
from harness.report.sheet import Sheet
from harness.results.records import PairRecord
from harness.results.store import Store
from harness.suites.suite import find_suite, suite_files


def tables_named(store: Store, name: str, mix_protocols: bool = False, show_unmatched: bool = False) -> list[Sheet]:
    """Raises HarnessError with the nearest name, for a difference that is refused, and for a suite of two protocols
    unless they are to be mixed."""
    from harness.report.published import tables
    from harness.report.suite_table import published_sheet, suite_sheet
    from harness.report.tables import evaluation_sheets

    if found := find_suite(discover(), name):
        return [suite_sheet(*found, store, mix_protocols, show_unmatched)]
    if name in tables():
        return [published_sheet(tables()[name])]
    if meant := find_evaluation(store, name):
        return evaluation_sheets(read_evaluation(store, meant))
    try:
        return _of_pair(store, find_pair(store, name), show_unmatched)
    except HarnessError:
        nearest = suggestion(name, [*suite_files(discover()), *tables()])
        if nearest and not store.pairs():
            raise HarnessError(f"no suite, pair or published table is called '{name}'{nearest}") from None
        raise


def every_table(store: Store, show_unmatched: bool = False) -> tuple[list[Sheet], list[str]]:
    """Of every pair, one for all seeds of a comparison; and, in a line each, why one has none. Raises HarnessError
    where there is no pair at all."""
    from harness.report.tables import seed_sheets

    names = store.pairs()
    if not names:
        given = f"; harness table {store.evaluations()[0]} is of an evaluation" if store.evaluations() else ""
        raise HarnessError(f"no pair in {store.root} yet: harness run makes one{given}")
    if len(names) == 1:
        return _of_pair(store, names[0], show_unmatched), []
    records, sheets, left_out, shown = store.pair_records(), list[Sheet](), list[str](), set[str]()
    for name in records:
        try:
            pairs = [] if name in shown else _seeds(store, name, show_unmatched, records)
            if not shown.issuperset(pair.name for pair in pairs):
                sheets += seed_sheets(store, pairs, records)
            shown.update(pair.name for pair in pairs)
        except HarnessError as error:
            left_out.append(str(error))
    return sheets, left_out


def _of_pair(store: Store, name: str, show_unmatched: bool) -> list[Sheet]:
    from harness.report.tables import sheets_of

    records = store.pair_records()
    pair = replace(read_pair(store, name, records.get(name)), show_unmatched=show_unmatched)
    return sheets_of(store, pair, records)


def _seeds(store: Store, name: str, show_unmatched: bool, records: dict[str, PairRecord]) -> list[PairOutcome]:
    """All seeds of a pair's comparison; `records` are those of all pairs."""
    pair = replace(read_pair(store, name, records.get(name)), show_unmatched=show_unmatched)
    return of_all_seeds(store, pair, records)
