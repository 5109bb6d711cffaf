"""Suites whose tables tell motion: columns of end-point errors, tests that share a training, and what that takes."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pluggy
import pytest
import safetensors.torch
import torch

from harness.arm import Arm
from harness.distributed import World
from harness.errors import HarnessError
from harness.masks.source import Known
from harness.pair.comparison import comparison_of
from harness.pair.plan import Plan, settle
from harness.pair.run import Shared
from harness.registry import hookspecs
from harness.registry.catalog import Catalog, catalog
from harness.registry.hookspecs import hookimpl
from harness.registry.options import parse_choice
from harness.registry.plugins import Origin, Plugins
from harness.registry.specs import WeightsSpec
from harness.report.formats import FORMATS
from harness.report.sheet import Cell, ScoreCell, Sheet
from harness.report.suite_table import suite_sheet
from harness.results.records import Asked, SetRecord
from harness.results.rows import Row
from harness.results.store import Store
from harness.suites.estimate import Estimate
from harness.suites.finished import finished, records_of
from harness.suites.forecast import Forecast, _forecast, _held, forecast
from harness.suites.found import find_rows
from harness.suites.plan import check_columns, jobs_of
from harness.suites.state import ArmState
from harness.suites.suite import Suite, load_suite
from harness.train.recipe import Recipe
from tests.stores import fingerprint, numbers, pair_record, put, put_run, suite

SNAPSHOTS = Path(__file__).parent / "snapshots"
CPU = torch.device("cpu")
LEVELS = {"layers-fast-12345678": ("test",)}
WIDEN, TRUTH, SUPERVOXEL, GLOBAL, *_ = suite("layers1").pairs((0,))
FLOW, ATTENDED = "flow inside (px, lower is better)", "attended inside (px, lower is better)"
RACING = "racing (dB, higher is better)"


def put_layers(root: Path, asked: Asked, flow: float, gain: float = 0.3, epe: bool = True, seeds: int = 3) -> None:
    """A pair of so many seeds and six triplets: the plug-ins add `gain` dB, and `flow` px to the flow's error, but for
    noise. The first triplet has nothing that races."""
    for seed in range(seeds):

        def noise(name: str, at: int, seed: int = seed) -> float:
            return random.Random(f"{asked.plugins} {asked.test_masks} {seed} {name} {at}").gauss(0, 0.03)

        def more(arm: int, at: int) -> Mapping[str, float]:
            values = {
                "psnr@inside": 20.0 - at + arm * (gain + noise("inside", at)),
                "psnr@racing": 18.0 + arm * (gain + noise("racing", at)) if at else math.nan,
            }
            if epe:
                values["epe@inside"] = 9.0 + at / 7 + arm * (flow + noise("flow", at))
                values["epe@attended-inside"] = 5.0 + at / 7 if arm and asked is not WIDEN else math.nan
            return values

        words = asked.model_copy(update={"seed": seed})
        put(root, words, (25.0, 25.0 + gain), clips=6, levels=LEVELS, added=noise, more=more)


@pytest.mark.parametrize(("name", "kept"), [("layers1", [1]), ("table1", [0, 1])])
def test_a_row_is_of_one_kind_of_masks_where_it_shows_what_is_inside(
    name: str, kept: list[int], tmp_path: Path
) -> None:
    for seed, masks in enumerate(("aa", "bb")):
        asked, *_ = suite(name).pairs((seed,))
        put(tmp_path, asked, (25.0, 25.1), regions=masks)
    found, *_ = (row for row in find_rows(suite(name), Store(tmp_path)).values() if row)
    assert list(found) == kept


def sheet_of(root: Path) -> Sheet:
    return suite_sheet("layers1", suite("layers1"), Store(root))


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    """Of RIFE: widen does nothing, and HCE + HIR gain by the truth, gain by supervoxels, and lose without masks."""
    root = tmp_path_factory.mktemp("store")
    for asked, flow, gain in ((WIDEN, 0.0, 0.0), (TRUTH, -3.0, 0.5), (SUPERVOXEL, -1.0, 0.2), (GLOBAL, 2.0, -0.2)):
        put_layers(root, asked, flow, gain)
    return sheet_of(root)


def cell(sheet: Sheet, label: str, column: str) -> Cell:
    (found,) = (line for line in sheet.lines if line.label == label)
    return found.cells[sheet.columns.index(column)]


def is_bold(of: Cell) -> bool:
    return isinstance(of, ScoreCell) and any(of.bold)


# -- tables -----------------------------------------------------------------------------------------------------------


def test_markdown(sheet: Sheet) -> None:
    """What a person has looked at: after a change on purpose, look at it again."""
    assert FORMATS["markdown"]([sheet]) == (SNAPSHOTS / "layers1.markdown").read_text("utf-8")


def test_rows_that_are_not_measured_stand_together(tmp_path: Path) -> None:
    """A line is drawn around what has several lines, and where another baseline begins."""
    put_layers(tmp_path, WIDEN, 0.0, 0.0, seeds=1)
    ruled = [line.label for line in sheet_of(tmp_path).lines if line.rule]
    assert ruled == ["RIFE + widen", "RIFE + HCE, HIR, truth", "IFRNet-S", "AMT-S", "EMA small"]


def test_heads_say_unit_and_which_way_is_better(sheet: Sheet) -> None:
    assert sheet.columns == ("PSNR/SSIM", "inside (dB, higher is better)", RACING, FLOW, ATTENDED, "cost (T)")
    assert "Of epe less is better: there, a row that gains has a difference below 0." in sheet.legend
    assert not any("in PSNR" in note for note in (*sheet.notes, *sheet.legend))


def test_a_shorter_error_is_a_gain(sheet: Sheet) -> None:
    gain = "RIFE + HCE, HIR, truth minus RIFE"
    assert -3.1 < numbers(sheet)[gain, FLOW, "epe@inside"] < -2.9
    assert numbers(sheet)[f"{gain}, 95 % interval", FLOW, "high"] < -2.9
    assert is_bold(cell(sheet, gain, FLOW))
    assert is_bold(cell(sheet, "RIFE + HCE, HIR, truth", FLOW))
    assert is_bold(cell(sheet, "RIFE + HCE, HIR, supervoxel", FLOW))


def test_a_longer_error_is_a_loss(sheet: Sheet) -> None:
    """Its difference is claimed, and nothing is said to be better."""
    assert numbers(sheet)["RIFE + HCE, HIR, global minus RIFE", FLOW, "epe@inside"] > 1.9
    assert is_bold(cell(sheet, "RIFE + HCE, HIR, global minus RIFE", FLOW))
    assert not is_bold(cell(sheet, "RIFE + HCE, HIR, global", FLOW))
    assert not is_bold(cell(sheet, "RIFE + widen minus RIFE", FLOW))
    assert not is_bold(cell(sheet, "RIFE", FLOW))


def test_the_plain_row_is_bold_where_all_others_have_longer_errors(tmp_path: Path) -> None:
    for asked in (WIDEN, TRUTH, SUPERVOXEL, GLOBAL):
        put_layers(tmp_path, asked, 3.0)
    sheet = sheet_of(tmp_path)
    assert is_bold(cell(sheet, "RIFE", FLOW))
    assert not is_bold(cell(sheet, "RIFE", "PSNR/SSIM"))
    assert is_bold(cell(sheet, "RIFE + HCE, HIR, truth", "PSNR/SSIM"))


def test_what_an_arm_does_not_have_is_a_dash(sheet: Sheet) -> None:
    gain = "RIFE + HCE, HIR, truth minus RIFE"
    assert cell(sheet, "RIFE", ATTENDED).text == cell(sheet, gain, ATTENDED).text == "-"
    assert cell(sheet, "RIFE + HCE, HIR, truth", ATTENDED).text == "5.36"
    assert all(math.isfinite(value) for value in numbers(sheet).values())
    assert ("RIFE", ATTENDED, "epe@attended-inside") not in numbers(sheet)


def test_what_was_never_measured_is_not_a_dash(tmp_path: Path) -> None:
    put_layers(tmp_path, TRUTH, 0.0, epe=False, seeds=1)
    sheet = sheet_of(tmp_path)
    for column in (FLOW, ATTENDED):
        assert cell(sheet, "RIFE", column).text == "not measured"
        assert cell(sheet, "RIFE + HCE, HIR, truth minus RIFE", column).text == "not measured"
    assert "/" in cell(sheet, "RIFE", "PSNR/SSIM").text
    assert "RIFE, seed 0; RIFE + HCE, HIR, truth, seed 0: epe was not asked for: no mean, and no difference." in (
        sheet.notes
    )


def test_a_metric_that_one_seed_lacks_is_said_with_the_reason(tmp_path: Path) -> None:
    put_layers(tmp_path, TRUTH, -0.9, seeds=3)
    put_layers(tmp_path, TRUTH, -0.9, epe=False, seeds=1)  # the first of them
    store = Store(tmp_path)
    (first,) = (name for name in store.pairs() if store.pair(name).seed == 0)
    sheet = sheet_of(tmp_path)
    assert cell(sheet, "RIFE", FLOW).text == "not measured"
    whose = "RIFE, seed 0; RIFE + HCE, HIR, truth, seed 0"
    assert f"{whose}: epe was not asked for: no mean, and no difference." in sheet.notes
    record = store.pair(first).model_copy(update={"unavailable": {"epe on layers": "it is footage"}})
    store.write_pair(first, record)
    assert f"{whose}: epe is not available (it is footage): no mean, and no difference." in sheet_of(tmp_path).notes


def test_triplets_without_such_pixels_are_left_out(sheet: Sheet) -> None:
    """Of means as of intervals: five of six triplets."""
    gain = "RIFE + HCE, HIR, truth minus RIFE"
    assert cell(sheet, "RIFE", RACING).text == "18.00"
    found = numbers(sheet)
    low, high = (found[f"{gain}, 95 % interval", RACING, end] for end in ("low", "high"))
    assert 0.4 < low < found[gain, RACING, "psnr@racing"] < high < 0.6
    assert (low + high) / 2 == pytest.approx(found[gain, RACING, "psnr@racing"])


def test_holms_correction_is_over_all_columns(tmp_path: Path) -> None:
    """Four columns have a difference, the attended flow has none."""
    put_layers(tmp_path, TRUTH, -3.0)
    (note,) = (note for note in sheet_of(tmp_path).notes if note.startswith("A difference is claimed"))
    assert "over all 4 cells of measured gains: in 4 of them." in note


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_draws_it(form: str, sheet: Sheet) -> None:
    text = FORMATS[form]([sheet])
    assert "nan" not in text.lower().replace("distribution", "")
    if form == "json":
        (table,) = json.loads(text)
        (row,) = (row for row in table["rows"] if row["row"] == "RIFE + HCE, HIR, truth minus RIFE")
        assert row["cells"][ATTENDED] == {"text": "-"}
        assert row["cells"][FLOW]["epe@inside"] < -2.9


# -- files ------------------------------------------------------------------------------------------------------------

OWN = """\
title: t
summary: s
recipe: smoke
data: layers
metrics: {metrics}
columns: [{{test: {test}, level: test, label: flow, metric: {metric}}}]
rows: [{{label: RIFE, baseline: rife}}]
"""


def own(folder: Path, metric: str, metrics: str = "psnr,epe", test: str = "layers") -> Suite:
    path = folder / "own.yaml"
    path.write_text(OWN.format(metric=metric, metrics=metrics, test=test))
    return load_suite(path)


def test_a_column_of_what_is_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        HarnessError, match=r"own\.yaml.*metric: 'epe' of column 'flow' is not among metrics: psnr,ssim"
    ):
        own(tmp_path, "epe@inside", metrics="psnr,ssim")
    with pytest.raises(HarnessError, match="'lpips' of column 'flow' is measured with several options: lpips:a=1,"):
        own(tmp_path, "lpips", metrics="lpips:a=1,lpips:a=2")
    path = tmp_path / "own.yaml"
    text = OWN.format(metric="epe@inside", metrics="epe", test="layers")
    path.write_text(text.replace("[{test", "[{test: clips, level: easy, label: flow}, {test"))
    with pytest.raises(HarnessError, match="two columns are called 'flow'"):
        load_suite(path)


@pytest.mark.parametrize(
    ("metric", "test", "line"),
    [
        (
            "epe@insidde",
            "layers",
            "column 'flow' shows 'epe@insidde', which nothing measures; did you mean 'epe@inside'",
        ),
        ("epe", "layers", "column 'flow' shows 'epe', which nothing measures"),
        ("epe@inside", "layer", "column 'flow' is of no test set: 'layer'; did you mean 'layers'"),
    ],
)
def test_a_column_of_no_such_part_or_test_is_refused(metric: str, test: str, line: str, tmp_path: Path) -> None:
    chosen = own(tmp_path, metric, test=test)
    with pytest.raises(HarnessError, match=line):
        check_columns(chosen, settle(chosen.pairs()[0], catalog(), CPU))


@pytest.fixture
def fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn training triplets: each of 100,000 is held against the contract whenever a benchmark is built."""
    monkeypatch.setattr("harness.data.sets.layers.TRAIN", 200)


class Entries:
    """The weights that a distribution of our own brings."""

    @hookimpl
    def harness_weights(self) -> list[WeightsSpec]:
        return [
            WeightsSpec(f"{name}-own", file=f"{name}.safetensors", summary="s", source="here", licence="MIT")
            for name in ("rife", "ifrnet-s", "amt-s", "ema")
        ]


@pytest.fixture
def with_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    known, entries = catalog(), Entries()
    for spec in entries.harness_weights():
        state = Arm.of(known, parse_choice(spec.name.removesuffix("-own")), []).build(3).state_dict()
        safetensors.torch.save_file(state, tmp_path / spec.file)
    monkeypatch.setenv("HARNESS_WEIGHTS", str(tmp_path))
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    origins = {of: origin for of, origin in known.plugins.origins.items() if origin.distribution != "vfi-weights-own"}
    origins[entries] = Origin("ours", "1", "ours.py")
    for plugin in origins:
        manager.register(plugin)
    return Catalog(Plugins(manager, origins))


@pytest.mark.usefixtures("fewer")
def test_every_pair_of_the_suites_is_valid(with_own: Catalog) -> None:
    """Names, options, start weights and columns."""
    for name, count in (("layers1", 16), ("layers2", 10), ("clips2", 2)):
        chosen = suite(name)
        plans = [settle(asked, with_own, CPU) for asked in chosen.pairs((0,))]
        assert len(plans) == count
        for plan in plans:
            check_columns(chosen, plan)
            assert plan.start is not None
            assert plan.start.record.name == f"{plan.arm.baseline.name}-own"
        assert chosen.seeds == (0, 1, 2)


# -- one training, several tests --------------------------------------------------------------------------------------


def drawn(name: str = "layers1", recipe: str = "layers-pair") -> Suite:
    """The suite from drawn weights."""
    chosen = suite(name)
    rows = tuple(row.model_copy(update={"start": ""}) for row in chosen.rows)
    return chosen.model_copy(update={"rows": rows, "start": "", "recipe": recipe})


@pytest.mark.usefixtures("fewer")
def test_pairs_that_differ_in_their_tests_alone_share_a_run(tmp_path: Path) -> None:
    plans = [settle(asked, catalog(), CPU) for asked in drawn().pairs((0,))[:4]]
    widen, *tested = jobs_of(plans, tmp_path, [])
    assert len({each.holds for each in tested}) == 1
    assert len(tested[0].holds) == 2
    assert len(widen.holds & tested[0].holds) == 1
    assert len({each.log for each in (widen, *tested)}) == 4


RECIPE = """\
data: {"layers:size=64": 1, "layers:size=72": 2}
steps: 6
batch: 2
clip_norm: 1
augment: {crop: 64}
test_triplets: 2
test_crop: 64
freeze: baseline
freeze_steps: 4
"""


def forecast_of(chosen: Suite, root: Path) -> Forecast:
    pairs = chosen.pairs((0,), [row for row in chosen.rows if row.baseline == "ifrnet-s"])
    return forecast(chosen, pairs, catalog(), Store(root), CPU, lambda text: None)


@pytest.mark.usefixtures("fewer")
def test_a_forecast_counts_a_training_once_and_every_test(tmp_path: Path) -> None:
    """Of a mixture of drawn sets, with masks by the truth, the middle of frames, and a baseline that is held."""
    recipe = tmp_path / "own.yaml"
    recipe.write_text(RECIPE)
    (tmp_path / "results").mkdir()
    seen = forecast_of(drawn(recipe=str(recipe)), tmp_path / "results")
    runs = seen.runs
    assert [(run.label.partition(" ")[0].rstrip(","), run.steps, run.triplets) for run in runs] == [
        ("ifrnet-s", 6, 2),
        ("ifrnet-s+widen(like=hce+hir)", 6, 2),
        ("ifrnet-s+hce+hir", 6, 2),
        ("ifrnet-s+hce+hir", 0, 2),
        ("ifrnet-s+hce+hir", 0, 2),
    ]
    assert [run.disk > 0 for run in runs] == [True, True, True, False, False]
    seconds = [run.seconds for run in runs]
    assert [each.seconds for each in seen.jobs] == pytest.approx([sum(seconds[:2]), *seconds[2:]])
    assert frozenset.intersection(*(each.holds for each in seen.jobs))
    assert not list((tmp_path / "results").iterdir())


@pytest.mark.parametrize(
    ("keys", "done", "seconds"),
    [
        ({}, 0, 10 * 3.0),
        ({"freeze": "baseline"}, 0, 10 * 1.0),
        ({"freeze": "baseline", "freeze_steps": 4}, 0, 4 * 1.0 + 6 * 3.0),
        ({"freeze": "baseline", "freeze_steps": 4}, 3, 1 * 1.0 + 6 * 3.0),
        ({"freeze": "baseline", "freeze_steps": 4}, 7, 3 * 3.0),
        ({"freeze": "baseline", "freeze_steps": 40}, 0, 10 * 1.0),
    ],
)
def test_steps_with_a_frozen_baseline_take_their_own_time(keys: Mapping[str, Any], done: int, seconds: float) -> None:
    recipe = Recipe.model_validate({"steps": 10, "batch": 2, "augment": {"crop": 64}} | dict(keys))
    state = ArmState(Arm.of(catalog(), parse_choice("ifrnet-s"), []), done, 10, False, {})
    cost = Estimate(3.0, {}, 0, 0, 2, frozen=1.0)
    assert _forecast("a", state, cost, False, _held(state, recipe)).seconds == pytest.approx(seconds)


def of_widen(**changed: str) -> Plan:
    words = {"recipe": "smoke", "data": "layers:size=64", "test": "layers:size=64,tests=1", "masks": "truth"}
    return settle(Asked(baseline="ifrnet-s", plugins="widen:like=hce+hir", **words | changed), catalog(), CPU)


@pytest.mark.usefixtures("fewer")
def test_parts_are_by_the_masks_that_were_asked_for_though_no_plugin_needs_them(tmp_path: Path) -> None:
    """Or widen would have no PSNR inside of masks to stand beside that of HCE and HIR."""
    plan = of_widen()
    assert plan.masks is None
    shared = Shared.of(plan, Store(tmp_path), World(0, 1, CPU))
    assert shared.masks is None
    assert shared.tests.region_masks is not None
    assert isinstance(shared.tests.region_masks.source, Known)
    columns = shared.tests.evaluation(shared.tests.sets[0], None, "w").columns
    assert "psnr@inside" in columns
    assert Shared.of(of_widen(masks=""), Store(tmp_path), World(0, 1, CPU)).tests.record()["regions"] == "none"


def test_a_pair_whose_parts_are_by_other_masks_is_to_be_tested(tmp_path: Path) -> None:
    """It is trained."""
    plan = of_widen()
    compared = comparison_of(plan)
    run = Store(tmp_path).run("ifrnet-s+widen.s0.00000000")
    tests = (SetRecord(data="layers-1", levels={"test": ("a",)}),)
    record = pair_record(plan.asked, [run], tests=tests, protocol=compared.protocol, comparison=compared)
    row = Row(
        data="layers-1",
        level="test",
        triplet="a",
        clip="a",
        protocol=compared.protocol,
        weights="w",
        masks="none",
        regions="none",
        values=dict.fromkeys(plan.testing.measured, 1.0),
    )
    put_run(run, run.name, fingerprint(), [row])
    Store(tmp_path).write_pair("p", record)
    assert finished(plan, Store(tmp_path)) == "p"
    assert finished(of_widen(masks="supervoxel"), Store(tmp_path)) == ""
    assert list(records_of(of_widen(masks="supervoxel"), Store(tmp_path))) == ["p"]
