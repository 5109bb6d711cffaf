"""What a table takes in besides its own pair: other seeds, controls, rows of a suite; nothing stale, nothing unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.outcome.pairs import read_pair
from harness.outcome.seeds import floor, of_all_seeds
from harness.results.comparison import Data
from harness.results.records import Asked
from harness.results.store import Store
from tests.stores import comparison, put

ASKED = Asked(baseline="ifrnet-s", plugins="hce")


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
    assert len(of_all_seeds(store, read_pair(store, one))) == 2
    run = store.run(store.pair(other).runs[1])
    flip(run.path / file)
    assert [pair.name for pair in of_all_seeds(store, read_pair(store, one))] == [one]
    assert f"{other} is left out: {run.path / file}" in caplog.text


@pytest.mark.parametrize("file", ["rows.csv", "run.json", "audit.csv"])
def test_a_damaged_control_stops_no_table_of_another_pair(
    tmp_path: Path, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    store, (pair,) = seeds(tmp_path, 1)
    _, (control,) = seeds(tmp_path, 1, "null")
    for run in map(store.run, store.pair(control).runs):
        measured = run.measured()
        assert measured
        run.set_measured(measured.model_copy(update={"baseline_sha256": "of both"}))
    assert floor(store, read_pair(store, pair))[0] == 1
    flip(store.run(store.pair(control).runs[1]).path / file)
    assert floor(store, read_pair(store, pair)) == (0, {})
    assert f"{control} is left out: " in caplog.text


def test_seeds_whose_data_lay_elsewhere_are_one_comparison(tmp_path: Path) -> None:
    store, names = seeds(tmp_path)
    for name in names:
        record = store.pair(name)
        data = Data(name="clips", options={"root": f"/{record.seed}"}, content="the same")
        compared = record.comparison.model_copy(update={"data": data})
        store.write_pair(name, record.model_copy(update={"comparison": compared}))
    assert len(of_all_seeds(store, read_pair(store, names[0]))) == 2


def test_protocols_are_told_apart_by_their_whole_name() -> None:
    one, other = (comparison(ASKED, protocol=f"official-{name}-v1-000000") for name in ("vfiformer", "vfimamba"))
    assert not one.is_called_the_same(other)
    assert one.is_called_the_same(comparison(ASKED, protocol="official-vfiformer-v2-111111"))
