"""What -q and -v leave and add, and that nothing is warned of twice."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from harness.cli import verbosity
from harness.cli.common import warn_broken
from harness.cli.defaults import leaves
from harness.cli.main import cli
from harness.cli.progress import Progress


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    yield
    verbosity.log.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("path", "command"), list(leaves(cli)), ids=lambda each: " ".join(each) if isinstance(each, tuple) else ""
)
def test_every_command_takes_both(path: tuple[str, ...], command: click.Command) -> None:
    words = [word for parameter in command.params for word in parameter.opts]
    assert {"-q", "--quiet", "-v", "--verbose"} <= {*words}
    assert len({*words}) == len(words)


@click.group()
def group() -> None: ...


@group.command()
def work() -> None:
    """Does, and says, a bit of everything."""
    broken: Any = SimpleNamespace(broken=["theirs", "theirs"])
    warn_broken(broken)
    warn_broken(broken)
    progress = Progress(["an-arm"])
    progress.note("a note")
    progress.started["an-arm.s0.1"] = (0, 2, 0.0)
    progress.harness_step_done("an-arm.s0.1", 1, 0.5, 1.0)
    verbosity.note("another")
    verbosity.log.info("told")
    click.echo("result")


verbosity.give(group)


@pytest.mark.parametrize("words", [("-q", "work"), ("work", "-q"), ("-q", "work", "-q")])
def test_quiet_leaves_warnings_and_the_result(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(group, words)
    assert (done.stdout, done.stderr) == ("result\n", "harness: warning: left out: theirs\n")


def test_without_it_all_is_said() -> None:
    done = CliRunner().invoke(group, ["work"])
    first, *others = done.stderr.splitlines()
    assert first == "harness: warning: left out: theirs"
    assert [line.partition(",")[0] for line in others] == [
        "harness: a note",
        "harness: an-arm.s0.1: step 1 of 2",
        "harness: another",
    ]


@pytest.mark.parametrize("words", [("-v", "work"), ("work", "-v")])
def test_verbose_shows_more_of_what_is_logged(words: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    CliRunner().invoke(group, words)
    assert "told" in caplog.messages
    caplog.clear()
    CliRunner().invoke(group, ["work"])
    assert "told" not in caplog.messages


def test_a_librarys_warning_is_one_line_and_said_once() -> None:
    code = (
        "import sys, warnings, click\nfrom harness.cli.main import cli, main\n"
        "@cli.command()\ndef warns():\n"
        "    for _ in range(2):\n        warnings.warn('a\\n  thing', stacklevel=1)\n"
        "        with warnings.catch_warnings():\n            pass\n"
        "    warnings.warn('a\\n  thing', stacklevel=1)\n"
        "sys.argv = ['harness', 'warns']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "harness: WARNING: UserWarning: a thing\n"
