"""Looking after a results folder: how large runs are, what refers to them, and taking them away."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness import files
from harness.errors import HarnessError
from harness.results.records import PairRecord
from harness.results.store import RunFolder, Store


@dataclass(frozen=True)
class Uses:
    """What refers to a run: `pairs` of which it is an arm, and `starts`, pairs that start from its weights."""

    pairs: tuple[str, ...]
    starts: tuple[str, ...]

    @classmethod
    def of(cls, run: RunFolder, records: Mapping[str, PairRecord]) -> Uses:
        starts = {name: record.comparison.start for name, record in records.items()}
        return cls(
            tuple(name for name, record in records.items() if run.name in record.runs),
            tuple(name for name, start in starts.items() if start is not None and start.name == run.name),
        )


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; of a link those of the link, wherever it leads. What a training
    takes away meanwhile has none."""
    try:
        if path.is_dir() and not path.is_symlink():
            return sum(size_of(child) for child in path.iterdir())
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def sized(size: int) -> str:
    """In words: `81.3 MB`."""
    for unit, most in (("B", 1), ("kB", 1e3), ("MB", 1e6)):
        if size < 1000 * most:
            return f"{size / most:.{unit != 'B':d}f} {unit}"
    return f"{size / 1e9:.1f} GB"


@contextmanager
def held(runs: Sequence[RunFolder]) -> Iterator[None]:
    """All of the runs that are there, so that none of them is trained or tested meanwhile. Raises HarnessError naming
    the process that holds one."""
    with ExitStack() as locks:
        for run in runs:
            if run.path.is_dir():
                locks.enter_context(run.locked())
        yield


def remove(store: Store, runs: Sequence[RunFolder], pairs: Sequence[str]) -> None:
    """Runs, and pairs with their figures. The records of the pairs go first: a pair that is left halfway has none.

    Raises HarnessError where one of the runs, or a run of the pairs, is in use: nothing is removed then.
    """
    records = {name: store.pair(name) for name in pairs if store.pair_file(name).exists()}
    names = dict.fromkeys([run.name for run in runs] + [name for record in records.values() for name in record.runs])
    with held([store.run(name) for name in names]):
        for name in pairs:
            store.pair_file(name).unlink(missing_ok=True)
            shutil.rmtree(store.figures(name), ignore_errors=True)
        for run in runs:
            _away(run.path)


def orphans(store: Store) -> list[Path]:
    """Initial weights that no run began with, with the files beside them; none where a run's record cannot be read, nor
    those of the last hour: a run is about to begin with them. That may take longer while the mean of the two frames is
    measured, which comes between: none then, either."""
    if _is_held(store.reference.with_suffix(".lock")):
        return []
    wanted = set()
    for run in store.runs():
        try:
            wanted.add(run.record().fingerprint.initial_weights)
        except HarnessError:
            return []
    found = []
    for recorded in sorted(store.root.glob("init/*.sha256")):
        new = time.time() - recorded.stat().st_mtime < files.ABANDONED
        if not new and recorded.read_text("utf-8", "replace").strip() not in wanted:
            weights = recorded.with_suffix(".safetensors")
            found += [weights, recorded] if weights.exists() else [recorded]
    return found


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _away(folder: Path) -> None:
    """Its name first, so that a kill leaves no half of a run behind."""
    hidden = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(hidden, ignore_errors=True)
    shutil.rmtree(folder.rename(hidden))
