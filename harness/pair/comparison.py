"""What a plan compares, as a record that is held against those of other pairs."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from harness.evaluate.protocol import protocol_id
from harness.masks.chosen import identity_of, record_of
from harness.pair.plan import Plan
from harness.registry.catalog import Chosen, ChosenMasks
from harness.registry.code import core
from harness.results.comparison import Comparison, Data, Part, by_name


def comparison_of(plan: Plan, data: tuple[str | None, ...] = (), tests: tuple[str | None, ...] = ()) -> Comparison:
    """`data` and `tests` are the contents of each training set and of each test set, where they are at hand."""
    return Comparison(
        baseline=_part(plan.arm.baseline),
        plugins=tuple(_part(plugin) for plugin in plan.arm.plugins),
        recipe=plan.training.recipe.compared(),
        data=tuple(
            _data(each.chosen, content, each.weight)
            for each, content in zip(plan.data, data or (None,) * len(plan.data), strict=True)
        ),
        tests=tuple(map(_data, plan.tests, tests or (None,) * len(plan.tests))),
        protocol=protocol_id(plan.testing.protocol),
        masks=_masks(plan.masks),
        test_masks=_masks(plan.test_masks),
        metrics=by_name(plan.testing.metrics),
        code=dict(core("training")),
        start=plan.start.record if plan.start else None,
    )


def _part(chosen: Chosen) -> Part:
    record = chosen.record()
    rest = {key: value for key, value in record.items() if key not in ("name", "options")}
    return Part(name=chosen.name, options=record["options"], given=dict(chosen.given), content=_hash(rest))


def _data(chosen: Chosen, content: str | None, weight: float = 1.0) -> Data:
    options, given = chosen.record()["options"], dict(chosen.given)
    return Data(name=chosen.name, options=options, given=given, content=content, weight=weight)


def _masks(chosen: ChosenMasks | None) -> Part | None:
    """Parts are options: `detector=mine,detector.score=0.5`."""
    if chosen is None:
        return None
    record = record_of(chosen)
    options = dict(record["options"])
    for role, part in record["parts"].items():
        options[role] = part["name"]
        options |= {f"{role}.{key}": value for key, value in part["options"].items()}
    options = dict(chosen.given) | options  # of a part that is left out: `tagger=`
    return Part(name=chosen.name, options=options, given=dict(chosen.given), content=_hash(identity_of(chosen)))


def _hash(facts: Any) -> str:
    return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
