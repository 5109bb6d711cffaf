"""The table of a suite: of every row what is published, what is measured and the difference, one below the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from harness.errors import HarnessError
from harness.outcome.exact import static_notes
from harness.outcome.pairs import stem_of
from harness.report.certainty import RESOLVABLE, uncertainty_lines
from harness.report.notes import (
    apart_notes,
    cost_notes,
    gap_notes,
    learnt_nothing,
    partial_notes,
    time_notes,
    why_without,
)
from harness.report.published import PublishedTable, tables
from harness.report.sheet import Cell, Line, ScoreCell, Sheet, blank
from harness.report.suite_certainty import bold_legend, floor_notes, judged_legend, judged_notes, p_values, proven
from harness.report.suite_numbers import Numbers, Series, Values, columns_of, minus, numbers, series_of
from harness.report.tables import spec_of, state_of, title_of
from harness.results.store import Store
from harness.suites.found import Found, Rows, code_of, find_rows
from harness.suites.suite import Suite, SuiteColumn, SuiteRow

COST = "cost (T)"
COUNTED = f"{COST}: 10^12 multiply-accumulates at 1280x720, transposed convolutions counted over their output."
DIGITS = {"psnr": 2, "ssim": 4, "ie": 3, "cost": 2}
ABSENT = "not measured"
MOVING = "without static triplets"


def suite_sheet(
    name: str, suite: Suite, store: Store, mix_protocols: bool = False, show_unmatched: bool = False
) -> Sheet:
    """Raises HarnessError where two protocols meet in the table, unless they are to be mixed."""
    rows = find_rows(suite, store)
    protocols = {found.pair.record.protocol: found.pair.name for _, found in _all(rows)}
    if len(protocols) > 1 and not mix_protocols:
        two = " and ".join(f"{protocol} ({pair})" for protocol, pair in list(protocols.items())[:2])
        raise HarnessError(f"{name}: two protocols in one table: {two}; run one of them anew, or give --mix-protocols")
    of = numbers(suite, rows, show_unmatched)
    lines = [*_references(suite, of), *(line for row in suite.rows for line in _row(suite, row, rows, of))]
    columns = (*map(_head, suite.columns), COST)
    title = f"{suite.title} (MIXED PROTOCOLS: {', '.join(protocols)})" if len(protocols) > 1 else suite.title
    notes = suite_notes(name, suite, rows, of, store)
    tests = ", ".join(dict.fromkeys(column.test for column in suite.columns))
    under = f" under protocol {', '.join(protocols)}" if protocols else ""
    legend = (*_legend(suite, lines, of), *bold_legend(suite, of), *judged_legend(of))
    return Sheet(title, columns, tuple(lines), notes, legend, f"Tested on {tests}{under}.", name)


def suite_notes(name: str, suite: Suite, rows: Rows, of: Numbers, store: Store) -> tuple[str, ...]:
    """How it was measured, how sure it is, and what is odd about it."""
    return (*_notes(name, suite, rows, of), *floor_notes(suite, rows, store))


def published_sheet(table: PublishedTable) -> Sheet:
    """A table of published numbers alone."""
    columns = list(dict.fromkeys(column for row in table.rows.values() for column in row.columns))
    lines = [Line(row.label, tuple(map(_cell, series_of(row, columns)))) for row in table.rows.values()]
    sources = [f"{row.label}: {row.source}." for row in table.rows.values() if row.source]
    errors = any(name == "ie" for line in lines for cell in line.cells for name, _ in cell.values)
    digits = " / interpolation error, with 2, 4 and 3" if errors else ", with 2 and 4"
    shown = f"PSNR (dB) / SSIM{digits} digits whatever the source prints{'; - is not given' if _absent(lines) else ''}."
    tests = ", ".join(dict.fromkeys(column.split()[0] for column in columns))
    notes, setting = (f"Source: {table.source}.", *sources), f"Published, on {tests}."
    return Sheet(table.title, (*columns, COST), tuple(lines), notes, (shown, COUNTED), setting)


def _head(column: SuiteColumn) -> str:
    """With the unit of a metric, and which way is better."""
    return title_of(column.label, spec_of(stem_of(column.metric))) if column.metric else column.label


def _references(suite: Suite, of: Numbers) -> Iterator[Line]:
    """What is no network, under each protocol."""
    for label, series in of.references.items():
        yield Line(f"{label}, measured" if of.published else label, tuple(_scores(suite, series, absent="-")))


def _row(suite: Suite, row: SuiteRow, rows: Rows, of: Numbers) -> list[Line]:
    """Published, measured, difference, then what the row gains, published and measured, and how sure that is; of these,
    what there is."""

    shown: list[Line] = []

    def add(what: str, kind: str, cells: Iterable[Cell], rule: bool = False, short: str = "") -> None:
        """`short` is what differs from the first line, whose label has all of the row's name."""
        kind = kind if of.published else ""
        label = ", ".join(filter(None, (what, kind)))
        shown.append(Line(label, tuple(cells), rule, ", ".join(filter(None, (short, kind))) if shown else ""))

    label = row.label
    first = row == suite.rows[0]
    # a line above each row that is several lines, and below it
    beside = (label, suite.rows[suite.rows.index(row) - 1].label)
    tall = bool(of.measured) and (label in of.published or any(each in of.measured for each in beside))
    rule = bool(of.references) if first else not row.against or tall
    published, measured = of.published.get(label), of.measured.get(label)
    if published:
        add(label, "published", _scores(suite, published, _best(suite, row, of.published)), rule)
    if any(rows.values()) or not of.published:
        bold = [*_leading(suite, proven(suite, row, of)), set()]
        cells = _scores(suite, measured, bold, ABSENT) if measured else _state(rows[label], len(suite.columns))
        add(label, "measured", cells, rule and not published)
    if label in of.moving:
        add(f"{label}, {MOVING}", "measured", _scores(suite, of.moving[label], absent=ABSENT), short=MOVING)
    if published and measured:
        add(label, "difference", _scores(suite, minus(measured, published), sign="+"))
    gain, less = f"{label} minus {row.against}", f"minus {row.against}"
    if published and row.against in of.published:
        scores = _scores(suite, minus(published, of.published[row.against]), sign="+")
        add(gain, "published", scores, short=less)
    if label in of.gains:
        add(gain, "measured", _gained(suite, row, of), short=less)
        if label in of.moving_gains:
            cells = _scores(suite, of.moving_gains[label], (), ABSENT, "+", more=1)
            add(f"{gain}, {MOVING}", "measured", cells, short=f"{less}, {MOVING}")
        unit = "" if any(column.metric for column in suite.columns) else " (dB)"  # which heads tell where they differ
        shown += uncertainty_lines(of.sure[label], suite.columns, 1, gain, unit, lambda at: digits_of(at.leading) + 1)
    return shown


def _state(found: Mapping[int, Found], columns: int) -> list[Cell]:
    """How far an arm is that has no scores."""
    states = dict.fromkeys(state_of(each.arm) for each in found.values())
    return [Cell(", ".join(states) or ABSENT), *blank(columns)]


def _gained(suite: Suite, row: SuiteRow, of: Numbers) -> Iterator[Cell]:
    """In bold where a difference is claimed: PSNR, or what the column shows instead."""
    sure = [*(of.sure[row.label].get(at) for at in suite.columns), None]
    series = tuple({**values, **p_values(found)} for values, found in zip(of.gains[row.label], sure, strict=True))
    bold = [*_leading(suite, [bool(found and found.claimed) for found in sure[:-1]]), set()]
    return _scores(suite, series, bold, ABSENT, "+", more=1)


def _leading(suite: Suite, wanted: Sequence[bool]) -> list[set[str]]:
    """By column what it leads with, where that is wanted."""
    return [{column.leading} if each else set() for column, each in zip(suite.columns, wanted, strict=True)]


def _best(suite: Suite, row: SuiteRow, series: Mapping[str, Series]) -> list[set[str]]:
    """By column, which of the row's PSNR and SSIM none of those that it is compared with surpasses.

    Nothing is best where one of them has no numbers.
    """
    base = row.against or row.label
    group = [each.label for each in suite.rows if base in (each.label, each.against)]
    if len(group) < 2 or not all(label in series for label in group):
        return [set()] * (len(suite.columns) + 1)
    return [
        {
            name
            for name in ("psnr", "ssim")
            if name in own and all(own[name] >= other.get(name, own[name]) for other in others)
        }
        for own, *others in zip(series[row.label], *(series[label] for label in group), strict=True)
    ]


def _scores(
    suite: Suite, series: Series, bold: Sequence[set[str]] = (), absent: str = "", sign: str = "", more: int = 0
) -> Iterator[Cell]:
    """Cells of all columns and the cost; `absent` in those without scores, `more` digits than papers give."""
    for at, values in enumerate(series):
        is_cost = at == len(series) - 1
        metric, marked = "" if is_cost else suite.columns[at].metric, bold[at] if bold else set()
        if not values and not is_cost:
            yield Cell(absent)
        elif metric:
            yield _metric(metric, values, marked, sign, more)
        else:
            yield _cell(values, marked, sign, more)


def digits_of(metric: str) -> int:
    """Of a measured value; its differences have one more."""
    spec = spec_of(stem_of(metric))
    return spec.digits if spec else 4


def _metric(metric: str, values: Values, bold: Iterable[str], sign: str, more: int) -> Cell:
    """Of a column that shows it alone; `-` where the arm has no such thing."""
    value, digits = values.get(metric, math.nan), digits_of(metric) + more
    if not math.isfinite(value):
        return Cell("-")
    return ScoreCell(f"{value:{sign}z.{digits}f}", tuple(values.items()), bold=(metric in bold,))


def _cell(values: Values, bold: Iterable[str] = (), sign: str = "", more: int = 0) -> Cell:
    """`psnr/ssim`, with `/ie` where that is known; or the cost alone."""
    names = [name for name in DIGITS if name in values]
    if names and names != ["cost"]:
        names = ["psnr", "ssim", *(["ie"] if "ie" in values else [])]
    digits = {**DIGITS, "psnr": DIGITS["psnr"] + more}
    text = "/".join(f"{values[name]:{sign}z.{digits[name]}f}" if name in values else "-" for name in names)
    return ScoreCell(text, tuple(values.items()), bold=tuple(name in bold for name in names))


def _notes(name: str, suite: Suite, rows: Rows, of: Numbers) -> Iterator[str]:
    if of.published:
        yield f"Published: {tables()[suite.published].source}."
    if not any(rows.values()):
        yield f"Nothing of this table is measured in this store: harness suite {name} runs what it needs."
    yield from _how(suite, rows)
    yield from _trained(name, rows)
    yield from _seeds(rows)
    arms = [
        (replace(found.arm, label=f"{label}, seed {seed}"), found.pair.record) for (label, seed), found in _all(rows)
    ]
    levels = columns_of(suite)
    labels = {
        at: column.label if levels.count(at) == 1 else " ".join(at)
        for at, column in zip(levels, suite.columns, strict=True)
    }
    yield from dict.fromkeys(cost_notes(replace(found.arm, label=label) for (label, _), found in _all(rows)))
    yield from _without(suite, rows)
    yield from (*gap_notes(arms, labels), *static_notes([arm for arm, _ in arms], labels))
    yield from _untrained(rows)
    yield from judged_notes(suite, of)
    for (label, seed), found in _all(rows):
        if found.rivals:
            yield f"{label}, seed {seed}: {found.pair.name} is shown, not {', '.join(found.rivals)}."
    yield from of.remarks


def _without(suite: Suite, rows: Rows) -> Iterator[str]:
    """Which arms were not tested by a metric that a column shows, and why."""
    for name, column in {stem_of(column.metric): column for column in suite.columns if column.metric}.items():
        said: dict[str, list[str]] = {}
        for (label, seed), found in _all(rows):
            record = found.pair.record
            filled = stem_of(column.filled_by(record.comparison.metrics))
            if found.arm.evaluated and (why := why_without(record, found.arm, filled)):
                said.setdefault(why, []).append(f"{label}, seed {seed}")
        yield from (f"{'; '.join(whose)}: {name} {why}: no mean, and no difference." for why, whose in said.items())


def _untrained(rows: Rows) -> Iterator[str]:
    """Which arms are nowhere better than no network, in the mean over their seeds."""
    losing: dict[int, list[str]] = {}
    for label, by_seed in rows.items():
        found = list(by_seed.values())
        if learnt_nothing([each.arm for each in found], [each.pair.reference for each in found]):
            losing.setdefault(found[0].pair.record.steps, []).append(label)
    for steps, labels in losing.items():
        yield (
            f"{'; '.join(labels)}: after {steps} steps nowhere above the mean of the two frames: no motion is learnt "
            "yet, and a difference of such rows says nothing about the plug-ins."
        )


def _absent(lines: Sequence[Line]) -> bool:
    """Whether a cell says that there is no such number."""
    return any(piece == "-" for line in lines for cell in line.cells for piece, _ in cell.pieces)


def _legend(suite: Suite, lines: Sequence[Line], of: Numbers) -> Iterator[str]:
    """What signs, words and bold digits mean, of those that are there."""
    yield from _shown(suite, _absent(lines), bool(of.gains))
    yield COUNTED
    if of.published.keys() & of.measured.keys():
        yield "Difference: measured minus published."
    if any(bold for row in suite.rows for bold in _best(suite, row, of.published)):
        yield "Bold, published: the best of a comparison."
    if any(found.estimate.resolvable for by_column in of.sure.values() for found in by_column.values()):
        yield RESOLVABLE


def _shown(suite: Suite, absent: bool, gains: bool) -> Iterator[str]:
    """What the columns are, and where a gain is below 0."""
    metrics = dict.fromkeys(stem_of(column.metric) for column in suite.columns if column.metric)
    if not metrics:
        yield "PSNR (dB) / SSIM" + ("; - where it cannot be read." if absent else ".")
        return
    has_none = "; - is what an arm does not have" if absent else ""
    yield f"PSNR (dB) / SSIM where the head of a column names no other unit{has_none}."
    falling = [name for name in metrics if (spec := spec_of(name)) and not spec.higher_is_better]
    if falling and gains:
        yield f"Of {', '.join(falling)} less is better: there, a row that gains has a difference below 0."
    if any("@" in column.metric for column in suite.columns):
        yield "Of a part of the frames (inside the masks, by motion): the mean over triplets that have such pixels."


def _how(suite: Suite, rows: Rows) -> Iterator[str]:
    """How the rows were tested and on what: once, where all were tested alike."""
    kinds: dict[str, dict[str, list[str]]] = {}
    starts = {row.label: suite.asked_for(row)[0].start for row in suite.rows}
    for (label, _), found in _all(rows):
        for kind, note in _tested(found, starts[label]):
            notes = kinds.setdefault(kind, {}).setdefault(label, [])
            notes += [note] if note not in notes else []
    for by_label in kinds.values():
        every = list(by_label.values())
        if every.count(every[0]) == len(every):
            yield from filter(None, every[0])
        else:
            said = dict.fromkeys(note for notes in every for note in notes if note)
            of = {note: [label for label, notes in by_label.items() if note in notes] for note in said}
            yield from (f"{'; '.join(labels)}: {note}" for note, labels in of.items())


def _tested(found: Found, said: str) -> Iterator[tuple[str, str]]:
    """Kind of remark, and the remark; an empty one where there is nothing to say, and others may have more. `said` is
    the start in the suite's words."""
    data = found.pair.record
    yield "protocol", f"Measured under protocol {data.protocol}."
    for tests in data.tests:
        counts = ", ".join(f"{level} {len(ids)}" for level, ids in tests.levels.items())
        yield f"triplets {tests.name}", f"Test triplets of {tests.data}: {counts}."
        yield from ((f"partial {tests.name}", note) for note in partial_notes(tests))
    start = data.comparison.start
    as_said = not start or data.asked.start in (said, start.name)
    elsewhere = "" if as_said else f", given as {data.asked.start} where the suite says {said}"
    yield "start", f"Both arms start from {start.name}{elsewhere}." if start else ""
    yield from (("times", note) for note in time_notes(data))
    if found.arm is not found.pair.arms[0]:
        yield from (("apart", note) for note in apart_notes(data))
    if data.masks and found.arm is not found.pair.arms[0]:
        yield "masks", f"Masks: {data.masks}" + (f", in testing {data.test_masks}." if data.test_masks else ".")


def _trained(name: str, rows: Rows) -> Iterator[str]:
    """Which rows are of which code, where it is not one."""
    by_code: dict[str, dict[str, None]] = {}
    for (label, _), found in _all(rows):
        if found.arm.evaluated:
            by_code.setdefault(code_of(found.pair.record), {})[label] = None
    if len(by_code) > 1:
        groups = " | ".join("; ".join(labels) for labels in by_code.values())
        yield f"NOT ALL TRAINED BY ONE CODE: {groups}. harness suite {name} trains anew what is of older code."


def _seeds(rows: Rows) -> Iterator[str]:
    """What the measured numbers are means over. A single seed is said to be one."""
    seeds = {
        label: given
        for label, found in rows.items()
        if (given := tuple(seed for seed, each in found.items() if each.arm.evaluated))
    }
    shared = len(set(seeds.values())) == 1
    for label, given in seeds.items():
        who = "Measured" if shared else label
        if len(given) > 1:
            yield f"{who}: mean over {len(given)} seeds ({', '.join(map(str, given))})."
        else:
            yield f"{who}: single seed ({given[0]}): nothing is known of retraining, so no claim and no bold."
        if shared:
            return


def _all(rows: Rows) -> Iterator[tuple[tuple[str, int], Found]]:
    for label, by_seed in rows.items():
        for seed, found in by_seed.items():
            yield (label, seed), found
