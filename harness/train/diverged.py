"""What is known of a step whose loss is not finite, written down for whoever looks for the reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.data.loader import Samples
from harness.files import write_json
from harness.results.store import RunFolder


def record(run: RunFolder, step: int, samples: Samples, losses: Sequence[float], learning_rate: float) -> Path:
    """Write nan-<step>.json into the run's folder: the step, counted from 1, its reconstruction and total loss, its
    learning rate, and the ids of the triplets in its global batch, in order."""
    order = samples.order
    drawn = [order.at(position) for position in range((step - 1) * order.batch, step * order.batch)]
    path = run.path / f"nan-{step}.json"
    reconstruction, total = map(str, losses)  # JSON has no nan
    facts = {"step": step, "epoch": drawn[0][0], "learning_rate": learning_rate}
    ids = [samples.benchmark.train[index].id for _, index in drawn]
    write_json(path, {**facts, "reconstruction": reconstruction, "total": total, "samples": ids})
    return path
