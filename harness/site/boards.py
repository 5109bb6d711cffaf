"""Leaderboards: of each protocol one, with a line for each comparison and level; and of each suite that is measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from harness.errors import HarnessError
from harness.outcome.control import judged
from harness.outcome.pairs import Column, Means, Outcome, PairOutcome, read_evaluation, read_pair, stem_of
from harness.outcome.refusals import refusals
from harness.outcome.seeds import Certainty, certainty, estimates, of_all_seeds
from harness.registry.plugins import discover
from harness.report.notes import apart_notes, partial_notes, time_notes, untrained_notes
from harness.report.suite_numbers import Series, minus, numbers
from harness.report.suite_table import digits_of, suite_notes
from harness.report.tables import spec_of, state_of, title_of
from harness.results.records import PairRecord, Tested
from harness.results.store import Store
from harness.suites.found import Rows, find_rows
from harness.suites.suite import Suite, find_suite, suite_files


@dataclass(frozen=True)
class Score:
    """PSNR in dB and SSIM; None for what is not there."""

    psnr: float | None = None
    ssim: float | None = None


@dataclass(frozen=True)
class Sure:
    """A difference in PSNR (dB) with its 95 % interval, and whether it is claimed; None for what is not known."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None
    claimed: bool = False


@dataclass(frozen=True)
class Line:
    """A comparison at one level. `pages` are the pairs that it is the mean over, by seed; `plugged` is empty of a
    single arm; `note` says in words why something is not given, or how far it is."""

    label: str
    baseline: str
    plugins: str
    trained: str
    masks: str
    test: str
    level: str
    triplets: int
    pages: Mapping[int, str]
    plain: Score
    plugged: Score
    sure: Sure
    note: str = ""


@dataclass(frozen=True)
class Board:
    """Lines of one protocol."""

    protocol: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class SuiteLine:
    """A row of a suite at one of its columns. `column` tells the unit; the values are those of what it leads with, and
    `digits` of them are shown; SSIM stands beside PSNR alone."""

    row: str
    column: str
    digits: int
    published: float | None
    measured: float | None
    difference: float | None
    published_ssim: float | None
    measured_ssim: float | None
    against: str
    published_gain: float | None
    gain: Sure


@dataclass(frozen=True)
class SuiteBoard:
    """A suite's table, or in `refusal` why there is none."""

    name: str
    title: str
    protocol: str = ""
    lines: tuple[SuiteLine, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str = ""


@dataclass
class Read:
    """What of a results folder can be read: the groups are pairs of one comparison, one a seed. `left_out` says in a
    line each what cannot, and why."""

    records: dict[str, PairRecord]
    pairs: dict[str, PairOutcome]
    evaluations: dict[str, Outcome]
    left_out: list[str] = field(default_factory=list)


def read_all(store: Store) -> Read:
    """Raises HarnessError where there is nothing to show, with the first reason where there would be something."""
    if not store.root.is_dir():
        raise HarnessError(f"{store.root}: there is no such folder of results; harness run makes one")
    found = Read({}, {}, {})
    for name in store.pairs():
        try:
            found.records[name] = store.pair(name)
            found.pairs[name] = read_pair(store, name, found.records[name])
        except HarnessError as error:
            found.left_out.append(str(error))
    for name in store.evaluations():
        try:
            found.evaluations[name] = read_evaluation(store, name)
        except HarnessError as error:
            found.left_out.append(str(error))
    found.records = {name: found.records[name] for name in found.pairs}
    if not found.pairs and not found.evaluations:
        count = len(found.left_out)
        rest = f" ({count - 1} more are like that)" if count > 1 else ""
        raise HarnessError(
            f"{found.left_out[0]}{rest}" if count else f"no pair in {store.root} yet: harness run makes one"
        )
    return found


Groups = dict[str, list[PairOutcome]]
"""Of each pair, by name, all that are of its comparison, one a seed; a pair that is not finished is alone."""


def grouped(store: Store, read: Read) -> Groups:
    groups: Groups = {}
    for name in sorted(read.pairs):
        if name not in groups:
            found = of_all_seeds(store, read.pairs[name], read.records, read.pairs)
            names = {pair.name for pair in found}
            if name not in names or names & groups.keys():  # not finished, or another of its seed stands for it
                found, names = [read.pairs[name]], {name}
            groups |= dict.fromkeys(names, found)
    return groups


def boards(read: Read, groups: Groups) -> list[Board]:
    """Of each protocol those lines that were tested under it, in the order of their names."""
    lines: dict[str, list[Line]] = {}
    for name, group in groups.items():
        if name == group[0].name:
            lines.setdefault(group[0].record.protocol, []).extend(_lines(group))
    for outcome in read.evaluations.values():
        lines.setdefault(outcome.record.protocol, []).extend(_given(outcome))
    return [Board(protocol, tuple(of_protocol)) for protocol, of_protocol in sorted(lines.items())]


def refused(pairs: Sequence[PairOutcome]) -> str:
    """Why the difference of these is not given, in words; empty where it may be."""
    return "; ".join(dict.fromkeys(why for pair in pairs for why in refusals(pair)))


def masks_of(record: Tested) -> str:
    """What the network was given, in words; empty where there was nothing."""
    tested = f"in testing {record.test_masks}" if record.test_masks else ""
    return ", ".join(filter(None, (record.masks, tested)))


def sure_of(found: Certainty | None) -> Sure:
    if found is None:
        return Sure()
    interval = found.estimate.interval
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Sure(found.estimate.mean, low, high, found.claimed)


def _lines(pairs: Sequence[PairOutcome]) -> Iterator[Line]:
    pair = pairs[0]
    record, asked = pair.record, pair.record.asked
    evaluated = all(arm.evaluated for each in pairs for arm in each.arms)
    why = refused(pairs)
    sure = certainty(estimates(pairs)) if evaluated and len(pair.arms) > 1 and not why else {}
    state = "" if evaluated else "; ".join(f"{arm.label}: {state_of(arm)}" for arm in pair.arms if not arm.evaluated)
    verdicts = dict.fromkeys(verdict for each in pairs if (verdict := judged(each)) and not why)
    odd = [*apart_notes(record), *time_notes(record), *(untrained_notes(pairs) if evaluated else [])]
    said = (f"refused: {why}" if why else "", state, *verdicts, *odd)
    for at in pair.columns:
        scores = [_score([each.arms[arm].means for each in pairs], at, record.ssim) for arm in range(len(pair.arms))]
        yield Line(
            label=record.labels[-1],
            baseline=asked.baseline,
            plugins=asked.plugins,
            trained=f"{record.train}, {record.recipe}{record.origin}",
            masks=masks_of(record),
            test=at.test,
            level=at.level,
            triplets=_count(pair, at),
            pages={each.record.seed: each.name for each in pairs},
            plain=scores[0],
            plugged=scores[1] if len(scores) > 1 else Score(),
            sure=sure_of(sure.get(at)),
            note=_joined(said, _missing(record, at)),
        )


def _given(outcome: Outcome) -> Iterator[Line]:
    said = untrained_notes([outcome]) if outcome.arms[0].evaluated else ["not evaluated"]
    for at in outcome.columns:
        yield Line(
            label=outcome.record.labels[0],
            baseline=outcome.record.labels[0],
            plugins="",
            trained="given weights",
            masks=masks_of(outcome.record),
            test=at.test,
            level=at.level,
            triplets=_count(outcome, at),
            pages={},
            plain=_score([outcome.arms[0].means], at, outcome.record.ssim),
            plugged=Score(),
            sure=Sure(),
            note=_joined(said, _missing(outcome.record, at)),
        )


def _missing(record: Tested, at: Column) -> list[str]:
    """Of the test set."""
    return [note for tests in record.tests if tests.name == at.test for note in partial_notes(tests)]


def _joined(*said: Iterable[str]) -> str:
    """What there is, in one line."""
    return "; ".join(each.removesuffix(".") for each in chain(*said) if each)


def _count(outcome: Outcome, at: Column) -> int:
    return sum(len(tests.levels.get(at.level, ())) for tests in outcome.record.tests if tests.name == at.test)


def _score(of_seeds: Sequence[Means], at: Column, ssim: str) -> Score:
    """Mean over seeds."""

    def mean(name: str) -> float | None:
        values = [means.get(at, {}).get(name) for means in of_seeds]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known and len(known) == len(values) else None

    return Score(mean("psnr"), mean(ssim))


def suite_boards(store: Store) -> list[SuiteBoard]:
    """Of each suite that is installed and has a row measured in this store."""
    found = []
    for name in suite_files(discover()):
        try:
            known = find_suite(discover(), name)
            rows = find_rows(known[1], store) if known else {}
            if known and any(each.arm.evaluated for by_seed in rows.values() for each in by_seed.values()):
                found.append(_suite_board(name, known[1], rows, store))
        except HarnessError as error:
            found.append(SuiteBoard(name, name, refusal=str(error)))
    return found


def _suite_board(name: str, suite: Suite, rows: Rows, store: Store) -> SuiteBoard:
    protocols = sorted({each.pair.record.protocol for by_seed in rows.values() for each in by_seed.values()})
    if len(protocols) > 1:
        refusal = f"two protocols in one table: {' and '.join(protocols)}; run one of them anew"
        return SuiteBoard(name, suite.title, refusal=refusal)
    of = numbers(suite, rows, show_unmatched=False)
    lines = []
    for row in suite.rows:
        published, measured = of.published.get(row.label), of.measured.get(row.label)
        base = of.published.get(row.against)
        between = minus(measured, published) if published and measured else None
        gained = minus(published, base) if published and base else None
        for at, column in enumerate(suite.columns):
            spec, what = spec_of(stem_of(column.leading)), column.leading
            if _at(published, at, what) is None and _at(measured, at, what) is None:
                continue
            sure = sure_of(of.sure.get(row.label, {}).get(column))
            lines.append(
                SuiteLine(
                    row=row.label,
                    column=title_of(column.label, spec) if column.metric else f"{column.label} (PSNR, dB)",
                    digits=digits_of(what),
                    published=_at(published, at, what),
                    measured=_at(measured, at, what),
                    difference=_at(between, at, what),
                    published_ssim=_at(published, at, "ssim"),
                    measured_ssim=_at(measured, at, "ssim"),
                    against=row.against,
                    published_gain=_at(gained, at, what),
                    gain=sure,
                )
            )
    return SuiteBoard(name, suite.title, protocols[0], tuple(lines), suite_notes(name, suite, rows, of, store))


def _at(series: Series | None, at: int, name: str) -> float | None:
    """None for what is not there, or what such an arm does not have."""
    value = series[at].get(name) if series else None
    return value if value is not None and math.isfinite(value) else None
