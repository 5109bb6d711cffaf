"""Metrics of whole sets: from the features of every triplet of a level to one value, which has a row of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.errors import HarnessError
from harness.evaluate.plan import WideMetric
from harness.results.features import Features, read_features
from harness.results.rows import Row, whole_row


def up_to_date(
    of_level: Sequence[Row], known: Mapping[tuple[str, ...], Row], metrics: Mapping[str, WideMetric]
) -> bool:
    """Whether each of the metrics has its value for these rows of all triplets of a level, as they were seen."""
    wanted = whole_row(of_level)
    found = known.get(wanted.key)
    return found is not None and found.seen == wanted.seen and found.has(metrics)


def value_row(of_level: Sequence[Row], metrics: Mapping[str, WideMetric], path: Path) -> Row:
    """The row of these triplets together, from their features beside the file of rows.

    The same whatever order they were measured in, and by how many processes. Raises HarnessError where the features
    of one are missing, or do not fit together.
    """
    by_id = sorted(of_level, key=lambda row: row.triplet)
    values = {}
    for name, metric in metrics.items():
        assert metric.result is not None
        found = [_features(path, row, name) for row in by_id]
        if len({features.shape for features in found}) > 1:
            raise HarnessError(f"metric {name}: its features have not the same length for every frame of a level")
        values[name] = float(metric.result(np.stack(found).astype(np.float64)))
    return whole_row(of_level).model_copy(update={"values": values})


def _features(path: Path, row: Row, metric: str) -> Features:
    found = read_features(path, row, metric)
    if found is None:
        raise HarnessError(
            f"{path.with_suffix('.features')}: features of {row.level} {row.triplet} for {metric} cannot be read back; "
            "the same command makes them anew"
        )
    return found
