"""Tables as people read them: no number says less than nothing, what is said is said once, and of nothing else than
what is there."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.table import table as table_command
from harness.outcome.pairs import MEAN, find_pair, read_pair
from harness.report.certainty import RESOLVABLE
from harness.report.formats import FORMATS
from harness.report.published import tables
from harness.report.sheet import Sheet
from harness.report.suite_table import published_sheet
from harness.report.tables import COUNTED, SPEED, pair_sheets
from harness.results import lines
from harness.results.records import Asked
from harness.results.rows import Row, prepare, write_rows
from harness.results.store import Store
from harness.results.trail import Point
from tests.stores import LEVELS, PROTOCOL, fingerprint, numbers, put, put_run, suite, table1, written

RIFE, IFRNET, *_ = suite("table1").pairs()
LESS_THAN_NOTHING = re.compile(r"(-|−|\$-\$)0(\.0+)?(?![\d.])")


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "html", "json"])
def test_what_rounds_to_nothing_has_no_minus(tmp_path: Path, form: str) -> None:
    """A loss of 10 µdB, in a pair's table and in a suite's."""
    name = put(tmp_path, RIFE, (25.0, 25.0), added=lambda level, at: -1e-5 * (1 + at))
    text = FORMATS[form]([*pair_sheets([read_pair(Store(tmp_path), name)]), table1(tmp_path)])
    assert not LESS_THAN_NOTHING.findall(re.sub(r'": -?[\d.e-]+', "", text))
    assert "+0.000" in text


def put_mean(root: Path, psnr: float) -> None:
    """Rows of the mean of the two frames, two triplets a level."""
    store = Store(root)
    rows = [
        Row(
            data=data,
            level=level,
            triplet=triplet,
            clip=triplet,
            protocol=PROTOCOL,
            weights="none",
            masks="none",
            regions="none",
            values={"psnr": psnr, "ssim": 0.8, "psnr@inside": psnr},
        )
        for data, levels in LEVELS.items()
        for level in levels
        for triplet in "ab"
    ]
    path = store.reference
    write_rows(path, prepare(path, rows[0].values), rows)


def put_seeds(root: Path, asked: Asked, psnr: dict[int, tuple[float, float]]) -> list[str]:
    return [put(root, asked.model_copy(update={"seed": seed}), of_seed) for seed, of_seed in psnr.items()]


def run_table(*arguments: str) -> str:
    done = CliRunner().invoke(table_command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def said(sheet: Sheet) -> list[str]:
    return [*sheet.notes, *sheet.legend]


def test_all_seeds_of_a_comparison_are_one_table(tmp_path: Path) -> None:
    """And of two comparisons two, whose legends stand below once."""
    put_seeds(tmp_path, RIFE, {0: (25.0, 25.1), 1: (25.1, 25.3), 2: (25.2, 25.2)})
    text = run_table("--results", str(tmp_path), "--format", "markdown")
    assert text.count("mean over seeds 0, 1, 2") == text.count("| difference ") == 1
    put(tmp_path, IFRNET, (26.0, 25.9))
    text = run_table("--results", str(tmp_path), "--format", "markdown")
    assert text.count("| difference ") == 2
    assert text.count(COUNTED) == 1
    assert text.rstrip().splitlines()[-2:] == [f"- {COUNTED}", f"- {RESOLVABLE}"]


def test_an_unmatched_pair_says_why_once(tmp_path: Path) -> None:
    put_mean(tmp_path, 20.0)
    name = put(tmp_path, RIFE, (25.0, 25.1), batch=8, more=lambda arm, at: {"psnr@inside": 20.0})
    first, *others = pair_sheets([replace(read_pair(Store(tmp_path), name), show_unmatched=True)])
    assert others
    assert all(sheet.title.endswith("(NOT MATCHED)") for sheet in (first, *others))
    assert "recipe.batch: 24 -> 8" in first.notes[0]
    assert not any("NOT MATCHED" in note for sheet in others for note in sheet.notes)


def test_of_unmatched_arms_nothing_is_claimed(tmp_path: Path) -> None:
    """Gains that are the same to a thousandth over three seeds, which matched arms would claim."""
    seeds = [RIFE.model_copy(update={"seed": seed}) for seed in range(3)]
    names = [put(tmp_path, of, (25.0, 25.3 + of.seed / 1000), batch=8) for of in seeds]
    pairs = [replace(read_pair(Store(tmp_path), name), show_unmatched=True) for name in names]
    sheet, *_ = pair_sheets(pairs)
    (gained,) = (line for line in sheet.lines if line.label == "difference")
    assert not any(bold for cell in gained.cells for _, bold in cell.pieces)
    assert any(line.label.startswith("95 % interval") for line in sheet.lines)
    assert not any("Holm" in note or "bold" in note for note in sheet.notes)


def test_no_legend_is_of_a_sign_that_is_not_there(tmp_path: Path) -> None:
    alone = table1(tmp_path)
    assert not any("where it cannot be read" in note or "Difference" in note for note in said(alone))
    assert "Bold, published: the best of a comparison." in alone.legend
    put(tmp_path, RIFE, (25.0, 25.1))
    assert "Difference: measured minus published." in table1(tmp_path).legend
    for published in map(published_sheet, tables().values()):
        absent = any(piece == "-" for line in published.lines for cell in line.cells for piece, _ in cell.pieces)
        assert absent == any("- is not given" in note for note in published.legend)
        errors = any(cell.text.count("/") == 2 for line in published.lines for cell in line.cells)
        assert errors == any("interpolation error" in note for note in published.legend)


def test_a_legend_says_by_which_masks_parts_are_where_no_network_is_given_any(tmp_path: Path) -> None:
    put_mean(tmp_path, 20.0)
    asked = Asked(baseline="rife", plugins="widen:like=hce", masks="truth")
    name = put(tmp_path, asked, (25.0, 25.1), more=lambda arm, at: {"psnr@inside": 20.0})
    store = Store(tmp_path)
    store.write_pair(name, store.pair(name).model_copy(update={"masks": None}))
    *_, sheet = pair_sheets([read_pair(store, name)])
    (legend,) = sheet.legend
    assert "inside and outside of the masks (truth) of the middle frame" in legend


def test_a_suite_has_what_is_no_network_and_says_what_learnt_nothing(tmp_path: Path) -> None:
    """In the mean over seeds: one arm is above with one seed and below with two, the other the other way round."""
    put_mean(tmp_path, 25.0)
    put_seeds(tmp_path, RIFE, {0: (25.5, 24.0), 1: (24.5, 24.0), 2: (24.5, 28.0)})
    sheet = table1(tmp_path)
    assert sheet.lines[0].label == f"{MEAN}, measured"
    assert sheet.lines[1].rule
    assert numbers(sheet)[f"{MEAN}, measured", "SNU easy", "psnr"] == 25.0
    (note,) = [note for note in sheet.notes if "no motion is learnt" in note]
    assert note.startswith("RIFE: after 9 steps nowhere above the mean of the two frames")
    names = [name for name in Store(tmp_path).pairs() if name.startswith("rife")]
    first, *_ = pair_sheets([read_pair(Store(tmp_path), name) for name in names])
    (note,) = [note for note in first.notes if "no motion is learnt" in note]
    assert note.startswith("After 9 steps rife nowhere beats")


def test_a_step_is_timed_without_the_making_of_masks_and_shown_where_asked(tmp_path: Path) -> None:
    name = put(tmp_path, RIFE, (25.0, 25.1))
    store = Store(tmp_path)
    for run, masks, epoch in zip(store.pair(name).runs, (None, {"name": "supervoxel"}), (0, 1), strict=True):
        folder = store.run(run)
        put_run(folder, run, fingerprint(masks=masks))
        points = [Point(1, 0, 0.5, 0.5, 0.1, 3.0), Point(2, epoch, 0.5, 0.5, 0.1, 1.0)]
        lines.write(folder.curve, Point._fields, map(written, points))
    sheet, *_ = pair_sheets([read_pair(store, name)])
    found = {arm: value for (arm, column, _), value in numbers(sheet).items() if (column,) == SPEED}
    assert list(found.values()) == [2.0, 1.0]
    assert SPEED[0] not in run_table("--results", str(tmp_path), "--format", "markdown")
    asked = run_table("--results", str(tmp_path), "--format", "markdown", "--speed")
    assert f"| {SPEED[0]}" in asked
    assert f"- {SPEED[0]}: median" in asked


def test_of_a_single_epoch_in_which_masks_are_made_no_step_is_timed(tmp_path: Path) -> None:
    name = put(tmp_path, RIFE, (25.0, 25.1))
    store = Store(tmp_path)
    for run, masks in zip(store.pair(name).runs, (None, {"name": "supervoxel"}), strict=True):
        folder = store.run(run)
        put_run(folder, run, fingerprint(masks=masks))
        points = [Point(step, 0, 0.5, 0.5, 0.1, 2.0) for step in (1, 2)]
        lines.write(folder.curve, Point._fields, map(written, points))
    sheet, *_ = pair_sheets([read_pair(store, name)])
    found = [arm for (arm, column, _) in numbers(sheet) if (column,) == SPEED]
    assert found == ["rife"]


def test_a_claim_is_of_psnr_and_its_p_is_never_nothing(tmp_path: Path) -> None:
    """SSIM is not judged, so that it is not in bold; of p no more is said than its three digits hold."""
    names = put_seeds(tmp_path, RIFE, {seed: (25.0, 26.0 + seed / 1e5) for seed in range(5)})
    sheet, *_ = pair_sheets([read_pair(Store(tmp_path), name) for name in names])
    (difference,) = [line for line in sheet.lines if line.label == "difference"]
    bold = [[each for _, each in cell.pieces] for cell in difference.cells if "/" in cell.text]
    assert bold == [[True, False]] * len(bold) != []
    (judged,) = [note for note in sheet.notes if note.startswith("p after Holm")]
    assert "< 0.001" in judged
    assert "0.000" not in judged


def test_what_is_said_of_all_seeds_is_so_of_each(tmp_path: Path) -> None:
    """Where they were trained, and whether both arms ended alike."""
    seeds = [RIFE.model_copy(update={"seed": seed}) for seed in (0, 1)]
    tiers = ("CUDA, fast", "CPU, bit-exact")
    names = [put(tmp_path, of, (25.0, 25.1), tier=tier) for of, tier in zip(seeds, tiers, strict=True)]
    store = Store(tmp_path)

    def notes(seed: int) -> tuple[str, ...]:
        """Once the arms of this seed ended alike, too."""
        for run in map(store.run, store.pair(names[seed]).runs):
            measured = run.measured()
            assert measured
            run.set_measured(measured.model_copy(update={"baseline_sha256": "same"}))
        return pair_sheets([read_pair(store, name) for name in names])[0].notes

    alike = "Both arms ended with the same baseline weights, bit for bit."
    assert [alike in notes(seed) for seed in (0, 1)] == [False, True]
    assert "Trained on: CUDA, fast; CPU, bit-exact." in notes(0)


def test_one_pair_of_several_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = put_seeds(tmp_path, RIFE, {0: (25.0, 25.1), 1: (25.1, 25.3)})
    chosen = find_pair(Store(tmp_path), "rife+hce+hir")
    (other,) = {*names} - {chosen}
    said = f"rife+hce+hir is any of 2 pairs; taking the one last run, {chosen}, and not {other}"
    assert caplog.messages == [said]


@pytest.mark.parametrize(
    ("test", "named"), [("", ""), ("clips", ""), ("layers:motion=40", ", tested on layers:motion=40")]
)
def test_a_title_names_test_sets_that_are_not_those_of_training(tmp_path: Path, test: str, named: str) -> None:
    name = put(tmp_path, Asked(baseline="rife", plugins="hce", data="clips", test=test), (25.0, 25.1))
    first, *_ = pair_sheets([read_pair(Store(tmp_path), name)])
    assert first.title == f"by hand{named}, seed 0"


def test_a_pipe_is_as_wide_as_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, RIFE, (25.0, 25.1))
    widths = {}
    for told in ("", "70"):
        monkeypatch.setenv("COLUMNS", told)
        widths[told] = max(map(len, run_table("table1", "--results", str(tmp_path)).splitlines()))
    assert 120 < widths[""] <= 160
    assert widths["70"] <= 70


def asked_for(store: Store, name: str, *metrics: str) -> None:
    """Say in a pair's record that these were asked for beside PSNR and SSIM."""
    record = store.pair(name)
    named = dict.fromkeys(metrics)
    compared = record.comparison.model_copy(update={"metrics": {each: each for each in ("psnr", "ssim", *named)}})
    update = {"metrics": ("psnr", "ssim", *named), "comparison": compared}
    store.write_pair(name, record.model_copy(update=update))


def test_nothing_is_said_of_a_metric_that_another_pair_was_tested_by(tmp_path: Path) -> None:
    """On a part of the same triplets: rows of the mean of the two frames are everybody's."""
    put_mean(tmp_path, 20.0)
    store = Store(tmp_path)
    first, *others = store.read_reference()
    rows = [first.model_copy(update={"values": {**first.values, "ie": 1.0}}), *others]
    write_rows(store.reference, prepare(store.reference, rows[0].values), rows)
    name = put(tmp_path, RIFE, (25.0, 25.1))

    def of_gaps() -> list[str]:
        sheet, *_ = pair_sheets([read_pair(store, name)])
        return [note for note in sheet.notes if note.startswith(MEAN) and "is known for" in note]

    assert of_gaps() == []
    asked_for(store, name, "ie")
    assert f"{MEAN}, snu-film easy: ie is known for 1 of 2 triplets: no mean, and no difference." in of_gaps()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_metric_of_some_seeds_alone_has_a_table_and_the_reason_why_it_is_empty(tmp_path: Path, seed: int) -> None:
    """Whichever of the seeds it is."""
    store, names = Store(tmp_path), []
    for each in (0, 1, 2):
        more = {"ie": 2.0, "epe@all": 1.0} if each == seed else {}
        asked = RIFE.model_copy(update={"seed": each})
        names.append(put(tmp_path, asked, (25.0, 25.1), more=lambda arm, at, more=more: more))  # type: ignore[misc]
    put_mean(tmp_path, 20.0)
    asked_for(store, names[seed], "ie")
    other = store.pair(names[2])
    store.write_pair(names[2], other.model_copy(update={"unavailable": {"ie": "its weights are not here."}}))
    first, *others = pair_sheets([read_pair(store, name) for name in names])
    *metrics, where = (sheet.title.partition(" ")[0] for sheet in others)
    assert (metrics, where) == (["ie"], "Where")  # of a metric of motion there is no line
    assert not any(cell.text for line in others[0].lines[1:] for cell in line.cells)
    assert [note for note in first.notes if "no mean over seeds" in note] == [
        f"Seed {1 - seed}: ie was not asked for: no mean over seeds, and no difference.",
        "Seed 2: ie is not available (its weights are not here): no mean over seeds, and no difference.",
        *(f"Seed {each}: epe was not asked for: no mean over seeds, and no difference." for each in (1 - seed, 2)),
    ]
    assert not any("no mean over seeds" in note for note in pair_sheets([read_pair(store, names[seed])])[0].notes)
