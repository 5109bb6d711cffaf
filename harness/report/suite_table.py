"""The table of a suite: what is published, what is measured, and the difference, row by row and column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from statistics import fmean

from harness.compare.outcome import Column, Means, means_of
from harness.errors import HarnessError
from harness.report.formats import ScoreCell
from harness.report.published import PublishedRow, PublishedTable, Score, tables
from harness.report.sheet import Cell, Line, Sheet, blank
from harness.report.tables import state_of
from harness.results.store import Store
from harness.suites.found import Found, Rows, find_rows
from harness.suites.suite import Suite, SuiteRow

Values = dict[str, float]
"""psnr, ssim, ie, of what is known."""
COST = "cost (T)"
DIGITS = {"psnr": 2, "ssim": 4, "ie": 3}


def suite_sheet(
    name: str, suite: Suite, store: Store, mix_protocols: bool = False, show_unmatched: bool = False
) -> Sheet:
    """Raises HarnessError where two protocols meet in the table, unless they are to be mixed."""
    rows = find_rows(suite, store)
    _check_protocols(name, rows, mix_protocols)
    paper = _published(suite)
    lines: list[Line] = []
    refused: list[str] = []
    for row in suite.rows:
        lines += _row(suite, row, rows, paper)
        if row.against:
            lines += _gain(suite, row, rows, paper, show_unmatched, refused)
    columns = (*(column.label for column in suite.columns), COST)
    return Sheet(suite.title, columns, tuple(lines), tuple([*_notes(name, suite, rows), *refused]))


def published_sheet(name: str, table: PublishedTable) -> Sheet:
    """A table of published numbers alone."""
    columns = list(dict.fromkeys(column for row in table.rows.values() for column in row.columns))
    lines = []
    for row in table.rows.values():
        cells = [_cell(_of(row.columns.get(column, Score()))) for column in columns]
        lines.append(Line(row.label, (*cells, _cost(row.cost))))
    sources = [f"{row.label}: {row.source}." for row in table.rows.values() if row.source]
    return Sheet(table.title, (*columns, COST), tuple(lines), (f"Source: {table.source}.", *sources, SHOWN))


SHOWN = "PSNR (dB) / SSIM / interpolation error, as far as they are given; - is not given, or not legible."


def _published(suite: Suite) -> Mapping[str, PublishedRow]:
    """By label of the suite's rows."""
    if not suite.published:
        return {}
    try:
        table = tables()[suite.published]
        return {row.label: table.rows[row.published] for row in suite.rows if row.published}
    except KeyError as error:
        raise HarnessError(f"{suite.title}: there is no published table or row {error}") from None


def _row(suite: Suite, row: SuiteRow, rows: Rows, paper: Mapping[str, PublishedRow]) -> list[Line]:
    """Published, measured, difference; of these, what there is."""
    printed, found = paper.get(row.label), rows[row.label]
    measured = _measured(suite, found)
    best = [each for each in suite.rows if each.label in _group(suite, row)]
    bold = len(best) > 1
    lines = []
    if printed:
        theirs = [{each.label: _of(_score(paper, each, column.key)) for each in best} for column in suite.columns]
        cells = [_cell(at[row.label], bold=_best(at, row.label) if bold else ()) for at in theirs]
        lines.append(Line(f"{row.label}, published", (*cells, _cost(printed.cost))))
    if any(rows.values()):
        label = f"{row.label}, measured" if paper else row.label
        several = all(len(rows[each.label]) > 1 for each in best)
        every = {each.label: _measured(suite, rows[each.label]) for each in best} if bold and several else {}
        lines.append(Line(label, (*_cells(measured, every, row.label, found, suite), _cost(_tera(found)))))
    if printed and any(measured):
        pairs = zip(suite.columns, measured, strict=True)
        apart = [_cell(_minus(values, _of(_score(paper, row, column.key))), "+") for column, values in pairs]
        tera = _tera(found)
        cost = _cost(tera - printed.cost, "+") if tera is not None and printed.cost is not None else Cell()
        lines.append(Line(f"{row.label}, difference", (*apart, cost)))
    return [replace(line, rule=number == 0 and row != suite.rows[0]) for number, line in enumerate(lines)]


def _cells(
    measured: list[Values], every: Mapping[str, list[Values]], label: str, found: Mapping[int, Found], suite: Suite
) -> list[Cell]:
    """Measured scores; how far the arm is, where there are none."""
    if not any(measured):
        states = [state_of(each.arm) for each in found.values()]
        return [Cell(states[0] if states else "not measured"), *blank(len(suite.columns) - 1)]
    cells = []
    for at, values in enumerate(measured):
        bold = _best({other: of[at] for other, of in every.items()}, label) if every else ()
        cells.append(_cell(values, bold=bold) if values else Cell("not measured"))
    return cells


def _gain(
    suite: Suite, row: SuiteRow, rows: Rows, paper: Mapping[str, PublishedRow], show_unmatched: bool, refused: list[str]
) -> list[Line]:
    """The row minus the one that it is compared with, published and measured; what was refused is added to notes."""
    label = f"{row.label} minus {row.against}"
    other = suite.row(row.against)
    lines = []
    if row.label in paper and other.label in paper:
        keys = [column.key for column in suite.columns]
        cells = [_cell(_minus(_of(_score(paper, row, key)), _of(_score(paper, other, key))), "+") for key in keys]
        one, two = paper[other.label].cost, paper[row.label].cost
        cost = _cost(two - one, "+") if one is not None and two is not None else Cell()
        lines.append(Line(f"{label}, published", (*cells, cost)))
    gains: list[Means] = []
    for seed, found in rows[row.label].items():
        arm = found.pair.arms[0] if not other.plugins else rows[other.label][seed].arm if seed in rows[other.label] else None
        if arm is None:
            continue
        pair = replace(found.pair, arms=(arm, found.arm), show_unmatched=show_unmatched)
        unmatched = "; ".join(pair.unmatched())
        try:
            difference = pair.difference()
        except HarnessError:
            refused.append(f"{label}, seed {seed}: refused, the arms are not matched: {unmatched}.")
            continue
        if difference is not None and unmatched:
            refused.append(f"{label}, seed {seed}: SHOWN THOUGH NOT MATCHED: {unmatched}.")
        if difference is not None:
            gains.append(_renamed(means_of(difference), found))
    if gains:
        means = [_mean([gain.get(Column(at.test, at.level), {}) for gain in gains]) for at in suite.columns]
        cells = [_cell(values, "+", 3) if values else Cell("not measured") for values in means]
        one, two = _tera(rows[other.label]), _tera(rows[row.label])
        cost = _cost(two - one, "+") if one is not None and two is not None else Cell()
        lines.append(Line(f"{label}, measured" if paper else label, (*cells, cost)))
    return lines
