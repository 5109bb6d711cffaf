"""A row made again says whether it is equal; and what a run leaves is a recipe that trains it again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.cli.main import cli
from harness.registry.options import Choice, parse_choice, written
from harness.results.envelope import write
from harness.results.records import Status
from harness.results.rows import prepare, write_rows
from harness.results.store import RunFolder, Store
from harness.train.recipe import load_recipe

LANDED = Path(__file__).parent / "landed"
TRIPLET = "test/000001"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair with label maps, tested on two sets whose triplets are called the same."""
    root = tmp_path_factory.mktemp("made")
    recipe = root / "few.yaml"
    recipe.write_text("steps: 2\nbatch: 1\naugment: {crop: 32}\naudit_every: 1\ntest_crop: 32\n")
    data = {"data": "layers:size=64,tests=2", "test": "layers:size=64,tests=2,layers-fast:size=64,motion=48,tests=2"}
    harness.run("ifrnet-s", plugins="hir", recipe=str(recipe), **data, results=root / "results")
    recipe.unlink()  # what a run was trained with is kept with it
    return root / "results"


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Store:
    return Store(shutil.copytree(made, tmp_path / "results"))


def run_of(store: Store, plugins: str = "") -> RunFolder:
    return next(run for run in store.runs() if run.name.startswith(f"ifrnet-s{plugins}."))


def replay(store: Store, *words: str) -> Any:
    return CliRunner().invoke(cli, ["replay", *words, "--results", str(store.root)])


def everything(store: Store) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


# --- replay


@pytest.mark.parametrize("plugins", ["", "+hir"])
def test_a_row_comes_out_equal_and_nothing_is_written(plugins: str, store: Store) -> None:
    before = everything(store)
    done = replay(store, run_of(store, plugins).name, f"layers-fast:test:{TRIPLET}")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "equal, bit for bit: " in done.output
    assert "this machine differs" not in done.output
    row = next(row for row in run_of(store, plugins).read_rows() if row.data.startswith("layers-fast"))
    assert "psnr@inside" in row.values
    values = {words[0]: words[1:] for words in map(str.split, done.output.splitlines()) if len(words) == 3}
    assert {name for name, (then, now) in values.items() if then == now} == row.values.keys()
    assert everything(store) == before


def change_row(run: RunFolder, **changed: Any) -> None:
    rows = [
        row.model_copy(update={**changed, "values": {**row.values, **changed.get("values", {})}})
        if row.data.startswith("layers-fast") and row.triplet == TRIPLET
        else row
        for row in run.read_rows()
    ]
    write_rows(run.rows, prepare(run.rows, changed.get("values", {})), rows)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"values": {"psnr": 1.0}}, "NOT equal: psnr: 1.0 -> "),
        ({"frames": "other"}, "NOT equal: frames: other -> "),
        ({"maps": "other"}, "NOT equal: maps: other -> "),
    ],
)
def test_a_row_that_does_not_come_out_equal_says_in_what(changed: dict[str, Any], line: str, store: Store) -> None:
    run = run_of(store, "+hir")
    change_row(run, **changed)
    record = run.record()
    machine = {**record.fingerprint.environment, "torch": "1.0"}
    fingerprint = record.fingerprint.model_copy(update={"environment": machine})
    write(run.config, record.model_copy(update={"fingerprint": fingerprint}))
    done = replay(store, run.name, f"layers-fast:test:{TRIPLET}")
    assert done.exit_code == 1
    assert line in done.output
    assert "this machine differs: torch: 1.0 -> " in done.output


def test_what_is_not_measured_any_more_is_named(store: Store) -> None:
    run = run_of(store)
    change_row(run, values={"gone": 1.0})
    done = replay(store, run.name, f"layers-fast:test:{TRIPLET}")
    assert done.exit_code == 0, done.exception
    assert "not measured now: gone" in done.output


def test_what_cannot_be_made_again_is_a_line(store: Store, tmp_path: Path) -> None:
    run = run_of(store)
    choices = f"layers:test:{TRIPLET}, layers-fast:test:{TRIPLET}"
    assert f"'{TRIPLET}' is any of 2 triplets: give one of {choices}" in str(replay(store, run.name, TRIPLET).exception)
    unknown = str(replay(store, run.name, "test/000009").exception)
    assert "was tested on no triplet 'test/000009'; did you mean 'test/0000" in unknown
    assert "no run 'nix'" in str(replay(store, "nix", TRIPLET).exception)
    name = f"layers-fast:test:{TRIPLET}"
    status = run.status()
    assert status
    run.set_status(Status(state="paused", step=1, steps=9))
    assert "is not finished" in str(replay(store, run.name, name).exception)
    run.set_status(status)
    measured = run.measured()
    assert measured
    run.set_measured(measured.model_copy(update={"weights": "0" * 12}))
    rows = [row.model_copy(update={"weights": "0" * 12}) for row in run.read_rows()]
    write_rows(run.rows, prepare(run.rows, []), rows)
    assert "and the row is of 000000000000" in str(replay(store, run.name, name).exception)
    shutil.rmtree(store.root / "pairs")
    assert "is in no pair that is evaluated" in str(replay(store, run.name, name).exception)
    landed = Store(shutil.copytree(LANDED, tmp_path / "landed"))
    assert "is of the first schema" in str(replay(landed, "ifrnet-s+hce+hir", "x").exception)


def test_label_maps_of_other_code_are_no_replay(store: Store) -> None:
    (name,) = store.pairs()
    record = store.pair(name)
    run = run_of(store, "+hir")
    store.write_pair(name, record.model_copy(update={"network_masks": ("none", "0123")}))
    rows = [row.model_copy(update={"masks": "0123"}) for row in run.read_rows()]
    write_rows(run.rows, prepare(run.rows, []), rows)
    failed = replay(store, run.name, f"layers-fast:test:{TRIPLET}")
    assert "the network was given label maps 0123, and those of today are " in str(failed.exception)


# --- config.yaml


def test_the_recipe_of_a_run_trains_it_again(store: Store) -> None:
    """So that its run is found, and nothing is trained."""
    run = run_of(store)
    recipe = load_recipe(str(run.recipe))
    assert recipe.training() == run.record().fingerprint.recipe
    assert (recipe.data, recipe.test_crop, recipe.audit_every) == ({"layers:size=64,tests=2": 1.0}, 32, 1)
    before = {path: path.stat().st_mtime_ns for path in store.root.glob("runs/*/*") if path.name != ".lock"}
    pairs = store.pairs()
    test = "layers:size=64,tests=2,layers-fast:size=64,motion=48,tests=2"
    found = harness.run("ifrnet-s", plugins="hir", recipe=str(run.recipe), test=test, results=store.root)
    assert list(found.names or ()) == pairs
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_run_of_before_gets_its_recipe(store: Store) -> None:
    run = run_of(store)
    wanted, installation = run.recipe.read_text(), json.loads((run.path / "env.json").read_bytes())
    run.claim(run.record(), installation, "another")
    assert run.recipe.read_text() == wanted
    run.recipe.unlink()
    run.claim(run.record(), installation, wanted)
    assert run.recipe.read_text() == wanted
    assert not run.landed


@given(st.dictionaries(st.sampled_from(["root", "gaps", "size"]), st.text(' ,":=-~é7', max_size=8)))
def test_choices_are_written_in_the_words_that_choose_them_again(options: dict[str, str]) -> None:
    choice = Choice("clips", {key: value.strip() for key, value in options.items()})
    assert parse_choice(written(choice.name, choice.options)) == choice
