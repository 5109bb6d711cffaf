"""Benchmarks whose frames are image files: what is there, what is missing, and the reading of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.data.benchmark import Benchmark, Expected, Triplet
from harness.data.contents import contents, stamp_of
from harness.data.images import Size, check_size, read_image
from harness.data.mapped import Mapped, find, make
from harness.data.names import check_name
from harness.errors import HarnessError
from harness.files import small_file

LONGEST = 32 << 20  # bytes of a list


@dataclass(frozen=True)
class Sample:
    """A triplet, the files of I0, It, I1 by their paths below the root, and the line of the list that names them."""

    triplet: Triplet
    files: tuple[str, str, str]
    where: str = ""


class ImageSet(Benchmark):
    """Triplets of image files below `root`.

    samples  of the whole data set, whether or not their files are there
    partial  allows some of them to be missing: only whole triplets remain, and the attribute `partial` counts them.
             A split of which nothing is there is no fault where the other is: it has no triplets then
    missing  paths below the root that should be there beyond the samples' own; `shortfall` says in words what lacks

    Files are neither opened nor decoded here, only looked for. Raises HarnessError naming the first that is missing and
    how many triplets are whole, where there are more triplets than published, or a name cannot be written in a line.
    """

    size: ClassVar[Size | None] = None
    """Of every image, where all have the same."""
    totals: ClassVar[Mapping[str, int]] = {}
    """Triplets of each level as published, where that is known."""

    def __init__(
        self, root: Path, samples: Sequence[Sample], partial: bool, missing: Sequence[str] = (), shortfall: str = ""
    ) -> None:
        self.root = root
        for sample in samples:
            for name in (sample.triplet.id, *sample.files):
                check_name(name, root)
        there = present(root, (file for sample in samples for file in sample.files))
        whole = [sample for sample in samples if there.issuperset(sample.files)]
        splits = {_split(sample) for sample in whole} or {"train", "test"}
        samples = [sample for sample in samples if _split(sample) in splits]
        shortfalls = [*filter(None, [shortfall]), *self._shortfalls(samples, whole, splits)]
        if shortfalls and not (partial and whole):
            remedy = "copy the rest, or allow that with partial=true" if whole else "copy the data set anew"
            raise HarnessError(f"{self._first_gap(samples, missing, there)}: only {', '.join(shortfalls)}; {remedy}")
        self.partial = ", ".join(shortfalls)
        self.train = tuple(sample.triplet for sample in whole if _split(sample) == "train")
        self.test = tuple(sample.triplet for sample in whole if _split(sample) == "test")
        self.levels = tuple(dict.fromkeys(triplet.level for triplet in self.test))
        self._files = {(each.triplet.level, each.triplet.id): each.files for each in whole}
        self._digests: dict[str, str] = {}
        self._mapped: dict[str, Mapped] = {}
        self._needed = tuple(dict.fromkeys([*missing, *(file for sample in samples for file in sample.files)]))
        if len(self._files) < len(whole):
            twin = Counter(f"{each.triplet.level} {each.triplet.id}" for each in whole).most_common(1)[0][0]
            raise HarnessError(f"{root}: the triplet {twin} is listed twice; copy the list anew")

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        """I0, It, I1 as RGB (3, H, W, 3). Raises HarnessError naming a file that is not an image as published.

        Where `harness data decode` has been, and `digest` has found that it saw these very files, nothing is decoded.
        """
        files = self._files[triplet.level, triplet.id]
        if (mapped := self._mapped.get(_split_of(triplet))) and (shown := mapped.show(files)) is not None:
            if type(self).view is ImageSet.view:
                return shown
            return np.stack([self.view(frame, triplet) for frame in shown])
        paths = [self.root / file for file in files]
        frames = [read_image(path, self.size) for path in paths]
        for path, frame in zip(paths, frames, strict=True):
            check_size(path, (frame.shape[1], frame.shape[0]), (frames[0].shape[1], frames[0].shape[0]))
        return np.stack([self.view(frame, triplet) for frame in frames])

    def view(self, frame: NDArray[np.uint8], triplet: Triplet) -> NDArray[np.uint8]:
        """What of a decoded frame (H, W, 3) is used: all of it, unless a benchmark says otherwise."""
        return frame

    def settings(self) -> Mapping[str, object]:
        """Options that change what `read` returns."""
        return {}

    def digest(self, split: Literal["train", "test"]) -> str:
        """sha256 over the split's triplets, what is in each of their files, and the settings; paths are no part of it.

        A file is read when it is met for the first time, and again where its size, a time of change or its inode is
        another one than then: one that is replaced by another of the same size and time of modification is noticed.
        What changes with none of these (a disk that fails, a file system that keeps no times) is noticed when the
        frames are read, by their hash in each row. The answer stays what it first was.
        """
        if split in self._digests:
            return self._digests[split]
        sums = self._contents(split)
        if (mapped := find(sums)) and self.size in (None, mapped.size):
            self._mapped[split] = mapped
        rows = [
            (triplet.level, triplet.id, triplet.t, [sums[name] for name in self._files[triplet.level, triplet.id]])
            for triplet in self._triplets(split)
        ]
        # what is trained on is chosen by its place in the list; rows of tests are the same in any order
        ordered = rows if split == "train" else sorted(rows)
        text = json.dumps([type(self).__name__, dict(self.settings()), ordered])
        return self._digests.setdefault(split, sha256(text.encode()).hexdigest())

    def decode(
        self, split: Literal["train", "test"], stop: Callable[[], bool], progress: Callable[[int, int], None]
    ) -> Path:
        """Decodes every image of a split into a file, which `read` then shows. Raises as `harness.data.mapped.make`,
        and HarnessError for images that are not of the size that was published."""
        sums = self._contents(split)
        read_image(self.root / next(iter(sums)), self.size)  # all others are of its size, or refused
        self._mapped[split] = make(self.root, sums, stop, progress)
        return self._mapped[split].file

    def _triplets(self, split: Literal["train", "test"]) -> Sequence[Triplet]:
        return self.train if split == "train" else self.test

    def _contents(self, split: Literal["train", "test"]) -> dict[str, str]:
        """sha256 of each file, in the order of the triplets."""
        files = (self._files[triplet.level, triplet.id] for triplet in self._triplets(split))
        return contents(self.root, (name for three in files for name in three))

    def files(self) -> Sequence[Expected]:
        """Every file of the splits that are there, and those that are missing."""
        return [Expected(self.root / file, self.size) for file in self._needed]

    def _shortfalls(self, samples: Sequence[Sample], whole: Sequence[Sample], splits: set[str]) -> Iterator[str]:
        """What is not whole, a level at a time: `3780 of 3782 test triplets`."""
        named, there = (Counter(sample.triplet.level for sample in each) for each in (samples, whole))
        for level in dict.fromkeys([*self.totals, *named]):
            total = self.totals.get(level, named[level])
            if named[level] > total:
                raise HarnessError(f"{self.root}: {named[level]} {level} triplets, but {total} are published")
            if there[level] < total and ("train" if level == "train" else "test") in splits:
                yield f"{there[level]} of {total} {level} triplets"

    def _first_gap(self, samples: Sequence[Sample], missing: Sequence[str], there: set[str]) -> str:
        named = [(file, each.where) for each in samples for file in each.files if file not in there]
        file, where = [*((file, "") for file in missing), *named, ("", "")][0]
        listed = f" ({where} names it)" if where else ""
        return f"{self.root / file}: no such file{listed}" if file else str(self.root)


def present(root: Path, files: Iterable[str]) -> set[str]:
    """Those of the files, by their paths below the root, that are there."""
    return {file for file in dict.fromkeys(files) if stamp_of(f"{root}/{file}")}


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a list that are not blank, each with file and line number. HarnessError where it cannot be read."""
    content = small_file(path, LONGEST)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HarnessError(f"{path}: is no list of paths ({error}); copy it anew") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"{path}:{number}", line.strip()


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones; none where it is not there."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".") and path.is_dir())


def _split(sample: Sample) -> str:
    return _split_of(sample.triplet)


def _split_of(triplet: Triplet) -> str:
    return "train" if triplet.level == "train" else "test"
