"""What is in an installed distribution and what it stands on: all of an adapter that can move a number."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from harness.errors import HarnessError
from harness.registry.code import of_files

Files = dict[str, Path]
"""Where the files are, by names that are the same wherever and however a distribution is installed."""

ALWAYS = ("numpy", "torch")
"""Whose versions are those of everybody's arithmetic, whether or not they are named as required."""

_NOT_COUNTED = {"__pycache__", "test", "tests"}


@functools.cache
def contents(name: str, file: str, module: str) -> str:
    """Hash of the files of the distribution `name`: Python by what it computes, all else, data too, by its bytes.

    `file` is that of the module that its entry point names, as it is imported here, and `module` one of a factory.
    Where they are among the files that the installation has recorded, these are the distribution; else their own
    packages are, and, of one that is installed editable, each package beside these. Tests, caches and the
    installation's own notes do not count. Raises HarnessError where no file of either is there, or one cannot be read.
    """
    anchors = [place for place in (Path(file), _place(module)) if place and place.is_file()]
    if not anchors:
        raise HarnessError(f"{name}: no file of {module} is found, so that nothing tells when its code changes")
    files: dict[str, Path] = {}
    for anchor in anchors:
        if not any(path.samefile(anchor) for path in files.values() if path.name == anchor.name):
            files |= _recorded(name, anchor) or _beside(name, _top(anchor))
    return _hash(name, files)


@functools.cache
def requirements(name: str) -> dict[str, str]:
    """Versions of what the distribution requires here, without what its extras do, and of ALWAYS; "absent" of what is
    not installed. The harness is no version: its code is hashed."""
    wanted = {*ALWAYS}
    for text in (found.requires if (found := _find(name)) else None) or ():
        required = re.match(r"\s*([\w.-]+)", text)
        if required and _applies(text.partition(";")[2]):
            wanted.add(re.sub("[-_.]+", "-", required[1]).lower())
    return {each: _version(each) for each in sorted(wanted - {"vfi-harness"})}


@functools.cache
def named(name: str, file: str, what: str) -> str:
    """Hash of what a spec names in `fingerprint`: a file beside `file`, or a folder with all that is in it; else a
    package or module that can be imported. Raises HarnessError where it is none of these."""
    path = Path(file).parent / what
    if path.is_file():
        return _hash(name, {path.name: path})
    place = path / "__init__.py" if path.is_dir() else _place(what)
    if place is None:
        raise HarnessError(
            f"{name}: fingerprint names '{what}', which is no file in {path.parent} and nothing that can be imported: "
            "install it, or correct the spec"
        )
    return _hash(name, _package(place))


def _find(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except (PackageNotFoundError, ValueError):
        return None


def _applies(marker: str) -> bool:
    """Whether a requirement with that marker holds here, of an installation without extras."""
    if not marker.strip():
        return True
    from packaging.markers import InvalidMarker, Marker  # takes its time, and most have none

    try:
        return Marker(marker).evaluate({"extra": ""})
    except InvalidMarker:
        return True


@functools.cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _recorded(name: str, anchor: Path) -> Files:
    """What the installation has recorded; nothing where the anchor is not among it."""
    found = _find(name)
    if found is None or _project(found):
        return {}
    files = {file.as_posix(): Path(str(found.locate_file(file))) for file in found.files or ()}
    if not any(path.name == anchor.name and path.exists() and path.samefile(anchor) for path in files.values()):
        return {}
    return {relative: path for relative, path in files.items() if _counts(PurePath(relative)) and path.is_file()}


def _project(found: Distribution) -> Path | None:
    """The folder that a distribution is installed editable from; None of any other."""
    try:
        source = json.loads(found.read_text("direct_url.json") or "{}")
        return Path(unquote(urlsplit(source["url"]).path)) if source["dir_info"]["editable"] else None
    except (ValueError, KeyError, TypeError):
        return None


def _top(anchor: Path) -> Path:
    """The `__init__` of the outermost package that the module is in; the module itself where it is in none."""
    folder = anchor.parent
    if not (folder / "__init__.py").is_file():
        return anchor
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return folder / "__init__.py"


def _beside(name: str, anchor: Path) -> Files:
    """The package of the anchor, and those beside it where they are in the distribution's own project: elsewhere they
    may be anybody's."""
    files, top = _package(anchor), anchor.parent.parent
    project = _project(found) if (found := _find(name)) else None
    if anchor.name == "__init__.py" and project and top.resolve().is_relative_to(project.resolve()):
        for other in top.iterdir():
            if (other / "__init__.py").is_file() and _counts(PurePath(other.name)):
                files |= _package(other / "__init__.py")
    return files


def _package(anchor: Path) -> Files:
    """A module, or a package with all that is in its folder."""
    if anchor.name != "__init__.py":
        return {anchor.name: anchor}
    return dict(_below(anchor.parent, anchor.parent.parent))


def _below(folder: Path, top: Path) -> Iterator[tuple[str, Path]]:
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if _counts(PurePath(each))]
        for name in names:
            path = Path(place, name)
            if _counts(PurePath(name)):
                yield path.relative_to(top).as_posix(), path


def _counts(relative: PurePath) -> bool:
    """Whether a file or folder of a distribution can decide a number."""
    if relative.suffix in (".pyc", ".pyo", ".pth") or relative.name == "conftest.py":
        return False
    return not any(
        part in _NOT_COUNTED or part.startswith(".") or part.endswith((".dist-info", ".egg-info"))
        for part in relative.parts
    )


def _place(module: str) -> Path | None:
    """The file of a module, of a package its `__init__`, be it there or not; None where there is no such thing."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec and not spec.has_location and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)), "__init__.py")
    return Path(spec.origin) if spec and spec.origin and Path(spec.origin).is_file() else None


def _hash(name: str, files: Files) -> str:
    try:
        return of_files(files)
    except OSError as error:
        raise HarnessError(f"{error.filename}: a file of {name}: cannot be read: {error.strerror or error}") from error
