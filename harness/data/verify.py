"""Every file of a data set, decoded and hashed; what is known of a file is kept, so that a stopped check goes on."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from hashlib import sha256
from pathlib import Path

from harness.cache import cache_dir, writing
from harness.data.benchmark import Expected
from harness.data.contents import stamp_of
from harness.data.images import Size, content_of, decode, text_of
from harness.errors import HarnessError
from harness.files import append_line, sync, whole_lines, write_text

CHUNK = 64
"""Files that are looked at between two times that the record is made to reach the disk."""


@dataclass(frozen=True)
class Checked:
    """What is known of a file.

    path      below the folder that all files of the data set are in
    stamp     tells whether the file is still the same: `harness.data.contents.stamp_of`
    sha256    of its content
    pixels    `448x256`, empty where it is no 8-bit RGB image
    problem   in one line, empty where it is sound
    """

    path: str
    stamp: str
    sha256: str
    pixels: str
    problem: str


@dataclass(frozen=True)
class Report:
    """What became of the files.

    files      how many there should be
    looked_at  how many were decoded now; the others were known
    missing    a line for each that is not there
    bad        a line for each that is not what it should be
    sha256     over path and sha256 of all that are there: equal where two users have the same files
    """

    files: int
    looked_at: int
    missing: Sequence[str]
    bad: Sequence[str]
    sha256: str


class Stopped(Exception):  # noqa: N818 - no error: the user asked
    """Asked to stop; what was found is kept."""


def verify(
    name: str, expected: Sequence[Expected], stop: Callable[[], bool], progress: Callable[[int, int], None]
) -> Report:
    """Look at every file of the benchmark `name` that is not known from before; there is at least one.

    stop      asked after every file; then Stopped is raised
    progress  told how many files of how many are known

    Results are appended to `verify/<name>-<hash of the folder>.csv` in the cache as they come.
    """
    top = Path(os.path.commonpath([each.path.parent for each in expected]))
    sizes = {each.path.relative_to(top).as_posix(): each.size for each in expected}
    state = {path: now for path in sizes if (now := stamp_of(top / path))}
    record = cache_dir() / "verify" / f"{name}-{sha256(os.fsencode(top)).hexdigest()[:12]}.csv"
    known = {each.path: each for each in _read(record) if state.get(each.path) == each.stamp}
    with writing(record.parent):
        write_text(record, "".join(_line(each) + "\n" for each in known.values()))
    todo = [path for path in state if path not in known]
    progress(len(known), len(state))
    for found in _look(top, todo, record, stop):
        known[found.path] = found
        progress(len(known), len(state))
    missing = [f"{top / path}: no such file" for path in sizes if path not in state]
    bad = [line for path in sizes if path in known for line in _faults(top, known[path], sizes[path])]
    return Report(len(sizes), len(todo), missing, [*bad, *_odd(top, known.values(), sizes)], _overall(known.values()))


def _look(top: Path, paths: Sequence[str], record: Path, stop: Callable[[], bool]) -> Iterator[Checked]:
    """Decode and hash files, several at a time: both leave Python to other threads meanwhile."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), CHUNK):
            for found in pool.map(lambda path: _check(top, path), paths[start : start + CHUNK]):
                with writing(record.parent):
                    append_line(record, _line(found), durable=False)
                yield found
                if stop():
                    pool.shutdown(cancel_futures=True)
                    raise Stopped
            with writing(record.parent):
                sync(record)


def _check(top: Path, path: str) -> Checked:
    file = top / path
    stamp = stamp_of(file)
    digest = pixels = problem = ""
    try:
        content = content_of(file)
        digest = sha256(content).hexdigest()
        image = decode(content, file)
        pixels = text_of((image.shape[1], image.shape[0]))
    except HarnessError as error:
        problem = " ".join(str(error).split())
    return Checked(path, stamp, digest, pixels, problem)


def _faults(top: Path, found: Checked, expected: Size | None) -> Iterator[str]:
    if found.problem:
        yield found.problem
    elif expected and found.pixels != text_of(expected):
        yield f"{top / found.path}: is {found.pixels}; expected {text_of(expected)}"


def _odd(top: Path, found: Iterable[Checked], sizes: Mapping[str, Size | None]) -> Iterator[str]:
    """Images that differ in size from most of their folder, where the data set itself prescribes none."""
    folders: dict[str, list[Checked]] = {}
    for each in found:
        if each.pixels and not sizes[each.path]:
            folders.setdefault(each.path.rpartition("/")[0], []).append(each)
    for inside in folders.values():
        usual = Counter(each.pixels for each in inside).most_common(1)[0][0]
        for each in inside:
            if each.pixels != usual:
                yield f"{top / each.path}: is {each.pixels}; expected {usual}, as the others in its folder"


def _overall(found: Iterable[Checked]) -> str:
    digest = sha256()
    for each in sorted(found, key=lambda each: each.path):
        digest.update(f"{each.path}\0{each.sha256}\n".encode())
    return digest.hexdigest()


def _read(record: Path) -> Iterator[Checked]:
    """What a record knows; a line that cannot be read is left out."""
    for row in csv.reader(whole_lines(record)):
        if len(row) == len(fields(Checked)):
            yield Checked(*row)


def _line(found: Checked) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(astuple(found))
    return line.getvalue()
