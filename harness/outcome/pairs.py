"""What was measured so far, read from the store: rows and aggregates of a pair, or of given weights."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import HarnessError, suggestion
from harness.registry.mask_choice import TRUTH
from harness.results.names import called, choices
from harness.results.records import Cost, Measured, PairRecord, Status, Tested, benchmark_of, slug_of
from harness.results.rows import Row, whole_row
from harness.results.store import RunFolder, Store
from harness.results.trail import Point

if TYPE_CHECKING:  # a table of what nobody has measured needs no pandas
    import pandas as pd

log = logging.getLogger("harness")

ROW_KEYS = ["test", "level", "triplet", "clip"]
MEAN = "mean of the two frames"


class Column(NamedTuple):
    """One level of one benchmark: a column of a table."""

    test: str
    level: str


Triplet = tuple[str, str, str]
"""Benchmark, level, id."""

Seen = tuple[str, str]
"""Hashes of the frames of a triplet, and of the parts of them whose PSNR is measured apart."""

Means = dict[Column, dict[str, float]]
"""Of each column, the mean over its triplets of each metric that was measured for all of them."""

Gaps = dict[Column, dict[str, str]]
"""Of each column, the metrics that have no mean, and for how many triplets they have a value: `1 of 2`."""


def stem_of(name: str) -> str:
    """What stands before the part of a frame: `epe` of `epe@inside`."""
    return name.partition("@")[0]


def _measured(means: Mapping[str, float]) -> list[str]:
    return [name for name, mean in means.items() if math.isfinite(mean)]


def means_of(rows: pd.DataFrame) -> Means:
    """A metric that lacks a triplet, or is not finite there, has no mean. A part of a frame (`psnr@fast`) that a
    triplet does not have is left out of its mean."""
    gaps = gaps_of(rows)
    columns: Any = rows.drop(columns=["triplet", "clip"]).groupby(["test", "level"], sort=False)
    return {
        (column := Column(*at)): {name: value for name, value in means.items() if name not in gaps.get(column, ())}
        for at, means in columns.mean().to_dict("index").items()
    }


def over_seeds(of_seeds: Sequence[Means]) -> Means:
    """Mean over seeds, of what all of them have."""
    first, *others = of_seeds
    return {
        at: {
            name: sum(means[at][name] for means in of_seeds) / len(of_seeds)
            for name in values
            if all(name in means[at] for means in others)
        }
        for at, values in first.items()
        if all(at in means for means in others)
    }


def with_wholes(means: Means, wholes: Means) -> Means:
    """The means of rows, and what is no mean."""
    return {at: {**values, **wholes.get(at, {})} for at, values in means.items()}


def gaps_of(rows: pd.DataFrame) -> Gaps:
    """What `means_of` has no mean of."""
    metrics: Any = rows.drop(columns=ROW_KEYS)
    known = metrics.abs() < math.inf
    known[[name for name in metrics.columns if "@" in name]] = True
    if known.all(axis=None):  # as nearly always, and soon told
        return {}
    columns = known.groupby([rows["test"], rows["level"]], sort=False)
    counts, sizes = columns.sum(), columns.size()
    gaps = {
        Column(*at): {name: f"{count} of {sizes[at]}" for name, count in of_column.items() if count < sizes[at]}
        for at, of_column in counts.to_dict("index").items()
    }
    return {at: of_column for at, of_column in gaps.items() if of_column}


@dataclass(frozen=True)
class ArmOutcome:
    """One arm. `rows` has a line per test triplet (test, level, triplet, clip, then every metric), none of a test set
    before all of it is measured; `frames` are the hashes of what each was measured on. `measured`, `status` and `cost`
    are None for what is not there yet; `wholes` are the values of metrics of whole sets."""

    label: str
    run: RunFolder | None
    rows: pd.DataFrame
    frames: Mapping[Triplet, Seen]
    measured: Measured | None = None
    status: Status | None = None
    cost: Cost | None = None
    wholes: Means = field(default_factory=dict)

    @property
    def evaluated(self) -> bool:
        return not self.rows.empty

    @cached_property
    def means(self) -> Means:
        """Mean of every metric, by column; and the values of metrics of whole sets."""
        return with_wholes(means_of(self.rows), self.wholes)

    @cached_property
    def gaps(self) -> Gaps:
        """What is measured and has no mean."""
        return gaps_of(self.rows)

    def curve(self) -> pd.DataFrame:
        """step, epoch, loss, total, learning_rate, seconds."""
        if self.run is None or not self.run.curve.exists():
            raise HarnessError(f"{self.label} has no curve yet")
        import pandas as pd

        return pd.DataFrame(self.run.points(), columns=list(Point._fields))

    @property
    def seconds_per_step(self) -> float | None:
        """Median over the curve; of an arm that trains with masks over what follows the first epoch, in which they are
        made: None where nothing does."""
        points = self.run.points() if self.run else []
        masks = self.run.record().fingerprint.masks if self.run and self.run.started else None
        if masks is not None and masks.get("name") != TRUTH:
            points = [point for point in points if point.epoch > 0]
        return median(point.seconds for point in points) if points else None


@dataclass(frozen=True)
class Outcome:
    """What was tested: the reference that is no network, then the arms."""

    name: str
    record: Tested
    reference: ArmOutcome
    arms: tuple[ArmOutcome, ...]

    @property
    def columns(self) -> list[Column]:
        """Every level of every test set, in the order in which they were asked for."""
        return [Column(tests.name, level) for tests in self.record.tests for level in tests.levels]

    def is_whole(self, arm: ArmOutcome, metrics: Iterable[str], of_motion: Iterable[str] = ()) -> bool:
        """Whether each of the metrics has a mean of the arm at every column, and each of those of motion one of its
        parts (`epe@all` of `epe`) at those whose true motion is known."""
        means, wanted = arm.means if arm.evaluated else {}, set(metrics)
        known = {tests.name for tests in self.record.tests if tests.knows_truth}
        return all(
            wanted <= means.get(at, {}).keys()
            and (at.test not in known or set(of_motion) <= {stem_of(name) for name in _measured(means[at])})
            for at in self.columns
        )

    def column_label(self, column: Column) -> str:
        """The level; with its benchmark where there are several."""
        return column.level if len(self.record.tests) == 1 else f"{column.test} {column.level}"


@dataclass(frozen=True)
class PairOutcome(Outcome):
    """A pair, the plain arm first. With `show_unmatched` the difference of arms that are not matched is given, not
    refused; see `harness.outcome.difference`."""

    record: PairRecord
    show_unmatched: bool = False

    @property
    def bit_equal(self) -> bool:
        """Whether training gave both arms the same baseline weights, bit for bit, as a control must."""
        hashes = [arm.measured.baseline_sha256 for arm in self.arms if arm.measured]
        return len(hashes) == 2 and hashes[0] == hashes[1]


def find_pair(store: Store, name: str) -> str:
    """The pair of that name, the one last run of that arm, which is said where there are several; else the one whose
    name begins so, as that of its run does, the one with that label, or the one that the run is an arm of.

    Raises HarnessError with what is meant by a name of several, and with the nearest where it is no pair's.
    """
    pairs = store.pairs()
    matching = [pair for pair in pairs if name in (pair, slug_of(pair))]
    if len(matching) > 1:
        said = "%s is any of %d pairs; taking the one last run, %s, and not %s"
        log.warning(said, name, len(matching), matching[-1], choices(matching[:-1]))
    if matching:
        return matching[-1]
    named = called(name, pairs) or [
        pair for pair, record in store.pair_records().items() if name in (*record.runs, record.labels[-1])
    ]
    if len(named) > 1:
        raise HarnessError(f"'{name}' may be any of {len(named)} pairs: {choices(named)}; give more of it")
    if named:
        return named[0]
    known = sorted({slug_of(pair) for pair in pairs})
    hint = suggestion(name, known) or (f"; there are: {', '.join(known)}" if known else "")
    raise HarnessError(f"no pair '{name}' in {store.root}{hint or '; harness run makes one'}")


def find_evaluation(store: Store, name: str) -> str:
    """The evaluation of that name, or where no pair's name begins so the one whose name does; "" of none. Raises
    HarnessError with what is meant by a name of several."""
    found = called(name, store.evaluations())
    if name not in found and called(name, store.pairs()):
        return ""
    if len(found) > 1:
        raise HarnessError(f"'{name}' may be any of {len(found)} evaluations: {choices(found)}; give more of it")
    return found[0] if found else ""


def read_pair(store: Store, name: str, record: PairRecord | None = None) -> PairOutcome:
    """Everything that is known of a pair; `record` where it was read already.

    Raises HarnessError for a record that is damaged or of a newer version.
    """
    record = record or store.pair(name)
    arms = zip(map(store.run, record.runs), record.labels, record.network_masks, strict=True)
    return PairOutcome(name, record, _reference(store, record), tuple(_arm(*of, record) for of in arms))


def readable(store: Store, records: Mapping[str, PairRecord]) -> Iterator[PairOutcome]:
    """Those of the pairs that can be read; others are named and left out: they are not what was asked for."""
    for name, record in records.items():
        try:
            yield read_pair(store, name, record)
        except HarnessError as error:
            log.warning("%s is left out: %s", name, error)


def read_evaluation(store: Store, name: str) -> Outcome:
    """What was measured of given weights. Raises HarnessError for a record that is damaged or of a newer version."""
    record = store.read_evaluation(name)
    rows, of = store.evaluation_rows(name), {"weights": record.weights, "masks": record.network_masks[0]}
    found = rows_of(rows, record, of)
    arm = ArmOutcome(record.labels[0], None, *found, cost=record.cost, wholes=wholes_of(rows, record, of))
    return Outcome(name, record, _reference(store, record), (arm,))


def _reference(store: Store, record: Tested) -> ArmOutcome:
    rows, of = store.read_reference(), {"weights": "none", "masks": "none"}
    return ArmOutcome(MEAN, None, *rows_of(rows, record, of), wholes=wholes_of(rows, record, of))


def _arm(run: RunFolder, label: str, masks: str, record: PairRecord) -> ArmOutcome:
    if run.started:
        run.record()  # which is to be whole, though nothing of it is shown
    measured = run.measured()
    rows = run.read_rows() if measured else []
    of = {"weights": measured.weights if measured else "", "masks": masks}
    found, wholes = rows_of(rows, record, of), wholes_of(rows, record, of)
    return ArmOutcome(label, run, *found, measured, run.status(), measured.cost if measured else None, wholes)


def rows_of(rows: Sequence[Row], record: Tested, of: Mapping[str, str]) -> tuple[pd.DataFrame, dict[Triplet, Seen]]:
    """The rows of a record's own triplets under its own protocol, and the hashes of their frames: of each test set all,
    or none while some are missing.

    `of` are further values that the rows must have: the network's weights and the masks that it was given."""
    import pandas as pd

    found = _found(rows, record, of)
    kept: list[Row] = []
    for tests in record.tests:
        keys = [(tests.data, level, triplet) for level, ids in tests.levels.items() for triplet in ids]
        if all(at in found for at in keys):
            kept += [found[at] for at in keys]
    seen = {(benchmark_of(row.data), row.level, row.triplet): (row.frames, row.groups) for row in kept}
    if not kept:
        return pd.DataFrame(columns=ROW_KEYS), seen
    table = pd.DataFrame(map(_line, kept))
    columns = dict.fromkeys((*table.columns, *record.columns))
    return table.reindex(columns=list(columns)), seen  # a metric that no row has yet is one that all lack


def wholes_of(rows: Sequence[Row], record: Tested, of: Mapping[str, str]) -> Means:
    """The values of the record's metrics of whole sets, of levels that are measured; none that is of other rows."""
    found, wholes = _found(rows, record, of), Means()
    for tests in record.tests if record.of_sets else ():
        for level, ids in tests.levels.items():
            members = [found[at] for triplet in ids if (at := (tests.data, level, triplet)) in found]
            if len(members) < len(ids) or not members:
                continue
            wanted = whole_row(members)
            whole = found.get((tests.data, level, wanted.triplet))
            if whole is not None and whole.seen == wanted.seen:
                values = {name: whole.values[name] for name in record.of_sets if name in whole.values}
                wholes[Column(tests.name, level)] = values
    return wholes


def _found(rows: Sequence[Row], record: Tested, of: Mapping[str, str]) -> dict[tuple[str, str, str], Row]:
    """Those of a network under the record's protocol, by data, level and triplet."""
    wanted = {**of, "protocol": record.protocol, "regions": record.regions}
    return {
        (row.data, row.level, row.triplet): row
        for row in rows
        if all(getattr(row, name) == value for name, value in wanted.items())
    }


def _line(row: Row) -> dict[str, Any]:
    at = {"test": benchmark_of(row.data), "level": row.level, "triplet": row.triplet, "clip": row.clip}
    return at | dict(row.values)
