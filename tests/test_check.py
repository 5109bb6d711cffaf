"""`harness check` and the test classes: who is found, what is said, exceptions, and what a check leaves behind."""

from __future__ import annotations

import ast
import importlib.metadata
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from harness.cli import check as command
from harness.errors import HarnessError
from harness.testing import BaselineTests, MetricTests, common, kinds
from harness.testing.checks import CheckError, name_of, run_one, skip

Lines = tuple[int, list[str]]


def checked(*words: str) -> Lines:
    done = CliRunner().invoke(command.check, words)
    if isinstance(done.exception, HarnessError):
        raise done.exception
    return done.exit_code, done.output.splitlines()


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Checks of metrics that a test sets; `right` and `wrong` are there."""

    def check_right(subject: Any) -> None:
        """That nothing is."""

    def check_wrong(subject: Any) -> None:
        """That something\n    is."""
        raise CheckError("3 is not\n 4")

    def check_not_asked(subject: Any) -> None:
        """What is not here."""
        skip("it is not here")

    checks = [check_right, check_wrong, check_not_asked]
    monkeypatch.setitem(kinds.CHECKS, "metric", tuple(checks))
    return checks


def test_each_module_of_a_distribution_is_asked_whether_it_imports_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """One may have several entry points."""
    dist = SimpleNamespace(name="vfi-two")
    mine = [SimpleNamespace(module=module, dist=dist) for module in ("vfi_light", "vfi_heavy")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: mine)
    monkeypatch.setattr(common, "_imports_torch", lambda module, path: module == "vfi_heavy")
    target, origin = SimpleNamespace(factory="vfi_heavy.network:Network"), SimpleNamespace(distribution="vfi-two")
    subject: Any = SimpleNamespace(chosen=SimpleNamespace(entry=SimpleNamespace(target=target, origin=origin)))
    with pytest.raises(CheckError, match="importing vfi_heavy imports torch"):
        common.check_lists_without_torch(subject)


# --- the command ---


def test_a_line_a_check_and_a_last_one(toys: list[Any]) -> None:
    code, lines = checked("psnr")
    assert code == 1
    assert lines[0].startswith("psnr: metric of vfi-harness ")
    assert lines[1:4] == [
        "  passed   right",
        "  failed   wrong      3 is not 4",
        "  skipped  not-asked  it is not here",
    ]
    assert lines[4:] == ["psnr: 1 passed, 1 failed, 1 skipped, in 0 s"]


def test_one_check_alone_and_what_it_asks(toys: list[Any]) -> None:
    code, lines = checked("psnr", "--only", "wrong", "-v")
    assert (code, len(lines)) == (1, 4)
    assert lines[2].strip() == "That something is. (0.0 s)"
    assert checked("psnr", "--only", "right")[0] == 0


def test_a_metric_of_the_core_passes() -> None:
    code, lines = checked("ie")
    assert code == 0
    assert lines[-1].startswith("ie: 12 passed, 1 skipped")  # a core is not asked whether its listing imports torch


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["psnrr"], "nothing that can be checked is called 'psnrr'; did you mean 'psnr'?"),
        (["psnr:window=3"], "psnr has no option 'window'"),
        (["psnr", "--only", "symetric"], "a metric has no check 'symetric'; did you mean 'symmetric'?"),
        (["psnr", "--kind", "network"], "--kind network: there is baseline, plug-in"),
        (["psnr", "--kind", "baseline"], "nothing that can be checked is called 'psnr'"),
        (["precomputed"], "precomputed: the option 'root' is needed"),
        (["vimeo90k"], "vimeo90k: no folder of it in HARNESS_DATA"),
    ],
)
def test_what_cannot_be_checked_is_one_line(
    words: list[str], line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As wrong input: exit code 2. A set whose data is not here is nothing to check."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(HarnessError) as error:
        checked(*words)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_a_name_of_two_kinds_asks_which(monkeypatch: pytest.MonkeyPatch) -> None:
    names = kinds._names()
    monkeypatch.setattr(kinds, "_names", lambda: names | {"protocol": ["ie"]})
    with pytest.raises(HarnessError, match="'ie' is a metric and a protocol: say which, with --kind 'metric'"):
        kinds.named("ie")
    assert kinds.named("ie", "metric")[0] == "metric"


@pytest.mark.parametrize(("kind", "name"), [("protocol", "unified"), ("suite", "table1"), ("distribution", "vfi-rife")])
def test_what_has_no_factory_is_found_too(kind: str, name: str) -> None:
    assert kinds.named(name)[0] == kind
    assert checked(name)[0] == 0


# --- a check among others ---


def test_what_a_check_leaves_behind_is_put_back() -> None:
    def check_leaves(subject: Any) -> None:
        torch.set_default_dtype(torch.float64)
        random.seed(7)

    before = random.getstate()
    assert run_one(check_leaves, SimpleNamespace(broken="")).state == "passed"
    assert torch.get_default_dtype() == torch.float32
    assert random.getstate() == before


def test_what_cannot_be_built_fails_once(toys: list[Any]) -> None:
    def check_builds(subject: Any) -> None:
        raise CheckError(subject.broken)

    subject = SimpleNamespace(broken="no such layer")
    results = [run_one(check, subject) for check in (check_builds, *toys)]
    assert [result.state for result in results] == ["failed", "skipped", "skipped", "skipped"]
    assert results[1].line == "it cannot be built"


def test_whatever_an_adapter_raises_is_a_failed_line() -> None:
    def check_raises(subject: Any) -> None:
        raise SystemExit("over\nand out")

    result = run_one(check_raises, SimpleNamespace(broken=""))
    assert (result.state, result.line) == ("failed", "raises SystemExit: over and out")


# --- the test classes ---


class TestIE(MetricTests):
    name = "ie"


def test_a_class_has_a_test_for_each_check_and_none_without_a_name() -> None:
    tests = {name.removeprefix("test_").replace("_", "-") for name in dir(TestIE) if name.startswith("test_")}
    assert tests == {name_of(check) for check in kinds.CHECKS["metric"]}
    assert TestIE.__test__
    assert not MetricTests.__test__
    assert not BaselineTests.__test__


def one_test(check: Any, monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> None:
    """What a class of these attributes makes of one check."""
    from harness.testing import classes

    monkeypatch.setitem(kinds.CHECKS, "metric", (check,))
    made = type("TestMade", (MetricTests,), {"name": "ie", **attributes})
    classes._test(check)(made())


@pytest.mark.parametrize(
    ("which", "exceptions", "raised", "words"),
    [
        (0, {}, None, ""),
        (1, {}, CheckError, "ie: 3 is not 4"),
        (1, {"wrong": "a 3 of a kind"}, pytest.skip.Exception, "excepted, a 3 of a kind: 3 is not 4"),
        (1, {"wrong": " "}, HarnessError, "the exception for the check 'wrong' has no reason"),
        (0, {"right": "it may not"}, CheckError, "passes, though an exception says 'it may not': remove it"),
        (0, {"rihgt": "it may not"}, HarnessError, "there is no check 'rihgt' to except"),
        (2, {}, pytest.skip.Exception, "it is not here"),
    ],
)
def test_an_exception_has_a_reason_and_is_removed_where_it_is_none(
    which: int, exceptions: Any, raised: Any, words: str, toys: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from unittest import SkipTest

    if raised is None:
        one_test(toys[which], monkeypatch, exceptions=exceptions)
        return
    with pytest.raises((raised, SkipTest), match=words):
        one_test(toys[which], monkeypatch, exceptions=exceptions)


def test_the_kit_needs_no_pytest() -> None:
    """`harness check` is for whoever has no developer's tools."""
    for path in Path(kinds.__file__).parent.glob("*.py"):
        taken = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Import)]
        assert "pytest" not in {alias.name for node in taken for alias in node.names}, path
        assert "from pytest" not in path.read_text("utf-8")
