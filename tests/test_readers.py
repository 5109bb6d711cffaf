"""What a table takes in besides its own pair: other seeds, controls, rows of a suite; nothing stale, nothing unsaid."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from click.testing import CliRunner

from harness.cli.main import Once
from harness.cli.table import table
from harness.errors import HarnessError
from harness.metrics import pixelwise
from harness.outcome import control, exact
from harness.outcome.difference import difference
from harness.outcome.pairs import Column, means_of, read_pair
from harness.outcome.refusals import refusals
from harness.outcome.seeds import estimates, floor, of_all_seeds, triplet_differences
from harness.pair.comparison import comparison_of
from harness.pair.plan import Plan, settle
from harness.registry.catalog import catalog
from harness.registry.options import Choice
from harness.report.tables import sheets_of
from harness.results import lines
from harness.results.comparison import Data
from harness.results.records import Asked
from harness.results.rows import Row, prepare, write_rows
from harness.results.store import Store
from harness.suites.found import means
from harness.train.engine import Tier
from tests.stores import comparison, numbers, put, suite, table1

ASKED = Asked(baseline="ifrnet-s", plugins="hce")
CLIPS = [(Choice("clips"), 1.0)]


def seeds(root: Path, count: int = 2, plugins: str = "hce") -> tuple[Store, list[str]]:
    """Finished pairs that differ in their seed."""
    asked = [Asked(baseline="ifrnet-s", plugins=plugins, seed=seed) for seed in range(count)]
    return Store(root), [put(root, each, (30.0, 30.0 if plugins == "null" else 30.5 + each.seed)) for each in asked]


def flip(path: Path) -> None:
    """One bit of its last line."""
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("file", ["rows.csv", "measured.json", "status.json"])
def test_a_damaged_run_of_another_seed_is_named_and_left_out(
    tmp_path: Path, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    store, (one, other) = seeds(tmp_path)
    assert len(of_all_seeds(store, read_pair(store, one), store.pair_records())) == 2
    run = store.run(store.pair(other).runs[1])
    flip(run.path / file)
    assert [pair.name for pair in of_all_seeds(store, read_pair(store, one), store.pair_records())] == [one]
    assert f"{other} is left out: {run.path / file}" in caplog.text


@pytest.mark.parametrize("file", ["rows.csv", "run.json", "audit.csv"])
def test_a_damaged_control_stops_no_table_of_another_pair(
    tmp_path: Path, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    store, (pair,) = seeds(tmp_path, 1)
    _, (null,) = seeds(tmp_path, 1, "null")
    for run in map(store.run, store.pair(null).runs):
        measured = run.measured()
        assert measured
        run.set_measured(measured.model_copy(update={"baseline_sha256": "of both"}))
    assert floor(store, read_pair(store, pair), store.pair_records())[0] == 1
    flip(store.run(store.pair(null).runs[1]).path / file)
    assert floor(store, read_pair(store, pair), store.pair_records()) == (0, {})
    assert f"{null} is left out: " in caplog.text


def test_a_pair_without_a_table_stops_no_other_pairs_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, (one,) = seeds(tmp_path, 1)
    _, (other,) = seeds(tmp_path, 1, "hir")
    flip(store.pair_file(other))
    done = CliRunner().invoke(table, ["--results", str(tmp_path), "--format", "csv"])
    assert done.exit_code == 0
    assert "ifrnet-s+hce" in done.output
    assert f"left out: {store.pair_file(other)}" in caplog.text
    flip(store.pair_file(one))
    store.pair_file(other).unlink()
    assert isinstance(CliRunner().invoke(table, ["--results", str(tmp_path)]).exception, HarnessError)


def test_what_is_shown_unmatched_says_so_of_every_seed(tmp_path: Path) -> None:
    store, (one, other) = seeds(tmp_path)
    put(tmp_path, Asked(baseline="ifrnet-s", plugins="hce", seed=1), (30.0, 31.5), batch=8)
    pair = read_pair(store, one)
    with pytest.raises(HarnessError, match=rf"{re.escape(other)}: no difference between unmatched runs: recipe\.batch"):
        sheets_of(store, pair, store.pair_records())
    sheet, *_ = sheets_of(store, replace(pair, show_unmatched=True), store.pair_records())
    assert sheet.notes[0].startswith("NOT MATCHED, seed 1: the arms differ in recipe.batch: 24 -> 8")


def test_seeds_whose_data_lay_elsewhere_are_one_comparison(tmp_path: Path) -> None:
    store, names = seeds(tmp_path)
    for name in names:
        record = store.pair(name)
        data = Data(name="clips", options={"root": f"/{record.seed}"}, content="the same")
        compared = record.comparison.model_copy(update={"data": (data,)})
        store.write_pair(name, record.model_copy(update={"comparison": compared}))
    assert len(of_all_seeds(store, read_pair(store, names[0]), store.pair_records())) == 2


@pytest.mark.parametrize(("masks", "kept"), [(("aa", "bb", "aa"), [0, 2]), (("aa", "none", "aa"), [0, 2])])
def test_no_mean_is_over_what_is_inside_of_other_masks(
    masks: tuple[str, ...], kept: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of networks that are given none: nothing else of them depends on these."""
    asked = [Asked(baseline="ifrnet-s", plugins="widen:like=hce", seed=seed) for seed in range(len(masks))]
    names = [
        put(tmp_path, each, (30.0, 30.5), regions=by, more=lambda arm, at: {"psnr@inside": 20.0})
        for each, by in zip(asked, masks, strict=True)
    ]
    store = Store(tmp_path)
    found = of_all_seeds(store, read_pair(store, names[0]), store.pair_records())
    assert [pair.record.seed for pair in found] == kept
    assert caplog.messages == [
        f"{names[1]} is left out: made under other settings: masks of psnr@inside: aa -> {masks[1]}"
    ]


def test_a_mean_over_seeds_is_of_what_all_of_them_have(tmp_path: Path) -> None:
    """Of two seeds one has a metric more, and was stopped before it was tested on the second set."""
    one, other = (Asked(baseline="ifrnet-s", plugins="hce", seed=seed) for seed in range(2))
    names = [put(tmp_path, one, (30.0, 30.5)), put(tmp_path, other, (30.0, 31.5), more=lambda arm, at: {"ie": 2.0})]
    store = Store(tmp_path)
    for run in map(store.run, store.pair(names[1]).runs):
        rows = [row for row in run.read_rows() if row.data.startswith("snu-film")]
        write_rows(run.rows, prepare(run.rows, ()), rows)
    pairs = of_all_seeds(store, read_pair(store, names[0]), store.pair_records())
    assert len(pairs) == 2
    assert {at.test for at in estimates(pairs)} == {"snu-film"}
    gains = triplet_differences(pairs)
    assert gains is not None
    assert set(gains["test"]) == {"snu-film"}
    assert gains["psnr"].tolist() == pytest.approx([1.0] * len(gains))
    assert "ie" not in gains


def test_protocols_are_told_apart_by_their_whole_name() -> None:
    one, other = (comparison(ASKED, protocol=f"official-{name}-v1-000000") for name in ("vfiformer", "vfimamba"))
    assert not one.is_called_the_same(other)
    assert one.is_called_the_same(comparison(ASKED, protocol="official-vfiformer-v2-111111"))


# --- rows of a suite


def rewrite(store: Store, name: str, arm: int, change: Callable[[Row], Row | None]) -> None:
    """The rows of a pair's arm, each changed or taken out."""
    run = store.run(store.pair(name).runs[arm])
    rows = [row for row in map(change, run.read_rows()) if row]
    write_rows(run.rows, lines.read(run.rows, "").columns, rows)


def at(row: Row, *where: tuple[str, str]) -> bool:
    """Whether it is one of these: level and triplet."""
    return (row.level, row.triplet) in where


def test_a_suite_names_gaps_and_static_triplets_as_a_pair_does(tmp_path: Path) -> None:
    asked = suite("table1").pairs()[0]
    store, name = Store(tmp_path), put(tmp_path, asked, (30.0, 31.0))
    missing = ("hard", "a")
    rewrite(
        store,
        name,
        1,
        lambda row: row.model_copy(
            update={
                "values": {}
                if at(row, missing)
                else {**row.values, **({"psnr": 100.0} if at(row, ("easy", "a")) else {})}
            }
        ),
    )
    sheet = table1(tmp_path)
    found = numbers(sheet)
    label = next(row.label for row in suite("table1").rows if row.plugins and row.baseline == asked.baseline)
    gain = next(
        each.label for each in sheet.lines if each.label.startswith(f"{label} minus ") and "measured" in each.label
    )
    assert found[f"{label}, measured", "SNU easy", "psnr"] == pytest.approx((100 + 31 - 1 / 3) / 2)
    assert found[f"{label}, without static triplets, measured", "SNU easy", "psnr"] == pytest.approx(31 - 1 / 3)
    still = gain.replace(", measured", ", without static triplets, measured")
    assert found[still, "SNU easy", "psnr"] == pytest.approx(1.0)
    assert (f"{label}, measured", "SNU hard", "psnr") not in found
    assert (gain, "SNU hard", "psnr") not in found
    notes = "\n".join(sheet.notes)
    assert f"{label}, seed 0, SNU hard: psnr is known for 1 of 2 triplets: no mean, and no difference." in notes
    assert f"{label}, seed 0, SNU easy: 1 of 2 frames are equal to the truth, which counts as 100 dB: a." in notes


def test_a_suites_mean_over_seeds_is_over_evaluated_ones_and_over_all_of_these(tmp_path: Path) -> None:
    asked = suite("table1").pairs()[0]
    store = Store(tmp_path)
    names = [put(tmp_path, asked.model_copy(update={"seed": seed}), (30.0, 31.0 + seed)) for seed in range(3)]
    rewrite(store, names[2], 1, lambda row: None)  # not evaluated yet
    rewrite(store, names[1], 1, lambda row: None if row.level == "test" else row)  # one test set is
    sheet = table1(tmp_path)
    label = next(row.label for row in suite("table1").rows if row.plugins and row.baseline == asked.baseline)
    found = numbers(sheet)
    assert found[f"{label}, measured", "SNU easy", "psnr"] == pytest.approx(31.5 - 1 / 6)
    assert (f"{label}, measured", "Vimeo90K", "psnr") not in found
    assert f"{label}: mean over 2 seeds (0, 1)." in sheet.notes


def test_what_seeds_are_held_against_is_evaluated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The first seed, which has no rows, is made as the second is; of the other two the one last run stays."""
    asked = suite("table1").pairs()[0]
    store = Store(tmp_path)
    names = [put(tmp_path, asked.model_copy(update={"seed": seed}), (30.0, 31.0)) for seed in range(3)]
    for arm in (0, 1):
        rewrite(store, names[0], arm, lambda row: None)
    record = store.pair(names[2])
    other = record.comparison.model_copy(update={"code": {"core": "another"}})
    store.write_pair(names[2], record.model_copy(update={"comparison": other}))
    table1(tmp_path)
    assert f"{names[1]} is left out: made under other settings: code.core" in caplog.text
    assert f"{names[2]} is left out" not in caplog.text


def test_a_damaged_pair_of_one_row_stops_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, other, *_ = suite("table1").pairs()
    store, names = Store(tmp_path), [put(tmp_path, asked, (30.0, 31.0)) for asked in (one, other)]
    flip(store.run(store.pair(names[1]).runs[1]).rows)
    assert any(label.startswith("RIFE") for label, *_ in numbers(table1(tmp_path)))
    assert f"{names[1]} is left out: " in caplog.text


def test_a_difference_is_over_the_same_triplets_or_refused(tmp_path: Path) -> None:
    store, (name,) = seeds(tmp_path, 1)
    rewrite(store, name, 1, lambda row: row.model_copy(update={"values": {}}) if at(row, ("easy", "a")) else row)
    gained = difference(read_pair(store, name))
    assert gained is not None
    assert "psnr" not in means_of(gained)[Column("snu-film", "easy")]
    pair = read_pair(store, name)
    fewer = replace(pair.arms[1], frames={key: seen for key, seen in pair.arms[1].frames.items() if key[2] == "a"})
    (why,) = refusals(replace(pair, arms=(pair.arms[0], fewer)))
    assert "5 triplets are of one alone" in why


def test_a_damaged_record_is_named_once_a_command() -> None:
    once = Once()
    records = [logging.makeLogRecord({"msg": "left out: %s", "args": (name,)}) for name in ("a", "b", "a")]
    assert [once.filter(record) for record in records] == [True, True, False]


# --- what words mean, and what readers and makers say alike


def test_test_masks_that_are_those_of_training_are_no_others() -> None:
    def plan(test_masks: str) -> Plan:
        asked = Asked(baseline="ifrnet-s", plugins="hce", masks="supervoxel", test_masks=test_masks)
        return settle(asked, catalog(), torch.device("cpu"))

    plain, same = comparison_of(plan("")), comparison_of(plan("supervoxel"))
    assert plain == same
    for test_masks in ("", "supervoxel"):
        asked = Asked(baseline="ifrnet-s", plugins="hce", masks="supervoxel", test_masks=test_masks)
        assert means(asked, plain, CLIPS)
    other = Asked(baseline="ifrnet-s", plugins="hce", masks="supervoxel", test_masks="precomputed:folder=/x")
    assert not means(other, plain, CLIPS)


def test_a_landed_pair_that_was_asked_for_with_options_is_meant_by_no_words_without(tmp_path: Path) -> None:
    store = Store(shutil.copytree(Path(__file__).parent / "landed", tmp_path / "results"))
    (name,) = store.pairs()
    assert all(part.is_meant_by(part.name, {}) for part in store.pair(name).comparison.plugins)
    path = store.pair_file(name)
    found = json.loads(path.read_text())
    found["asked"]["plugins"] = "hce,hir:stages=L"
    path.write_text(json.dumps(found))
    assert not any(part.is_meant_by(part.name, {}) for part in store.pair(name).comparison.plugins)


def test_a_record_whose_arms_and_masks_are_not_as_many_is_one_line(tmp_path: Path) -> None:
    store, (name,) = seeds(tmp_path, 1)
    record = store.pair(name)
    for changed in ({"network_masks": ("none",)}, {"runs": record.runs[:1]}):
        store.write_pair(name, record.model_copy(update=changed))
        with pytest.raises(HarnessError, match="damaged"):
            store.pair(name)


def test_an_arm_with_a_gap_is_not_whole(tmp_path: Path) -> None:
    store, (name,) = seeds(tmp_path, 1)
    rewrite(store, name, 1, lambda row: row.model_copy(update={"values": {}}) if at(row, ("easy", "a")) else row)
    pair = read_pair(store, name)
    assert [pair.is_whole(arm, ("psnr", "ssim")) for arm in pair.arms] == [True, False]
    assert not pair.is_whole(pair.arms[0], ("psnr", "lpips"))


def test_readers_and_makers_say_the_same() -> None:
    """Constants of readers, which import no torch, that are those of makers, which do."""
    assert exact.PERFECT == pixelwise.PERFECT
    assert control.FAST in get_args(Tier)
