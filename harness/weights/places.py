"""Weights that are not trained here: where a file of them is looked for. Nothing is ever downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.errors import HarnessError
from harness.files import expanded
from harness.registry.specs import WeightsSpec

INDEX = "*.index.json"  # of the shards beside it


@dataclass(frozen=True)
class Given:
    """A file of weights, or a folder of shards with their index; `key` says which of several sets in it, if any."""

    file: Path
    key: str = ""

    @property
    def name(self) -> str:
        name = self.file.name or self.file.resolve().name  # of `.`
        return f"{name}:{self.key}" if self.key else name


def given(word: str) -> Given | None:
    """`FILE`, `FOLDER` or `FILE:KEY`; None where there is no such file. Of a word with several colons the longest path
    that exists is the file: one that is called `a:b` wins over the set `b` of a file `a`.

    Raises HarnessError for a home folder that nobody has.
    """
    if _has_weights(path := expanded(word)):
        return Given(path)
    file = word
    while ":" in file:
        file = file.rpartition(":")[0]
        if file and len(file) + 1 < len(word) and _has_weights(path := expanded(file)):
            return Given(path, word[len(file) + 1 :])
    return None


def find(spec: WeightsSpec, given: str = "") -> Path | None:
    """The file or folder: as given, in `HARNESS_WEIGHTS`, a hub's cache or a package; None where it is nowhere."""
    return next((path for path in places(spec, given) if path.exists()), None)


def locate(spec: WeightsSpec, given: str = "") -> Path:
    """The same. Raises HarnessError with what is missing, where to get it and where to put it."""
    path = find(spec, given)
    if path is None:
        missing = f"{given}: no such file" if given else f"the weights '{spec.name}' ({spec.file}) are not here"
        raise HarnessError(
            f"{missing}; get them from {spec.source} and put them into a folder named in HARNESS_WEIGHTS"
        )
    return path


def places(spec: WeightsSpec, given: str = "") -> Iterator[Path]:
    """Where the file may be, in the order in which it is looked for. A path that is given is the only place."""
    if given:
        yield expanded(given)
        return
    for folder in filter(None, os.environ.get("HARNESS_WEIGHTS", "").split(os.pathsep)):
        root = expanded(folder)
        yield root / spec.file
        yield from sorted(root.glob(f"*/{spec.file}"))
    if spec.hub == "torch":
        home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch")
        yield expanded(home) / "hub" / "checkpoints" / spec.file
    elif spec.hub:
        home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
        repository = expanded(home) / "hub" / f"models--{spec.hub.replace('/', '--')}" / "snapshots"
        yield from sorted(repository.glob("*"))
    if spec.package and (package := find_spec(spec.package)) is not None:
        for folder in package.submodule_search_locations or ():
            yield from sorted(Path(folder).rglob(spec.file))


def _has_weights(path: Path) -> bool:
    """Of any word, too long or with a NUL in it, os.path says no and raises nothing."""
    return os.path.isfile(path) or (os.path.isdir(path) and any(path.glob(INDEX)))  # noqa: PTH112, PTH113
