"""Masks `truth` and the metric `epe` on the command line: a pair, its table, and what is refused before training."""

from __future__ import annotations

import csv
import math
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.cli import main as command_line
from harness.outcome.pairs import read_pair
from harness.pair.plan import settle
from harness.registry.catalog import catalog
from harness.registry.plugins import discover
from harness.report.exhibit import exhibits
from harness.report.gallery import Flows, picks, shown
from harness.results.rows import KEYS, SEEN, merged, read_rows, write_rows
from harness.results.store import Store
from tests.squares import SIDE, SIZE
from tests.stores import COST
from tests.test_bad_input import write_video

Harness = Callable[..., tuple[int, str, str]]

ARMS = ("--baseline", "ifrnet-s", "--with", "hce,hir", "--recipe", "smoke", "--device", "cpu")
TRUTH = (*ARMS, "--data", "squares", "--masks", "truth", "--metrics", "epe")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder from which the squares are installed, with videos beside them. No picture is drawn."""
    folder = tmp_path_factory.mktemp("squares")
    (folder / "squares.py").write_bytes(Path(__file__).with_name("squares.py").read_bytes())
    info = folder / "squares-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: squares\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[harness]\nsquares = squares\n")
    for seed in (0, 1):
        write_video(folder / "videos" / f"clip{seed}.mp4", seed, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        patch.delenv("HARNESS_RESULTS", raising=False)
        for takes_long in ("draw_curves", "draw_gallery"):
            patch.setattr(f"harness.report.figures.{takes_long}", lambda *what: None)
        for room in ("run", "given"):
            patch.setattr(f"harness.pair.{room}.cost_of", lambda arm, model: COST)
        discover.cache_clear()
        catalog.cache_clear()
        yield folder
    discover.cache_clear()
    catalog.cache_clear()
    sys.modules.pop("squares", None)


@pytest.fixture
def footage(place: Path) -> str:
    return f"clips:root={place / 'videos'}"


@pytest.fixture
def harness(place: Path, capsys: pytest.CaptureFixture[str]) -> Harness:
    """The command line, in this process: exit code, output, errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["harness", *map(str, arguments)])
            patch.setattr(command_line.cli, "commands", dict(command_line.cli.commands))
            capsys.readouterr()
            with pytest.raises(SystemExit) as stop:
                command_line.main()
        return int(stop.value.code or 0), *capsys.readouterr()

    return call


@pytest.fixture
def trained(place: Path, harness: Harness) -> Path:
    """Results with a pair that was trained and tested with the truth."""
    results = place / "results"
    if not results.exists():
        code, _, said = harness("run", *TRUTH, "--results", results)
        assert code == 0, said
        assert "not all figures can be drawn" not in said
    return results


def cells(results: Path) -> dict[tuple[str, str, str], float]:
    """What the one table says, by title without its brackets, row and column."""
    (table,) = results.glob("figures/*/table.csv")
    with table.open() as file:
        lines = [line for line in csv.DictReader(file) if line["value"] == "value"]
    return {(each["table"].partition(" (")[0], each["row"], each["column"]): float(each["number"]) for each in lines}


def test_a_pair_is_trained_and_measured_by_the_truth(trained: Path, harness: Harness) -> None:
    store = Store(trained)
    (record,) = store.pair_records().values()
    assert (record.masks, record.test_masks) == ("truth", None)
    assert record.network_masks == ("none", record.regions)
    assert record.tests[0].knows_truth
    assert record.comparison.masks is not None
    assert record.comparison.masks.name == "truth"
    assert record.comparison.metrics["epe"] == "epe"
    arms = [
        {row.triplet: row.values for row in merged(read_rows(store.run(run).rows, "")).values()} for run in record.runs
    ]
    assert sorted(arms[0]) == ["far-1", "near-1"]
    found = cells(trained)
    for level, speed in (("near", "slow"), ("far", "racing")):
        plain, plugged = (arm[f"{level}-1"] for arm in arms)
        for part in ("all", "inside", "visible", "still", speed):
            one, other, gained = (found["epe", f"{level}, {label}", part] for label in (*record.labels, "difference"))
            assert (one, other) == (plain[f"epe@{part}"], plugged[f"epe@{part}"])
            assert gained == other - one
            assert math.isfinite(gained)
        moved = found["Where the difference in PSNR is", level, speed]
        assert moved == plugged[f"psnr@{speed}"] - plain[f"psnr@{speed}"]
        assert math.isnan(plain["epe@attended-all"])
    code, table, _ = harness("table", "--results", trained)
    assert code == 0
    assert "epe (px, lower is better)" in table
    assert "inside and outside of the masks (truth) of the middle frame" in table
    assert "of squares by the true motion" in table
    (line,) = (line for line in table.splitlines() if "near, difference" in line)
    assert line.split("│")[-2].strip() == "-"  # nothing races


def test_flows_that_are_shown_are_those_that_were_measured(trained: Path) -> None:
    """Of both arms, of what the plug-in attended to, and in truth: their end-point error is that of the rows."""
    store = Store(trained)
    pair = read_pair(store, store.pairs()[0])
    plan = settle(pair.record.asked, catalog(), torch.device("cpu"))
    chosen = picks(pair)
    for of, exhibit in zip(shown(pair, plan, chosen), exhibits(pair, plan, chosen, side=20), strict=True):
        assert of.true_flows is not None
        rows, columns = exhibit.place.cut
        assert exhibit.true_flow is not None
        np.testing.assert_array_equal(exhibit.true_flow, of.true_flows[0][:, rows, columns])
        for arm, made in zip(pair.arms, of.made, strict=True):
            measured = arm.rows.set_index("triplet").loc[of.pick.triplet]
            assert end_point_error(made.flows, of.true_flows) == pytest.approx(measured["epe@all"], rel=1e-5)
        plain, plugged = of.made
        assert plain.attended is None
        assert plugged.attended is not None
        assert end_point_error(plugged.attended, of.true_flows) == pytest.approx(measured["epe@attended-all"], rel=1e-5)
        assert exhibit.attended is not None
        np.testing.assert_array_equal(exhibit.attended, plugged.attended[0][:, rows, columns])


def end_point_error(flows: Flows | None, truth: Flows) -> float:
    assert flows is not None
    return float(np.mean([np.hypot(*(flow.astype(float) - true)) for flow, true in zip(flows, truth, strict=True)]))


def is_whole(results: Path, name: str, *of_motion: str) -> bool:
    pair = read_pair(Store(results), name)
    return all(pair.is_whole(arm, ("psnr", "ssim"), of_motion) for arm in pair.arms)


def test_a_pair_is_whole_when_its_motion_is_measured(trained: Path, tmp_path: Path) -> None:
    """Suites ask that before they hand a pair to a cluster."""
    (name,) = Store(trained).pair_records()
    assert is_whole(trained, name, "epe")
    assert not is_whole(trained, name, "epe", "other")
    results = shutil.copytree(trained, tmp_path / "results")
    for path in results.glob("runs/*/rows.csv"):
        rows = read_rows(path, "")
        less = [row.model_copy(update={"values": without_epe(row.values)}) for row in rows]
        write_rows(path, [*KEYS, *SEEN, *less[0].values], less)
    assert is_whole(results, name)
    assert not is_whole(results, name, "epe")


def without_epe(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not name.startswith("epe@")}


def test_a_pair_that_is_measured_is_not_measured_again(trained: Path, harness: Harness) -> None:
    files = {path: path.read_bytes() for path in trained.rglob("rows.csv")}
    assert len(files) == 3
    assert harness("run", *TRUTH, "--results", trained)[0] == 0
    assert {path: path.read_bytes() for path in trained.rglob("rows.csv")} == files


def test_one_training_is_tested_with_other_masks_and_on_footage(
    trained: Path, footage: str, harness: Harness, tmp_path: Path
) -> None:
    """The regions stay those of the truth where all test sets know it; with footage, they are those of the test."""
    results = shutil.copytree(trained, tmp_path / "results")
    before = {path.name for path in (results / "runs").iterdir()}
    for tests in ("squares", f"squares,{footage}"):
        code, _, said = harness("run", *TRUTH, "--test-masks", "global", "--test", tests, "--results", results)
        assert code == 0, said
    assert {path.name for path in (results / "runs").iterdir()} == before
    records = Store(results).pair_records().values()
    alone, same, mixed = sorted(records, key=lambda record: (len(record.tests), record.test_masks or ""))
    assert alone.regions == alone.network_masks[1] == same.regions != same.network_masks[1]
    assert mixed.regions == mixed.network_masks[1] == same.network_masks[1]
    assert [tests.knows_truth for tests in mixed.tests] == [True, False]
    (name,) = (name for name, record in Store(results).pair_records().items() if len(record.tests) == 2)
    assert is_whole(results, name, "epe")
    assert mixed.unavailable == {"epe on clips": "it is footage, and nobody knows how things move in it"}
    code, table, said = harness("table", "--results", results)
    assert code == 0, said
    assert "epe on clips is not available: it is footage" in table
    assert "inside and outside of the masks (global) of either input" in table
    assert "squares near, ifrnet-s" in table
    assert "clips easy, ifrnet-s" not in table
    assert "no mean, and no difference" not in table


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--data", "FOOTAGE", "--masks", "truth"), "--masks"),
        (("--data", "FOOTAGE", "--test", "squares", "--masks", "truth"), "--masks"),
        (("--data", "squares", "--test", "FOOTAGE", "--masks", "truth"), "--test-masks"),
        (("--data", "squares", "--test", "squares,FOOTAGE", "--masks", "truth"), "--test-masks"),
        (("--data", "FOOTAGE", "--masks", "global", "--test-masks", "truth"), "--test-masks"),
    ],
)
def test_the_truth_of_footage_is_refused_before_training(
    words: tuple[str, ...], option: str, footage: str, harness: Harness, tmp_path: Path
) -> None:
    given = (word.replace("FOOTAGE", footage) for word in words)
    code, out, said = harness("run", *ARMS, *given, "--results", tmp_path / "results")
    line = f"masks truth: clips is footage, whose truth nobody knows; name another source with {option}"
    assert (code, out, said) == (2, "", f"harness: error: {line}\n")
    assert not (tmp_path / "results").exists()


def test_a_suite_refuses_it_before_its_first_training(footage: str, harness: Harness, tmp_path: Path) -> None:
    suite = tmp_path / "mine.yaml"
    suite.write_text(
        f"title: mine\nsummary: mine\nrecipe: smoke\ndata: '{footage}'\nmasks: truth\n"
        "columns: [{test: clips, level: easy, label: easy}]\n"
        "rows:\n- {label: one, baseline: ifrnet-s}\n- {label: two, baseline: ifrnet-s, with: 'hce,hir', against: one}\n"
    )
    code, _, said = harness("suite", suite, "--device", "cpu", "--results", tmp_path / "results")
    assert code == 2
    assert said.splitlines()[-1].startswith("harness: error: masks truth: clips is footage")
    assert not (tmp_path / "results").exists()


def test_given_weights_are_measured_by_the_truth(trained: Path, footage: str, harness: Harness, tmp_path: Path) -> None:
    (run,) = (path for path in (trained / "runs").iterdir() if "hce" in path.name)
    (weights,) = run.glob("checkpoints/*4/model.safetensors")
    words = ("eval", "--baseline", "ifrnet-s", "--with", "hce,hir", "--weights", weights, "--masks", "truth")
    more = ("--triplets", 1, "--metrics", "epe", "--device", "cpu", "--results", tmp_path / "results")
    code, _, said = harness(*words, *more, "--data", footage)
    line = "masks truth: clips is footage, whose truth nobody knows; name another source with --masks"
    assert (code, said) == (2, f"harness: error: {line}\n")
    assert not (tmp_path / "results").exists()
    code, table, said = harness(*words, *more, "--data", "squares")
    assert code == 0, said
    assert "epe (px, lower is better)" in table
    (mine,) = (tmp_path / "results" / "evaluations").glob("*.csv")
    evaluated, tested = (
        {row.triplet: repr(dict(row.values)) for row in merged(read_rows(path, "")).values()}
        for path in (mine, run / "rows.csv")
    )
    assert evaluated == tested


def test_masks_that_are_known_are_shown_and_counted_and_never_made(
    harness: Harness, footage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    picture = tmp_path / "masks.png"
    assert harness("masks", "show", "squares", "--source", "truth", "--output", picture)[0] == 0
    assert picture.exists()
    made = "squares knows its label maps: there is nothing to make\n"
    assert harness("masks", "build", "squares", "--source", "truth") == (0, made, "")
    _, out, _ = harness("masks", "stats", "squares", "--source", "truth", "--split", "test")
    assert "4 of 4 pairs have label maps of truth" in out
    assert f"uncovered area: {1 - SIDE**2 / SIZE**2:.1%} on average" in out
    assert not (tmp_path / "cache" / "masks").exists()
    for command in ("build", "show", "stats"):
        code, _, said = harness("masks", command, footage, "--source", "truth")
        assert code == 2
        assert said.endswith("clips is footage, whose truth nobody knows; name another source with --source\n")
