"""The images of a data set, decoded once by `harness data decode` and mapped into memory from then on: all processes of
a machine share what was read of them, and no more of an image is copied than is cut out of it.

PNG alone: what is in it does not depend on its decoder. The key is of what is in the files, so that others are never
shown in their place. Every image has a checksum beside it, which a process checks when it first shows the image; before
each, it looks whether the file is still as long as it was, for what is mapped and gone would end the process.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from isal import isal_zlib
from numpy.typing import NDArray

from harness.cache import cache_dir, writing
from harness.data.images import content_of, decode
from harness.data.verify import Stopped
from harness.errors import HarnessError
from harness.files import replacing
from harness.pngfile import SIGNATURE

VERSION = 1
"""Part of every key."""

log = logging.getLogger(__name__)


class Mapped:
    """Images (N, height, width, 3) in `file`, by the names in `rows`. One object a process; showing them is safe from
    several threads."""

    def __init__(self, file: Path, rows: Mapping[str, int], size: tuple[int, int], sums: Sequence[int]) -> None:
        self.file, self.rows, self.size, self.sums = file, rows, size, sums
        self._images: NDArray[np.uint8] | None = None
        self._checked = bytearray(len(sums))
        self._sound = True

    @property
    def length(self) -> int:
        width, height = self.size
        return len(self.sums) * height * width * 3

    def show(self, names: Sequence[str]) -> NDArray[np.uint8] | None:
        """RGB (n, height, width, 3): no copy where the images lie side by side, as those of a triplet do; what is
        written to it stays in this process.

        None where one is not among them or damaged. The first that is damaged is named in a warning."""
        rows = [self.rows.get(name, -1) for name in names]
        if -1 in rows or not self._sound:
            return None
        try:
            if self._images is None:
                width, height = self.size
                self._images = np.memmap(self.file, np.uint8, "c", shape=(len(self.sums), height, width, 3))
            whole = self.file.stat().st_size == self.length
        except (OSError, ValueError):
            whole = False
        if self._images is None or not whole or not all(self._check(self._images, row) for row in rows):
            self._sound = False
            log.warning("%s: is damaged, and not used; `harness data decode` makes it anew", self.file)
            return None
        if rows == list(range(rows[0], rows[0] + len(rows))):
            return np.asarray(self._images[rows[0] : rows[-1] + 1])
        return np.asarray(self._images[rows])

    def _check(self, images: NDArray[np.uint8], row: int) -> bool:
        if not self._checked[row]:
            self._checked[row] = _sum(images[row]) == self.sums[row]
        return bool(self._checked[row])

    def __getstate__(self) -> dict[str, Any]:
        """Another process maps the file itself."""
        return {**self.__dict__, "_images": None, "_checked": bytearray(len(self.sums))}


def find(sums: Mapping[str, str]) -> Mapped | None:
    """The images of files with these sha256, by name and in this order; None where they were not decoded, or not to
    their end."""
    facts = _facts(sums)
    try:
        record = json.loads(facts.read_bytes())
        rows = {name: row for row, name in enumerate(sums)}
        found = Mapped(facts.with_suffix(".rgb"), rows, (record["width"], record["height"]), record["sums"])
        whole = len(found.sums) == len(rows) and found.file.stat().st_size == found.length
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if whole else None


def make(root: Path, sums: Mapping[str, str], stop: Callable[[], bool], progress: Callable[[int, int], None]) -> Mapped:
    """Decodes the files below `root` that have these sha256, all of one size, unless that was done and is sound.

    Raises Stopped when asked to stop, HarnessError where a file is no PNG, is another than it was, or of
    another size than the first, and where the disk has no room.
    """
    facts = _facts(sums)
    with writing(facts.parent), FileLock(facts.with_suffix(".lock")):
        if (found := find(sums)) and _whole(found, stop, progress):
            return found
        shown = _decoded(root, sums)
        first = next(shown)
        height, width, _ = first.shape
        need, room = first.nbytes * len(sums), shutil.disk_usage(facts.parent).free
        if need > room:
            raise HarnessError(
                f"{facts.parent}: {need / 1e9:.1f} GB are needed and {room / 1e9:.1f} GB are free; free some space, or "
                "set HARNESS_CACHE"
            )
        checks: list[int] = []
        with replacing(facts.with_suffix(".rgb")) as out:
            for name, image in zip(sums, _with(first, shown), strict=True):
                if stop():
                    raise Stopped
                if image.shape != first.shape:
                    raise HarnessError(f"{root / name}: has another size than the first image; only one is kept")
                out.write(np.ascontiguousarray(image).data)
                checks.append(_sum(image))
                progress(len(checks), len(sums))
        with replacing(facts) as out:
            out.write(json.dumps({"width": width, "height": height, "sums": checks}).encode())
    made = find(sums)
    if made is None:
        raise HarnessError(f"{facts}: is not kept as it was written; check the disk, or set HARNESS_CACHE")
    return made


def _facts(sums: Mapping[str, str]) -> Path:
    key = sha256(json.dumps([VERSION, *sums.values()]).encode()).hexdigest()[:32]
    return cache_dir() / "images" / f"{key}.json"


def _whole(found: Mapped, stop: Callable[[], bool], progress: Callable[[int, int], None]) -> bool:
    for count, name in enumerate(found.rows, 1):
        if stop():
            raise Stopped
        if found.show([name]) is None:
            return False
        progress(count, len(found.rows))
    return True


def _with(first: NDArray[np.uint8], rest: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    yield first
    yield from rest


def _decoded(root: Path, sums: Mapping[str, str]) -> Iterator[NDArray[np.uint8]]:
    """In order, a few ahead on every core."""

    def image(name: str) -> NDArray[np.uint8]:
        content = content_of(root / name)
        if not content.startswith(SIGNATURE):
            raise HarnessError(f"{root / name}: is no PNG file; of other kinds the decoder decides, and none is kept")
        if sha256(content).hexdigest() != sums[name]:
            raise HarnessError(f"{root / name}: was changed meanwhile; start again")
        return decode(content, root / name)

    cores = os.cpu_count() or 1
    names = iter(sums)
    with ThreadPoolExecutor(cores) as pool:
        while batch := list(islice(names, 16 * cores)):
            yield from pool.map(image, batch)


def _sum(image: NDArray[np.uint8]) -> int:
    return int(isal_zlib.crc32(np.ascontiguousarray(image).data))
