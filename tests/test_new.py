"""harness new: what it writes installs, keeps its contract, passes its own tests and makes a pair, before any edit."""

from __future__ import annotations

import ast
import csv
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from click.testing import CliRunner
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.main import cli
from harness.errors import HarnessError
from harness.registry.specs import NAME
from harness.template.distribution import FOLDER, KINDS, LONGEST, check_name, contents, write
from tests.forks import Forks
from tests.test_public_names import is_public, taken

ROOT = Path(__file__).resolve().parents[1]


UNDRAWN = """
import harness.report.figures as figures
figures.draw_figures = lambda pair, *_: pair.name
from harness.cli.main import main; main()
"""
"""The command line, without pictures of a pair."""


class Fresh(NamedTuple):
    """An environment with the harness and one new distribution of each kind in it: `my-baseline`, `my-plugin`, ..."""

    work: Path
    forks: Forks

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs the interpreter, in a folder that is not the repository's."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "HARNESS_"))}
        env |= {"HARNESS_CACHE": str(self.work / "cache"), "OMP_NUM_THREADS": "1", "COLUMNS": "300"}
        done = self.forks.run(command, self.work, env)
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with a distribution of each kind, by the kind's name."""
    work = tmp_path_factory.mktemp("new")
    for kind in KINDS:
        write(kind, f"my-{kind}", work / kind)
    return work


@pytest.fixture(scope="module")
def fresh(written: Path) -> Iterator[Fresh]:
    """All five, installed as a user does, but without a network; the harness is seen through a .pth file."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(written / "venv")], check=True)
    python = written / "venv" / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    ours = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (packages / "beside.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    editable = [word for kind in KINDS for word in ("-e", str(written / kind))]
    subprocess.run([*pip, "--no-build-isolation", *editable], check=True, capture_output=True)
    forks = Forks(python, written, {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")})
    yield Fresh(written, forks)
    forks.close()


@pytest.fixture(scope="module")
def checked(fresh: Fresh) -> str:
    """What `harness check` says of each, one after the other in one process, and with which exit code."""
    code = """
import click
from harness.cli.main import cli
for kind in KINDS:
    print("exit code", cli(["check", f"my-{kind}"], standalone_mode=False), flush=True)
"""
    done = fresh.run("-c", code.replace("KINDS", repr(list(KINDS))))
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- before any edit


@pytest.mark.parametrize("kind", KINDS)
def test_passes_harness_check(kind: str, checked: str) -> None:
    reports = checked.split("exit code ")
    at = list(KINDS).index(kind)
    report, code = reports[at], reports[at + 1].splitlines()[0]
    assert f"my-{kind}: " in report
    assert " failed" not in report
    assert code == "0", report
    assert len(re.findall("^  passed ", report, re.MULTILINE)) >= 12


def test_passes_its_own_tests(fresh: Fresh) -> None:
    """Of each kind there are those of the kit, and others."""
    alike = ("-c", os.devnull, "--rootdir", str(fresh.work), "--import-mode=importlib", "-p", "no:cacheprovider")
    done = fresh.run("-m", "pytest", "-v", *alike, *KINDS)
    assert done.returncode == 0, done.stdout
    passed = re.findall(r"^(\S+)/tests/(test_\w+)\.py\S* PASSED", done.stdout, re.MULTILINE)
    for kind in KINDS:
        modules = {module for folder, module in passed if folder == kind}
        assert len(modules) == 2, done.stdout
        assert "test_check" in modules


def test_all_five_make_a_pair(fresh: Fresh) -> None:
    results = fresh.work / "results"
    done = fresh.run(
        *("-c", UNDRAWN, "run", "--recipe", "smoke", "--results", str(results)),
        *("--baseline", "my-baseline", "--with", "hce,hir,my-plugin", "--masks", "my-mask-source"),
        *("--data", "my-benchmark", "--metrics", "psnr,my-metric"),
    )
    assert done.returncode == 0, done.stderr
    assert "my-baseline+hce+my-plugin+hir on my-benchmark" in done.stdout
    tables = [list(csv.DictReader(path.open())) for path in results.glob("runs/*/rows.csv")]
    assert len(tables) == 2
    for rows in tables:
        assert rows
        (column,) = (name for name in rows[0] if name.startswith("my-metric "))  # with what decides its values
        assert all(float(row[column]) > 0 for row in rows)


@pytest.mark.parametrize("name", ["n", "n" * LONGEST])
def test_ruff_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    """However long the name is."""
    for kind in KINDS:
        write(kind, name, tmp_path / kind)
    for command in (["check"], ["format", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", str(tmp_path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


def test_mypy_has_nothing_to_say(written: Path) -> None:
    """By the settings and the cache of `make lint`, without which torch alone takes half a minute."""
    packages = [str(path) for path in written.glob("*/vfi_*")]
    assert len(packages) == len(KINDS)
    command = [sys.executable, "-m", "mypy", "--strict"]
    done = subprocess.run([*command, *packages], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# --- the files


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_what_they_should_be(kind: str, written: Path) -> None:
    name, package, folder = f"my-{kind}", f"vfi_my_{kind.replace('-', '_')}", written / kind
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == f"vfi-{name}"
    assert project["entry-points"]["harness"] == {name: package}
    assert "vfi-harness" in project["dependencies"]
    steps = yaml.safe_load((folder / ".github/workflows/tests.yml").read_text())["jobs"]["tests"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [
        'pip install -e ".[test]"',
        f"harness check {name}",
        "pytest",
    ]
    assert f"Copyright (c) {date.today().year} YOUR NAME\n" in (folder / "LICENCE").read_text()
    assert (folder / package / "py.typed").read_text() == ""
    assert "__pycache__/" in (folder / ".gitignore").read_text()
    (body,) = ast.parse((folder / "tests/test_check.py").read_text()).body[2:]
    assert len(ast.unparse(body).splitlines()) == 2
    for path, content in contents(kind, name).items():
        assert path.endswith(".png") or b"$" not in content, path


@pytest.mark.parametrize("kind", KINDS)
def test_takes_public_names_only(kind: str) -> None:
    sources = [text.decode() for path, text in contents(kind, "mine").items() if path.endswith(".py")]
    names = set().union(*map(taken, sources))
    assert "harness.testing" in {name.rpartition(".")[0] for name in names}
    assert {name for name in names if not is_public(name)} == set()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_printed_is_what_is_there(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "a folder" / "mine"
    done = CliRunner().invoke(cli, ["new", kind, "mine", "--output", str(folder)], standalone_mode=False)
    assert done.exit_code == 0, done.output
    above, below = done.stdout.split("next:\n")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {line.strip() for line in above.splitlines()[1:]} == there
    install, check, trial = below.splitlines()
    assert install == f"  pip install -e '{folder}'"
    assert check == "  harness check mine"
    assert trial.startswith("  harness run --baseline ")
    assert "mine" in trial.split()
    assert trial.endswith(" --recipe smoke")
    assert trial.strip() in (folder / "README.md").read_text()


def test_the_folder_is_called_as_the_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["new", "metric", "mine"], standalone_mode=False)
    assert "  pip install -e mine\n" in done.stdout
    assert (tmp_path / "mine/vfi_mine/metric.py").is_file()


def test_a_wheel_of_the_harness_holds_every_file() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    files = {path.relative_to(ROOT).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert {path for path in files if not path.endswith(".pyc")} <= packed
    assert sum(path.endswith(".in") for path in packed) > 25


# --- refused


@given(st.from_regex(NAME, fullmatch=True) | st.text(max_size=60))
def test_a_name_will_do_or_is_refused_in_one_line(name: str) -> None:
    words = ""
    try:
        check_name(name)
    except HarnessError as error:
        words = str(error)
    if NAME.fullmatch(name) and len(name) <= LONGEST:
        assert not words or "is taken" in words
        assert f"vfi_{name.replace('-', '_')}".isidentifier()
    else:
        assert "is no name" in words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("My-Net", "'My-Net' is no name"),
        ("my_net", "'my_net' is no name"),
        ("-net", "'-net' is no name"),
        ("n" * 41, "at most 40 signs"),
        ("../net", "'../net' is no name"),
        ("ifrnet-s", "a baseline of vfi-ifrnet is called so"),
        ("psnr", "a metric of vfi-harness is called so"),
        ("table1", "a suite is called so"),
        ("harness", "vfi-harness 0.1.0 is installed"),
        ("own", "vfi_own"),
    ],
)
def test_a_bad_or_taken_name_is_refused(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError) as error:
        write("baseline", name, tmp_path / "net")
    assert words in str(error.value)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for folder in (tmp_path / "full", tmp_path / "full/notes", tmp_path / "link"):
        with pytest.raises(HarnessError, match="is there and not empty; give another folder with --output"):
            write("metric", "mine", folder)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes"]
    assert (tmp_path / "full/notes").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    assert "README.md" in write("metric", "mine", tmp_path)
    assert (tmp_path / "README.md").is_file()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match=r"file/mine: cannot be made: .*; give another with --output$"):
        write("metric", "mine", tmp_path / "file/mine")


def test_a_kind_that_there_is_not_is_refused() -> None:
    done = CliRunner().invoke(cli, ["new", "network", "mine"])
    assert done.exit_code == 2
    assert "'baseline', 'plugin', 'mask-source', 'benchmark', 'metric'" in done.output
