"""What the control `null` must reproduce, bit for bit: gradients, weights and rows of the plain arm."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.outcome.pairs import ROW_KEYS, PairOutcome, stem_of
from harness.outcome.refusals import refusals
from harness.results.records import Tested

if TYPE_CHECKING:
    import pandas as pd

FAST = "CUDA, fast"
"""The tier in which equal trainings may differ by rounding: there a control gives a noise floor and proves nothing."""


def judged(pair: PairOutcome) -> str:
    """`PASS ...` or `FAIL ...` with the first step, tensor or triplet that differs; "" for what is no finished control,
    or was trained where equal trainings differ."""
    if not pair.record.is_control or pair.record.tier == FAST or not all(arm.evaluated for arm in pair.arms):
        return ""
    found = failure(pair)
    return f"FAIL: {found}" if found else "PASS: gradients, weights and rows are those of the plain arm, bit for bit"


def failure(pair: PairOutcome) -> str:
    """The first thing in which the arms of a control differ, in words; "" where all is equal."""
    if unmatched := refusals(pair):
        return f"the arms are not matched: {unmatched[0]}"
    plain, control = pair.arms
    assert plain.run is not None
    assert control.run is not None
    assert plain.measured is not None
    assert control.measured is not None
    trails = [[given._asdict() for given in arm.trail()] for arm in (plain.run, control.run)]
    if step := first_step(*trails):
        return step
    if tensor := first_tensor(plain.measured.tensors, control.measured.tensors):
        return f"the weights {tensor} differ after the last step"
    if plain.measured.baseline_sha256 != control.measured.baseline_sha256:
        return "the weights differ after the last step"
    return first_row(*(_measured(arm.rows, pair.record) for arm in (plain, control)))


def _measured(rows: pd.DataFrame, record: Tested) -> pd.DataFrame:
    """What the pair was tested by: a run that is in other pairs too may have been measured by more."""
    named = {*ROW_KEYS, *record.columns}
    return rows[[name for name in rows.columns if name in named or stem_of(name) == "psnr"]]


def first_step(one: Sequence[Mapping[str, object]], other: Sequence[Mapping[str, object]]) -> str:
    """Of two audit trails, rows in the order of their steps: `step 12: gradient_norm 0.5 -> 0.25`.

    Rows are compared column by column as they are written, the step among them. A trail that ends before the other
    differs at the next step of the other.
    """
    for a, b in zip(one, other, strict=False):
        names = dict.fromkeys((*a, *b))
        words = [
            f"{name} {a.get(name, 'missing')} -> {b.get(name, 'missing')}" for name in names if _differ(a, b, name)
        ]
        if words:
            return f"step {a.get('step', '?')}: {', '.join(words)}"
    if len(one) != len(other):
        longer, missing = (one, "second") if len(one) > len(other) else (other, "first")
        return f"step {longer[min(len(one), len(other))].get('step', '?')}: the {missing} trail ends before it"
    return ""


def _differ(one: Mapping[str, object], other: Mapping[str, object], name: str) -> bool:
    return name not in one or name not in other or one[name] != other[name]


def first_row(one: pd.DataFrame, other: pd.DataFrame) -> str:
    """Of two tables of rows (test, level, triplet, clip, then every metric), whatever the order of rows and columns:
    `snu-film easy a/1-2-3: psnr 31.25 -> 31.5`, the first by the order of the first table.

    Values are equal where all their bits are, 0 and -0 are not; NaN equals NaN. Raises ValueError for a triplet that a
    table has twice.
    """
    metrics = [name for name in dict.fromkeys((*one.columns, *other.columns)) if name not in ROW_KEYS]
    a, b = _by_triplet(one), _by_triplet(other)
    for at in dict.fromkeys((*a, *b)):
        where = " ".join(at[:3])
        if at not in a or at not in b:
            return f"{where}: not in the {'second' if at in a else 'first'}"
        for name in metrics:
            left, right = a[at].get(name), b[at].get(name)
            if left is None or right is None:
                return f"{where}: {name} is not in the {'first' if left is None else 'second'}"
            if _bits(left) != _bits(right):
                return f"{where}: {name} {left!r} -> {right!r}"
    return ""


def _by_triplet(rows: pd.DataFrame) -> dict[tuple[str, ...], dict[str, float]]:
    """The metrics of each triplet."""
    metrics = [name for name in rows.columns if name not in ROW_KEYS]
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows.to_dict("records"):
        at = tuple(str(row[key]) for key in ROW_KEYS)
        if at in found:
            raise ValueError(f"{' '.join(at[:3])}: two rows of one triplet")
        found[at] = {str(name): float(row[name]) for name in metrics}
    return found


def _bits(value: float) -> bytes:
    return b"nan" if value != value else struct.pack("<d", value)


def first_tensor(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Of two states as hashes by tensor: `baseline.encoder.weight`, the first by name whose hash is another, or that
    one of the states lacks."""
    return next((name for name in sorted({*one, *other}) if one.get(name) != other.get(name)), "")
