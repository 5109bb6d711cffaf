"""Metrics that ask for more than a frame, and those of whole sets: given what they name, the same however measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data import Benchmark, Triplet
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.plan import EvalPlan, WideMetric
from harness.evaluate.protocol import mean_of_frames
from harness.evaluate.regions import ByMasks
from harness.evaluate.runner import Evaluation, evaluate, to_image
from harness.evaluate.testset import TripletSet
from harness.masks.cache import MaskCache
from harness.metrics.given import Motion, Predicted
from harness.metrics.pixelwise import PSNR
from harness.model import Frames
from harness.outcome.pairs import Column, Means, read_pair, wholes_of
from harness.pair import testset
from harness.pair.plan import settle
from harness.registry.catalog import catalog
from harness.registry.protocol import UNIFIED
from harness.registry.specs import NEEDS, MetricSpec
from harness.report.tables import OF_SETS, pair_sheets
from harness.results import records
from harness.results.rows import KEYS, SEEN, Row, merged, read_rows, whole_row, write_rows
from harness.results.store import Store
from harness.suites.plan import check_columns
from tests.squares import Squares
from tests.stores import put, suite
from tests.test_evaluation import LeftHalf, Noise

CPU = torch.device("cpu")


class Spread:
    """Of whole sets. It tells in which order features come, which no real metric does."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, frame: Tensor, truth: Tensor) -> Tensor:
        self.asked += len(frame)
        return torch.cat([frame.mean((2, 3)), truth.mean((2, 3))], 1)

    def result(self, features: NDArray[np.float64]) -> float:
        assert features.dtype == np.float64
        return float((features.T @ np.arange(1, len(features) + 1)).sum())


def of_sets(metric: Spread) -> WideMetric:
    return WideMetric(measure=metric, needs=("frame", "set"), result=metric.result)


def evaluation(benchmark: Benchmark, masks: MaskCache | None = None, **metrics: Any) -> Evaluation:
    plan = EvalPlan(UNIFIED, {"psnr": PSNR(), **metrics}, {})
    tests = TripletSet(benchmark, "noise-1234", list(benchmark.test))
    groupings = [ByMasks(masks)] if masks else []
    return Evaluation(plan, tests, groupings, None, "none", "none", World(0, 1, CPU))


def done(
    it: Evaluation,
    path: Path,
    stop: Callable[[], bool] = lambda: False,
    predict: Callable[..., Predicted] = mean_of_frames,
) -> list[Row]:
    evaluate(it, predict, path, stop, lambda done, total: None)
    return read_rows(path, "")


# --- what is given


def test_each_word_is_what_it_stands_for(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []

    def measure(**given: Any) -> Tensor:
        told.append(given)
        return given["t"].double()

    noise = Noise()
    noise.test = [replace(triplet, t=0.25) for triplet in noise.test[:2]]
    flow = torch.rand(1, 2, 24, 32)

    def predict(frames: Frames, *rest: object) -> Predicted:
        return Predicted(frame=frames.img0 / 2, flow_t0=flow, flow_t1=flow + 1)

    wide = WideMetric(measure=measure, needs=("frame", "inputs", "flows", "t", "labels"))
    rows = done(
        evaluation(noise, MaskCache(LeftHalf(), "left halves"), wide=wide), tmp_path / "rows.csv", predict=predict
    )
    assert [row.values["wide"] for row in rows] == [0.25, 0.25]
    names = ["frame", "truth", "img0", "img1", "flow_t0", "flow_t1", "t", "labels0", "labels1"]
    for given, triplet in zip(told, noise.test, strict=True):
        assert list(given) == names
        img0, truth, img1 = (to_image(frame, CPU) for frame in noise.read(triplet))
        expected = {"frame": img0 / 2, "truth": truth, "img0": img0, "img1": img1, "flow_t0": flow, "flow_t1": flow + 1}
        assert all(torch.equal(given[name], value) for name, value in expected.items())
        left = torch.zeros(1, 24, 32, dtype=torch.int64)
        left[..., :16] = 1
        assert torch.equal(given["labels0"], left)
        assert torch.equal(given["labels1"], left)


def test_a_network_without_flows_has_none_to_give(tmp_path: Path) -> None:
    def measure(flow_t0: Tensor | None, flow_t1: Tensor | None) -> Tensor:
        assert flow_t0 is None
        assert flow_t1 is None
        return torch.full((1,), math.nan)

    rows = done(evaluation(Noise(), wide=WideMetric(measure=measure, needs=("flows",))), tmp_path / "rows.csv")
    assert all(math.isnan(row.values["wide"]) for row in rows)
    assert (
        len(done(evaluation(Noise(), wide=WideMetric(measure=measure, needs=("flows",))), tmp_path / "rows.csv")) == 6
    )


def test_true_motion_comes_with_what_else_is_asked_for(tmp_path: Path) -> None:
    def measure(motion: Motion, img0: Tensor, img1: Tensor) -> dict[str, Tensor]:
        return {"all": motion.flow_t0.abs().mean((1, 2, 3)), "light": img0.mean((1, 2, 3))}

    squares = Squares()
    wide = WideMetric(measure=measure, needs=("motion", "inputs"), parts=("all", "light"))
    rows = done(evaluation(squares, wide=wide), tmp_path / "rows.csv")
    for row, triplet in zip(rows, squares.test, strict=True):
        truth = squares.truth(triplet)
        assert truth
        assert list(row.values) == ["psnr", "wide@all", "wide@light"]
        assert row.values["wide@all"] == pytest.approx(np.abs(truth.flow_t0).mean(), rel=1e-6)
        assert row.values["wide@light"] == pytest.approx(squares.read(triplet)[0].mean() / 255, rel=1e-6)
    assert list(done(evaluation(Noise(), wide=wide), tmp_path / "footage.csv")[0].values) == ["psnr"]


def test_what_is_measured_today_has_the_same_rows_beside_them(tmp_path: Path) -> None:
    """A metric of whole sets adds a row, and no column to the others; byte by byte, but for the comma of the column."""
    spread = Spread()
    done(evaluation(Noise()), tmp_path / "plain.csv")
    done(evaluation(Noise(), spread=of_sets(spread)), tmp_path / "more.csv")
    plain, more = read_rows(tmp_path / "plain.csv", ""), read_rows(tmp_path / "more.csv", "")
    assert more[: len(plain)] == plain
    assert [row.clip for row in more[len(plain) :]] == ["*"]
    done(evaluation(Noise()), tmp_path / "more.csv")
    assert read_rows(tmp_path / "more.csv", "") == more


def test_label_maps_are_refused_where_there_are_no_masks() -> None:
    wide = WideMetric(measure=lambda **given: None, needs=("frame", "labels"))
    plan, noise = EvalPlan(UNIFIED, {"wide": wide}, {}), Noise()
    tests = (TripletSet(noise, "noise-1234", list(noise.test)),)
    with pytest.raises(HarnessError, match="metric wide needs label maps: name a mask source with --masks"):
        testset.Tests(plan, tests, None, World(0, 1, CPU))
    testset.Tests(plan, tests, MaskCache(LeftHalf(), "left halves"), World(0, 1, CPU))


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ("flows", "is neither 'frame' nor 'motion', nor a tuple"),
        (["frame"], "nor a tuple"),
        (("frame", "neighbours"), "has 'neighbours': words of frame, inputs, flows, t, labels, motion, set, each once"),
        (("frame", "frame"), "has 'frame'"),
        ((), "has nothing to look at"),
        (("set",), "has nothing to look at"),
        (("frame", "set", "motion"), "'set' and 'motion' do not go together"),
    ],
)
def test_what_cannot_be_asked_for_is_named(needs: Any, words: str) -> None:
    with pytest.raises(ValueError, match="of 'mine'") as error:
        MetricSpec("mine", "mine:Mine", summary="", needs=needs)
    assert words in str(error.value)
    assert MetricSpec("mine", "mine:Mine", summary="", needs=NEEDS[:-1]).needs == NEEDS[:-1]


# --- whole sets


def value_of(rows: list[Row]) -> float:
    """Of the one level."""
    found = merged(rows).values()
    members = [row for row in found if row.clip != "*"]
    return {row.key: row for row in found}[whole_row(members).key].values["spread"]


def reversed_(it: Evaluation) -> Evaluation:
    return replace(it, tests=replace(it.tests, triplets=it.tests.triplets[::-1]))


def test_the_value_is_of_all_features_in_one_order(tmp_path: Path) -> None:
    spread, noise = Spread(), Noise()
    one = value_of(done(evaluation(noise, spread=of_sets(spread)), tmp_path / "one.csv"))
    size = len(read_rows(tmp_path / "one.csv", ""))
    assert len(done(reversed_(evaluation(noise, spread=of_sets(spread))), tmp_path / "one.csv")) == size
    other = value_of(done(reversed_(evaluation(noise, spread=of_sets(spread))), tmp_path / "other.csv"))
    frames = [[to_image(frame, CPU) for frame in noise.read(triplet)] for triplet in noise.test]
    features = torch.cat([spread((img0 + img1) / 2, truth) for img0, truth, img1 in frames])
    assert one == other == pytest.approx(spread.result(features.double().numpy()), rel=1e-6)


def test_the_value_is_the_same_after_a_stop(tmp_path: Path) -> None:
    spread, path, whole = Spread(), tmp_path / "rows.csv", tmp_path / "whole.csv"
    it = evaluation(Noise(), spread=of_sets(spread))
    done(it, whole)
    asked = iter([False, False, True])
    assert len(done(it, path, lambda: next(asked))) == 2
    spread.asked = 0
    done(it, path)
    assert spread.asked == 4
    assert path.read_bytes() == whole.read_bytes()
    done(it, path)
    assert spread.asked == 4  # nothing is measured again
    assert path.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    "damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"x" + file.read_bytes())]
)
def test_lost_features_are_made_again_where_they_are_needed(damage: Callable[[Path], object], tmp_path: Path) -> None:
    spread, path = Spread(), tmp_path / "rows.csv"
    it = evaluation(Noise(), spread=of_sets(spread))
    value = value_of(done(it, path))
    damage(next(file for file in (tmp_path / "rows.features").rglob("*") if file.is_file()))
    spread.asked = 0
    assert value_of(done(it, path)) == value
    assert spread.asked == 0  # the value is there
    write_rows(
        path,
        [*KEYS, *SEEN, "psnr"],
        [row for row in read_rows(path, "") if row.clip != "*"],
    )
    assert value_of(done(it, path)) == value
    assert spread.asked == 1


def test_a_value_is_of_the_rows_that_it_was_made_of(tmp_path: Path) -> None:
    """Other frames, and fewer triplets: each its own value, and none is taken for another."""
    spread, path = Spread(), tmp_path / "rows.csv"
    it = evaluation(Noise(), spread=of_sets(spread))
    few = replace(it, tests=replace(it.tests, triplets=it.tests.triplets[:2]))
    values = {count: wholes(done(each, path), each) for count, each in ((6, it), (2, few))}
    assert wholes(read_rows(path, ""), it) == values[6] != values[2]
    (value,) = values[2].values()
    assert list(value) == ["spread"]

    class Other(Noise):
        def read(self, triplet: Triplet) -> NDArray[np.uint8]:
            return 255 - super().read(triplet)

    stale = read_rows(path, "")
    changed = evaluation(Other(), spread=of_sets(spread))
    again = [row.model_copy(update={"frames": "0" * 16}) for row in stale if row.triplet == "t0"]
    assert wholes([*stale, *again], it) == {}
    write_rows(path, [*KEYS, *SEEN, "psnr", "spread"], [*stale, *again])
    found = wholes(done(changed, path), changed)
    assert found
    assert found != values[6]


def wholes(rows: list[Row], it: Evaluation) -> Means:
    """As a table reads them."""
    tests = it.tests
    levels = {"only": tuple(triplet.id for triplet in tests.triplets)}
    record = records.Tested.model_validate(
        {
            "title": "",
            "labels": ("",),
            "network_masks": ("none",),
            "tests": ({"data": tests.data_id, "levels": levels},),
            "protocol": it.row(tests.triplets[0]).protocol,
            "ssim": "ssim",
            "metrics": ("psnr",),
            "of_sets": ("spread", "other"),
            "regions": "none",
        }
    )
    return wholes_of(list(merged(rows).values()), record, {"weights": "none", "masks": "none"})


def test_features_of_several_lengths_are_refused(tmp_path: Path) -> None:
    sizes = iter(range(1, 9))
    wide = WideMetric(measure=lambda frame, truth: torch.zeros(1, next(sizes)), needs=("frame", "set"), result=len)
    with pytest.raises(HarnessError, match="metric spread: its features have not the same length"):
        done(evaluation(Noise(), spread=wide), tmp_path / "rows.csv")


def test_a_table_has_the_value_and_no_interval(tmp_path: Path) -> None:
    name = put(tmp_path, suite("table1").pairs()[0], (30.0, 31.0), levels={"vimeo90k-12345678": ("test",)})
    store = Store(tmp_path)
    record = store.pair(name).model_copy(update={"of_sets": ("fid",)})
    store.write_pair(name, record)
    one, other = map(store.run, record.runs)
    mean = [row.model_copy(update={"weights": "none"}) for row in one.read_rows()]
    store.reference.parent.mkdir()
    for path, rows, value in (
        (one.rows, one.read_rows(), 9.0),
        (other.rows, other.read_rows(), 8.5),
        (store.reference, mean, 20.0),
    ):
        whole = whole_row(rows).model_copy(update={"values": {"fid": value}})
        write_rows(path, [*KEYS, *SEEN, "psnr", "ssim", "fid"], [*rows, whole])
    pair = read_pair(store, name)
    assert pair.arms[1].means[Column("vimeo90k", "test")]["fid"] == 8.5
    assert pair.is_whole(pair.arms[0], ("psnr", "fid"))
    assert not pair.is_whole(pair.arms[0], ("psnr", "other"))
    (sheet,) = [sheet for sheet in pair_sheets([pair]) if sheet.title == "fid"]
    assert [line.cells[0].text for line in sheet.lines] == ["20.0000", "9.0000", "8.5000", "-0.50000"]
    assert sheet.legend == (OF_SETS,)


def test_a_suite_shows_none_of_them() -> None:
    """A column of a suite has an interval."""
    chosen = suite("smoke1")
    column = chosen.columns[0].model_copy(update={"metric": "ssim"})
    shows = chosen.model_copy(update={"columns": (column,)})
    plan = settle(chosen.pairs()[0], catalog(), CPU)
    check_columns(shows, plan)
    metrics = {**plan.testing.metrics, "ssim": of_sets(Spread())}
    with pytest.raises(HarnessError, match="shows 'ssim', one value of a whole set, and no interval: leave the column"):
        check_columns(shows, replace(plan, testing=replace(plan.testing, metrics=metrics)))
