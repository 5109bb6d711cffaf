"""Test frames of which the middle alone is seen: cut as by hand, with all that is known of them, under new names."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data import Benchmark, Triplet, Truth
from harness.data.cropped import Cropped, cropped
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.testset import TripletSet
from harness.pair.plan import settle
from harness.pair.run import Shared, _try_data
from harness.registry.catalog import Chosen, catalog
from harness.registry.options import parse_choice
from harness.registry.specs import BenchmarkSpec
from harness.results.records import Asked
from harness.results.store import Store
from harness.suites.state import _cropped
from harness.suites.suite import Expected
from harness.train.recipe import load_recipe

TRIPLET = Triplet("one", clip="one", level="easy", frames=(0, 1, 2))


class Known(Benchmark):
    """Noise with a truth of noise."""

    levels = ("easy",)
    train = ()
    test = (TRIPLET,)

    def __init__(self, height: int, width: int) -> None:
        self.size = (height, width)

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        return np.random.default_rng(1).integers(0, 256, (3, *self.size, 3), np.uint8)

    def digest(self, split: str) -> str:
        return "known"

    def truth(self, triplet: Triplet) -> Truth:
        rng = np.random.default_rng(2)

        def flow() -> NDArray[np.float32]:
            return rng.normal(0, 4, (2, *self.size)).astype(np.float32)

        def seen() -> NDArray[np.bool_]:
            return rng.random(self.size) < 0.8

        return Truth(
            labels=rng.integers(0, 9, (3, *self.size)).astype(np.uint16),
            **{f"flow{pair}": flow() for pair in ("01", "10", "_t0", "_t1")},
            **{f"visible{pair}": seen() for pair in ("01", "10", "_t0", "_t1")},
        )


class Footage(Known):
    def truth(self, triplet: Triplet) -> None:  # type: ignore[override]
        return None


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_frames_and_their_truth_are_cut_as_by_hand(height: int, width: int, side: int) -> None:
    whole = Known(height, width)
    small = cropped(whole, side)
    top, left = max(height - side, 0) // 2, max(width - side, 0) // 2
    down, right = min(height, side), min(width, side)
    square = (slice(top, top + down), slice(left, left + right))
    assert np.array_equal(small.read(TRIPLET), whole.read(TRIPLET)[:, *square])
    known, cut = whole.truth(TRIPLET), small.truth(TRIPLET)
    assert cut is not None
    maps = small.labels(TRIPLET)
    assert maps is not None
    assert np.array_equal(maps, known.labels[::2, *square])
    for field in fields(Truth):
        of_all, here = getattr(known, field.name), getattr(cut, field.name)
        assert here.dtype == of_all.dtype
        if not field.name.startswith("visible"):
            assert np.array_equal(here, of_all[:, *square])
    for pair in ("01", "10", "_t0", "_t1"):
        flow, visible = getattr(cut, f"flow{pair}"), getattr(cut, f"visible{pair}")
        for y, x in np.ndindex(down, right):
            inside = 0 <= x + flow[0, y, x] <= right - 1 and 0 <= y + flow[1, y, x] <= down - 1
            assert visible[y, x] == (getattr(known, f"visible{pair}")[top + y, left + x] and inside)


def test_an_odd_rest_goes_to_the_bottom_and_to_the_right() -> None:
    assert np.array_equal(cropped(Known(7, 9), 4).read(TRIPLET), Known(7, 9).read(TRIPLET)[:, 1:5, 2:6])


def test_footage_stays_without_a_truth_and_no_crop_is_no_wrapper() -> None:
    assert cropped(Footage(8, 8), 4).truth(TRIPLET) is None
    assert cropped(Footage(8, 8), 4).labels(TRIPLET) is None
    whole = Known(8, 8)
    assert cropped(whole, None) is whole


def clips() -> Chosen:
    return catalog().choose(BenchmarkSpec, parse_choice("clips"))


def test_rows_of_another_crop_have_another_name() -> None:
    names = [TripletSet.of(clips(), 1, crop).data_id for crop in (None, 64, 96)]
    assert len(set(names)) == 3
    assert all(name.startswith("clips-") for name in names)
    tests = TripletSet.of(clips(), 1, 64)
    assert tests.benchmark.read(tests.triplets[0]).shape == (3, 64, 64, 3)
    whole = TripletSet.of(clips(), 1)
    assert whole.triplets == tests.triplets
    assert not isinstance(whole.benchmark, Cropped)


def test_the_recipe_asks_for_it_and_training_knows_nothing_of_it(tmp_path: Path) -> None:
    plans = {}
    for line in ("", "test_crop: 64"):
        file = tmp_path / f"mine{len(line)}.yaml"
        file.write_text(f"steps: 4\nbatch: 2\naugment: {{crop: 64}}\ntest_triplets: 1\n{line}\n")
        plans[line] = settle(Asked(baseline="ifrnet-s", recipe=str(file)), catalog(), torch.device("cpu"))
    plain, small = (plan.training.recipe for plan in plans.values())
    assert plain.training() == small.training()
    assert plain.compared() != small.compared()


def test_a_forecast_counts_the_pixels_that_are_left() -> None:
    whole = Expected(triplets=3, size=(448, 256))
    assert _cropped(whole, None) is whole
    assert _cropped(whole, 300) == Expected(triplets=3, size=(300, 256))


@pytest.mark.parametrize("value", ["0", "-64", "64.5", "[64, 64]", "true"])
def test_a_crop_that_is_none_is_refused(value: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"steps: 4\nbatch: 2\naugment: {{crop: 64}}\ntest_crop: {value}\n")
    with pytest.raises(HarnessError, match=r"mine\.yaml:4: test_crop: "):
        load_recipe(str(file))


def test_masks_that_are_made_of_whole_frames_alone_are_refused_in_these_words(tmp_path: Path) -> None:
    """Not with the command that makes them: what it makes is never asked for."""
    asked = Asked(baseline="ifrnet-s", plugins="hce", recipe="smoke", data="layers:size=96,tests=2", masks="global")
    asked = asked.model_copy(update={"test_masks": f"precomputed:root={tmp_path}"})
    plan = settle(asked, catalog(), torch.device("cpu"))
    shared = Shared.of(plan, Store(tmp_path), World(0, 1, plan.device))
    with pytest.raises(HarnessError, match=r"layers: there are no label maps of the middle 64x64 .*without test_crop"):
        _try_data(plan, shared)
