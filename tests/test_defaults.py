"""A defaults file gives what a user would have typed: checked, said, recorded, and overruled by all else."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cli import defaults
from harness.cli.main import cli, main
from harness.errors import HarnessError
from harness.results.records import Asked
from harness.suites.plan import shell


class Settled(Exception):  # noqa: N818 - it ends a command before anything is trained
    """What a command asks for."""

    def __init__(self, asked: Asked, where: Path) -> None:
        self.asked, self.where = asked, where


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands run, without variables of the environment and without a file yet."""
    for name in ("HARNESS_DATA", "HARNESS_RESULTS"):
        monkeypatch.setenv(name, "")  # so that it is put back: the callback of --data-root sets it for good
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def settle(asked: Asked, known: Any, device: Any, workers: int, store: Any) -> None:
        raise Settled(asked, store.root)

    monkeypatch.setattr("harness.pair.plan.settle", settle)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["run", "--device", "cpu", *words])


def asked(result: Result) -> Asked:
    assert isinstance(result.exception, Settled), (result.exception, result.output)
    return result.exception.asked


def refusal(result: Result) -> str:
    assert isinstance(result.exception, HarnessError), (result.exception, result.output)
    line = str(result.exception)
    assert "\n" not in line
    return line


# --- what is given


@pytest.mark.parametrize("where", ["harness.toml", "pyproject.toml"])
def test_a_file_gives_what_is_not_typed(where: str, folder: Path) -> None:
    table = "[run]" if where == "harness.toml" else '[project]\nname = "mine"\n[tool.harness.run]'
    (folder / where).write_text(f'{table}\nbaseline = "rife"\nwith = "hce"\nseeds = "3"\ntest-masks = "global"\n')
    assert asked(run()) == Asked(baseline="rife", plugins="hce", seed=3, test_masks="global")
    assert asked(CliRunner().invoke(cli, ["--no-defaults", "run", "--device", "cpu", "--baseline", "amt"])) == Asked(
        baseline="amt"
    )


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (folder / name).mkdir()
    (folder / "harness.toml").write_text('results = "a"\ndata-root = "a"\n[run]\nbaseline = "rife"\n')

    def where(*words: str) -> tuple[str, str]:
        result = run(*words)
        assert isinstance(result.exception, Settled), result.output
        return str(result.exception.where), os.environ["HARNESS_DATA"]

    assert where() == ("a", "a")
    monkeypatch.setenv("HARNESS_RESULTS", "b")
    monkeypatch.setenv("HARNESS_DATA", "b")
    assert where() == ("b", "b")
    assert where("--results", "c", "--data-root", "c") == ("c", "c")
    assert asked(run("--baseline", "amt")).baseline == "amt"


def test_what_is_of_every_command_gives_way_to_what_is_of_one(folder: Path) -> None:
    (folder / "harness.toml").write_text('results = "all"\n[table]\nresults = "mine"\n')
    found = defaults.read(cli)
    assert found
    assert found.values["table"]["results"] == "mine"
    assert found.values["weights"]["make"]["results"] == "all"
    assert "results" not in found.values["check"]


# --- what decides numbers is told, and is in the record

WORDS = {
    "with": st.sampled_from(["", "hce", "hce,hir:stages=L", "null"]),
    "recipe": st.sampled_from(["", "quick", "my recipe.yaml"]),
    "start": st.sampled_from(["", "ifrnet-s-own"]),
    "data": st.sampled_from(["", "clips", 'clips:root="/a, b",half=false']),
    "test": st.sampled_from(["", "layers,clips"]),
    "masks": st.sampled_from(["", "global"]),
    "test-masks": st.sampled_from(["", "global"]),
    "protocol": st.sampled_from(["unified", "official-rife"]),
    "metrics": st.sampled_from(["psnr,ssim", "psnr,ssim,lpips"]),
    "seeds": st.sampled_from(["0", "7"]),
}
SOME = st.fixed_dictionaries({}, optional=WORDS)


def written(values: dict[str, str]) -> str:
    return "[run]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def words(values: dict[str, str]) -> list[str]:
    return [word for key, value in values.items() for word in (f"--{key}", value)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(of_file=SOME, typed=SOME)
def test_the_recorded_command_asks_for_the_same_without_the_file(
    of_file: dict[str, str], typed: dict[str, str], folder: Path
) -> None:
    """And so does that of a suite's job, whatever file lies where it runs."""
    file = folder / "harness.toml"
    file.write_text(written(of_file))
    found = asked(run("--baseline", "rife", *words(typed)))
    plan: Any = SimpleNamespace(command=found.command())
    job = shell(plan)[4:]
    assert asked(CliRunner().invoke(cli, [*job, "--device", "cpu"])) == found
    file.unlink()
    assert asked(run("--baseline", "rife", *words(of_file | typed))) == found
    assert asked(run(*shlex.split(found.command())[2:])) == found


def test_a_run_says_what_it_takes_from_a_file(folder: Path) -> None:
    (folder / "harness.toml").write_text('[run]\nrecipe = "smoke"\nworkers = 2\nmetrics = "lpips"\n')
    said = "harness: from harness.toml: --recipe smoke --workers 2"
    assert f"{said}\n" in run("--baseline", "rife", "--metrics", "psnr").stderr
    assert said not in run("--baseline", "rife", "-q").stderr
    (folder / "harness.toml").write_text("")
    assert run("--baseline", "rife").stderr == ""


# --- what is wrong with a file


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[rnu]\n", "harness.toml: rnu: no command is called so; did you mean 'run'?"),
        ("recipe = 'smoke'\n", "harness.toml: recipe: no command is called so; put it in [run]"),
        ("run = 3\n", "harness.toml: run: a table of its options is needed, not 3"),
        ("[run]\nrecpie = 'a'\n", "harness.toml: run.recpie: harness run has no such option; did you mean 'recipe'?"),
        ("[run]\nrecipe = 3\n", "harness.toml: run.recipe: text in quotes is needed, not 3"),
        ("[run]\nworkers = '3'\n", "harness.toml: run.workers: a whole number is needed, not '3'"),
        ("[run]\nworkers = true\n", "harness.toml: run.workers: a whole number is needed, not true"),
        ("[run]\nworkers = 999\n", "harness.toml: run.workers: 999 is not in the range 0<=x<=256"),
        ("[run]\nquiet = true\n", "harness.toml: run.quiet: harness run has no such option"),
        ("[run]\nhelp = true\n", "harness.toml: run.help: harness run has no such option"),
        ("[table]\nformat = 'pdf'\n", "harness.toml: table.format: 'pdf' is not one of "),
        ("[table]\nmix-protocols = 1\n", "harness.toml: table.mix-protocols: true or false is needed, not 1"),
        ("[suite]\nonly = ['a', 3]\n", "harness.toml: suite.only: text in quotes is needed, not ['a', 3]"),
        ("[weights.mkae]\n", "harness.toml: weights.mkae: no command is called so; did you mean 'make'?"),
        ("[weights.make]\nworkers = -1\n", "harness.toml: weights.make.workers: -1 is not in the range"),
        ("results = 3\n", "harness.toml: results: text in quotes is needed, not 3"),
        ("[run]\nseeds = 'one'\n", "harness.toml: seeds: 'one' is no list of seeds such as 0,1,2"),
        ("data-root = 'harness.toml'\n", "harness.toml: data-root: HARNESS_DATA: harness.toml is no folder"),
        ("[run\n", "harness.toml: not valid TOML: "),
        ("[run]\nrecipe = '\xff'\n", "harness.toml: not valid TOML: "),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(text: str, line: str, folder: Path) -> None:
    (folder / "harness.toml").write_bytes(text.encode("latin-1"))
    assert refusal(run("--baseline", "rife")).startswith(line)


def test_of_a_project_the_table_is_named(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.harness.run]\nrecipe = 3\n")
    assert refusal(run("--baseline", "rife")) == (
        "pyproject.toml: tool.harness.run.recipe: text in quotes is needed, not 3"
    )
    (folder / "pyproject.toml").write_text("[tool]\nharness = 3\n")
    assert refusal(run("--baseline", "rife")) == "pyproject.toml: tool.harness: a table is needed, not 3"
    (folder / "pyproject.toml").write_text("[tool.harness]\n")
    (folder / "harness.toml").write_text("")
    assert refusal(run("--baseline", "rife")).startswith("both harness.toml and [tool.harness] of pyproject.toml")


def test_a_wrong_file_ends_in_one_line_and_stops_no_help(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "harness.toml").write_text("[run]\nworkers = 'many'\n")
    for words, code in ((["table"], 2), (["--help"], 0), (["--version"], 0)):
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == code
    assert capsys.readouterr().err == (
        "harness: error: harness.toml: run.workers: a whole number is needed, not 'many'\n"
    )


# --- harness config


@pytest.fixture
def config(folder: Path) -> Callable[..., list[list[str]]]:
    """Its lines, by columns."""

    def call(*words: str) -> list[list[str]]:
        done = CliRunner().invoke(cli, ["config", *words])
        assert done.exit_code == 0, done.exception
        return [re.split(r"\s{2,}", line.rstrip()) for line in done.output.splitlines()]

    return call


def test_config_shows_each_value_and_where_it_is_from(
    config: Callable[..., list[list[str]]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config() == [["nothing is set: here is no harness.toml, and no pyproject.toml with [tool.harness]"]]
    (folder / "harness.toml").write_text('[run]\nrecipe = "smoke"\nresults = "r"\n[suite]\nonly = ["a", "b"]\n')
    assert config() == [
        ["run --recipe", "smoke", "harness.toml"],
        ["run --results", "r", "harness.toml"],
        ["suite --only", "a b", "harness.toml"],
    ]
    monkeypatch.setenv("HARNESS_RESULTS", "e")
    lines = config("run")
    assert ["run --recipe", "smoke", "harness.toml"] in lines
    assert ["run --results", "e", "environment, HARNESS_RESULTS"] in lines
    assert ["run --protocol", "unified", "default"] in lines
    assert ["run --baseline", "must be given"] in lines
    assert ["weights make --into", "default"] in config("weights", "make")


def test_config_of_what_is_no_command_says_so(folder: Path) -> None:
    found = CliRunner().invoke(cli, ["config", "weights", "mkae"])
    assert refusal(found) == "no command is called 'weights mkae'; did you mean 'weights make'?"
