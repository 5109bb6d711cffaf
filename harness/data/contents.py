"""What is in the files of a data set: the sha256 of each, remembered from one start to the next."""

from __future__ import annotations

import csv
import io
import logging
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import file_digest, sha256
from pathlib import Path

from harness.cache import cache_dir, writing
from harness.errors import HarnessError
from harness.files import append_line, sync, whole_lines

CHUNK = 256
"""Files that are read between two looks at whether to stop."""

MANY = 5_000
"""Files that take long enough for the user to be told."""

RECENT = 2_000_000_000
"""Nanoseconds: a file that was changed so shortly before may change again with no other time on it."""

log = logging.getLogger(__name__)


def stamp_of(path: str | Path) -> str:
    """What tells that a file is still the one that was read: size, times of the last change of content and of anything,
    and inode. Nobody can set the second of the times. Empty where there is no such file; HarnessError where the system
    refuses to tell."""
    try:
        now = os.stat(path)  # noqa: PTH116 - Path is slower, and there are 165,285
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror or error}") from error
    return f"{now.st_size}-{now.st_mtime_ns}-{now.st_ctime_ns}-{now.st_ino}"


def sha256_of(path: str | Path) -> str:
    """Of a file. HarnessError where it cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror or error}") from error


def contents(root: Path, files: Iterable[str]) -> dict[str, str]:
    """sha256 of each of the files, by their paths below the root.

    A file is read where it is not known from before, or has another stamp now: `stamp_of` has what goes unnoticed. What
    is known is kept in `contents` in the cache as it comes, so that a start that is stopped goes on.
    """
    wanted = dict.fromkeys(files)
    record = cache_dir() / "contents" / f"{sha256(os.fsencode(root.absolute())).hexdigest()[:16]}.csv"
    stamps = {file: stamp_of(f"{root}/{file}") for file in wanted}
    known = _known(record, stamps)
    if len(known) < len(wanted):
        from filelock import FileLock

        with writing(record.parent), FileLock(record.with_suffix(".lock")):
            known = _known(record, stamps)  # another process may have read them meanwhile
            todo = [file for file in wanted if file not in known]
            many = logging.WARNING if len(todo) > MANY else logging.INFO
            log.log(many, "%s: %d files are read once, to tell later whether they have changed", root, len(todo))
            for file, digest in _read(root, {file: stamps[file] for file in todo}, record):
                known[file] = digest
    return {file: known[file] for file in wanted}


def _known(record: Path, stamps: dict[str, str]) -> dict[str, str]:
    rows = (row for row in csv.reader(whole_lines(record)) if len(row) == 3 and len(row[2]) == 64)
    return {file: digest for file, stamp, digest in rows if stamp and stamps.get(file) == stamp}


def _read(root: Path, stamps: dict[str, str], record: Path) -> Iterator[tuple[str, str]]:
    """Hashes; those of files that do not change meanwhile are kept."""

    def read(file: str) -> tuple[str, str, bool]:
        path, started = f"{root}/{file}", time.time_ns()
        digest = sha256_of(path)
        stamp = stamps[file]
        settled = stamp and int(stamp.split("-")[2]) < started - RECENT
        return file, digest, bool(settled) and stamp_of(path) == stamp

    files = list(stamps)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), CHUNK):
            lines = []
            for file, digest, keep in pool.map(read, files[start : start + CHUNK]):
                if keep:
                    lines.append(_line(file, stamps[file], digest))
                yield file, digest
            if lines:
                append_line(record, "\n".join(lines), durable=False)
    if record.exists():
        sync(record)


def _line(*values: str) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
