"""Adapters with one planted mistake each: the check that is meant to name it does, and right ones pass."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.registry.catalog import Catalog
from harness.registry.plugins import discover
from harness.testing import kinds, light
from harness.testing.checks import name_of, run, run_one

MUTANTS = Path(__file__).parent / "mutants"
sys.path.insert(0, str(MUTANTS))
try:
    table: Any = importlib.import_module("vfi_mutants.table")
    page: Any = importlib.import_module("vfi_mutants.page")
    RIGHT: dict[str, Any] = importlib.import_module("vfi_mutants").RIGHT
finally:
    sys.path.remove(str(MUTANTS))

ROWS = page.PAGE.read_text("utf-8").partition(page.HEAD)[2].splitlines()


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The mutants' distributions, here and in the process that is asked the same again."""
    discover()  # what is kept of it for the tests of other files has none of them
    with pytest.MonkeyPatch.context() as patch:
        for place in reversed(page.install(tmp_path_factory.mktemp("site"))):
            patch.syspath_prepend(place)
        plugins = discover.__wrapped__()
        known = Catalog(plugins)
        for module in (kinds, light):
            patch.setattr(module, "catalog", lambda: known)
            patch.setattr(module, "discover", lambda: plugins)
        yield


@pytest.mark.parametrize("mistake", table.MISTAKES, ids=lambda each: each.name)
def test_a_planted_mistake_is_named(mistake: Any) -> None:
    """By the check that is meant to, in a line that is in docs/check.md as it is said here."""
    (check,) = (each for each in kinds.CHECKS[mistake.kind] if name_of(each) == mistake.check)
    result = run_one(check, kinds.found(mistake.kind, mistake.name))
    assert result.state == "failed", result
    assert "\n" not in result.line
    assert page.masked(page.row(mistake, result.line)) in map(page.masked, ROWS)


@pytest.mark.parametrize(
    ("kind", "made"), [(kind, made.lower()) for kind, several in RIGHT.items() for made, _ in several]
)
def test_what_is_right_passes(kind: str, made: str) -> None:
    failed = [result for result in run(kinds.CHECKS[kind], kinds.found(kind, made)) if result.state == "failed"]
    assert failed == []


def test_the_page_has_every_mistake_and_no_other() -> None:
    assert len(ROWS) == len(table.MISTAKES) >= 42
    for mistake, row in zip(table.MISTAKES, ROWS, strict=True):
        assert row.startswith(f"| {mistake.kind} | {mistake.words} | `{mistake.check}` | ")


def test_every_check_of_a_kind_is_called_by_one_name() -> None:
    for checks in kinds.CHECKS.values():
        names = [name_of(check) for check in checks]
        assert len(set(names)) == len(names)
        assert all(check.__doc__ for check in checks)
