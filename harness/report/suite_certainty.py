"""What a suite's table says of how sure its gains are: what is claimed and so bold, and how that was judged."""

from __future__ import annotations

from collections.abc import Iterator

from harness.outcome.pairs import Column, PairOutcome
from harness.outcome.seeds import Certainty, floor
from harness.report.certainty import method_notes, noise_notes
from harness.report.suite_numbers import Numbers, Values
from harness.results.store import Store
from harness.suites.found import Rows
from harness.suites.suite import Suite, SuiteRow


def proven(suite: Suite, row: SuiteRow, of: Numbers) -> list[bool]:
    """By column, whether what it leads with is claimed to be better than that of every row that this one is compared
    with."""
    compared = [(row.label, 1)] if row.against else []
    compared += [(other.label, -1) for other in suite.rows if other.against == row.label]
    return [bool(compared) and all(sign * of.claims(label, at) > 0 for label, sign in compared) for at in suite.columns]


def p_values(found: Certainty | None) -> Values:
    """For CSV and JSON. None of a single seed, which says nothing of retraining, nor of arms that are not matched."""
    if found is None or found.adjusted is None:
        return {}
    wilcoxon = found.estimate.wilcoxon
    return {"p_holm": found.adjusted} | ({} if wilcoxon is None else {"p_wilcoxon": wilcoxon})


def judged_notes(suite: Suite, of: Numbers) -> Iterator[str]:
    """How the gains were judged."""
    sure = [found for by_column in of.sure.values() for found in by_column.values()]
    several = any(column.metric for column in suite.columns)
    what = "" if several else " in PSNR"
    yield from method_notes(sure, what)
    judged = [found for found in sure if found.adjusted is not None]
    if judged:
        claimed = sum(found.claimed for found in judged)
        yield (
            f"A difference{what} is claimed where p < 0.05 after Holm's correction over all {len(judged)} cells of "
            f"measured gains: in {claimed} of them."
        )


def judged_legend(of: Numbers) -> Iterator[str]:
    """Where the p-values are: a page of the site has neither of these forms."""
    if any(found.adjusted is not None for by_column in of.sure.values() for found in by_column.values()):
        yield "CSV and JSON have the p-values."


def bold_legend(suite: Suite, of: Numbers) -> Iterator[str]:
    """What makes a measured value bold, where one is."""
    if any(found.claimed for by_column in of.sure.values() for found in by_column.values()):
        several = any(column.metric for column in suite.columns)
        best = "a value claimed to be better than" if several else "a PSNR claimed to be above"
        yield f"Bold, measured: a claimed difference, and {best} every one that it is compared with."


def floor_notes(suite: Suite, rows: Rows, store: Store) -> Iterator[str]:
    """The noise floor in PSNR of each baseline that has one, at the columns of PSNR and SSIM."""
    labels = {Column(column.test, column.level): column.label for column in suite.columns if not column.metric}
    pairs: dict[str, PairOutcome] = {}
    for row in suite.rows:
        for found in rows[row.label].values():
            if found.pair.arms[0].evaluated:
                pairs.setdefault(row.baseline, found.pair)
    records = store.pair_records() if pairs else {}
    for baseline, pair in pairs.items():
        yield from noise_notes(floor(store, pair, records), labels, baseline)
