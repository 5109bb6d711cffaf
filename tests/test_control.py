"""What a control must reproduce: the first difference is named, and equal is equal bit for bit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.outcome.control import first_row, first_step, first_tensor, judged
from harness.outcome.pairs import read_pair
from harness.results.records import Asked
from harness.results.store import Store
from tests.stores import put

COLUMNS = ("step", "weights", "batch", "learning_rate", "optimizer", "gradient_norm")


def trail(steps: int) -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, (str(at), "w", f"b{at}", "0.1", "o", f"{at / 3!r}"), strict=True)) for at in range(steps)]


@given(st.integers(1, 6), st.data())
def test_the_first_step_that_differs_is_named_with_its_column(steps: int, data: st.DataObject) -> None:
    one, other = trail(steps), trail(steps)
    assert first_step(one, other) == ""
    at, name = data.draw(st.integers(0, steps - 1)), data.draw(st.sampled_from(COLUMNS[1:]))
    before = other[at][name]
    for later in other[at:]:
        later[name] += "x"
    assert first_step(one, other) == f"step {at}: {name} {before} -> {before}x"


def test_a_trail_that_ends_early_or_lacks_a_column_differs() -> None:
    assert first_step(trail(3), trail(2)) == "step 2: the second trail ends before it"
    assert first_step([], trail(2)) == "step 0: the first trail ends before it"
    other = trail(2)
    del other[1]["batch"]
    assert first_step(trail(2), other) == "step 1: batch b1 -> missing"
    assert first_step([], []) == ""


def table(values: dict[str, list[float]], triplets: list[str] | None = None) -> pd.DataFrame:
    count = len(next(iter(values.values())))
    names = triplets or [f"a/{at}" for at in range(count)]
    return pd.DataFrame({"test": "clips", "level": "easy", "triplet": names, "clip": "a", **values})


FLOATS = st.lists(st.floats(width=64), min_size=1, max_size=5)


@given(FLOATS, st.data())
def test_the_first_value_that_differs_in_a_bit_is_named(values: list[float], data: st.DataObject) -> None:
    one, ssim = table({"psnr": values, "ssim": values}), list(values)
    assert first_row(one, table({"psnr": list(values), "ssim": ssim})) == ""
    at = data.draw(st.integers(0, len(values) - 1))
    ssim[at] = float(np.nextafter(values[at], 7.0)) if np.isfinite(values[at]) and values[at] != 7 else 8.0
    expected = f"clips easy a/{at}: ssim {values[at]!r} -> {ssim[at]!r}"
    assert first_row(one, table({"psnr": values, "ssim": ssim})) == expected


def test_nan_equals_nan_and_zero_is_not_minus_zero() -> None:
    other_nan = float(np.uint64(0x7FF8000000000123).view(np.float64))
    assert first_row(table({"psnr": [float("nan")]}), table({"psnr": [other_nan]})) == ""
    assert first_row(table({"psnr": [0.0]}), table({"psnr": [-0.0]})) == "clips easy a/0: psnr 0.0 -> -0.0"
    assert first_row(table({"psnr": [float("nan")]}), table({"psnr": [1.0]})) == "clips easy a/0: psnr nan -> 1.0"


def test_the_order_of_rows_and_columns_is_no_difference() -> None:
    one = table({"psnr": [1.0, 2.0], "ssim": [3.0, 4.0]})
    assert first_row(one, one.iloc[::-1][one.columns[::-1]]) == ""


def test_what_one_table_lacks_is_named() -> None:
    one = table({"psnr": [1.0, 2.0]})
    assert first_row(one, table({"psnr": [1.0]})) == "clips easy a/1: not in the second"
    assert first_row(table({"psnr": [1.0]}), one) == "clips easy a/1: not in the first"
    assert first_row(one, table({"psnr": [1.0, 2.0], "ie": [1.0, 2.0]})) == "clips easy a/0: ie is not in the first"
    with pytest.raises(ValueError, match="clips easy b: two rows of one triplet"):
        first_row(one, table({"psnr": [1.0, 2.0]}, ["b", "b"]))
    empty = pd.DataFrame(columns=["test", "level", "triplet", "clip"])
    assert first_row(empty, empty) == ""


HASHES = st.dictionaries(st.text("abc.", min_size=1, max_size=4), st.sampled_from("xy"), max_size=5)


@given(HASHES, HASHES)
def test_the_first_tensor_that_differs_is_named(one: dict[str, str], other: dict[str, str]) -> None:
    found = first_tensor(one, other)
    assert (found == "") == (one == other)
    if found:
        assert one.get(found) != other.get(found)
        assert all(one[name] == other[name] for name in one if name < found)
        assert all(name in one for name in other if name < found)


def test_it_imports_no_torch() -> None:
    script = "import harness.outcome.control, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_what_the_plain_arm_was_measured_by_for_another_pair_is_no_failure(tmp_path: Path) -> None:
    """It is an arm of both pairs, and its rows have the metrics of both."""
    store, asked = Store(tmp_path), Asked(baseline="net", plugins="null")
    name = put(tmp_path, asked, (25.0, 25.0), tier="CPU, bit-exact", more=lambda arm, at: {} if arm else {"ie": 1.0})
    for run in store.runs():
        measured = run.measured()
        assert measured
        run.set_measured(measured.model_copy(update={"baseline_sha256": "same"}))
    pair = read_pair(store, name)
    assert "ie" in pair.arms[0].rows
    assert judged(pair).startswith("PASS")
    asked_for = replace(pair, record=pair.record.model_copy(update={"metrics": ("psnr", "ssim", "ie")}))
    assert judged(asked_for).endswith("ie is not in the second")
