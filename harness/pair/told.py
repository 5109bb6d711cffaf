"""What observers are told, beyond what training and testing know of themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.outcome.pairs import means_of, rows_of
from harness.registry.observing import RunInfo
from harness.results.records import RunRecord, Tested
from harness.results.rows import Row
from harness.results.store import RunFolder
from harness.train.recipe import Recipe

Notify = Callable[..., None]


def telling(notify: Notify, run: RunFolder, record: RunRecord, recipe: Recipe, steps: int) -> Notify:
    """The same `notify`, of that run: it adds what the loop, whose code is in every fingerprint, does not say."""
    info = RunInfo(name=run.name, folder=run.path, record=record.model_dump(mode="json"), steps=steps)

    def tell(hook: str, **facts: Any) -> None:
        if hook == "harness_step_done":
            facts["learning_rate"] = recipe.learning_rate_at(facts["step"] - 1, steps)
        notify(hook, info=info, **facts)

    return tell


def means_told(rows: Sequence[Row], record: Tested, weights: str) -> Mapping[str, Mapping[str, float]]:
    """The means that tables have of the first arm of a record, by test set and level: `clips easy`."""
    found, _ = rows_of(rows, record, {"weights": weights, "masks": record.network_masks[0]})
    if found.empty:
        return {}
    return {
        f"{at.test} {at.level}": {name: value for name, value in values.items() if math.isfinite(value)}
        for at, values in means_of(found).items()
    }
