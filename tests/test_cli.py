"""The main job through the command line, on real frames."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness.cli.cost import _arm as arm_of
from harness.cli.main import main
from harness.registry.catalog import catalog
from harness.results.envelope import write
from harness.results.records import Status
from harness.results.store import RunFolder, Store

Harness = Callable[..., tuple[int, str, str]]

RUN = ("run", "--baseline", "ifrnet-s", "--with", "hce,hir", "--recipe", "smoke")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def harness(results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Harness:
    """Call the command line in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        monkeypatch.setenv("HARNESS_RESULTS", str(results))
        monkeypatch.setenv("COLUMNS", "160")
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    return call


@pytest.fixture
def finished(harness: Harness) -> str:
    """The output of the pair's run; whichever test comes first trains it, the others find it."""
    code, out, err = harness(*RUN)
    assert code == 0, err
    return out


def run_folders(results: Path) -> dict[str, Path]:
    return {path.name.split(".s")[0]: path for path in (results / "runs").iterdir()}


def test_a_run_prints_the_table(finished: str) -> None:
    for row in ("mean of the two frames", "ifrnet-s", "ifrnet-s+hce+hir", "difference"):
        assert re.search(rf"^.?\s*{re.escape(row)}\s", finished, re.MULTILINE), row
    header = next(line for line in finished.splitlines() if "easy" in line)
    assert header.index("easy") < header.index("medium") < header.index("hard") < header.index("extreme")
    assert "nowhere beat the mean of the two frames" in " ".join(finished.split())
    assert "Single seed" in finished


def test_a_run_leaves_all_that_is_needed(finished: str, results: Path) -> None:
    for arm, folder in run_folders(results).items():
        rows = pd.read_csv(folder / "rows.csv")
        assert list(rows["level"]) == ["easy", "medium", "hard", "extreme"], arm
        assert len(pd.read_csv(folder / "curve.csv")) == 4
        assert RunFolder(folder).status() == Status(state="evaluated", step=4, steps=4)
        assert json.loads((folder / "env.json").read_text())["packages"]["torch"]
        assert (folder / "checkpoints" / "step-00000004" / "model.safetensors").exists()
    (pair,) = (results / "pairs").glob("*.json")
    assert Store(results).pair(pair.stem).command == " ".join(["harness", *RUN])
    figures = results / "figures" / pair.stem
    for picture in ("curves.png", "gallery.png"):
        pixels = np.asarray(Image.open(figures / picture).convert("L"))
        assert pixels.std() > 10, f"{picture} is blank"
    assert (figures / "table.svg").read_text().startswith("<svg")


def test_both_arms_had_the_same_start_and_settings(finished: str, results: Path) -> None:
    plain, plugged = (
        RunFolder(run_folders(results)[arm]).record().fingerprint.model_dump()
        for arm in ("ifrnet-s", "ifrnet-s+hce+hir")
    )
    differing = {key for key in plain if plain[key] != plugged[key]}
    assert differing == {"arm", "masks"}
    assert plain["initial_weights"]


def test_the_table_agrees_with_the_rows(finished: str, harness: Harness, results: Path) -> None:
    code, out, _ = harness("table", "ifrnet-s+hce+hir", "--format", "csv")
    assert code == 0
    table = {(row["row"], row["column"], row["value"]): row["number"] for row in csv.DictReader(out.splitlines())}
    folders = run_folders(results)
    rows = {arm: pd.read_csv(folders[arm] / "rows.csv").set_index("level") for arm in folders}
    for level in ("easy", "medium", "hard", "extreme"):
        one, other = (rows[arm].loc[level, "psnr"] for arm in ("ifrnet-s", "ifrnet-s+hce+hir"))
        assert float(table["ifrnet-s", level, "psnr"]) == one
        assert float(table["difference", level, "psnr"]) == other - one
    assert round(float(table["ifrnet-s", "params (M)", "value"]), 3) == 2.804
    assert round(float(table["ifrnet-s", "thop (G)", "value"]), 1) == 121.9


def test_the_second_call_finds_the_finished_run(finished: str, harness: Harness, results: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.suffix in {".csv", ".safetensors"}}
    figures = {path for path in before if "figures" in path.parts}
    code, out, _ = harness(*RUN)
    assert code == 0
    assert out == finished
    assert {path: path.stat().st_mtime_ns for path in before if path not in figures} == {
        path: stamp for path, stamp in before.items() if path not in figures
    }


def test_list_show_and_curves(finished: str, harness: Harness) -> None:
    code, out, _ = harness("list")
    assert code == 0
    for name in ("ifrnet-s", "hce", "hir", "supervoxel", "clips", "quick", "vfi-ifrnet 0.1.0", "evaluated"):
        assert name in out
    code, out, _ = harness("show", "ifrnet-s")
    assert code == 0
    assert "2,803,610" in out
    code, out, _ = harness("curves", "ifrnet-s+hce+hir")
    assert code == 0
    assert all(Path(line).exists() for line in out.splitlines())


def test_variants_are_held_against_one_baseline_in_one_table(
    finished: str, harness: Harness, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is not trained again, nor is a variant that is there. -q leaves the table. A dry run changes nothing."""
    drawn: list[str] = []
    monkeypatch.setattr("harness.report.figures.draw_figures", lambda pair, *_: drawn.append(pair.name) or results)
    there = {folder: (folder / "curve.csv").stat().st_mtime_ns for folder in run_folders(results).values()}
    code, out, err = harness("-q", *RUN, "--with", "null")
    assert (code, err) == (0, "")
    assert sorted(run_folders(results)) == ["ifrnet-s", "ifrnet-s+hce+hir", "ifrnet-s+null"]
    assert there == {folder: (folder / "curve.csv").stat().st_mtime_ns for folder in there}
    assert [name.partition(".")[0] for name in drawn] == ["ifrnet-s+hce+hir", "ifrnet-s+null"]
    assert "Variants of ifrnet-s on clips, recipe smoke" in out
    for label in ("ifrnet-s+hce+hir", "ifrnet-s+null"):
        assert re.search(rf"{re.escape(label)} minus ifrnet-s\s", out), label
    assert "control of seed 0: PASS" in out
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    code, out, err = harness(*RUN, "--with", "null", "--dry-run")
    assert code == 0, err
    assert out.count(" done ") == 3
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before


def test_an_arm_is_found_by_its_run(finished: str, results: Path) -> None:
    runs = run_folders(results)
    for arm, run in runs.items():
        assert arm_of(run.name, "", catalog(), Store(results)).label == arm
        assert arm_of(run.name[:-3], "", catalog(), Store(results)).label == arm


def test_a_difference_between_unmatched_runs_is_refused(finished: str, harness: Harness, results: Path) -> None:
    run = RunFolder(run_folders(results)["ifrnet-s"])
    honest, record = run.config.read_bytes(), run.record()
    other = record.fingerprint.model_copy(update={"recipe": {**record.fingerprint.recipe, "learning_rate": 0.0002}})
    write(run.config, record.model_copy(update={"fingerprint": other}))
    try:
        code, out, err = harness("table", "ifrnet-s+hce+hir")
        assert code == 2
        assert "recipe.learning_rate: 0.0002 -> 0.0001" in err
        assert "difference" not in out
    finally:
        run.config.write_bytes(honest)


def test_a_torn_row_is_passed_over_by_the_table(finished: str, harness: Harness, results: Path) -> None:
    samples = run_folders(results)["ifrnet-s+hce+hir"] / "rows.csv"
    whole = samples.read_text()
    samples.write_text(whole[:-25])
    try:
        code, out, err = harness("table", "ifrnet-s+hce+hir")
    finally:
        samples.write_text(whole)
    assert code == 0, err
    assert "not evaluated" in out


def test_rows_that_are_missing_are_made_again_and_no_others(finished: str, harness: Harness, results: Path) -> None:
    samples = run_folders(results)["ifrnet-s+hce+hir"] / "rows.csv"
    whole = samples.read_text()
    lines = whole.splitlines(keepends=True)
    samples.write_text("".join(lines[:-2]) + lines[-2][:-20])
    code, out, _ = harness(*RUN)
    assert code == 0
    assert samples.read_text() == whole
    assert out == finished


def test_help_is_quick_and_imports_no_torch() -> None:
    code = (
        "import sys\nfrom harness.cli.main import main\nsys.argv = ['harness', '--help']\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_where_it_was(
    number: signal.Signals, harness: Harness, undrawn: None, tmp_path: Path
) -> None:
    recipe = tmp_path / "long.yaml"
    recipe.write_text("steps: 5\nbatch: 1\naugment: {crop: 32}\ntest_triplets: 1\ntest_crop: 64\n")
    given = ("run", "--baseline", "ifrnet-s", "--recipe", str(recipe), "--results", str(tmp_path / "results"))
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", *given]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    deadline = time.monotonic() + 120
    curves: list[Path] = []
    while time.monotonic() < deadline and not any(len(path.read_text().splitlines()) > 1 for path in curves):
        curves = list((tmp_path / "results").glob("runs/*/curve.csv"))
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    assert "the same command goes on from there" in err
    step = RunFolder(next((tmp_path / "results").glob("runs/*"))).status().step
    assert 1 <= step < 5
    if number == signal.SIGTERM:
        return  # from there on all is as after Ctrl-C
    code, _, err = harness(*given)  # in this process, which has all that it needs loaded
    assert code == 0, err
    assert [row.split(",")[0] for row in curves[0].read_text().splitlines()[1:]] == list("12345")
