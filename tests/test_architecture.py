"""The page on the architecture says what is so."""

from __future__ import annotations

import importlib
import re
import runpy
import tomllib
from pathlib import Path

import pytest

from harness.registry import hookspecs

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
MENTIONED = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))
DOTTED = [each for each in MENTIONED if re.fullmatch(r"harness(\.\w+)*", each)]
HOOKS = [each for each in MENTIONED if each.startswith("harness_")]
PATHS = [each for each in MENTIONED if "/" in each or each in ("baselines", "adapters", "pyproject.toml")]


def rooms() -> list[str]:
    """The rooms of the table, in its order."""
    return re.findall(r"^\| `(harness/\w+)` \|", PAGE, re.MULTILINE)


def test_everything_in_backticks_is_looked_up() -> None:
    other = set(MENTIONED) - set(DOTTED) - set(HOOKS) - set(PATHS)
    assert other == {"__all__", "make lint", "null", "widen"}


@pytest.mark.parametrize("path", PATHS)
def test_paths_exist(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", DOTTED)
def test_names_exist(name: str) -> None:
    """A module, or a name in the module before the last dot."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, last = name.rpartition(".")
        assert hasattr(importlib.import_module(module), last)


def test_every_hook_that_brings_something_is_there() -> None:
    given = {name for name in vars(hookspecs) if name.startswith("harness_")}
    observers = {"harness_run_started", "harness_step_done", "harness_eval_done", "harness_run_finished"}
    assert set(HOOKS) == given - observers | {"harness_step_done"}


def test_the_map_has_every_room() -> None:
    packages = [path.parent for path in (ROOT / "harness").glob("*/__init__.py")]
    assert sorted(rooms()) == sorted(path.relative_to(ROOT).as_posix() for path in packages)
    loose = {path.relative_to(ROOT).as_posix() for path in (ROOT / "harness").glob("[!_]*.py")}
    assert loose == {path for path in PATHS if re.fullmatch(r"harness/\w+\.py", path)}


def test_the_layers_are_those_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    section = PAGE.partition("## What may import what")[2].partition("\n## ")[0]
    assert re.findall(r"^    (\S.*)$", section, re.MULTILINE) == [layer.replace("harness.", "") for layer in layers]


def test_it_is_one_page() -> None:
    assert len(PAGE.splitlines()) <= 120


SCRIPTS = sorted(path for kind in ("measure", "bench", "simulate") for path in ROOT.glob(f"tests/{kind}_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_find_what_they_import(script: Path) -> None:
    """Of those that no test runs."""
    runpy.run_path(str(script), run_name=script.stem)
