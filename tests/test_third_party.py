"""A distribution from outside the tree, installed from its wheel, is as good as any in it; a broken one harms none."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest

from tests.forks import Forks

TOYVFI = Path(__file__).parent / "third_party" / "toyvfi"
RUN = ("run", "--baseline", "toy", "--with", "hce,hir", "--recipe", "toy-short", "--masks", "toy-halves")
METRICS = ("--metrics", "psnr,ssim,toy-light,toy-colour")


class Broken(NamedTuple):
    """A distribution with something wrong in it, and what the harness must say of it."""

    source: str
    reason: str


BROKEN = {
    "import-error": Broken("import a_module_that_nobody_has\n", "No module named 'a_module_that_nobody_has'"),
    "syntax-error": Broken("def harness_baselines(:\n", "SyntaxError"),
    "exits-at-import": Broken("import sys\nsys.exit(7)\n", "SystemExit"),
    "wrong-signature": Broken(
        "from harness import hookimpl\n@hookimpl\ndef harness_step_done(run, velocity): ...\n", "velocity"
    ),
    "unknown-hook": Broken(
        "from harness import hookimpl\n@hookimpl\ndef harness_baseline(): return []\n",
        "no hook harness_baseline; did you mean 'harness_baselines'?",
    ),
    "raising-hook": Broken(
        "from harness import hookimpl\n@hookimpl\ndef harness_plugins(): raise RuntimeError('two\\nlines')\n",
        "harness_plugins: RuntimeError: two lines",
    ),
    "exiting-hook": Broken(
        "from harness import hookimpl\n@hookimpl\ndef harness_plugins(): raise SystemExit(3)\n",
        "harness_plugins: SystemExit: 3",
    ),
    "wrong-type": Broken(
        "from harness import PluginSpec, hookimpl\n"
        "@hookimpl\ndef harness_baselines(): return [PluginSpec('odd', 'odd:Odd', summary='no baseline')]\n",
        "is no BaselineSpec",
    ),
    "returns-nothing": Broken(
        "from harness import hookimpl\n@hookimpl\ndef harness_baselines(): pass\n", "harness_baselines: TypeError"
    ),
    "wrong-name": Broken(
        "from harness import BaselineSpec, hookimpl\n"
        "@hookimpl\ndef harness_baselines(): return [BaselineSpec('My Net', 'odd:Odd', summary='')]\n",
        "'My Net' is not lower-case words",
    ),
    "raising-command": Broken(
        "from harness import hookimpl\n@hookimpl\ndef harness_commands(cli): raise RuntimeError('two\\nlines')\n",
        "harness_commands: RuntimeError: two lines",
    ),
    "taking-command": Broken(
        "from harness import hookimpl\n"
        "@hookimpl\ndef harness_commands(cli):\n    @cli.command('list')\n    def mine(): raise SystemExit(9)\n",
        "harness_commands: the command 'list' is taken",
    ),
    "newer-contract": Broken(
        "from harness import WhatIsNotThereYet\nHARNESS_CONTRACT = '1.99'\n",
        "was written for contract 1.99, and this harness has 1.1: update vfi-harness, or install an older",
    ),
    "zz-same-module": Broken("", "toyvfi is already registered by toyvfi 1.2.3"),
    "zz-collides": Broken(
        "from harness import BaselineSpec, hookimpl\n"
        "@hookimpl\n"
        "def harness_baselines(): return [BaselineSpec('toy-plain', 'zz_collides:Net', summary='another')]\n",
        "baseline 'toy-plain' is also claimed by toyvfi 1.2.3",
    ),
}

# nothing is wrong with these before they are used
LATE = {
    "raising-factory": (
        "from harness import BaselineSpec, hookimpl\n"
        "class Net:\n    def __init__(self): raise RuntimeError('out of\\nluck')\n"
        "@hookimpl\ndef harness_baselines(): return [BaselineSpec('late', 'raising_factory:Net', summary='raises')]\n"
    ),
    "telling-observer": (
        "import json\n"
        "from harness import hookimpl\n"
        "def tell(info, **facts):\n"
        "    with (info.folder / 'told.jsonl').open('a') as file:\n"
        "        name = {'name': info.name, 'label': info.record['label'], 'steps': info.steps}\n"
        "        file.write(json.dumps(name | facts) + '\\n')\n"
        "@hookimpl\ndef harness_run_started(info, step): tell(info, started=step)\n"
        "@hookimpl\ndef harness_step_done(info, step, loss, learning_rate):"
        " tell(info, step=step, loss=loss, learning_rate=learning_rate)\n"
        "@hookimpl\ndef harness_eval_done(info, done, total, means): tell(info, done=done, total=total, means=means)\n"
        "@hookimpl\ndef harness_run_finished(info): tell(info, finished=True)\n"
    ),
    "raising-observer": (
        "from harness import hookimpl\n"
        "@hookimpl\ndef harness_run_started(run): raise RuntimeError('observer of starts')\n"
        "@hookimpl\ndef harness_step_done(step): raise RuntimeError('observer of steps')\n"
        "@hookimpl\ndef harness_eval_done(): raise RuntimeError('observer of tests')\n"
        "@hookimpl\ndef harness_run_finished(run): raise RuntimeError('observer of ends')\n"
    ),
}


MAIN = "from harness.cli.main import main; main()"
UNDRAWN = "import harness.report.figures as figures; figures.draw_figures = lambda pair, *_: pair.name; " + MAIN
"""The same without pictures, for what is not about them."""


class Fresh(NamedTuple):
    """An environment with the harness and toyvfi in it."""

    python: Path
    work: Path
    forks: Forks

    def run(self, *command: str, beside: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs the interpreter; `beside` is one more folder with distributions, `more` further environment."""
        return self.forks.run(command, self.work, self.environment(beside, **more), beside)

    def start(self, *command: str, beside: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """The same, started anew, with nothing loaded."""
        env, python = self.environment(beside, **more), str(self.python)
        return subprocess.run([python, *command], cwd=self.work, env=env, capture_output=True, text=True, timeout=300)

    def harness(self, *arguments: str, beside: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line."""
        return self.run("-c", MAIN, *arguments, beside=beside, **more)

    def environment(self, beside: Path | None = None, **more: str) -> dict[str, str]:
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "HARNESS_"))}
        env |= {"HARNESS_CACHE": str(self.work / "cache"), "OMP_NUM_THREADS": "1", "COLUMNS": "300", **more}
        return env | ({"PYTHONPATH": str(beside)} if beside else {})


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("harness: warning: left out: ")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("harness: error: ")
    return lines[0]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fresh]:
    """toyvfi's wheel in a new environment, which sees the harness's own packages through a .pth file."""
    work = tmp_path_factory.mktemp("fresh")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work), str(TOYVFI)]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(work / "venv")], check=True)
    python = work / "venv" / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    ours = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (packages / "beside.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours))
    wheel = str(work / "toyvfi-1.2.3-py3-none-any.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    forks = Forks(python, work, {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")})
    yield Fresh(python, work, forks)
    forks.close()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of 20 frames of a texture that moves."""
    folder = tmp_path_factory.mktemp("videos")
    for seed in (0, 1):
        squares = np.random.default_rng(seed).integers(0, 256, (12, 32, 3), np.uint8)
        texture = squares.repeat(8, 0).repeat(8, 1)
        with av.open(str(folder / f"clip{seed}.mp4"), "w") as container:
            stream: Any = container.add_stream("libx264", rate=Fraction(25))
            stream.width = stream.height = 96
            stream.pix_fmt = "yuv420p"
            for at in range(20):
                image = np.ascontiguousarray(texture[:, 3 * at : 3 * at + 96])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
    return folder


@pytest.fixture(scope="module")
def pair(fresh: Fresh, videos: Path) -> tuple[str, Path]:
    """What a run of the toy's pair printed, and the results folder."""
    results = fresh.work / "results"
    where = ("--data", f"clips:root={videos}", "--results", str(results))
    return succeeded(fresh.start("-c", MAIN, *RUN, *METRICS, *where)), results


def distribution(folder: Path, name: str, source: str | None, entry: str | None = None) -> None:
    """Writes what an installation of a distribution of one module leaves behind."""
    module = name.replace("-", "_")
    if source is not None:
        (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-0.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.9\n")
    (info / "entry_points.txt").write_text(f"[harness]\n{module} = {entry or module}\n")


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every broken distribution at once."""
    folder = tmp_path_factory.mktemp("beside")
    for name, broken in BROKEN.items():
        distribution(folder, name, broken.source or None, "toyvfi" if name == "zz-same-module" else None)
    for name, source in LATE.items():
        distribution(folder, name, source)
    return folder


@pytest.fixture(scope="module")
def listed(fresh: Fresh, beside: Path) -> subprocess.CompletedProcess[str]:
    """`harness list` with every broken distribution installed."""
    return fresh.start("-c", MAIN, "list", beside=beside)


# --- a good one


def test_the_wheel_is_what_runs(fresh: Fresh) -> None:
    where = succeeded(fresh.start("-c", "import toyvfi, harness; print(toyvfi.__file__, harness.__file__)")).split()
    assert Path(where[0]).is_relative_to(fresh.work / "venv")
    assert not Path(where[1]).is_relative_to(fresh.work)


def test_a_command_leaves_nothing_to_the_next(fresh: Fresh, tmp_path: Path) -> None:
    """Or what is below would be of a process that others have used: no module, attribute, variable, folder or word."""
    code = """
import os, sys, harness, of_this_folder
print(of_this_folder.NAME, hasattr(harness, "used"), "USED" in os.environ, os.getcwd(), sys.argv[1:])
harness.used = os.environ["USED"] = "yes"
os.chdir("/")
sys.exit(3)
"""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "of_this_folder.py").write_text(f"NAME = {name!r}\n")
        done = fresh.run("-c", code, name, beside=tmp_path / name)
        assert done.returncode == 3, done.stderr
        assert done.stdout == f"{name} False False {fresh.work} ['{name}']\n"


def test_list_names_the_toys_and_their_distribution(fresh: Fresh) -> None:
    done = fresh.harness("list")
    rows = {tuple(line.split()[:4]) for line in succeeded(done).splitlines()}
    named = (("baseline", "toy"), ("baseline", "toy-four"), ("baseline", "toy-plain"), ("plug-in", "toy-mean"))
    for kind, name in named:
        assert (kind, name, "toyvfi", "1.2.3") in rows
    assert ("mask", "source", "toy-halves", "toyvfi") in rows
    assert ("recipe", "toy-short", "toyvfi", "Two") in rows
    assert succeeded(fresh.harness("show", "toy-short")).startswith("# Two seconds")
    assert ("baseline", "ifrnet-s", "vfi-ifrnet", "0.1.0") in rows
    assert not done.stderr


def test_show_describes_the_toy(fresh: Fresh) -> None:
    toy = succeeded(fresh.harness("show", "toy"))
    installed = fresh.work / "venv"
    assert "toyvfi 1.2.3" in toy
    assert str(installed) in toy
    assert "option channels int, by default 16" in toy
    assert "16 channels at stride 16" in toy
    assert "flows and a latent blend of 1 at stride 8" in toy


def test_a_third_partys_command_runs(fresh: Fresh) -> None:
    assert succeeded(fresh.harness("toy-flow", "24")) == "24 pixels are 1.5 cells at stride 16\n"
    assert "toy-flow" in succeeded(fresh.harness("--help"))


def test_a_pair_with_hce_and_hir_on_the_toy(pair: tuple[str, Path]) -> None:
    printed, results = pair
    assert "toy+hce+hir" in printed
    assert "mean of the two frames" in printed
    runs = {run.name.split(".s")[0]: run for run in (results / "runs").iterdir()}
    assert sorted(runs) == ["toy", "toy+hce+hir"]
    for run in runs.values():
        for name in ("run.json", "env.json", "status.json", "curve.csv", "rows.csv", "measured.json"):
            assert (run / name).stat().st_size, name
        assert (run / "checkpoints" / "step-00000004" / "model.safetensors").is_file()
        rows = list(csv.DictReader((run / "curve.csv").open()))
        assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
        rows = list(csv.DictReader((run / "rows.csv").open()))
        assert [row["level"] for row in rows] == 2 * ["easy", "medium", "hard", "extreme"]
        assert [bool(row["psnr"]) for row in rows] == 4 * [True] + 4 * [False]
    plain, full = (json.loads((runs[arm] / "run.json").read_text())["record"] for arm in ("toy", "toy+hce+hir"))
    assert plain["fingerprint"]["initial_weights"] == full["fingerprint"]["initial_weights"]
    assert [plugin["name"] for plugin in full["fingerprint"]["arm"]] == ["hce", "hir"]
    assert full["fingerprint"]["masks"]["name"] == "toy-halves"
    (figures,) = (results / "figures").glob(f"{runs['toy+hce+hir'].name}-*")
    assert (figures / "gallery.png").is_file()
    assert "| toy+hce+hir " in (figures / "table.md").read_text()


def test_a_toy_plugin_acts_on_a_baseline_of_the_tree(fresh: Fresh) -> None:
    script = """
import torch, harness
torch.manual_seed(0)
image = torch.rand(2, 1, 3, 32, 48)
plain, alike = harness.load("ifrnet-s"), harness.load("ifrnet-s", plugins=["toy-mean:across=true"])
print(torch.equal(plain.interpolate(*image).frame, alike.interpolate(*image).frame))
torch.nn.init.ones_(alike.plugin["toy-mean"].share)
print(torch.equal(plain.interpolate(*image).frame, alike.interpolate(*image).frame))
print(alike.plugin["toy-mean"].across)
"""
    assert succeeded(fresh.run("-c", script)).split() == ["True", "False", "True"]


def test_its_metrics_are_in_rows_and_tables(pair: tuple[str, Path]) -> None:
    """One that needs the inputs and the time, and one of whole sets."""
    printed, results = pair
    assert "toy-light" in printed
    assert "toy-colour" in printed
    (figures,) = (results / "figures").glob("toy+hce+hir*")
    table = (figures / "table.md").read_text()
    assert table.count("One value for all triplets of a level together: it has no interval.") == 1
    _, light, colour = (part.partition("\n")[0] for part in table.split("**toy-")[:1] + table.split("**toy-")[1:])
    assert light.startswith("light")
    assert colour.startswith("colour")
    for run in (results / "runs").iterdir():
        by_level: dict[str, list[dict[str, str]]] = {}
        for row in csv.DictReader((run / "rows.csv").open()):
            by_level.setdefault(row["level"], []).append(row)
        for triplet, whole in by_level.values():
            (name,) = (each for each in triplet if each.startswith("toy-light"))
            assert 0 <= float(triplet[name]) < 0.5
            (name,) = (each for each in triplet if each.startswith("toy-colour"))
            assert triplet[name] == ""
            assert 0 <= float(whole[name]) < 1


# --- one that takes four frames


FOUR = ("run", "--baseline", "toy-four", "--with", "hir", "--recipe", "toy-short", "--masks", "toy-halves")


@pytest.fixture(scope="module")
def four(fresh: Fresh, videos: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The pair of toy-four on the same clips, and its results folder."""
    results = fresh.work / "four"
    where = ("--data", f"clips:root={videos},gaps=1-3", "--results", str(results))
    done = fresh.run("-c", UNDRAWN, *FOUR, *where)
    succeeded(done)
    return done, results


def rows_of(results: Path) -> dict[str, dict[tuple[str, str], dict[str, str]]]:
    """By the run's arm, and by level and triplet."""
    return {
        run.name.split(".s")[0]: {
            (row["level"], row["triplet"]): row for row in csv.DictReader((run / "rows.csv").open()) if row["psnr"]
        }
        for run in (results / "runs").iterdir()
    }


def test_a_pair_on_a_network_of_four_frames(four: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Both arms see the same four frames; clips of 20 frames have room around gaps of 2 and 4 alone, and that is said
    once for training and once for the test."""
    done, results = four
    assert "toy-four+hir" in done.stdout
    assert "Audit: the same initial weights, and the same batch" in done.stdout
    rows = rows_of(results)
    assert sorted(rows) == ["toy-four", "toy-four+hir"]
    plain, full = rows["toy-four"], rows["toy-four+hir"]
    assert [level for level, _ in plain] == ["easy", "medium"]
    assert {at: row["frames"] for at, row in plain.items()} == {at: row["frames"] for at, row in full.items()}
    said = [line for line in done.stderr.splitlines() if "the network takes four" in line]
    assert [line.partition("): ")[2].partition(" triplets are left out")[0] for line in said] == [
        "24 of 48 train",
        "8 of 16 test",
    ]


def test_both_arms_are_trained_with_the_networks_own_loss(
    pair: tuple[str, Path], four: tuple[subprocess.CompletedProcess[str], Path]
) -> None:
    """L1, which is less than the recipe's; a prior adds to it. Records and the table's title say whose loss it was."""
    assert "recipe toy-short (4 steps), toy-four's own loss, seed 0" in " ".join(four[0].stdout.split())
    assert "own loss" not in pair[0]
    for results, own in ((pair[1], None), (four[1], "own")):
        for run in (results / "runs").iterdir():
            fingerprint = json.loads((run / "run.json").read_text())["record"]["fingerprint"]
            assert fingerprint["baseline"].get("loss") == own
    (plain,) = (four[1] / "runs").glob("toy-four.s*")
    for row in csv.DictReader((plain / "curve.csv").open()):
        assert 0 < float(row["total"]) < float(row["loss"])


def test_its_rows_are_of_other_frames_than_those_of_two(
    pair: tuple[str, Path], four: tuple[subprocess.CompletedProcess[str], Path]
) -> None:
    of_two, of_four = rows_of(pair[1])["toy"], rows_of(four[1])["toy-four"]
    assert not {row["data"] for row in of_two.values()} & {row["data"] for row in of_four.values()}
    assert not {row["frames"] for row in of_two.values()} & {row["frames"] for row in of_four.values()}


def test_show_and_check_know_how_many_frames_it_takes(fresh: Fresh) -> None:
    shown = succeeded(fresh.harness("show", "toy-four"))
    assert "inputs       four frames: one more before and one after" in shown
    assert "loss         its own, in both arms of a pair" in shown
    assert "inputs       two frames\n" in succeeded(fresh.harness("show", "toy"))
    checked = succeeded(fresh.harness("check", "toy-four"))
    assert "  passed   inputs\n" in checked
    assert "  failed" not in checked


def test_what_has_no_frames_around_its_triplets_is_refused_before_training(
    fresh: Fresh, videos: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text("level,clip,frame0,frame_gt,frame1\neasy,clip1,0,1,2\n")
    where = ("--data", f"clips:root={videos},gaps=1", "--results", str(tmp_path / "results"))
    done = fresh.harness(*FOUR, *where, "--test", f"clips:root={videos},list={tmp_path / 'list.csv'}")
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith("harness: error: clips(")
    assert ": no test triplet has a frame before and one after its inputs, and the network takes four" in line
    assert not (tmp_path / "results" / "runs").exists()


def test_it_is_loaded_and_called_with_four(fresh: Fresh) -> None:
    script = """
import torch, harness
torch.manual_seed(0)
before, first, last, after = torch.rand(4, 1, 3, 33, 47)
model = harness.load("toy-four", plugins=["hce"])
torch.nn.init.normal_(model.baseline.motion[-1].weight)
frame = model.interpolate(first, last, 0.25, before=before, after=after).frame
mirrored = model.interpolate(first, last, 0.25, before=after, after=before).frame
print(tuple(frame.shape), torch.equal(frame, mirrored))
try:
    model.interpolate(first, last)
except ValueError as error:
    print(error)
"""
    done = succeeded(fresh.run("-c", script)).splitlines()
    assert done == ["(1, 3, 33, 47) False", "before: a network of 4 inputs takes one"]


# --- broken ones


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_one_is_named(name: str, listed: subprocess.CompletedProcess[str], beside: Path, fresh: Fresh) -> None:
    succeeded(listed)
    [line] = [line for line in listed.stderr.splitlines() if f"left out: {name} 0.9 (" in line]
    assert line.startswith("harness: warning: ")
    assert f"{name} 0.9 ({fresh.work if name == 'zz-same-module' else beside}" in line
    assert BROKEN[name].reason in line


def test_list_shows_all_else(listed: subprocess.CompletedProcess[str], fresh: Fresh) -> None:
    def names(text: str) -> set[str]:
        return {" ".join(line.split()[:4]) for line in text.splitlines()[1:]}

    assert len(listed.stderr.splitlines()) == len(BROKEN)
    alone, among = names(fresh.harness("list").stdout), names(listed.stdout)
    assert alone - among == {"baseline toy-plain toyvfi 1.2.3"}
    observers = {f"observer {name} {name} 0.9" for name in ("telling-observer", "raising-observer")}
    assert among - alone == {"baseline late raising-factory 0.9"} | observers


def test_a_name_that_two_claim_is_refused_with_both(fresh: Fresh, beside: Path) -> None:
    for command in (("run", "--baseline", "toy-plain"), ("show", "toy-plain")):
        line = refused(fresh.harness(*command, beside=beside))
        assert "'toy-plain'" in line
        assert f"toyvfi 1.2.3 ({fresh.work}" in line
        assert f"zz-collides 0.9 ({beside}" in line


def test_a_factory_that_raises_is_named(fresh: Fresh, beside: Path, videos: Path, tmp_path: Path) -> None:
    data = ("--data", f"clips:root={videos}", "--recipe", "smoke", "--results", str(tmp_path / "results"))
    line = refused(fresh.harness("run", "--baseline", "late", *data, beside=beside))
    assert f"baseline late of raising-factory 0.9 ({beside / 'raising_factory.py'})" in line
    assert line.endswith("RuntimeError: out of luck")
    assert not (tmp_path / "results" / "runs").exists()


@pytest.fixture(scope="module")
def watched(fresh: Fresh, beside: Path, videos: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The same run with every observer, and its results folder."""
    results = fresh.work / "watched"
    where = ("--data", f"clips:root={videos}", "--results", str(results))
    done = fresh.run("-c", UNDRAWN, *RUN, *where, beside=beside, HARNESS_TENSORBOARD="1")
    succeeded(done)
    return done, results


def test_all_else_runs_and_observers_alter_nothing(
    pair: tuple[str, Path], watched: tuple[subprocess.CompletedProcess[str], Path], beside: Path
) -> None:
    done, watched_results = watched
    for moment in ("starts", "steps", "tests", "ends"):
        assert f"observer of {moment}" in done.stderr
    assert f"observer raising-observer 0.9 ({beside / 'raising_observer.py'}): harness_step_done failed" in done.stderr
    before, after = (
        {
            run.name: [row["total"] for row in csv.DictReader((run / "curve.csv").open())]
            for run in (results / "runs").iterdir()
        }
        for results in (pair[1], watched_results)
    )
    assert before == after


def test_observers_are_told_what_the_files_say(watched: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The record and its folder, the curve with its learning rates, and the means of the table."""
    for run in (watched[1] / "runs").iterdir():
        told = [json.loads(line) for line in (run / "told.jsonl").read_text().splitlines()]
        label = json.loads((run / "run.json").read_text())["record"]["label"]
        assert {(each["name"], each["label"], each["steps"]) for each in told} == {(run.name, label, 4)}
        assert told[0]["started"] == 0
        assert told[-1]["finished"]
        curve = [
            (int(row["step"]), float(row["loss"]), float(row["learning_rate"]))
            for row in csv.DictReader((run / "curve.csv").open())
        ]
        assert [(each["step"], each["loss"], each["learning_rate"]) for each in told if "loss" in each] == curve
        *early, last = [each for each in told if "means" in each]
        assert early
        assert not any(each["means"] for each in early)
        assert (last["done"], last["total"]) == (4, 4)
        rows = {row["level"]: row for row in csv.DictReader((run / "rows.csv").open())}
        assert {at: values["psnr"] for at, values in last["means"].items()} == {
            f"clips {level}": float(row["psnr"]) for level, row in rows.items()
        }


def test_tensorboard_is_told_too(watched: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    pytest.importorskip("vfi_tensorboard")
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for run in (watched[1] / "runs").iterdir():
        found = events.EventAccumulator(str(run / "tensorboard"))
        found.Reload()
        curve = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader((run / "curve.csv").open())]
        scalars = [(each.step, each.value) for each in found.Scalars("train/loss")]
        assert [step for step, _ in scalars] == [step for step, _ in curve]
        assert [loss for _, loss in scalars] == pytest.approx([loss for _, loss in curve], rel=1e-6)
        rows = {row["level"]: row for row in csv.DictReader((run / "rows.csv").open())}
        for level, row in rows.items():
            (value,) = found.Scalars(f"clips {level}/psnr")
            assert (value.step, value.value) == (4, pytest.approx(float(row["psnr"]), rel=1e-6))
    assert "tensorboard" not in watched[0].stderr
