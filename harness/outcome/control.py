"""What a control must reproduce, held bit for bit against what it did: the first thing that differs, in words.

Pure functions of what records hold; "" where all is equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

ROW_KEYS = ["test", "level", "triplet", "clip"]


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
    return b"nan" if np.isnan(value) else np.float64(value).tobytes()


def first_tensor(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Of two states as hashes by tensor: `baseline.encoder.weight`, the first by name whose hash is another, or that
    one of the states lacks."""
    return next((name for name in sorted({*one, *other}) if one.get(name) != other.get(name)), "")
