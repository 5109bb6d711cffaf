"""The numbers of a suite's table: published, measured, and what a row gains over another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import fmean
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.outcome.difference import difference
from harness.outcome.exact import exact_in, moving_difference, without_exact
from harness.outcome.pairs import MEAN, ArmOutcome, Column, Means, PairOutcome, means_of, stem_of
from harness.outcome.refusals import refusals
from harness.outcome.seeds import Certainty, certainty, estimates
from harness.report.published import PublishedRow, PublishedTable, Score, tables
from harness.report.tables import spec_of
from harness.suites.found import Found, Rows
from harness.suites.suite import Suite, SuiteColumn, SuiteRow

if TYPE_CHECKING:
    import pandas as pd

    from harness.statistics.estimate import Estimate

Values = Mapping[str, float]
"""What is known of psnr (dB), ssim and ie at one column, of the metric that it shows instead, or of cost (10^12
multiply-accumulates). NaN is what an arm does not have, such as the attended flow of a plain one."""

Series = tuple[Values, ...]
"""Of a row: values for each column, the cost last."""


@dataclass(frozen=True)
class Numbers:
    """By label of a row; rows of which nothing is known are not there. `gains` are over the row that it is compared
    with, mean over seeds, and `sure` is how sure each is; `remarks` say which were refused, or given though the arms
    are not matched. `moving` and `moving_gains` are the same without static triplets, where there are any, and
    `references` what is no network, on the same triplets."""

    published: Mapping[str, Series]
    measured: Mapping[str, Series]
    moving: Mapping[str, Series]
    gains: Mapping[str, Series]
    moving_gains: Mapping[str, Series]
    references: Mapping[str, Series]
    sure: Mapping[str, Mapping[SuiteColumn, Certainty]]
    remarks: tuple[str, ...]

    def claims(self, label: str, at: SuiteColumn) -> float:
        """By how much the row is better, below 0 where it is worse, in the unit of what the column leads with; 0 where
        no difference is claimed, or nobody knows which way is better."""
        found, spec = self.sure.get(label, {}).get(at), spec_of(stem_of(at.leading))
        if found is None or spec is None or not found.claimed:
            return 0.0
        return found.estimate.mean if spec.higher_is_better else -found.estimate.mean


def numbers(suite: Suite, rows: Rows, show_unmatched: bool) -> Numbers:
    measured = {label: _measured(suite, found) for label, found in rows.items()}
    remarks: list[str] = []
    compared = {row.label: _compared(suite, row, rows, show_unmatched, remarks) for row in suite.rows}
    gains: dict[str, Series] = {}
    moving_gains: dict[str, Series] = {}
    for row in suite.rows:
        if pairs := compared[row.label]:
            cost = minus(measured[row.label][-1:], measured[row.against][-1:])
            gains[row.label] = (*mean([_at(suite, means_of(_gained(pair)), pair) for pair in pairs]), *cost)
            if _has_static(suite, [arm for pair in pairs for arm in pair.arms]):
                moving = [_at(suite, means_of(moving_difference(pair)), pair) for pair in pairs]
                moving_gains[row.label] = (*mean(moving), {})
    known = {label: values for label, values in measured.items() if any(values)}
    moving_of = {
        label: (*_measured(suite, found, lambda arm: means_of(without_exact(arm.rows)))[:-1], {})
        for label, found in rows.items()
        if _has_static(suite, [each.arm for each in found.values()])
    }
    references, sure = _references(suite, rows), _sure(suite, compared)
    return Numbers(_published(suite), known, moving_of, gains, moving_gains, references, sure, tuple(remarks))


def _references(suite: Suite, rows: Rows) -> dict[str, Series]:
    """Of the mean of the two frames, by its label; with the protocol's where several are mixed. Of what all rows agree
    on: what is inside of the masks depends on which these are."""
    found: dict[str, list[Series]] = {}
    for pair in (each.pair for by_seed in rows.values() for each in by_seed.values()):
        if pair.reference.evaluated:
            series = (*_at(suite, pair.reference.means, pair), {})
            found.setdefault(pair.record.protocol, []).append(series)
    agreed = {
        protocol: tuple(
            {name: value for name, value in at[0].items() if all(values.get(name) == value for values in at)}
            for at in zip(*series, strict=True)
        )
        for protocol, series in found.items()
    }
    several = len(found) > 1
    return {f"{MEAN}, {protocol}" if several else MEAN: series for protocol, series in agreed.items() if any(series)}


def _has_static(suite: Suite, arms: Sequence[ArmOutcome]) -> bool:
    columns = columns_of(suite)
    return any(at in columns for arm in arms for at in exact_in(arm.rows))


def columns_of(suite: Suite) -> list[Column]:
    """The levels that it shows. Without the cost."""
    return [Column(column.test, column.level) for column in suite.columns]


def series_of(row: PublishedRow, columns: Sequence[str]) -> Series:
    """Published numbers at columns "benchmark level"."""
    scores = [row.columns.get(column, Score()).model_dump(exclude_none=True) for column in columns]
    return (*scores, {} if row.cost is None else {"cost": row.cost})


def minus(one: Series, other: Series) -> Series:
    """Of what both have. In decimals: 35.37 - 35.40 is -0.03."""
    return tuple(
        {name: float(Decimal(str(a[name])) - Decimal(str(b[name]))) for name in a if name in b}
        for a, b in zip(one, other, strict=True)
    )


def mean(series: Sequence[Series]) -> Series:
    """Value by value, of what all of them have."""
    return tuple(
        {name: fmean(values[name] for values in at) for name in at[0] if all(name in values for values in at)}
        for at in zip(*series, strict=True)
    )


def _published(suite: Suite) -> dict[str, Series]:
    if not suite.published:
        return {}
    columns = [column.key for column in suite.columns]
    table = _table(suite)
    try:
        return {row.label: series_of(table.rows[row.published], columns) for row in suite.rows if row.published}
    except KeyError as error:
        raise HarnessError(f"{suite.title}: the published table {suite.published} has no row {error}") from None


def _table(suite: Suite) -> PublishedTable:
    if suite.published not in tables():
        raise HarnessError(f"{suite.title}: there is no published table '{suite.published}'")
    return tables()[suite.published]


def _measured(
    suite: Suite, found: Mapping[int, Found], means: Callable[[ArmOutcome], Means] = lambda arm: arm.means
) -> Series:
    """Mean over seeds of the means over triplets."""
    evaluated = [each for each in found.values() if each.arm.evaluated]
    if not evaluated:
        return ({},) * (len(suite.columns) + 1)
    scores = [_at(suite, means(each.arm), each.pair) for each in evaluated]
    counted = [each.arm.cost.macs_thop for each in evaluated if each.arm.cost]
    costs = [macs / 1e12 for macs in counted if macs is not None]
    return (*mean(scores), {"cost": costs[0]} if costs else {})


def _compared(suite: Suite, row: SuiteRow, rows: Rows, show_unmatched: bool, remarks: list[str]) -> list[PairOutcome]:
    """The row's arm beside that of the row that it is compared with, seed by seed; remarks are added."""
    if not row.against:
        return []
    other, compared = suite.row(row.against), []
    # of another network, or another start, the other row's arm is in none of this row's pairs
    beside = not other.plugins and suite.asked_for(row)[0] in suite.asked_for(other)
    bases = {seed: found.pair.arms[0] for seed, found in rows[row.label].items()} if beside else {}
    bases = bases or {seed: found.arm for seed, found in rows[other.label].items()}
    for seed, found in rows[row.label].items():
        base = bases.get(seed)
        if base is None or not (base.evaluated and found.arm.evaluated):
            continue
        pair = replace(found.pair, arms=(base, found.arm), show_unmatched=show_unmatched)
        if unmatched := "; ".join(refusals(pair)):
            verdict = "shown though the arms are NOT MATCHED" if show_unmatched else "refused, the arms are not matched"
            remarks.append(f"{row.label} minus {other.label}, seed {seed}: {verdict}: {unmatched}.")
        if not unmatched or show_unmatched:
            compared.append(pair)
    seeds = {seed for seed, found in rows[row.label].items() if found.arm.evaluated}
    of_other = {seed for seed, base in bases.items() if base.evaluated}
    if 0 < len(compared) < len(seeds):
        remarks.append(f"{row.label} minus {other.label}: over {len(compared)} of {len(seeds)} seeds.")
    elif seeds and of_other and not seeds & of_other:
        remarks.append(f"{row.label} minus {other.label}: not given, the two have no seed in common.")
    return compared


def _gained(pair: PairOutcome) -> pd.DataFrame:
    gained = difference(pair)
    assert gained is not None  # both arms are evaluated
    return gained


def _sure(suite: Suite, compared: Mapping[str, Sequence[PairOutcome]]) -> dict[str, dict[SuiteColumn, Certainty]]:
    """How sure each gain is, by label and column. The table is read as a whole, so Holm's correction is over all of its
    cells, but for those of arms that are not matched: of these nothing is claimed."""
    found = {label: _estimates(suite, pairs) for label, pairs in compared.items() if pairs}
    matched = [label for label in found if not any(refusals(pair) for pair in compared[label])]
    judged = certainty({(label, at): estimate for label in matched for at, estimate in found[label].items()})
    return {
        label: {at: judged.get((label, at), Certainty(estimate)) for at, estimate in cells.items()}
        for label, cells in found.items()
    }


def _estimates(suite: Suite, pairs: Sequence[PairOutcome]) -> dict[SuiteColumn, Estimate]:
    """Of what each column leads with, where it is known; each metric is estimated once."""
    metrics = pairs[0].record.comparison.metrics
    names = {at: at.filled_by(metrics) for at in suite.columns}
    found = {name: estimates(pairs, name) for name in dict.fromkeys(names.values())}
    return {
        at: found[names[at]][level]
        for at, level in zip(suite.columns, columns_of(suite), strict=True)
        if level in found[names[at]]
    }


def _at(suite: Suite, means: Means, pair: PairOutcome) -> Series:
    """Means at the suite's columns. What the pair's protocol calls SSIM is `ssim`."""
    metrics = pair.record.comparison.metrics
    shown = [
        {column.filled_by(metrics): column.metric} if column.metric else {"psnr": "psnr", pair.record.ssim: "ssim"}
        for column in suite.columns
    ]
    at = [means.get(column, {}) for column in columns_of(suite)]
    return tuple(
        {names[name]: value for name, value in values.items() if name in names}
        for names, values in zip(shown, at, strict=True)
    )
