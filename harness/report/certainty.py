"""What a table says of how sure a difference is: intervals, what could have been found, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.compare.outcome import Column, PairOutcome
from harness.compare.seeds import Certainty
from harness.report.sheet import Cell, Line, blank

Noise = tuple[int, Mapping[Column, float]]
"""Number of A/A pairs, and their noise floor in dB by column."""


def uncertainty_lines(sure: Mapping[Column, Certainty], columns: Sequence[Column], costs: int) -> list[Line]:
    """Under the difference: its 95 % interval in PSNR, and the smallest difference that these seeds would find."""
    if not any(found.estimate.interval for found in sure.values()):
        return []
    lines = [Line("95 % interval (dB)", (*(_interval(sure.get(at)) for at in columns), *blank(costs)))]
    if any(found.estimate.resolvable for found in sure.values()):
        lines.append(Line("resolvable (dB)", (*(_resolvable(sure.get(at)) for at in columns), *blank(costs))))
    return lines


def _interval(found: Certainty | None) -> Cell:
    if found is None or found.estimate.interval is None:
        return Cell()
    low, high = found.estimate.interval.low, found.estimate.interval.high
    return Cell(f"[{low:+.3f}, {high:+.3f}]", (("low", low), ("high", high)))


def _resolvable(found: Certainty | None) -> Cell:
    if found is None or found.estimate.resolvable is None:
        return Cell()
    return Cell(f"{found.estimate.resolvable:.3f}", (("value", found.estimate.resolvable),))


def uncertainty_notes(pairs: Sequence[PairOutcome], sure: Mapping[Column, Certainty], noise: Noise) -> list[str]:
    """How the arms were matched, how the difference was judged, and the noise floor."""
    pair = pairs[0]
    notes: list[str] = []
    if len(pair.arms) < 2:
        return notes
    if (trail := pair.audit()) is not None and trail.steps:
        notes.append(trail.summary)
    if "tier" in pair.record:
        notes.append(f"Trained on: {pair.record['tier']}.")
    notes += _judged(pairs, sure)
    count, floors = noise
    if floors:
        runs = f"{count} A/A pair" + ("s" if count > 1 else "")
        listed = ", ".join(f"{pair.column_label(at)} {floors[at]:.2g}" for at in pair.columns if at in floors)
        notes.append(f"Noise floor, 95 % of the differences between equal arms ({runs}): {listed} dB.")
    return notes


def _judged(pairs: Sequence[PairOutcome], sure: Mapping[Column, Certainty]) -> list[str]:
    notes = []
    if len(pairs) == 1:
        notes.append("Single seed: nothing is known of retraining, which alone moves these numbers; no claim is made.")
    methods = dict.fromkeys(found.estimate.method for found in sure.values() if found.estimate.interval)
    if methods:
        notes.append(f"Interval of the mean difference in PSNR: {'; '.join(methods)}.")
    reasons = dict.fromkeys(found.estimate.reason for found in sure.values() if not found.estimate.interval)
    notes += [f"No interval: {reason}." for reason in reasons if reason]
    if any(found.estimate.resolvable for found in sure.values()):
        notes.append("Resolvable: the smallest true difference that so many seeds and clips find in 80 % of cases.")
    checks = [
        f"{pairs[0].column_label(at)} {_checked(found)}" for at, found in sure.items() if found.adjusted is not None
    ]
    if checks and len(pairs) > 1:
        notes.append(
            f"p after Holm's correction / Wilcoxon on clips: {', '.join(checks)}; bold where a difference is claimed."
        )
    return notes


def _checked(found: Certainty) -> str:
    wilcoxon = found.estimate.wilcoxon
    return f"{found.adjusted:.3f} / {wilcoxon:.3f}" if wilcoxon is not None else f"{found.adjusted:.3f} / -"
