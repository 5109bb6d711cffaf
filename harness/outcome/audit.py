"""Holding the audit trails of two arms against each other."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from harness.files import whole_lines
from harness.results.store import RunFolder
from harness.train.trail import COLUMNS

SHARED = ("weights", "batch", "learning_rate", "optimizer")
"""Columns that are equal in two matched arms at every step; gradients are the arms' own."""


@dataclass(frozen=True)
class Audit:
    """Of two trails: steps that both have, the first difference in words or "", steps with equal gradient norms."""

    steps: int
    difference: str
    equal_gradients: int

    @property
    def summary(self) -> str:
        """One line for a table."""
        if self.difference:
            return f"Audit: the arms differ: {self.difference}."
        if not self.steps:
            return "Audit: no trail yet."
        steps = f"{self.steps} audited step" + ("s" if self.steps > 1 else "")
        return f"Audit: the same initial weights, and the same batch, learning rate and optimiser at {steps}."


def audit(one: RunFolder, other: RunFolder) -> Audit:
    """Compares up to the last step that both have audited."""
    a, b = (_trail(run) for run in (one, other))
    common = range(min(len(a), len(b)))
    found = (_difference(a[at], b[at]) for at in common)
    difference = next((text for text in (*found, _cut(one, a), _cut(other, b)) if text), "")
    norms = sum(a[at]["gradient_norm"] == b[at]["gradient_norm"] != "" for at in common)
    return Audit(max(len(common) - 1, 0), difference, norms)


def _trail(run: RunFolder) -> list[dict[str, str]]:
    rows = csv.reader(whole_lines(run.audit)[1:])
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows if len(row) == len(COLUMNS)]


def _cut(run: RunFolder, trail: list[dict[str, str]]) -> str:
    """What is missing of a finished arm's trail."""
    status = run.status()
    if status.get("state") not in ("trained", "evaluated"):
        return ""
    last = int(trail[-1]["step"]) if trail else 0
    return "" if last == status["steps"] else f"the trail of {run.name} ends at step {last} of {status['steps']}"


def _difference(one: dict[str, str], other: dict[str, str]) -> str:
    if one["step"] != other["step"]:
        return f"one audited step {one['step']} where the other audited step {other['step']}"
    where = "before the first step" if one["step"] == "0" else f"at step {one['step']}"
    words = [f"{name} {one[name]} -> {other[name]}" for name in SHARED if one[name] != other[name]]
    return f"{where} in {', '.join(words)}" if words else ""
