"""Which jobs were handed to a cluster: a file each, `jobs/<slug>.json`, and `jobs/ended/<slug>.json` of what ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.errors import HarnessError
from harness.files import write_json
from harness.registry.launching import Job

PATIENCE = 60.0  # seconds to wait for another process that submits


@dataclass(frozen=True)
class Record:
    """A job that was submitted: its id on the cluster, empty until that is known, and what it runs and holds, as in
    `Job`."""

    id: str
    cluster: str
    command: tuple[str, ...]
    holds: tuple[str, ...]


@dataclass(frozen=True)
class Jobs:
    """The job records of a results folder."""

    folder: Path

    def outcome(self, slug: str) -> Path:
        """What a job says itself, once it has ended: `code` and `reason`."""
        return self.folder / "ended" / f"{slug}.json"

    def _file(self, slug: str) -> Path:
        return self.folder / f"{slug}.json"

    def read(self) -> dict[str, Record]:
        """By slug. Raises HarnessError for a damaged one: its job may be running."""
        records = {}
        for path in sorted(self.folder.glob("*.json")):
            try:
                known = json.loads(path.read_text("utf-8"))
                records[path.stem] = Record(
                    str(known["id"]), str(known["cluster"]), tuple(known["command"]), tuple(known["holds"])
                )
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise HarnessError(
                    f"{path}: damaged ({error}); delete it once no job of that name is queued or running"
                ) from error
        return records

    def add(self, slug: str, record: Record) -> None:
        write_json(self._file(slug), asdict(record))

    def remove(self, slug: str) -> None:
        self._file(slug).unlink()

    def unnoted(self, slug: str) -> str:
        """The id of a job whose record has none: of what submitit keeps of it since. "" where the cluster has none that
        can run: one of which not even the pickle has come to its place ends by itself."""
        since = self._file(slug).stat().st_mtime_ns
        for script in self.folder.glob("submitit/*/*_submission.sh"):
            of_job = f"--job-name={slug}" in script.read_text("utf-8", "replace").split()
            pickled = script.with_name(f"{script.parent.name}_submitted.pkl").exists()
            if of_job and pickled and script.stat().st_mtime_ns >= since:
                return script.parent.name
        return ""

    def ended(self, slug: str) -> dict[str, Any] | None:
        """The outcome of the job last submitted, or None."""
        try:
            return dict(json.loads(self.outcome(slug).read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError, RecursionError):
            return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else submits meanwhile. Raises HarnessError where somebody does for longer than PATIENCE."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            raise HarnessError(f"{self.folder} is in use by another harness suite; try again when it is done") from None
        try:
            yield
        finally:
            lock.release()


def slug_of(job: Job) -> str:
    """The name of its log."""
    return job.log.stem
