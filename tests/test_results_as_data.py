"""Results as DataFrames: the numbers of tables, in documented columns, and with the reason of every refusal."""

from __future__ import annotations

import inspect
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import harness
from harness.cli.main import cli
from harness.errors import HarnessError
from harness.registry.catalog import catalog
from harness.registry.hookspecs import hookimpl
from harness.report.columns import CURVES, DIFFERENCES, PAIRS, ROWS, TABLE, Columns
from harness.results.envelope import write
from harness.results.records import Asked
from harness.results.rows import prepare, write_rows
from harness.results.store import Store
from harness.results.trail import Given
from tests.stores import fingerprint, numbers, put, put_evaluation, put_run, suite, table1

ASKED = Asked(baseline="ifrnet-s", plugins="hce")
LANDED = Path(__file__).parent / "landed"
DOCUMENTED = {"rows": ROWS, "curves": CURVES, "pairs": PAIRS, "differences": DIFFERENCES, "table": TABLE}
PAGE = (Path(__file__).parents[1] / "docs/guide/data.md").read_text("utf-8")


def finished(root: Path, asked: Asked = ASKED) -> str:
    """A matched pair with curves: 30 and 30.5 dB at the first of its two triplets a level."""
    name = put(root, asked, (30.0, 30.5))
    store = Store(root)
    trail = [Given(0, "aa", "", "", "bb", ""), Given(9, "", "cc", "0.1", "bb", "0.5")]
    for run in map(store.run, store.pair(name).runs):
        put_run(run, run.record().label, run.record().fingerprint, (), run.record().label, [0.5, 0.25], trail)
    return name


def unmatch(root: Path, name: str) -> None:
    """Another learning rate in the record of the second arm."""
    run = Store(root).run(Store(root).pair(name).runs[1])
    other = fingerprint(recipe={"learning_rate": 0.5})
    write(run.config, run.record().model_copy(update={"fingerprint": other}))


def test_an_evaluation_is_found_by_how_its_name_begins_where_no_pair_is(tmp_path: Path) -> None:
    trained, store = Store(tmp_path / "trained"), Store(tmp_path / "given")
    pair = finished(trained.root)
    one, other = (put_evaluation(store, trained, pair, digit * 12) for digit in "01")
    given = harness.results.open(store.root)
    for name in (one, one[:12]):
        assert {*given.rows(name)["pair"]} == {one}
        assert given.curves(name).empty
        assert {*given.table(name).query("value == 'psnr'")["row"]} == {"ifrnet-s"}
    with pytest.raises(HarnessError, match=f"no pair in .*; harness table {one} is of an evaluation"):
        given.table()
    with pytest.raises(HarnessError, match=f"^'ifrnet-s' may be any of 2 evaluations: {one}, {other}; give more"):
        given.rows("ifrnet-s")
    put_evaluation(trained, trained, pair)
    assert {*harness.results.open(trained.root).rows("ifrnet-s")["pair"]} == {pair}


# --- what the columns are


@pytest.mark.parametrize("what", DOCUMENTED)
@pytest.mark.parametrize("full", [True, False], ids=["full", "empty"])
def test_columns_have_the_names_and_dtypes_that_are_documented(what: str, full: bool, tmp_path: Path) -> None:
    if full:
        finished(tmp_path)
    name = "ifrnet-paper" if what == "table" and not full else None
    table = getattr(harness.results.open(tmp_path), what)(*filter(None, [name]))
    assert table.empty is (not full and what != "table")
    columns = DOCUMENTED[what]
    assert list(table.columns)[: len(columns)] == list(columns)
    found = {column: str(dtype) for column, dtype in table.dtypes.items()}
    assert found == {column: dtype for column, (dtype, _) in columns.items()} | (
        {"psnr": "float64", "ssim": "float64"} if what == "rows" and full else {}
    )


@pytest.mark.parametrize("what", DOCUMENTED)
def test_the_page_has_every_column_with_its_dtype(what: str) -> None:
    section = PAGE.partition(f"### `{what}`")[2].partition("\n##")[0]
    told = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", section, re.MULTILINE)
    columns: Columns = DOCUMENTED[what]
    assert told == [(name, dtype, meaning) for name, (dtype, meaning) in columns.items()]


# --- the numbers


def test_rows_are_what_runs_measured(tmp_path: Path) -> None:
    name, store = finished(tmp_path), Store(tmp_path)
    for run in map(store.run, store.pair(name).runs):
        seen = [row.model_copy(update={"frames": f"{row.level} {row.triplet}"}) for row in run.read_rows()]
        write_rows(run.rows, prepare(run.rows, []), seen)
    rows = harness.results.open(tmp_path).rows()
    assert list(rows["role"].unique()) == ["plain", "plugged"]  # this store has no reference
    for role, run in zip(("plain", "plugged"), store.pair(name).runs, strict=True):
        of_run = rows[rows["role"] == role]
        measured = {(row.data.rpartition("-")[0], row.level, row.triplet): row for row in store.run(run).read_rows()}
        assert len(of_run) == len(measured)
        for line in of_run.to_dict("records"):
            row = measured[line["test"], line["level"], line["triplet"]]
            assert (line["psnr"], line["ssim"], line["clip"], line["frames"], line["run"]) == (
                row.values["psnr"],
                row.values["ssim"],
                row.clip,
                row.frames,
                run,
            )


def test_tables_and_differences_have_the_numbers_that_are_printed(tmp_path: Path) -> None:
    name = finished(tmp_path)
    results = harness.results.open(tmp_path)
    shown = results.table("table1").dropna(subset=["number"])
    assert {(row, column, value): number for _, row, column, value, number, _ in shown.itertuples(index=False)} == (
        numbers(table1(tmp_path))
    )
    table = results.table(name)
    printed = table[(table["row"] == "difference") & (table["value"] == "psnr")]["number"].to_numpy()
    found = results.differences("ifrnet-s+hce")
    np.testing.assert_array_equal(found[found["metric"] == "psnr"]["difference"], printed)
    rows = results.rows().groupby(["role", "test", "level"], sort=False)["psnr"].mean()
    for arm in ("plain", "plugged"):
        np.testing.assert_allclose(found[found["metric"] == "psnr"][arm], rows[arm], rtol=1e-15)
    assert (found["triplets"] == 2).all()


def test_landed_results_are_read_as_well(tmp_path: Path) -> None:
    results = harness.results.open(LANDED)
    assert len(results.rows()) == 3 * 32
    assert set(results.curves()["role"]) == {"plain", "plugged"}
    fast = results.differences().query("metric == 'psnr@still' and level == 'easy'").iloc[0]
    assert fast["triplets"] < 8  # a part of the frame that some triplets do not have


def test_a_part_that_no_pair_of_one_store_has_is_missing_there(tmp_path: Path) -> None:
    finished(tmp_path)
    other = Asked(baseline="ifrnet-s", plugins="hir")
    put(tmp_path, other, (30.0, 30.5), more=lambda arm, at: {"psnr@fast": 20.0} if arm else {})
    rows = harness.results.open(tmp_path).rows()
    assert rows.groupby("arm")["psnr@fast"].count().to_dict() == {"ifrnet-s": 0, "ifrnet-s+hce": 0, "ifrnet-s+hir": 10}


# --- what is refused


def test_a_refused_difference_says_why_in_each_frame_and_is_no_number(tmp_path: Path) -> None:
    name = finished(tmp_path)
    results = harness.results.open(tmp_path)
    for what in ("rows", "curves", "pairs", "differences"):
        assert (getattr(results, what)()["refusal"] == "").all()
    assert results.differences()["difference"].notna().all()
    unmatch(tmp_path, name)
    for what in ("rows", "curves", "pairs", "differences"):
        found = getattr(results, what)()
        assert not found.empty
        assert found["refusal"].str.contains("recipe.learning_rate: None -> 0.5", regex=False).all(), what
    assert results.differences()["difference"].isna().all()
    with pytest.raises(HarnessError, match="no difference between unmatched runs"):
        results.table(name)
    put(tmp_path, suite("table1").pairs()[0], (25.0, 25.1), batch=8)
    notes = results.table("table1").query("value == 'note'")["text"]
    assert notes.str.contains("minus RIFE, seed 0: refused, the arms are not matched: recipe.batch").any()
    finished(tmp_path, Asked(baseline="ifrnet-s", plugins="hir"))
    left_out = results.table().query("value == 'left out'")["text"]
    assert left_out.str.contains("recipe.learning_rate").any()


def test_a_damaged_pair_is_named_and_left_out_unless_it_is_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, other = finished(tmp_path), finished(tmp_path, Asked(baseline="ifrnet-s", plugins="hir"))
    run = Store(tmp_path).run(Store(tmp_path).pair(name).runs[1])
    data = bytearray(run.rows.read_bytes())
    data[-5] ^= 1
    run.rows.write_bytes(data)
    results = harness.results.open(tmp_path)
    with caplog.at_level(logging.WARNING, "harness"):
        assert set(results.rows()["pair"]) == {other}
    assert f"{name} is left out: {run.rows}: damaged" in caplog.text
    for what in ("rows", "curves", "pairs", "differences"):
        with pytest.raises(HarnessError, match="damaged"):
            getattr(results, what)(name)


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="there is no such folder of results"):
        harness.results.open(tmp_path / "nowhere")
    finished(tmp_path)
    with pytest.raises(HarnessError, match=r"no pair 'ifrnet-s\+hcf' in .*; did you mean 'ifrnet-s\+hce'\?"):
        harness.results.open(tmp_path).rows("ifrnet-s+hcf")
    (tmp_path / "empty").mkdir()
    assert "no pair in" in str(rows_command(tmp_path / "empty").exception)


# --- harness rows


def rows_command(root: Path, *words: str) -> Any:
    return CliRunner().invoke(cli, ["rows", "--results", str(root), *words])


def test_every_format_has_what_python_has(tmp_path: Path) -> None:
    root = tmp_path / "results"
    finished(root)
    wanted = harness.results.open(root).rows()
    csv = rows_command(root)
    assert csv.exit_code == 0, csv.exception
    text = {name: dtype for name, (dtype, _) in ROWS.items()}
    read = pd.read_csv(io.StringIO(csv.stdout), dtype=text, keep_default_na=False, na_values={"seed": [""]})
    pd.testing.assert_frame_equal(read, wanted)
    lines = json.loads(rows_command(root, "ifrnet-s+hce", "--format", "json").stdout)
    assert lines == wanted.to_dict("records")
    assert rows_command(root, "--output", str(tmp_path / "rows.csv")).exit_code == 0
    assert (tmp_path / "rows.csv").read_text() == csv.stdout


def test_a_name_in_a_spreadsheet_is_no_formula_and_what_is_missing_is_null(tmp_path: Path) -> None:
    store = Store(tmp_path)
    name = finished(tmp_path)
    record = store.pair(name)
    store.write_pair(name, record.model_copy(update={"labels": ("=1+1\x1b[31m", "plugged")}))
    assert r"'=1+1\x1b[31m" in rows_command(tmp_path).stdout
    put(
        tmp_path,
        Asked(baseline="ifrnet-s", plugins="hir"),
        (30.0, 30.5),
        more=lambda arm, at: {"epe": float("inf")} if arm else {},
    )
    found = json.loads(rows_command(tmp_path, "--format", "json").stdout)
    assert {line["epe"] for line in found} == {None}


def test_parquet_needs_a_file_and_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path)
    assert "say where it goes with --output FILE" in str(rows_command(tmp_path, "--format", "parquet").exception)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    failed = rows_command(tmp_path, "--format", "parquet", "--output", str(tmp_path / "rows.parquet"))
    assert str(failed.exception) == "--format parquet needs pyarrow: pip install 'vfi-harness[parquet]'"
    assert not (tmp_path / "rows.parquet").exists()


def test_parquet_has_what_python_has(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    finished(tmp_path)
    done = rows_command(tmp_path, "--format", "parquet", "--output", str(tmp_path / "rows.parquet"))
    assert done.exit_code == 0, done.exception
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), harness.results.open(tmp_path).rows())


def test_importing_it_imports_no_torch_and_no_pandas() -> None:
    code = (
        "import harness, harness.results, sys; harness.results.open('.'); print({'torch', 'pandas'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# --- harness.run


class Stopper:
    """Presses Ctrl-C once, at the second step of the first arm."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    @hookimpl
    def harness_step_done(self, run: str, step: int) -> None:
        self.steps.append(step)
        if self.steps == [1, 2]:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_in_python_is_that_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in its middle and called again, too."""
    monkeypatch.setattr("harness.report.figures.draw_figures", lambda *_: tmp_path)
    words = {"recipe": "smoke", "data": "layers:size=64,tests=2"}
    observer = Stopper()
    manager = catalog().plugins.manager
    manager.register(observer)
    try:
        with pytest.raises(KeyboardInterrupt, match="stopped at step 2 of 4; the same call goes on from there"):
            harness.run("ifrnet-s", **words, results=tmp_path / "python")
        results = harness.run("ifrnet-s", **words, results=tmp_path / "python")
    finally:
        manager.unregister(observer)
    assert observer.steps == [1, 2, 3, 4]
    given = ["run", "--baseline", "ifrnet-s", *(word for name, value in words.items() for word in (f"--{name}", value))]
    done = CliRunner().invoke(cli, [*given, "--results", str(tmp_path / "command")])
    assert done.exit_code == 0, done.output
    for pattern in ("pairs/*.json", "runs/*/run.json", "runs/*/measured.json", "runs/*/rows.csv", "runs/*/audit.csv"):
        made = [
            {path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob(pattern)}
            for root in (tmp_path / "python", tmp_path / "command")
        ]
        assert made[0]
        assert made[0] == made[1], pattern
    assert results.pairs()["state"].tolist() == ["evaluated"]
    assert set(results.table()["row"]) == {"mean of the two frames", "ifrnet-s", ""}
    (tmp_path / "python/pairs/other.json").write_text("{")
    assert len(results.rows()) == 2  # of other pairs it knows nothing


ALL = {
    "plugins": ["hce", "hir:stages=L"],
    "recipe": "smoke",
    "start": "w.pth",
    "data": "layers",
    "test": ["clips", "layers"],
    "masks": "global",
    "test_masks": "truth",
    "protocol": "official-rife",
    "metrics": ["ie"],
}


@pytest.mark.parametrize(
    "given", [{}, *({name: value} for name, value in ALL.items()), ALL], ids=lambda given: [*given]
)
def test_what_is_asked_for_in_python_is_what_the_command_asks_for(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def settle(*words: Any) -> None:
        asked.append((words[0], words[2:4], words[4].root))
        if words[0].seed == 4:
            raise HarnessError("enough")

    monkeypatch.setattr("harness.pair.called.settle", settle)
    monkeypatch.setattr("harness.pair.plan.settle", settle)
    with pytest.raises(HarnessError, match="enough"):
        harness.run("ifrnet-s", **given, seeds=[3, 4], device="cpu", workers=2, results="there")
    words = [
        "run",
        "--baseline",
        "ifrnet-s",
        "--seeds",
        "3,4",
        "--device",
        "cpu",
        "--workers",
        "2",
        "--results",
        "there",
    ]
    for name, value in given.items():
        option = "--with" if name == "plugins" else f"--{name.replace('_', '-')}"
        words += [option, value if isinstance(value, str) else ",".join(value)]
    assert str(CliRunner().invoke(cli, words).exception) == "enough"
    assert [each.seed for each, *_ in asked] == [3, 4, 3, 4]
    assert asked[:2] == asked[2:]


def test_arguments_are_called_as_the_commands_options_are() -> None:
    """But for those that start processes or nothing, and of what is printed."""
    command = cli.commands["run"]
    assert isinstance(command, click.Command)
    options = {option.name: option for option in command.params}
    given = inspect.signature(harness.run).parameters
    assert list(given) == [name for name in options if name not in ("devices", "dry_run", "quiet", "verbose")]
    assert [name for name, each in given.items() if each.kind is not inspect.Parameter.KEYWORD_ONLY] == ["baseline"]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"baseline": "ifrnet-z"}, "did you mean 'ifrnet-s'"),
        ({"baseline": 3}, "baseline=3: Input should be a valid string"),
        ({"plugins": ["hce:layers"]}, "hce"),
        ({"recipe": "quik"}, "unknown recipe 'quik'; did you mean 'quick'"),
        ({"seeds": -1}, r"seeds=-1: expected a whole number, or a list"),
        ({"seeds": "0,1"}, r"seeds='0,1': expected a whole number"),
        ({"seeds": []}, r"seeds=\[\]: expected a whole number"),
        ({"seeds": True}, r"seeds=True: expected"),
        ({"workers": 1000}, "workers=1000: expected a whole number from 0 to 256"),
        ({"device": "tpu"}, "device 'tpu' cannot be used"),
        ({"data_root": "nowhere"}, "data_root='nowhere': is no folder"),
    ],
)
def test_what_the_command_refuses_is_a_line_in_python(changed: dict[str, Any], line: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=line) as error:
        harness.run(**{"baseline": "ifrnet-s", "recipe": "smoke", "results": tmp_path / "results", **changed})
    assert "\n" not in str(error.value)
    assert not (tmp_path / "results").exists()
