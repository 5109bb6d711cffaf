"""What a table says of how sure a difference is: intervals, what could have been found, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from harness.outcome.pairs import Column, PairOutcome
from harness.outcome.refusals import verdict
from harness.outcome.seeds import Certainty
from harness.report.sheet import Cell, Line, blank
from harness.results.records import Verdict

Noise = tuple[int, Mapping[Column, float]]
"""Number of A/A pairs, and their noise floor in dB by column."""


RESOLVABLE = (
    "Resolvable: the smallest true difference that is claimed in 80 % of cases, before any correction, with so many "
    "seeds and clips that differ as these do."
)

At = TypeVar("At", bound=Hashable)


def uncertainty_lines(
    sure: Mapping[At, Certainty],
    columns: Sequence[At],
    costs: int,
    of: str = "",
    unit: str = " (dB)",
    digits: Callable[[At], int] = lambda at: 3,
) -> list[Line]:
    """Under the difference: its 95 % interval, and the smallest difference that these seeds would find. `of` is which
    difference, in a table of several, `unit` that of all columns, and `digits` those of each difference."""

    def line(what: str, cells: Iterable[Cell]) -> Line:
        own = f"{what}{unit}"
        return Line(f"{of}, {own}" if of else own, (*cells, *blank(costs)), short=own if of else "")

    if not any(found.estimate.interval for found in sure.values()):
        return []
    lines = [line("95 % interval", (_interval(sure.get(at), digits(at)) for at in columns))]
    if any(found.estimate.resolvable for found in sure.values()):
        lines.append(line("resolvable", (_resolvable(sure.get(at), digits(at)) for at in columns)))
    return lines


def _interval(found: Certainty | None, digits: int) -> Cell:
    if found is None or found.estimate.interval is None:
        return Cell()
    low, high = found.estimate.interval.low, found.estimate.interval.high
    return Cell(f"[{low:+z.{digits}f}, {high:+z.{digits}f}]", (("low", low), ("high", high)))


def _resolvable(found: Certainty | None, digits: int) -> Cell:
    if found is None or found.estimate.resolvable is None:
        return Cell()
    return Cell(f"{found.estimate.resolvable:.{digits}f}", (("value", found.estimate.resolvable),))


def uncertainty_notes(pairs: Sequence[PairOutcome], sure: Mapping[Column, Certainty], noise: Noise) -> list[str]:
    """How the arms were matched, how the difference was judged, and the noise floor."""
    pair = pairs[0]
    notes: list[str] = []
    if len(pair.arms) < 2:
        return notes
    if summary := audited(verdict(pair)):
        notes.append(summary)
    if tiers := dict.fromkeys(each.record.tier for each in pairs if each.record.tier):
        notes.append(f"Trained on: {'; '.join(tiers)}.")
    notes += _judged(pairs, sure)
    notes += noise_notes(noise, {at: pair.column_label(at) for at in pair.columns})
    return notes


def audited(found: Verdict) -> str:
    """What the audit trails say, in one line; nothing where there is none yet."""
    if found.refusals:
        return f"Audit: the arms differ: {found.refusals[0]}."
    if not found.steps:
        return ""
    steps = f"{found.steps} audited step" + ("s" if found.steps > 1 else "")
    return f"Audit: the same initial weights, and the same batch, learning rate and optimiser at {steps}."


def noise_notes(noise: Noise, labels: Mapping[Column, str], of: str = "") -> list[str]:
    """The noise floor at the columns that have a label; none where no A/A pair was run. `of` is of which baseline, in
    a table of several."""
    count, floors = noise
    listed = ", ".join(f"{label} {floors[at]:.2g}" for at, label in labels.items() if at in floors)
    if not listed:
        return []
    floor = f"Noise floor of {of}" if of else "Noise floor"
    runs = f"{count} A/A pair" + ("s" if count > 1 else "")
    return [f"{floor}, 95 % of the differences between equal arms ({runs}): {listed} dB."]


def method_notes(sure: Iterable[Certainty], what: str = " in PSNR") -> list[str]:
    """Where intervals come from or why there is none; `what` is what differs."""
    estimates = [found.estimate for found in sure]
    notes = []
    if methods := dict.fromkeys(found.method for found in estimates if found.interval):
        notes.append(f"Interval of the mean difference{what}: {'; '.join(methods)}.")
    reasons = dict.fromkeys(found.reason for found in estimates if not found.interval)
    notes += [f"No interval: {reason}." for reason in reasons if reason]
    return notes


def _judged(pairs: Sequence[PairOutcome], sure: Mapping[Column, Certainty]) -> list[str]:
    notes = []
    if len(pairs) == 1:
        notes.append("Single seed: nothing is known of retraining, which alone moves these numbers; no claim is made.")
    notes += method_notes(sure.values())
    checks = [
        f"{pairs[0].column_label(at)} {_checked(found)}" for at, found in sure.items() if found.adjusted is not None
    ]
    if checks and len(pairs) > 1:
        notes.append(
            f"p after Holm's correction / Wilcoxon on clips: {', '.join(checks)}"
            + ("; bold where a difference is claimed." if any(found.claimed for found in sure.values()) else ".")
        )
    return notes


def _checked(found: Certainty) -> str:
    wilcoxon = found.estimate.wilcoxon
    return f"{_probability(found.adjusted or 0.0)} / {'-' if wilcoxon is None else _probability(wilcoxon)}"


def _probability(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"
