"""What of a suite is in the store: the pairs that were run for it, whoever ran them."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.outcome.pairs import ArmOutcome, PairOutcome, read_pair
from harness.outcome.seeds import differing
from harness.pair.plan import Asked
from harness.registry.options import parse_choices
from harness.results.store import Store
from harness.suites.suite import Suite, SuiteRow

log = logging.getLogger("harness")

FREE = ("seed", "protocol", "metrics")  # of what was asked for: may differ between pairs of one row


@dataclass(frozen=True)
class Found:
    """A row's arm in the pair that it was run in. `rivals` are other pairs that would do; this one was run last."""

    pair: PairOutcome
    arm: ArmOutcome
    rivals: tuple[str, ...] = ()


Rows = dict[str, dict[int, Found]]
"""By label of the row and by seed."""


def find_rows(suite: Suite, store: Store) -> Rows:
    """What the store has of each row. Of several pairs of one seed, those under the suite's own protocol come first,
    then those that are evaluated, then the one last run."""
    recorded = _recorded(store)
    outcomes: dict[str, PairOutcome] = {}
    rows: Rows = {}
    for row in suite.rows:
        candidates: dict[int, list[Found]] = defaultdict(list)
        for asked in suite.asked_for(row):
            for name, was in recorded.items():
                if _same(asked, was):
                    if name not in outcomes:
                        outcomes[name] = read_pair(store, name)
                    arm = outcomes[name].arms[-1 if row.plugins else 0]
                    candidates[was["seed"]].append(Found(outcomes[name], arm))
        rows[row.label] = _comparable({seed: _best(suite, row, found) for seed, found in sorted(candidates.items())})
    return rows


def _comparable(found: dict[int, Found]) -> dict[int, Found]:
    """The seeds that were trained and tested alike; those that were not are named and left out."""
    first, kept = next(iter(found.values()), None), dict(found)
    for seed, each in found.items():
        assert first is not None
        arm = -1 if each.arm is each.pair.arms[-1] else 0
        if each.arm.evaluated and first.arm.evaluated and (changed := differing(first.pair, each.pair, arm)):
            log.warning("%s is left out: made under other settings: %s", each.pair.name, changed[0])
            del kept[seed]
    return kept


def _best(suite: Suite, row: SuiteRow, candidates: list[Found]) -> Found:
    def rank(found: Found) -> tuple[bool, bool]:
        return found.pair.record["asked"]["protocol"] == suite.protocol, found.arm.evaluated

    best = max(reversed(candidates), key=rank)  # of equals the first of these, which was run last
    # every pair of a plain baseline has the same run of it, unless something was changed in between
    others = [
        found
        for found in candidates
        if found.pair.name != best.pair.name and (row.plugins or found.arm.run != best.arm.run)
    ]
    return replace(best, rivals=tuple(sorted(found.pair.name for found in others)))


def _recorded(store: Store) -> dict[str, Mapping[str, Any]]:
    """What was asked for, by pair, the one last run last. Damaged records are named and passed over."""
    recorded: dict[str, Mapping[str, Any]] = {}
    for name in store.pairs():
        try:
            recorded[name] = dict(json.loads(store.pair_file(name).read_text("utf-8")).get("asked", {}))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("%s: damaged (%s), so it is in no table", store.pair_file(name), error)
    return recorded


def _same(asked: Asked, was: Mapping[str, Any]) -> bool:
    """Whether a pair is one of `asked`, but for FREE."""
    wanted = {key: value for key, value in asdict(asked).items() if key not in (*FREE, "plugins")}
    return (
        all(was.get(key) == value for key, value in wanted.items())
        and isinstance(was.get("seed"), int)
        and parse_choices(str(was.get("plugins"))) == parse_choices(asked.plugins)
    )
