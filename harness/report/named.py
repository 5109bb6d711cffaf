"""Tables by what a user calls them: of a suite, of a pair, of a published table, or of every pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.errors import HarnessError, suggestion
from harness.outcome.pairs import find_pair, read_pair
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

    if found := find_suite(discover(), name):
        return [suite_sheet(*found, store, mix_protocols, show_unmatched)]
    if name in tables():
        return [published_sheet(tables()[name])]
    try:
        return _of_pair(store, find_pair(store, name), show_unmatched)
    except HarnessError:
        nearest = suggestion(name, [*suite_files(discover()), *tables()])
        if nearest and not store.pairs():
            raise HarnessError(f"no suite, pair or published table is called '{name}'{nearest}") from None
        raise


def every_table(store: Store, show_unmatched: bool = False) -> tuple[list[Sheet], list[str]]:
    """Of every pair; and, in a line each, why one has none. Raises HarnessError where there is no pair at all."""
    names = store.pairs()
    if not names:
        raise HarnessError(f"no pair in {store.root} yet: harness run makes one")
    if len(names) == 1:
        return _of_pair(store, names[0], show_unmatched), []
    records, sheets, left_out = store.pair_records(), list[Sheet](), list[str]()
    for name in records:
        try:
            sheets += _of_pair(store, name, show_unmatched, records)
        except HarnessError as error:
            left_out.append(str(error))
    return sheets, left_out


def _of_pair(
    store: Store, name: str, show_unmatched: bool, records: Mapping[str, PairRecord] | None = None
) -> list[Sheet]:
    """`records` are those of all pairs, where they are read already."""
    from harness.report.tables import sheets_of

    record = records[name] if records else store.pair(name)
    pair = replace(read_pair(store, name, record), show_unmatched=show_unmatched)
    return sheets_of(store, pair, store.pair_records() if records is None else dict(records))
