"""What a suite's table says of how sure its gains are: intervals, claims and bold, on stores made by hand."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.outcome.pairs import Column, PairOutcome, read_pair
from harness.outcome.seeds import certainty, estimates, floor
from harness.report.formats import FORMATS
from harness.report.sheet import Line, ScoreCell, Sheet
from harness.report.suite_table import suite_sheet
from harness.report.tables import pair_sheets
from harness.results.records import Asked
from harness.results.store import Store
from harness.suites.suite import Suite
from tests.stores import numbers, put, suite, table1

SNAPSHOTS = Path(__file__).parent / "snapshots"
RIFE, IFRNET, AMT, _ = suite("table1").pairs()
COLUMNS = ("Vimeo90K", "SNU easy", "SNU medium", "SNU hard", "SNU extreme")
INTERVAL, RESOLVABLE = "95 % interval (dB)", "resolvable (dB)"


def put_seeds(
    root: Path, asked: Asked, gain: float, seeds: tuple[int, ...] = (0, 1, 2), spread: float = 0.03, **more: Any
) -> list[PairOutcome]:
    """A pair a seed, six clips a level: what the plug-ins gain is `gain`, in dB, with noise of that deviation."""

    def of_seed(seed: int) -> PairOutcome:
        def noise(level: str, at: int) -> float:
            return random.Random(f"{asked.baseline} {seed} {level} {at}").gauss(0, spread)

        name = put(root, asked.model_copy(update={"seed": seed}), (25.0, 25.0 + gain), clips=6, added=noise, **more)
        return read_pair(Store(root), name)

    return [of_seed(seed) for seed in seeds]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three seeds of a pair that gains, of one that gains nothing and of one that loses; two A/A pairs."""
    put_seeds(tmp_path, RIFE, 0.3)
    put_seeds(tmp_path, IFRNET, 0.0)
    put_seeds(tmp_path, AMT, -0.2)
    put_seeds(tmp_path, RIFE.model_copy(update={"plugins": "null"}), 0.0, seeds=(0, 1))
    return tmp_path


def line(sheet: Sheet, label: str) -> Line:
    (found,) = (each for each in sheet.lines if each.label == label)
    return found


def bold(sheet: Sheet, label: str) -> list[tuple[bool, ...]]:
    """Of each column, which of the scores are bold."""
    cells = line(sheet, label).cells[:-1]
    return [cell.bold if isinstance(cell, ScoreCell) else (cell.best,) for cell in cells]


def any_bold(sheet: Sheet) -> list[str]:
    """Measured lines that have something in bold."""
    labels = [each.label for each in sheet.lines if not each.label.endswith("published")]
    return [label for label in labels if any(any(cell) for cell in bold(sheet, label))]


def test_markdown(store: Path) -> None:
    """What a person has looked at: after a change on purpose, look at it again."""
    assert FORMATS["markdown"]([table1(store)]) == (SNAPSHOTS / "table1-seeds.markdown").read_text("utf-8")


def test_a_clear_gain_has_an_interval_and_is_bold(store: Path) -> None:
    sheet = table1(store)
    gain = "RIFE + HCE, HIR minus RIFE"
    labels = [each.label for each in sheet.lines]
    at = labels.index(f"{gain}, measured")
    assert labels[at + 1 : at + 3] == [f"{gain}, {INTERVAL}", f"{gain}, {RESOLVABLE}"]
    found = numbers(sheet)
    for column in COLUMNS:
        low, high = (found[f"{gain}, {INTERVAL}", column, end] for end in ("low", "high"))
        assert 0.2 < low < found[f"{gain}, measured", column, "psnr"] < high < 0.4
        assert 0 < found[f"{gain}, {RESOLVABLE}", column, "value"] < 0.1
        assert found[f"{gain}, measured", column, "p_holm"] < 0.05
        assert 0 < found[f"{gain}, measured", column, "p_wilcoxon"] < 0.05
    psnr_alone = [(True, False)] * len(COLUMNS)
    assert bold(sheet, f"{gain}, measured") == bold(sheet, "RIFE + HCE, HIR, measured") == psnr_alone
    assert "RIFE, measured" not in any_bold(sheet)


def test_intervals_are_those_of_the_pairs_own_table(tmp_path: Path) -> None:
    pair_sheet = pair_sheets(put_seeds(tmp_path, RIFE, 0.3))[0]
    sheet = table1(tmp_path)
    for label in (INTERVAL, RESOLVABLE):
        easy_to_extreme_then_vimeo = line(pair_sheet, label).cells[:5]
        vimeo, *snu = line(sheet, f"RIFE + HCE, HIR minus RIFE, {label}").cells[:-1]
        assert (*snu, vimeo) == easy_to_extreme_then_vimeo


def test_a_gain_that_is_none_is_not_bold_and_a_loss_makes_the_plain_row_bold(store: Path) -> None:
    sheet = table1(store)
    assert any_bold(sheet) == [
        "RIFE + HCE, HIR, measured",
        "RIFE + HCE, HIR minus RIFE, measured",
        "AMT, measured",
        "AMT + HCE, HIR minus AMT, measured",
    ]
    found = numbers(sheet)
    assert all(found["IFRNet + HCE, HIR minus IFRNet, measured", column, "p_holm"] >= 0.05 for column in COLUMNS)
    assert all(found[f"AMT + HCE, HIR minus AMT, {INTERVAL}", column, "high"] < 0 for column in COLUMNS)
    claimed = "claimed where p < 0.05 after Holm's correction over all 15 cells of measured gains: in 10 of them."
    assert any(claimed in note for note in sheet.notes)


def test_holms_correction_is_over_the_whole_table(tmp_path: Path) -> None:
    """A gain that its own five cells let one claim, and that the table's ten do not."""
    alone = certainty(estimates(put_seeds(tmp_path, RIFE, 0.028)))
    claimed = [at for at, found in alone.items() if found.claimed]
    assert claimed == [Column("snu-film", "extreme")]
    (at,) = claimed
    sheet = table1(tmp_path)
    gain = ("RIFE + HCE, HIR minus RIFE, measured", "SNU extreme", "p_holm")
    assert numbers(sheet)[gain] == alone[at].adjusted
    assert any_bold(sheet)
    put_seeds(tmp_path, IFRNET, 0.0)
    sheet = table1(tmp_path)
    assert numbers(sheet)[gain] == pytest.approx(2 * (alone[at].adjusted or 0))
    assert numbers(sheet)[gain] >= 0.05
    assert not any_bold(sheet)


def test_only_the_columns_of_the_table_count(tmp_path: Path) -> None:
    """Table 2 (b) shows one of the five levels on which its pairs were tested. A row that surpasses one of two that it
    is compared with is not bold."""
    target, pixel, *_ = suite("table2b").pairs()
    put_seeds(tmp_path, target, -0.2)
    put_seeds(tmp_path, pixel, 0.2)
    sheet = suite_sheet("table2b", suite("table2b"), Store(tmp_path))
    assert any("over all 2 cells of measured gains: in 2 of them." in note for note in sheet.notes)
    assert any_bold(sheet) == [
        "HIR-L (target) minus Baseline, measured",
        "HIR-S (pixel), measured",
        "HIR-S (pixel) minus Baseline, measured",
    ]


def test_an_interval_has_the_digits_of_its_difference(tmp_path: Path) -> None:
    """Of a metric whose differences are of the fourth digit, three would say [-0.001, -0.000]."""

    def of_seed(seed: int) -> Callable[[int, int], dict[str, float]]:
        return lambda arm, at: {"lpips": 0.2 - arm * (5e-4 + 1e-6 * at + 2e-6 * seed)}

    for seed in range(3):
        put(tmp_path, RIFE.model_copy(update={"seed": seed}), (25.0, 25.1), clips=6, more=of_seed(seed))
    column = {"test": "snu-film", "level": "easy", "label": "easy", "metric": "lpips"}
    asked = suite("table1").model_dump(by_alias=True) | {"published": "", "columns": [column], "metrics": "lpips"}
    own = Suite.model_validate(asked)
    sheet = suite_sheet("own", own, Store(tmp_path))
    cells = {each.label: each.cells[0].text for each in sheet.lines if each.label.startswith("RIFE + HCE, HIR minus")}
    mean, interval, resolvable = cells.values()
    assert mean == "-0.00050"
    assert re.fullmatch(r"\[-0\.0005\d, -0\.000[45]\d\]", interval)
    assert re.fullmatch(r"0\.0000\d", resolvable)


def test_a_single_seed_has_an_interval_over_clips_and_claims_nothing(tmp_path: Path) -> None:
    put_seeds(tmp_path, RIFE, 0.3, seeds=(4,))
    sheet = table1(tmp_path)
    gain = "RIFE + HCE, HIR minus RIFE"
    assert "+0.3" in line(sheet, f"{gain}, {INTERVAL}").cells[0].text
    assert f"{gain}, {RESOLVABLE}" not in [each.label for each in sheet.lines]
    assert not any_bold(sheet)
    assert not [value for _, _, value in numbers(sheet) if value.startswith("p_")]
    assert "Measured: single seed (4): nothing is known of retraining, so no claim and no bold." in sheet.notes
    assert "Interval of the mean difference in PSNR: t over clips." in sheet.notes
    said = (*sheet.notes, *sheet.legend)
    assert sum("single seed" in note for note in said) == 1
    assert not any(note.startswith(("Bold, measured", "A difference", "Resolvable")) for note in said)


def test_a_single_seed_beside_makes_others_no_less_sure(tmp_path: Path) -> None:
    put_seeds(tmp_path, IFRNET, 0.3)
    alone = table1(tmp_path)
    put_seeds(tmp_path, RIFE, 0.3, seeds=(4,))
    beside = table1(tmp_path)
    p_values = {at: value for at, value in numbers(alone).items() if at[2].startswith("p_")}
    assert p_values
    assert {at: value for at, value in numbers(beside).items() if at[2].startswith("p_")} == p_values
    assert any_bold(beside) == any_bold(alone)


def test_of_unmatched_arms_nothing_is_claimed(tmp_path: Path) -> None:
    put_seeds(tmp_path, IFRNET, 0.3)
    alone = numbers(table1(tmp_path))
    put_seeds(tmp_path, RIFE, 0.3, batch=8)
    gain = "RIFE + HCE, HIR minus RIFE"
    assert not [each.label for each in table1(tmp_path).lines if each.label.startswith(f"{gain}, {INTERVAL}")]
    sheet = table1(tmp_path, show_unmatched=True)
    shown = numbers(sheet)
    assert shown[f"{gain}, {INTERVAL}", "SNU easy", "low"] > 0
    assert any_bold(sheet) == ["IFRNet + HCE, HIR, measured", "IFRNet + HCE, HIR minus IFRNet, measured"]
    p_values = {at: value for at, value in shown.items() if at[2].startswith("p_")}
    assert p_values == {at: value for at, value in alone.items() if at[2].startswith("p_")}


def test_the_noise_floor_is_that_of_each_baseline(store: Path) -> None:
    def floors() -> list[str]:
        return [note for note in table1(store).notes if note.startswith("Noise floor")]

    assert [re.sub(r"\d+\.\d+", "x", note) for note in floors()] == [
        "Noise floor of rife, 95 % of the differences between equal arms (2 A/A pairs): "
        "Vimeo90K x, SNU easy x, SNU medium x, SNU hard x, SNU extreme x dB."
    ]
    put_seeds(store, AMT.model_copy(update={"plugins": "null"}), 0.0, seeds=(0,))
    assert [note.partition(",")[0] for note in floors()] == ["Noise floor of rife", "Noise floor of amt"]


def test_where_equal_trainings_are_equal_there_is_no_noise_floor(tmp_path: Path) -> None:
    """There A/A pairs differ by 0 dB, whatever another seed would give; nor are they of a pair trained elsewhere."""
    null = RIFE.model_copy(update={"plugins": "null"})
    exact = put_seeds(tmp_path, RIFE, 0.3, seeds=(0,), tier="CPU, bit-exact")
    put(tmp_path, null, (25.0, 25.0), tier="CPU, bit-exact")
    fast = put_seeds(tmp_path, RIFE, 0.3, seeds=(1,))
    store = Store(tmp_path)
    for run in store.runs():
        measured = run.measured()
        assert measured
        run.set_measured(measured.model_copy(update={"baseline_sha256": "same"}))
    records = store.pair_records()
    assert floor(store, exact[0], records) == floor(store, fast[0], records) == (0, {})
    put(tmp_path, null.model_copy(update={"seed": 1}), (25.0, 25.01))
    count, found = floor(store, fast[0], store.pair_records())
    assert count == 1
    assert all(of_column > 0.01 for of_column in found.values())


def test_all_formats_say_the_same(store: Path) -> None:
    """Texts as people read them, and the numbers behind them."""
    sheet = table1(store)
    (table,) = json.loads(FORMATS["json"]([sheet]))
    cells = {(row["row"], column): cell for row in table["rows"] for column, cell in row["cells"].items()}
    found = numbers(sheet)
    assert {(*at, name): value for at, cell in cells.items() for name, value in cell.items() if name != "text"} == found
    gain = "RIFE + HCE, HIR minus RIFE"
    low, high = (found[f"{gain}, {INTERVAL}", "SNU hard", end] for end in ("low", "high"))
    interval, resolvable = f"[{low:+.3f}, {high:+.3f}]", f"{found[f'{gain}, {RESOLVABLE}', 'SNU hard', 'value']:.3f}"
    assert cells[f"{gain}, {INTERVAL}", "SNU hard"]["text"] == interval
    for form in ("terminal", "markdown", "html"):
        lines = FORMATS[form]([sheet]).splitlines()
        of_gain = [re.sub("<[^>]+>", "", each) for each in lines if gain in each]
        assert any(INTERVAL in each and interval in each for each in of_gain), form
        assert any(RESOLVABLE in each and resolvable in each for each in of_gain), form
    psnr = f"{found[f'{gain}, measured', 'SNU hard', 'psnr']:+.3f}"
    marks = {"markdown": f"**{psnr}**/", "latex": rf"& \textbf{{{psnr}}} &", "html": f"<b><span>{psnr}</span></b>/"}
    for form, mark in marks.items():
        assert mark in FORMATS[form]([sheet]), form
    latex = FORMATS["latex"]([sheet])  # short labels, scores and intervals in two rows
    assert f"& [{low:+.3f}, &" in latex
    assert f"& {high:+.3f}] &" in latex
    assert f"& {resolvable} &" in latex
