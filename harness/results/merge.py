"""Results of elsewhere, taken into a folder: what is the same stays, what is new comes, what conflicts stops all."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import HarnessError
from harness.results import landed
from harness.results.archive import check_records, unpack
from harness.results.comparison import differences
from harness.results.records import PairRecord, Tested
from harness.results.rows import Row, merged, prepare, read_rows, write_rows
from harness.results.store import EVALUATED, REFERENCE, RunFolder, Store
from harness.results.upkeep import held

DONE = ("trained", "evaluated")
UNPACKED = ".import-"
YOUNG = 60  # seconds, in which a folder to unpack into is held by whoever made it
NAMED = 3  # conflicts that are told
PATIENCE = 0.2  # seconds to wait for another process that writes: an evaluation takes hours
WORDS = {
    *("title", "labels", "recipe", "train", "masks", "test_masks", "command", "asked"),
    *("metrics", "motion", "of_sets", "unavailable"),
    *("comparison", "verdict"),
}
"""Of a record what the same tests, asked for in other words or by other metrics, have otherwise; and what is looked at
by itself, or read anew."""

ROUNDING = 1e-9
"""By what part of it a value of the same frames may differ from one processor to another: SSIM does in its last bit."""


@dataclass
class Taken:
    """What was taken over, and what `conflicts` stood against it. `moves` are of what is new, as it lies. `pairs` come
    the one last run first."""

    runs: list[str] = field(default_factory=list)
    pairs: list[str] = field(default_factory=list)
    rows: int = 0
    moves: list[tuple[Path, Path]] = field(default_factory=list)
    written: list[tuple[Path, list[Row]]] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def take_in(file: Path, store: Store) -> Taken:
    """Everything in an archive. The same again changes nothing, and goes on where it was killed.

    Raises HarnessError for an archive that is not sound, records that are damaged or newer, a run that is in use, and
    for what is there with another content, which is named: nothing is written then.
    """
    with _beside(store.root) as folder:
        unpack(file, folder)
        theirs = Store(folder)
        try:
            _check_readable(theirs)
        except HarnessError as error:  # it is said of a file that nobody will find, and cannot be made anew here
            told = str(error).replace(f"{folder}/", "").partition("; move ")[0]
            raise HarnessError(f"{file}: {told}; nothing is taken over") from error
        with _locked(theirs, store):
            taken = _compared(theirs, store)
            if taken.conflicts:
                told = "; ".join(taken.conflicts[:NAMED])
                more = f"; and {len(taken.conflicts) - NAMED} more" if len(taken.conflicts) > NAMED else ""
                raise HarnessError(f"{file}: nothing is taken over, for it is another here: {told}{more}")
            _before_ours(taken.pairs, theirs, store)
            for source, place in taken.moves:
                place.parent.mkdir(parents=True, exist_ok=True)
                source.rename(place)
            for place, rows in taken.written:
                place.parent.mkdir(parents=True, exist_ok=True)
                columns = prepare(place, dict.fromkeys(name for row in rows for name in row.values))
                write_rows(place, columns, [*read_rows(place, EVALUATED), *rows])
        return taken


def _before_ours(pairs: Sequence[str], theirs: Store, ours: Store) -> None:
    """What comes in counts as run before all that is here, in its own order: nobody here ran it last, and a name means
    the pair that it meant before."""
    oldest = min((ours.pair_file(name).stat().st_mtime_ns for name in ours.pairs()), default=None)
    for at, name in enumerate(pairs, start=1):
        if oldest is not None:
            os.utime(theirs.pair_file(name), ns=(oldest - 1000 * at, oldest - 1000 * at))


@contextmanager
def _locked(theirs: Store, ours: Store) -> Iterator[None]:
    """What is there of ours, so that nobody else writes it meanwhile. Raises HarnessError where somebody does."""
    files = (path.relative_to(theirs.root) for path in theirs.root.glob("evaluations/*.csv"))
    with held([ours.run(run.name) for run in theirs.runs()]), ExitStack() as locks:
        for path in (ours.reference, *(ours.root / name for name in files)):
            if path.exists():
                try:
                    locks.enter_context(FileLock(path.with_suffix(".lock"), timeout=PATIENCE))
                except Timeout:
                    raise HarnessError(f"{path} is being written by another process; wait for it or stop it") from None
        yield


@contextmanager
def _beside(root: Path) -> Iterator[Path]:
    """A folder to unpack into, on the same disk; gone in the end, with the root where that is new and still empty, and
    with those of imports that were killed."""
    new = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f"{UNPACKED}*"):
        _remove_abandoned(left)
    folder = Path(tempfile.mkdtemp(prefix=UNPACKED, dir=root))
    try:
        with FileLock(folder / ".lock"):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if new:
            with suppress(OSError):
                root.rmdir()


def _remove_abandoned(folder: Path) -> None:
    """Unless its import goes on: that holds it, and has had the time to."""
    with suppress(OSError, Timeout):
        if time.time() - folder.stat().st_mtime > YOUNG:
            with FileLock(folder / ".lock", timeout=0):
                shutil.rmtree(folder, ignore_errors=True)


def _check_readable(theirs: Store) -> None:
    """Every record that a table would read. Raises HarnessError for the first that is damaged or newer, or a file that
    belongs to nothing."""
    runs = {run.name for run in theirs.runs()}
    for path in theirs.root.glob("runs/*"):
        if path.name not in runs:
            raise HarnessError(f"the run {path.name} has no record")
    check_records(theirs, theirs.runs(), theirs.pairs(), everything=True)


def _compared(theirs: Store, ours: Store) -> Taken:
    taken = Taken()
    for run in theirs.runs():
        mine = ours.run(run.name)
        if not mine.path.is_dir():
            taken.moves.append((run.path, mine.path))
            taken.runs.append(run.name)
        elif not mine.started:  # one that was killed before it had a record, which therefore comes last
            files = [path for path in run.path.rglob("*") if path.is_file()]  # a folder of that name may be there
            files.sort(key=lambda path: (path == run.recipe, path == run.config))
            taken.moves += [(path, mine.path / path.relative_to(run.path)) for path in files]
            taken.runs.append(run.name)
        elif run.landed or mine.landed:
            _same_files(run.path, mine.path, taken)
        else:
            _run(run, mine, taken)
    _rows(theirs.reference, ours.reference, "the mean of the two frames", REFERENCE, taken)
    _same_or_new(landed.reference(theirs.root), landed.reference(ours.root), taken)
    for path in theirs.root.glob("*/rows.features/*/*"):
        _new(path, ours.root / path.relative_to(theirs.root), taken)
    for name in theirs.evaluations():
        _record("evaluation", name, (theirs, ours), Store.evaluation, Store.read_evaluation, taken)
    for path in theirs.root.glob("evaluations/*.csv"):
        _rows(path, ours.root / "evaluations" / path.name, path.stem, EVALUATED, taken)
    for path in theirs.root.glob("evaluations/*.features/*/*"):
        _new(path, ours.root / path.relative_to(theirs.root), taken)
    for name in reversed(theirs.pairs()):  # in this order one after another comes before all that is here
        _pair(name, theirs, ours, taken)
    return taken


def _pair(name: str, theirs: Store, ours: Store, taken: Taken) -> None:
    """Its verdict is read anew from the runs that are here."""
    record = theirs.pair(name)
    if gone := [run for run in record.runs if not (ours.run(run).path.is_dir() or theirs.run(run).path.is_dir())]:
        taken.conflicts.append(f"the pair {name} is of the run {gone[0]}, which is neither here nor in the archive")
    if not ours.pair_file(name).exists():
        taken.pairs.append(name)
    _record("pair", name, (theirs, ours), Store.pair_file, Store.pair, taken)


def _record(
    what: str,
    name: str,
    stores: tuple[Store, Store],
    file: Callable[[Store, str], Path],
    read: Callable[[Store, str], Tested],
    taken: Taken,
) -> None:
    """Of what was tested, theirs and ours. Where only the words are others ours stays, but for one that was tested by
    more metrics: rows have those of both. It counts as run when ours was, so that a name means what it meant."""
    there, here = (file(store, name) for store in stores)
    if not here.exists():
        taken.moves.append((there, here))
        return
    other, mine = (read(store, name) for store in stores)
    one, two = (each.model_dump(mode="json", exclude=WORDS) for each in (mine, other))
    odd = differences(one, two)
    if isinstance(mine, PairRecord) and isinstance(other, PairRecord):
        odd += mine.comparison.differences(other.comparison, ("metrics",))
    if odd:
        taken.conflicts.append(f"the {what} {name}: {odd[0]}")
    elif {*other.columns, *other.of_sets} > {*mine.columns, *mine.of_sets}:
        os.utime(there, ns=(here.stat().st_atime_ns, here.stat().st_mtime_ns))
        taken.moves.append((there, here))


def _run(there: RunFolder, here: RunFolder, taken: Taken) -> None:
    """One of the same name. What was trained must be the same; what was measured of it is put together."""
    one, two = (run.record().fingerprint.model_dump(mode="json") for run in (here, there))
    if made := differences(one, two):
        taken.conflicts.append(f"the run {here.name}: {made[0]}")
        return
    ours, other = here.status(), there.status()
    if other is None or other.state not in DONE:
        return  # it goes on there, or here
    if ours is None or ours.state not in DONE:
        taken.conflicts.append(f"the run {here.name} is not finished here: harness runs rm {here.name}, then import")
        return
    measured = here.measured(), there.measured()
    if measured[0] and measured[1] and measured[0].weights != measured[1].weights:
        taken.conflicts.append(f"the run {here.name}: weights: {measured[0].weights} -> {measured[1].weights}")
        return
    if odd := next((b.step for a, b in zip(here.trail(), there.trail(), strict=False) if a != b), None):
        taken.conflicts.append(f"the run {here.name}: its audit trail differs at step {odd}")
        return
    _rows(there.rows, here.rows, f"the run {here.name}", here.remedy, taken)
    for path in there.path.rglob("*"):
        place = here.path / path.relative_to(there.path)
        in_checkpoint = path.parent.parent == there.checkpoints
        is_checkpoint = path.parent == there.checkpoints  # which comes whole
        if is_checkpoint or (path.is_file() and path != there.rows and not in_checkpoint):
            _new(path, place, taken)
    if ours.state == "trained" and other.state == "evaluated":  # it was tested there
        taken.moves.append((there.path / "status.json", here.path / "status.json"))


def _rows(there: Path, here: Path, what: str, remedy: str, taken: Taken) -> None:
    """New rows, and new values of rows that were measured on the same; `remedy` is of those that are here."""
    mine = merged(read_rows(here, remedy))
    found: list[Row] = []
    for key, row in merged(read_rows(there, remedy)).items():
        known = mine.get(key)
        if known is None:
            found.append(row)
            continue
        at = " ".join(key[:3])
        if known.seen != row.seen:
            taken.conflicts.append(f"{what}, {at}: it was measured on other frames or maps")
            continue
        if odd := _other_values(known, row):
            taken.conflicts.append(f"{what}, {at}: {odd[0]}")
        elif row.values.keys() - known.values.keys():
            found.append(row.model_copy(update={"values": {**row.values, **known.values}}))  # to the bit as they are
    if found:
        taken.rows += len(found)
        taken.written.append((here, found))


def _other_values(one: Row, other: Row) -> Sequence[str]:
    return [
        f"{name} {value!r} -> {other.values[name]!r}"
        for name, value in one.values.items()
        if name in other.values
        and not math.isclose(value, other.values[name], rel_tol=ROUNDING)
        and not (math.isnan(value) and math.isnan(other.values[name]))
    ]


def _same_files(there: Path, here: Path, taken: Taken) -> None:
    """Of the landed schema, which is only read: the same files, or none."""
    for path in there.rglob("*"):
        if path.is_file():
            _same_or_new(path, here / path.relative_to(there), taken)


def _same_or_new(there: Path, here: Path, taken: Taken) -> None:
    if there.exists() and here.exists() and there.read_bytes() != here.read_bytes():
        taken.conflicts.append(f"{here} has another content")
    _new(there, here, taken)


def _new(there: Path, here: Path, taken: Taken) -> None:
    if there.exists() and not here.exists():
        taken.moves.append((there, here))
