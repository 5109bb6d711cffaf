"""What a pair measured so far, read from the store: rows, aggregates, and whether its arms are matched."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.errors import HarnessError, suggestion
from harness.outcome.audit import Audit, audit
from harness.results.rows import HASHES, KEYS, Row, merged, read_rows
from harness.results.store import RunFolder, Store, differences, slug_of

log = logging.getLogger("harness")

OWN_TO_AN_ARM = ("arm", "masks")  # of a fingerprint; two arms are matched when all else is equal
ROW_KEYS = ["test", "level", "triplet", "clip"]
RECORDED = ("title", "labels", "network_masks", "tests", "protocol", "regions", "masks", "recipe", "steps", "seed")


class Column(NamedTuple):
    """One level of one benchmark: a column of a table."""

    test: str
    level: str


Means = dict[Column, dict[str, float]]
"""Of each column, the mean over its triplets of each metric that was measured."""


def means_of(rows: pd.DataFrame) -> Means:
    """nan values (a region that a triplet does not have) are left out of their mean."""
    means = rows.drop(columns=["triplet", "clip"]).groupby(["test", "level"], sort=False).mean()
    return {Column(*at): dict(zip(means.columns, values, strict=True)) for (at, *values) in means.itertuples()}


@dataclass(frozen=True)
class ArmOutcome:
    """One arm. `rows` has a line per test triplet (test, level, triplet, clip, then every metric), none of a test set
    before all of it is measured; `metrics` is metrics.json, `status` status.json; empty for what is not there yet."""

    label: str
    run: RunFolder | None
    rows: pd.DataFrame
    metrics: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def evaluated(self) -> bool:
        return not self.rows.empty

    def means(self) -> Means:
        """Mean of every metric, by column."""
        return means_of(self.rows)

    def curve(self) -> pd.DataFrame:
        """step, epoch, loss, total, learning_rate, seconds."""
        if self.run is None or not self.run.curve.exists():
            raise HarnessError(f"{self.label} has no curve yet")
        exact = dict.fromkeys(("loss", "total", "learning_rate"), float)
        try:
            return pd.read_csv(self.run.curve, converters=exact)
        except (ValueError, pd.errors.ParserError) as error:
            raise HarnessError(f"{self.run.curve}: damaged ({error}); the run's own command makes it anew") from error

    @property
    def seconds_per_step(self) -> float | None:
        """Median over the curve."""
        return None if self.run is None or not self.run.curve.exists() else float(self.curve()["seconds"].median())


@dataclass(frozen=True)
class PairOutcome:
    """A pair: the reference that is no network, then the arms, the plain one first. With `show_unmatched` the
    difference of arms that are not matched is given, not refused."""

    name: str
    record: Mapping[str, Any]
    reference: ArmOutcome
    arms: tuple[ArmOutcome, ...]
    show_unmatched: bool = False

    @property
    def columns(self) -> list[Column]:
        """Every level of every test set, in the order in which they were asked for."""
        return [Column(test_name(tests["data"]), level) for tests in self.record["tests"] for level in tests["levels"]]

    def column_label(self, column: Column) -> str:
        """The level; with its benchmark where there are several."""
        return column.level if len(self.record["tests"]) == 1 else f"{column.test} {column.level}"

    def unmatched(self) -> list[str]:
        """What the arms should share and do not: settings, or the first step that was given something else."""
        if len(self.arms) < 2:
            return []
        shared = []
        for arm in self.arms:
            assert arm.run is not None
            if not arm.run.config.exists():
                return []  # nothing to compare yet
            fingerprint = arm.run.settings().get("fingerprint", {})
            shared.append({key: value for key, value in fingerprint.items() if key not in OWN_TO_AN_ARM})
        trail = self.audit()
        return differences(shared[0], shared[1]) + ([trail.difference] if trail and trail.difference else [])

    def audit(self) -> Audit | None:
        """The arms' trails compared; None where there is one arm."""
        runs = [arm.run for arm in self.arms if arm.run is not None]
        return audit(*runs) if len(runs) == 2 else None

    def difference(self) -> pd.DataFrame | None:
        """Second arm minus first, triplet by triplet (test, level, triplet, clip, then every metric of both).

        None until both are evaluated. Raises HarnessError where the arms are not matched, unless `show_unmatched`.
        """
        if len(self.arms) < 2 or not all(arm.evaluated for arm in self.arms):
            return None
        unmatched = self.unmatched()
        if unmatched and not self.show_unmatched:
            raise HarnessError(f"{self.name}: no difference between unmatched runs: {'; '.join(unmatched)}")
        one, other = (arm.rows.set_index(ROW_KEYS) for arm in self.arms)
        both = [name for name in one.columns if name in other.columns]
        return (other[both] - one[both]).dropna(how="all").reset_index()

    @property
    def bit_equal(self) -> bool:
        """Whether training gave both arms the same baseline weights, bit for bit, as a control must."""
        hashes = [arm.metrics.get("baseline_sha256") for arm in self.arms]
        return len(hashes) == 2 and hashes[0] is not None and hashes[0] == hashes[1]


def find_pair(store: Store, name: str) -> str:
    """The pair of that name, or the one last run of that arm; says which where there are several.

    Raises HarnessError with the nearest name.
    """
    pairs = store.pairs()
    matching = [pair for pair in pairs if name in (pair, slug_of(pair))]
    if len(matching) > 1:
        log.warning("%s is any of %s; taking the one last run", name, ", ".join(matching))
    if matching:
        return matching[-1]
    known = sorted({slug_of(pair) for pair in pairs})
    hint = suggestion(name, known) or (f"; there are: {', '.join(known)}" if known else "")
    raise HarnessError(f"no pair '{name}' in {store.root}{hint or '; harness run makes one'}")


def read_pair(store: Store, name: str) -> PairOutcome:
    """Everything that is known of a pair."""
    path = store.pair_file(name)
    try:
        record = json.loads(path.read_text())
        arms = [store.run(run) for run in record["runs"]]
        for key in RECORDED:
            _ = record[key]
        for tests in record["tests"]:
            _ = tests["data"], tests["partial"], dict(tests["levels"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"{path}: damaged ({error}); the command that made the pair writes it again") from error
    reference = ArmOutcome(
        "mean of the two frames", None, rows_of(store.reference, record, {"weights": "none", "masks": "none"}), {}, {}
    )
    return PairOutcome(
        name,
        record,
        reference,
        tuple(
            _arm(*of) for of in zip(arms, record["labels"], record["network_masks"], [record] * len(arms), strict=True)
        ),
    )


def _arm(run: RunFolder, label: str, masks: str, record: Mapping[str, Any]) -> ArmOutcome:
    metrics = run.read_metrics()
    rows = rows_of(run.samples, record, {"weights": str(metrics.get("weights")), "masks": masks})
    return ArmOutcome(label, run, rows, metrics, run.status())


def rows_of(path: Path, record: Mapping[str, Any], of: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a pair's own triplets under its own protocol: of each test set all, or none while some are missing.

    `of` are further values that the rows must have: the network's weights and the masks that it was given."""
    wanted = dict(of) | {"protocol": record["protocol"], "regions": record["regions"]}
    found: dict[tuple[str, str, str], Row] = {}
    for row in merged(read_rows(path)).values():
        if all(row.get(name) == value for name, value in wanted.items()):
            found[row["data"], row["level"], row["triplet"]] = row
    rows: list[dict[str, Any]] = []
    for tests in record["tests"]:
        keys = [(tests["data"], level, triplet) for level, ids in tests["levels"].items() for triplet in ids]
        if all(at in found for at in keys):
            rows += [_values(found[at]) for at in keys]
    frame = pd.DataFrame(rows)
    return frame if rows else pd.DataFrame(columns=ROW_KEYS)


def _values(row: Row) -> dict[str, Any]:
    """A line of the data frame: the metrics as numbers, nan for what was not measured."""
    at = {"test": test_name(row["data"]), "level": row["level"], "triplet": row["triplet"], "clip": row["clip"]}
    return at | {name: float(value or "nan") for name, value in row.items() if name not in (*KEYS, *HASHES)}


def test_name(data: str) -> str:
    """The benchmark of a `data` value: `snu-film` of `snu-film-1a2b3c4d`."""
    return data.rpartition("-")[0]
