"""A new distribution, from the files in the folders beside this module: `common`, and one a kind.

A file that ends in `.in` is filled in and loses that ending; all others are copied as they are. In their paths
`package` stands for the name of the package, and `dot_` for a leading dot: git would follow a .gitignore in here.
What is filled in is `$name` and the like, by `string.Template`. A library for templates, such as copier, asks questions
and follows a repository's later versions, which nobody needs here, and brings a dozen packages for six words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from string import Template

from harness.errors import HarnessError
from harness.registry.catalog import HOOKS, catalog
from harness.registry.hookspecs import CONTRACT
from harness.registry.plugins import discover
from harness.registry.specs import NAME
from harness.suites.suite import suite_files

FOLDER = Path(__file__).parent

LONGEST = 40
"""Signs of a name, so that no line of what is written gets too long."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What differs between kinds beside their files: what the distribution requires, and a pair that uses it."""

    requires: tuple[str, ...]
    trial: str


KINDS = {
    "baseline": Kind(requires=("torch>=2.6",), trial="--baseline $name --with hce,hir"),
    "plugin": Kind(requires=("torch>=2.6",), trial="--baseline ifrnet-s --with $name"),
    "mask-source": Kind(requires=("numpy>=2.0",), trial="--baseline ifrnet-s --with hce,hir --masks $name"),
    "benchmark": Kind(requires=("numpy>=2.0", "pillow>=10.4"), trial="--baseline ifrnet-s --with hce,hir --data $name"),
    "metric": Kind(requires=("torch>=2.6",), trial="--baseline ifrnet-s --with hce,hir --metrics $name"),
}


def check_name(name: str) -> None:
    """Raises HarnessError where nothing can be called so, or where something that is installed is."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
        raise HarnessError(f"'{shown}' is no name: give lower-case words joined by '-', of at most {LONGEST} signs")
    if claims := list(_claims(name)):
        raise HarnessError(f"'{name}' is taken: {' and '.join(claims)}; choose another name")


def _claims(name: str) -> Iterator[str]:
    known = catalog()
    for kind in HOOKS.values():
        for claim in known.claims(kind, name):
            yield f"a {kind.kind} of {claim.origin.distribution} is called so"
    if name in suite_files(discover()):
        yield "a suite is called so"
    try:
        yield f"vfi-{name} {distribution(f'vfi-{name}').version} is installed"
    except PackageNotFoundError:
        if find_spec(_package(name)):
            yield f"there is a package {_package(name)}"


def _package(name: str) -> str:
    return f"vfi_{name.replace('-', '_')}"


def words_of(kind: str, name: str) -> dict[str, str]:
    """What is filled in, by placeholder."""
    return {
        "name": name,
        "kind": kind.replace("-", " ").replace("plugin", "plug-in"),
        "package": _package(name),
        "contract": CONTRACT,
        "year": str(date.today().year),
        "requires": ", ".join(f'"{each}"' for each in (*KINDS[kind].requires, "vfi-harness")),
        "trial": "harness run " + Template(KINDS[kind].trial).substitute(name=name) + " --recipe smoke",
    }


def contents(kind: str, name: str) -> dict[str, bytes]:
    """Every file of a distribution, by its path in it."""
    words = words_of(kind, name)
    found = {}
    for top in (FOLDER / "common", FOLDER / kind):
        for path in sorted(path for path in top.rglob("*") if path.is_file()):
            parts = path.relative_to(top).parts
            where = "/".join(re.sub("^dot_", ".", words["package"] if part == "package" else part) for part in parts)
            content = path.read_bytes()
            if path.suffix == ".in":
                where, content = where.removesuffix(".in"), Template(content.decode()).substitute(words).encode()
            found[where] = content
    return dict(sorted(found.items()))


def write(kind: str, name: str, folder: Path) -> list[str]:
    """Writes a distribution of that kind and returns its files, by their paths in `folder`, which is made.

    Raises HarnessError for a name that will not do and for a folder that cannot be made or in which something is;
    OSError names a file that cannot be written.
    """
    check_name(name)
    files = contents(kind, name)
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise HarnessError(f"{folder}: is there and not empty; give another folder with --output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(f"{folder}: cannot be made: {error.strerror}; give another with --output") from error
    for where, content in files.items():
        path = folder / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(files)
