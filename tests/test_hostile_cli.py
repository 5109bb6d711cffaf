"""The command line among closed pipes, missing homes and numbers that nobody means: one line or none, no traceback."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from harness.cli import main as command_line
from harness.cli.common import data_root_option, parse_seeds
from harness.data.sets.clips import Clips
from harness.errors import HarnessError
from harness.files import write_text
from harness.launch.local import run_jobs
from harness.launch.slurm import minutes
from harness.registry.launching import Job

HARNESS = shlex.join([sys.executable, "-c", "from harness.cli.main import main; main()"])


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as in a shell; `harness` in it is the real one."""
    return subprocess.run(
        ["bash", "-c", command.replace("harness", HARNESS)],
        cwd=folder,
        env={**os.environ, "HARNESS_RESULTS": str(folder / "results"), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        ("harness table ifrnet-paper | true; echo ${PIPESTATUS[0]} >&2", 0, "141\n"),
        ("harness table ifrnet-paper --format html | true; echo ${PIPESTATUS[0]} >&2", 0, "141\n"),
        ("harness table ifrnet-paper >&-", 0, ""),
        ("harness table nothing 2>&-", 2, ""),
        ("harness table ifrnet-paper > /dev/full", 2, "harness: error: No space left on device; free some space, "),
        ("mkdir gone; cd gone; rmdir ../gone; harness table x", 2, "harness: error: the current folder: No such file"),
    ],
)
def test_streams_and_folders_that_are_gone(command: str, code: int, error: str, tmp_path: Path) -> None:
    done = shell(command, tmp_path)
    assert done.returncode == code, done
    assert done.stderr.startswith(error)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
    assert error or not done.stderr


def test_what_is_written_does_not_land_in_the_next_file_where_stdout_is_closed(tmp_path: Path) -> None:
    done = shell("harness table ifrnet-paper --format csv --output table.csv >&-", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    whole = shell("harness table ifrnet-paper --format csv", tmp_path)
    assert (tmp_path / "table.csv").read_text() == whole.stdout


def test_signs_that_the_terminal_has_not_are_codes() -> None:
    script = "from harness.cli import streams; streams.open_streams(); print('a → b')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a \\u2192 b\n", "")


def test_no_home_folder_is_one_line(tmp_path: Path) -> None:
    script = (
        "import os, pwd; os.environ.pop('HOME', None)\n"
        "def none(number): raise KeyError(number)\n"
        "pwd.getpwuid = none\n"
        "from harness.cli.main import main; main()"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("HARNESS_CACHE", "XDG_CACHE_HOME")}
    for arguments in (["masks", "stats", "clips"], ["run", "--baseline", "ifrnet-s", "--data", "clips:root=~/videos"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("harness: error: ~/")
        assert done.stderr.endswith("there is no such home folder; set HOME, or give the path without ~\n")


# --- numbers


@pytest.mark.parametrize("seeds", ["9" * 5000, "²", "٣", "1,٣", "2147483648", "1_0", "+1", "-1", "0x1", "1.0", ","])
def test_seeds_are_plain_numbers(seeds: str) -> None:
    option = click.Option(["--seeds"])
    with pytest.raises(click.BadParameter, match="is no list of seeds such as 0,1,2") as error:
        parse_seeds(click.Context(click.Command("run")), option, seeds)
    assert len(error.value.message) < 150


def test_seeds_that_are_given_twice_count_once() -> None:
    assert parse_seeds(click.Context(click.Command("run")), click.Option(["--seeds"]), "2, 1,2,01") == (2, 1)


@pytest.mark.parametrize("gaps", ["1-9999999999", "99999", "9" * 5000, "١-٢", "1-²"])
def test_gaps_that_no_clip_has_are_refused_at_once(gaps: str) -> None:
    with pytest.raises(HarnessError, match=r"^gaps=.{1,60}: give frames to either side") as error:
        Clips(gaps=gaps)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("time_limit", ["9" * 5000, "٣", "1:²", "1-" + "9" * 20])
def test_time_limits_are_plain_numbers(time_limit: str) -> None:
    with pytest.raises(HarnessError, match="expected e"):
        minutes(time_limit)


# --- files and folders in each other's place


def test_a_data_root_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    command = click.command()(data_root_option(lambda: None))
    result = CliRunner().invoke(command, ["--data-root", str(tmp_path / "file")], env={"HARNESS_DATA": ""})
    assert result.exit_code == 2
    assert "is no folder" in result.output


@pytest.mark.parametrize("name", ["folder", "", "file/x.md", "."])
def test_output_that_cannot_be_a_file_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness", "table", "ifrnet-paper", "--output", name])
    with pytest.raises(SystemExit) as stop:
        command_line.main()
    assert stop.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("harness: error: ")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_in_the_place_of_a_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "table.md").mkdir()
    with pytest.raises(OSError, match=r"table\.md"):
        write_text(tmp_path / "table.md", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["table.md"]


# --- two suites, one log


def job(folder: Path, name: str, script: str) -> Job:
    return Job(name, ("bash", "-c", script), folder / f"{name}.log")


def test_two_suites_never_write_one_log(tmp_path: Path) -> None:
    """The second is told so in a line, and does not cut off what the first one writes; another job of it runs."""
    os.mkfifo(tmp_path / "gate")
    said: list[str] = []
    script = f"import sys; from pathlib import Path; sys.path.insert(0, {str(Path(__file__).parent)!r})\n" + (
        "from harness.launch.local import run_jobs; from harness.registry.launching import Job\n"
        "command = ('bash', '-c', 'echo first; cat gate; echo end')\n"
        "run_jobs([Job('a', command, Path('a.log'))], 1, (), lambda line: print(line, flush=True), lambda: 0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert "started" in first.stdout.readline()
        wait_for(lambda: (tmp_path / "a.log").read_text() == "first\n")
        jobs = [job(tmp_path, "a", "echo second"), job(tmp_path, "b", "echo other")]
        [failure] = run_jobs(jobs, 1, (), said.append, lambda: 0)
        assert str(failure).startswith("a failed (exit code 2): another harness suite runs it now; wait for that one")
        assert (tmp_path / "b.log").read_text() == "other\n"
        (tmp_path / "gate").write_text("")
        first.communicate()
    assert (tmp_path / "a.log").read_text() == "first\nend\n"
    assert run_jobs([job(tmp_path, "a", "echo third")], 1, (), said.append, lambda: 0) == []
    assert (tmp_path / "a.log").read_text() == "third\n"


def wait_for(condition: object) -> None:
    """Raises AssertionError where it does not come true."""
    assert callable(condition)
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_plugins_of_an_evaluation_are_one_list() -> None:
    """The last of two lists does not win in silence."""
    done = CliRunner().invoke(command_line.cli, ["eval", "--weights", "none", "--with", "hce", "--with", "hir"])
    assert done.exit_code == 2
    assert "Invalid value for '--with': give one list: hce,hir" in done.output
