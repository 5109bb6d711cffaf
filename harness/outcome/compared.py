"""Two runs side by side: in what they differ, and what was measured of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.outcome.verdict import judge
from harness.results.comparison import differences
from harness.results.envelope import damaged
from harness.results.rows import Row
from harness.results.store import RunFolder

KINDS = {
    "baseline": "network",
    "arm": "network",
    "initial_weights": "start",
    "recipe": "recipe",
    "seed": "seed",
    "data": "data",
    "masks": "masks",
    "code": "code",
    "environment": "machine",
}
"""What the parts of a fingerprint are about, in the order in which they are told."""


@dataclass(frozen=True)
class Beside:
    """A triplet that both runs were measured on under one protocol, with the same masks for regions. `same` says
    whether the frames were the same."""

    one: Row
    other: Row

    @property
    def same(self) -> bool:
        return self.one.frames == self.other.frames

    @property
    def metrics(self) -> list[str]:
        """Those that both have."""
        return [name for name in self.one.values if name in self.other.values]


def changes(one: RunFolder, other: RunFolder) -> dict[str, list[str]]:
    """In what the two were made differently, as `recipe.batch: 4 -> 8`, by network, start, recipe, seed, data, masks,
    code, machine, and packages, which decide no number by themselves. Only kinds that differ.

    Raises HarnessError for a damaged record.
    """
    found: dict[str, list[str]] = {kind: [] for kind in KINDS.values()}
    a, b = (run.record().fingerprint.model_dump(mode="json") for run in (one, other))
    for part, kind in KINDS.items():
        found[kind] += differences(*_alike(_by_name(a[part]), _by_name(b[part])), part)
    found["packages"] = differences(_packages(one), _packages(other))
    return {kind: lines for kind, lines in found.items() if lines}


def are_matched(one: RunFolder, other: RunFolder) -> bool:
    """Whether the two have in common what the arms of a pair have, and were given the same, step by step."""
    return not judge(one, other).refusals


def beside(one: RunFolder, other: RunFolder) -> Iterator[Beside]:
    """Every triplet that both were measured on, in the order of the first; each time that it was measured with other
    masks for the network, and where both have been with the same, with these alone. Raises HarnessError for damaged
    rows."""
    ones, others = _rows(one), _rows(other)
    alike = not {row.masks for row in ones}.isdisjoint(row.masks for row in others)

    def at(row: Row) -> tuple[str, ...]:
        return row.data, row.level, row.triplet, row.protocol, row.regions, row.masks if alike else ""

    of_other: dict[tuple[str, ...], list[Row]] = {}
    for row in others:
        of_other.setdefault(at(row), []).append(row)
    for row in ones:
        for match in of_other.get(at(row), ()):
            yield Beside(row, match)


def _rows(run: RunFolder) -> list[Row]:
    """Those of the weights that it has now: it may have been trained anew."""
    rows, measured = run.read_rows(), run.measured()
    weights = measured.weights if measured else rows[-1].weights if rows else ""
    return [row for row in rows if row.weights == weights]


def _by_name(part: Any) -> Any:
    """Lists of named things as mappings, so that what differs in them is named; of data too, be it one set."""
    if isinstance(part, dict) and ("sets" in part or "digest" in part):
        part = part.get("sets") or [part]
    if isinstance(part, list) and all(isinstance(each, dict) and "name" in each for each in part):
        return {each["name"]: each for each in part}
    return part


def _alike(one: Any, other: Any) -> tuple[Any, Any]:
    """What one of the two has alone, as a name with its options and not with all that decides it."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return (one, other) if one is not None and other is not None else (_named(one), _named(other))
    alone = one.keys() ^ other.keys()
    a, b = ({key: _named(value) if key in alone else value for key, value in of.items()} for of in (one, other))
    return a, b


def _named(thing: Any) -> Any:
    if not isinstance(thing, dict) or "name" not in thing:
        return thing
    options = ", ".join(f"{key}={value}" for key, value in thing.get("options", {}).items())
    return f"{thing['name']}({options})" if options else thing["name"]


def _packages(run: RunFolder) -> dict[str, Any]:
    """Python and what was installed; nothing where that was not written down."""
    path = run.path / "env.json"
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_bytes())
        return {"python": known["python"], **known["packages"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(path, error, run.remedy) from error
