"""Where results live: one folder a run, one file a pair, one a set of initial weights.

    runs/<arm>.s<seed>.<fingerprint8>/  run.json status.json measured.json env.json curve.csv audit.csv rows.csv
                                        checkpoints/ config.yaml (its recipe, for `--recipe`)
                                        rows.features/ (beside any rows, of metrics of whole sets)
    pairs/<arm>.s<seed>.<fingerprint8>-<tested8>.json   the runs of a pair and its test triplets, named before they run
    reference/rows.csv                                  rows of what is no network
    init/<baseline>.s<seed>.<hash8>.safetensors         initial weights, shared by all arms
    init/<baseline>.start.<hash16>.safetensors          the same, of trained weights: a hash of what is in it
    evaluations/<arm>.<weights12>.<settings8>-<tested8>.json   weights that were given, not trained
    evaluations/<arm>.<weights12>.<settings8>.csv       their rows
    figures/<pair>/                                     table, curves and gallery; figures/curves/ of several pairs

No date in any name: running the same thing again finds it. A results folder is data, and not trusted: what has a name
or a content that is not written here is named and left out.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness import files
from harness.errors import HarnessError
from harness.results import landed
from harness.results.comparison import differences
from harness.results.envelope import read, write
from harness.results.records import NAME, EvalRecord, Measured, PairRecord, RunRecord, Status, remedy_of
from harness.results.rows import Row, rows_by_key
from harness.results.trail import Given, Point, read_curve, read_trail

EVALUATED = "move it away; harness eval, given again, makes it anew"
REFERENCE = "move it away; harness run, given again, makes its rows anew"

log = logging.getLogger("harness")


@dataclass(frozen=True)
class RunFolder:
    """The files of one run. What reads them raises HarnessError for one that is damaged, of a newer schema, or another
    thing's."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config(self) -> Path:
        return self.path / "run.json"

    @property
    def recipe(self) -> Path:
        """Its recipe, for people: `--recipe` takes it. Nothing reads it else."""
        return self.path / "config.yaml"

    @property
    def curve(self) -> Path:
        return self.path / "curve.csv"

    @property
    def audit(self) -> Path:
        return self.path / "audit.csv"

    @property
    def rows(self) -> Path:
        return self.path / ("samples.csv" if self.landed else "rows.csv")

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def remedy(self) -> str:
        return remedy_of(self.name)

    @property
    def landed(self) -> bool:
        """Whether it is of the first schema, whose files had no version and no checksums."""
        return not self.config.exists() and landed.config(self.path).exists()

    @property
    def started(self) -> bool:
        """Whether it has a record."""
        return self.config.exists() or self.landed

    def record(self) -> RunRecord:
        """What the run is."""
        if self.landed:
            return landed.run(self.path, self.remedy)
        return read(self.config, RunRecord, self.remedy)

    def status(self) -> Status | None:
        """How far it is; None before it started."""
        path = self.path / "status.json"
        return read(path, Status, self.remedy, landed.status) if path.exists() else None

    def measured(self) -> Measured | None:
        """What was tested; None before that."""
        path = self.path / ("metrics.json" if self.landed else "measured.json")
        return read(path, Measured, self.remedy, landed.measured) if path.exists() else None

    def points(self) -> list[Point]:
        """The curve."""
        return read_curve(self.curve, remedy_of(self.name, "its folder"), not self.landed)

    def trail(self) -> list[Given]:
        """The audit trail."""
        return read_trail(self.audit, remedy_of(self.name, "its folder"), not self.landed)

    def read_rows(self) -> list[Row]:
        """What was measured."""
        return list(rows_by_key(self.rows, self.remedy, not self.landed).values())

    def set_status(self, status: Status) -> None:
        with suppress(HarnessError):  # a damaged one is written anew
            if self.status() == status:
                return
        write(self.path / "status.json", status)

    def set_measured(self, measured: Measured) -> None:
        write(self.path / "measured.json", measured)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run. Raises HarnessError naming the process that already does."""
        self.path.mkdir(parents=True, exist_ok=True)
        holder = self.path / ".holder"
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0.2)  # by then its holder has written its name
        except Timeout:
            who = holder.read_text("utf-8", "replace").strip() if holder.exists() else "another process"
            raise HarnessError(f"run {self.name} is in use by {who}; wait for it or stop it") from None
        try:
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
            yield
        except (OSError, HarnessError) as error:
            if files.disk_is_full(error):
                with suppress(OSError, HarnessError):
                    if status := self.status():
                        self.set_status(status.model_copy(update={"state": "paused"}))
            raise
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def claim(self, record: RunRecord, installation: Mapping[str, Any], recipe: str) -> None:
        """Write the run's record, or check that the one there says the same. A damaged one is written anew: the run's
        name holds its fingerprint. The `recipe` is for people, and written beside it once.

        Raises HarnessError naming the first setting that differs: nothing in the folder is touched then.
        """
        if self.config.exists():
            try:
                was, now = (each.fingerprint.model_dump(mode="json") for each in (self.record(), record))
            except HarnessError as error:
                log.warning("%s", error)
            else:
                if differing := differences(was, now):
                    raise HarnessError(
                        f"{self.path} was made under other settings: {differing[0]}; move it away or use --results DIR"
                    )
                if not self.recipe.exists():  # made before there was one
                    files.write_text(self.recipe, recipe)
                return
        files.write_json(self.path / "env.json", installation)
        write(self.config, record)
        files.write_text(self.recipe, recipe)


@dataclass(frozen=True)
class Store:
    """A results folder."""

    root: Path

    def run(self, name: str) -> RunFolder:
        """Raises HarnessError for a name that would lead out of the store."""
        return RunFolder(self.root / "runs" / _checked(name))

    def runs(self) -> list[RunFolder]:
        """Those that have a record."""
        folders = (RunFolder(path) for path in sorted(self.root.glob("runs/*")) if re.fullmatch(NAME, path.name))
        return [run for run in folders if run.started]

    def initial_weights(self, name: str) -> Path:
        return self.root / "init" / f"{name}.safetensors"

    def pairs(self) -> list[str]:
        """Names of all pairs, the most recently written last. A file whose name is none is named and left out."""
        found = []
        for path in self.root.glob("pairs/*.json"):
            if re.fullmatch(NAME, path.stem):
                with suppress(FileNotFoundError):
                    found.append((path.stat().st_mtime, path.stem))
            else:
                log.warning("%r is no name of a pair: left out", str(path))
        return [name for _, name in sorted(found)]

    def pair(self, name: str) -> PairRecord:
        """Raises HarnessError for a record that is damaged, of a newer schema, or another thing's."""
        return read(self.pair_file(name), PairRecord, remedy_of(name.rpartition("-")[0]), self._landed_pair)

    def pair_records(self) -> dict[str, PairRecord]:
        """Those that can be read, the one last written last; others are named and left out."""
        found = {}
        for name in self.pairs():
            try:
                found[name] = self.pair(name)
            except HarnessError as error:
                log.warning("left out: %s", error)
        return found

    def write_pair(self, name: str, record: PairRecord) -> None:
        write(self.pair_file(name), record)

    def pair_file(self, name: str) -> Path:
        return self.root / "pairs" / f"{_checked(name)}.json"

    def evaluations(self) -> list[str]:
        """Names of all evaluations of given weights."""
        found = sorted(path.stem for path in self.root.glob("evaluations/*.json"))
        return [name for name in found if re.fullmatch(NAME, name)]

    def evaluation(self, name: str) -> Path:
        """Of weights that were not trained here: the record; the rows are beside it."""
        return self.root / "evaluations" / f"{_checked(name)}.json"

    def read_evaluation(self, name: str) -> EvalRecord:
        return read(self.evaluation(name), EvalRecord, EVALUATED)

    def evaluation_file(self, name: str) -> Path:
        """Its rows, beside those of the same weights on other test sets: the name ends in how they were tested."""
        return self.evaluation(name.rpartition("-")[0]).with_suffix(".csv")

    def evaluation_rows(self, name: str) -> list[Row]:
        return list(rows_by_key(self.evaluation_file(name), EVALUATED).values())

    @property
    def reference(self) -> Path:
        """Rows of the mean of the two frames, of whatever was tested in this store."""
        return self.root / "reference" / "rows.csv"

    def read_reference(self) -> list[Row]:
        """The same, with those of the landed schema."""
        of_landed = rows_by_key(landed.reference(self.root), REFERENCE, checked=False)
        return list((of_landed | rows_by_key(self.reference, REFERENCE)).values())

    def figures(self, pair: str) -> Path:
        """Raises HarnessError where it is a link that leads out of the results."""
        return files.inside(self.root / "figures" / pair, self.root)

    def _landed_pair(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return landed.pair(found, lambda run: self.run(run).record())


def _checked(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise HarnessError(f"{name!r} is no name of a run or pair")
    return name
