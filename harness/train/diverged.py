"""What is known of a step whose loss is not finite, written down for whoever looks for the reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.data.loader import Samples
from harness.files import write_json
from harness.results.store import RunFolder


def record(run: RunFolder, step: int, samples: Samples, losses: Sequence[float], learning_rate: float) -> Path:
    """Write nan-<step>.json into the run's folder: the step, counted from 1, its reconstruction and total loss, its
    learning rate, and the triplets in its global batch, in order, by their ids and their sets."""
    batch = samples.order.batch
    given = [samples.at(position) for position in range((step - 1) * batch, step * batch)]
    path = run.path / f"nan-{step}.json"
    reconstruction, total = map(str, losses)  # JSON has no nan
    facts: dict[str, Any] = {"step": step, "epoch": given[0][2].epoch, "learning_rate": learning_rate}
    facts |= {"samples": [triplet.id for _, triplet, _ in given], "sets": [label for label, _, _ in given]}
    write_json(path, {**facts, "reconstruction": reconstruction, "total": total})
    return path
