"""Where a benchmark is: in the folder that the user gives, else in HARNESS_DATA, else as the config file says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.errors import HarnessError
from harness.files import expanded
from harness.registry.benchmarks import FOLDERS, benchmarks
from harness.yamlfile import load_yaml


class Config(BaseModel):
    """The user's `config.yaml`. Paths may start with ~, or be relative to the file's own folder.

    data   a folder that holds one folder per benchmark
    roots  folders of single benchmarks, by name
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str | None = None
    roots: Mapping[str, str] = {}


def config_file() -> Path:
    """vfi-harness/config.yaml in $XDG_CONFIG_HOME, else in ~/.config."""
    return expanded(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "vfi-harness" / "config.yaml"


def find_root(name: str, given: str = "") -> Path:
    """The folder of a benchmark: `given` where the user gives one, else the first of `places` that is there.

    A folder that holds the benchmark's folder, by one of its usual names, will do as well.
    Raises HarnessError that says where it was looked for, and where to get the data.
    """
    if given:
        folder = expanded(given)
        if not folder.is_dir():
            raise HarnessError(f"{folder}: no such folder; give the one of {name} with {name}:root=DIR")
        return _inner(name, folder)
    found = look(name)
    if found is None:
        source = next((f"get it from {spec.source}; " for spec in benchmarks() if spec.name == name), "")
        raise HarnessError(
            f"{name}: no folder of it in {_searched()}; {source}"
            f"then give {name}:root=DIR or set HARNESS_DATA (harness data list {name} shows the layout)"
        )
    return found


def look(name: str) -> Path | None:
    """The folder of a benchmark where it is in HARNESS_DATA or in the config file, else None.

    Raises HarnessError where one of these names a folder that is not there.
    """
    return next(places(name), None)


def places(name: str) -> Iterator[Path]:
    """Folders of a benchmark that are there: in HARNESS_DATA, of `roots` and in `data` of the config file."""
    if given := os.environ.get("HARNESS_DATA"):
        yield from _named(name, _existing(expanded(given), "HARNESS_DATA"))
    file = config_file()
    if not file.exists():
        return
    config = load_yaml(file, Config)
    if name in config.roots:
        yield _inner(name, _existing(file.parent / expanded(config.roots[name]), f"{file}: roots.{name}"))
    if config.data:
        yield from _named(name, _existing(file.parent / expanded(config.data), f"{file}: data"))


def _existing(folder: Path, where: str) -> Path:
    if not folder.is_dir():
        raise HarnessError(f"{where}: {folder} is no folder")
    return folder


def _named(name: str, data: Path) -> Iterator[Path]:
    """Folders in `data` that are called like the benchmark, its own name first."""
    inside = {_plain(folder.name): folder for folder in sorted(data.iterdir()) if folder.is_dir()}
    for usual in (name, *FOLDERS.get(name, ())):
        if folder := inside.get(_plain(usual)):
            yield _inner(name, folder)


def _inner(name: str, folder: Path) -> Path:
    """The benchmark's folder in a folder that was named in its stead, such as UCF101/ucf101_interp_ours."""
    wanted = {_plain(usual) for usual in (name, *FOLDERS.get(name, ()))}
    inside = (each for each in sorted(folder.iterdir()) if _plain(each.name) in wanted and each.is_dir())
    return next(inside, folder).absolute()


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _searched() -> str:
    given = os.environ.get("HARNESS_DATA")
    return f"HARNESS_DATA ({given or 'not set'}), nor by {config_file()}"
