"""What a benchmark knows of its frames: the masks `truth`, the metric `epe`, and PSNR by true motion."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from harness.data import Benchmark, Triplet, Truth
from harness.data.augment import Augment, augmented, sample_rng
from harness.data.known import masks_of, truth_of
from harness.data.loader import Samples, batches
from harness.data.order import Order
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.plan import EvalPlan, MotionMetric
from harness.evaluate.protocol import mean_of_frames, predictor
from harness.evaluate.regions import ByMasks, ByMotion
from harness.evaluate.runner import Evaluation, evaluate, motion_of, read
from harness.evaluate.testset import TripletSet
from harness.masks.cache import MaskCache
from harness.masks.source import Known, MaskSource
from harness.metrics.epe import EPE
from harness.metrics.given import Motion, Predicted
from harness.metrics.motion import BINS
from harness.metrics.pixelwise import PSNR
from harness.metrics.regional import inside
from harness.model import (
    Baseline,
    Composed,
    Features,
    Frames,
    MotionPrior,
    Prediction,
    Regions,
    warp,
)
from harness.registry.protocol import UNIFIED, Settings
from harness.results.rows import Row, read_rows
from tests.squares import MOTION, SIZE, Squares

CPU = torch.device("cpu")
KNOWN = MaskCache(Known(), "known")


def true_motion(level: str = "near") -> Motion:
    squares = Squares()
    truth = squares.truth(next(each for each in squares.test if each.level == level))
    assert truth is not None
    return motion_of(truth, CPU)


def exact(true: Motion, **changed: Tensor | None) -> Predicted:
    """Flows as they are."""
    flows = {"flow_t0": true.flow_t0, "flow_t1": true.flow_t1} | changed
    return Predicted(frame=torch.zeros(1, 3, SIZE, SIZE), **flows)


@pytest.mark.parametrize("level", MOTION)
def test_the_squares_move_as_they_say(level: str) -> None:
    squares = Squares()
    triplet = next(each for each in squares.test if each.level == level)
    frames = torch.from_numpy(squares.read(triplet)).permute(0, 3, 1, 2)[:, None].float()
    true = true_motion(level)
    for source, flow, seen in ((0, true.flow_t0, true.visible_t0), (2, true.flow_t1, true.visible_t1)):
        there = seen[:, None].expand(1, 3, SIZE, SIZE)
        torch.testing.assert_close(warp(frames[source], flow)[there], frames[1][there], atol=0.1, rtol=0)
        assert 0.7 < there.float().mean() < 1


# -- end-point error -------------------------------------------------------------------------------------------------


def test_epe_by_hand() -> None:
    """Two pixels: t->0 is off by 5 and 0, t->1 by 13 and 1; the first moves by 10, the second is still."""
    true = Motion(
        flow_t0=torch.tensor([[[[-3.0, 0.0]], [[-4.0, 0.0]]]]),
        flow_t1=torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]]),
        visible_t0=torch.tensor([[[False, True]]]),
        visible_t1=torch.tensor([[[True, True]]]),
        inside=torch.tensor([[[True, False]]]),
    )
    predicted = Predicted(
        frame=torch.zeros(1, 3, 1, 2),
        flow_t0=torch.zeros(1, 2, 1, 2),
        flow_t1=torch.tensor([[[[3.0 + 5.0, 1.0]], [[4.0 - 12.0, 0.0]]]]),
    )
    found = {part: value.item() for part, value in EPE()(predicted, true).items()}
    assert set(found) == set(EPE.parts)
    own = {part: value for part, value in found.items() if not math.isnan(value)}
    assert own == {
        "all": (5 + 0 + 13 + 1) / 4,
        "inside": (5 + 13) / 2,
        "visible": (0 + 13 + 1) / 3,
        "still": (0 + 1) / 2,
        "fast": (5 + 13) / 2,
    }


@given(st.floats(0, 2 * math.pi), st.sampled_from(["flow_t0", "flow_t1"]), st.sampled_from(list(MOTION)))
@hypothesis.settings(deadline=None)
def test_a_flow_that_is_shifted_by_one_pixel_is_off_by_one(angle: float, name: str, level: str) -> None:
    true = true_motion(level)
    step = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64).view(1, 2, 1, 1)
    both = {each: getattr(true, each).double() + step for each in ("flow_t0", "flow_t1")}
    one = {each: getattr(true, each).double() + step * (each == name) for each in both}
    right, half, whole = (EPE()(exact(true, **flows), true) for flows in ({}, one, both))
    moving = BINS[1] if level == "near" else BINS[3]
    for part in ("all", "inside", "visible", "still", moving):
        assert right[part].item() == 0
        assert whole[part].item() == pytest.approx(1, abs=1e-9)
        if part != "visible":  # of which each flow has its own
            assert half[part].item() == pytest.approx(0.5, abs=1e-9)
    attended = EPE()(exact(true, attended_t0=both["flow_t0"], attended_t1=both["flow_t1"]), true)
    assert attended["all"].item() == 0
    assert attended["attended-all"].item() == pytest.approx(1, abs=1e-9)


def test_no_flow_and_no_such_pixel_is_nan() -> None:
    true = true_motion()
    found = EPE()(exact(true), true)
    assert {part for part, value in found.items() if value.isnan()} == {
        "fast",
        "racing",
        *(part for part in EPE.parts if part.startswith("attended-")),
    }
    image = torch.zeros(1, 3, SIZE, SIZE)
    without = EPE()(mean_of_frames(Frames(img0=image, img1=image), 0.5, None), true)
    assert all(value.isnan().all() for value in without.values())


def test_what_is_wrong_outside_a_part_is_not_in_it() -> None:
    """Not even what is not finite."""
    true = true_motion("far")
    spoilt = torch.where(true.inside[:, None], true.flow_t0, torch.inf)
    found = EPE()(exact(true, flow_t0=spoilt), true)
    assert found["inside"].item() == found["racing"].item() == 0
    assert found["all"].isinf()


def test_a_batch_is_its_frames() -> None:
    near, far = true_motion("near"), true_motion("far")
    both = Motion(**{name: torch.cat([value, getattr(far, name)]) for name, value in vars(near).items()})
    predicted = exact(both, flow_t0=torch.zeros_like(both.flow_t0))
    together = EPE()(replace(predicted, frame=torch.zeros(2, 3, SIZE, SIZE)), both)
    alone = [EPE()(exact(true, flow_t0=torch.zeros_like(true.flow_t0)), true) for true in (near, far)]
    for part, value in together.items():
        assert value.tolist() == pytest.approx([each[part].item() for each in alone], nan_ok=True)
    assert together["inside"].tolist() == pytest.approx([math.hypot(2, 1) / 2, math.hypot(9, 12) / 2])


# -- what a network predicts -----------------------------------------------------------------------------------------


class Flowing(Baseline):
    """Its flow t->0 is the place of each pixel in the padded frame, and t->1 is that of the first colour."""

    size_multiple = 16

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def encode(self, frames: Frames) -> Features:
        return Features(f0=frames.img0, f1=frames.img1)

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        height, width = frames.img0.shape[-2:]
        at = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy"))[None].float()
        return Prediction(
            frame=frames.img0 + 0 * self.weight, flow_t0=at, flow_t1=frames.img0[:, :1].expand(1, 2, -1, -1)
        )


class Attending(Composed):
    """Its plug-in attended to a motion of one cell to the right and half a cell down, of cells of 8 pixels."""

    def forward(self, frames: Frames, t: Tensor, regions: Regions | None = None) -> Prediction:
        height, width = (side // 8 for side in frames.img0.shape[-2:])
        cells = torch.tensor([1, 0.5]).view(1, 2, 1, 1).expand(1, 2, height, width)
        prior = MotionPrior(flow_t0=cells, flow_t1=cells, latent=cells, attended_t0=cells, attended_t1=-cells)
        return replace(super().forward(frames, t, regions), prior=prior)


def test_flows_are_cropped_as_the_frame_is_and_are_of_the_first_pass() -> None:
    image = torch.rand(1, 3, 37, 50)
    for settings in (
        Settings(),
        Settings(placement="centre"),
        Settings(flip_average=True),
        Settings(channels="bgr"),
    ):
        made = predictor(Composed(Flowing()), settings)(Frames(img0=image, img1=image), 0.5, None)
        left, above = (7, 5) if settings.placement == "centre" else (0, 0)
        assert made.flow_t0 is not None
        assert made.flow_t1 is not None
        assert made.flow_t0.shape == made.flow_t1.shape == (1, 2, 37, 50)
        assert made.flow_t0[0, :, 0, 0].tolist() == [left, above]
        assert made.flow_t0[0, :, -1, -1].tolist() == [left + 49, above + 36]
        first = image[:, 2] if settings.channels == "bgr" else image[:, 0]
        assert torch.equal(made.flow_t1[:, 0], first)
        torch.testing.assert_close(made.frame, image)
        assert made.attended_t0 is None


def test_attended_flows_are_brought_to_full_size() -> None:
    image = torch.rand(1, 3, 37, 50)
    made = predictor(Attending(Flowing()), Settings())(Frames(img0=image, img1=image), 0.5, None)
    assert made.attended_t0 is not None
    assert made.attended_t1 is not None
    assert made.attended_t0.shape == (1, 2, 37, 50)
    torch.testing.assert_close(made.attended_t0, torch.tensor([8.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 37, 50))
    torch.testing.assert_close(made.attended_t1, -made.attended_t0)


# -- masks -----------------------------------------------------------------------------------------------------------


def test_label_maps_of_training_are_the_benchmarks_own_turned_as_the_frames_are() -> None:
    squares, order, augment = Squares(), Order(8, 2, 3), Augment(crop=48)
    samples = Samples({"squares": squares}, order, augment, KNOWN)
    changed = 0
    for step, batch in enumerate(batches(samples, 0, 6, 0)):
        assert batch.maps is not None
        for at in range(2):
            drawn = order.at(2 * step + at)
            triplet = squares.train[drawn.index]
            labels = squares.labels(triplet)
            frames, maps, _ = augmented(
                squares.read(triplet), labels, 0.5, augment, sample_rng(3, drawn.epoch, drawn.index)
            )
            assert labels is not None
            np.testing.assert_array_equal(batch.maps[at], maps)
            np.testing.assert_array_equal(batch.frames[at].permute(0, 2, 3, 1).numpy(), frames)
            changed += not np.array_equal(maps, labels[:, :48, :48])
    assert changed > 6


class Footage(Squares):
    def truth(self, triplet: Triplet) -> Truth | None:
        return None


class Halves(MaskSource):
    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        maps = np.zeros((2, *img0.shape[:2]), np.uint16)
        maps[:, :, : img0.shape[1] // 2] = 1
        return maps


def test_only_who_knows_is_asked() -> None:
    squares, footage = Squares(), Footage()
    triplet = squares.test[0]
    frames = squares.read(triplet)
    with pytest.raises(HarnessError, match="near near-0 is footage, whose truth nobody knows"):
        masks_of(KNOWN, footage, triplet, frames)
    with pytest.raises(HarnessError, match="frames alone do not tell"):
        KNOWN.maps(frames[0], frames[2])
    halves = MaskCache(Halves(), "halves of squares")
    for benchmark in (squares, footage):
        np.testing.assert_array_equal(
            masks_of(halves, benchmark, triplet, frames).maps, Halves().label_maps(frames[0], frames[2])
        )
    assert not KNOWN.folder.exists()


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        ("labels", np.zeros((2, SIZE, SIZE), np.uint16), r"labels is uint16 \(2, 64, 64\), where uint16 \(3, 64, 64\)"),
        ("labels", np.zeros((3, SIZE, SIZE), np.int32), "labels is int32"),
        ("flow_t0", np.zeros((2, SIZE, SIZE)), "flow_t0 is float64"),
        ("visible_t1", None, "visible_t1 is NoneType"),
    ],
)
def test_a_truth_of_another_shape_is_refused(field: str, wrong: Any, words: str) -> None:
    class Wrong(Squares):
        def truth(self, triplet: Triplet) -> Truth | None:
            found = super().truth(triplet)
            assert found is not None
            return replace(found, **{field: wrong})

    with pytest.raises(HarnessError, match=f"breaks its contract: of the truth of near near-0, {words}"):
        truth_of(Wrong(), Squares().test[0], (SIZE, SIZE))


# -- rows ------------------------------------------------------------------------------------------------------------


def evaluation(benchmark: Benchmark, masks: MaskCache | None = None, regions: MaskCache | None = None) -> Evaluation:
    plan = EvalPlan(UNIFIED, {"psnr": PSNR(), "epe": MotionMetric(EPE(), EPE.parts)}, {})
    tests = TripletSet(benchmark, "squares-1234", list(benchmark.test))
    groupings = [*([ByMasks(regions)] if regions else []), ByMotion()]
    return Evaluation(plan, tests, groupings, masks, "none", "none", World(0, 1, CPU))


def done(evaluation: Evaluation, path: Path, predict: Callable[..., Predicted] = mean_of_frames) -> list[Row]:
    evaluate(evaluation, predict, path, lambda: False, lambda done, total: None)
    return read_rows(path, "")


def test_tests_get_the_benchmarks_own_maps() -> None:
    squares = Squares()
    for triplet in squares.test:
        sample = read(evaluation(squares, KNOWN), triplet)
        np.testing.assert_array_equal(sample.maps, squares.labels(triplet))


def test_groups_are_those_of_the_true_motion_and_of_the_middle_frame() -> None:
    squares = Squares()
    halves = MaskCache(Halves(), "halves of squares")
    for triplet in squares.test:
        truth = squares.truth(triplet)
        assert truth is not None
        by_masks, by_motion = read(evaluation(squares, regions=KNOWN), triplet).groups
        there = torch.from_numpy(truth.labels[1] == 1)
        assert torch.equal(by_masks == 0, there)
        assert torch.equal(by_motion, there * (1 if triplet.level == "near" else 3))
        others, _ = read(evaluation(squares, regions=halves), triplet).groups
        assert torch.equal(others, inside(Halves().label_maps(squares.read(triplet)[0], squares.read(triplet)[2])))
    footage, *_ = (read(evaluation(Footage()), triplet) for triplet in squares.test[-1:])
    assert not torch.equal(footage.groups[0], by_motion)  # estimated


def test_a_row_has_the_errors_of_motion_and_nan_is_a_value(tmp_path: Path) -> None:
    squares, asked = Squares(), []
    trues = iter([motion_of(truth, CPU) for each in squares.test if (truth := squares.truth(each))])

    def predict(*given: object) -> Predicted:
        asked.append(given)
        true = next(trues)
        return exact(true, flow_t0=true.flow_t0 + 2)

    path = tmp_path / "rows.csv"
    rows = done(evaluation(squares), path, predict)
    assert [row.values["epe@all"] for row in rows] == pytest.approx([math.sqrt(8) / 2] * 4)
    assert [row.values["epe@racing"] for row in rows] == pytest.approx(
        [math.nan] * 2 + [math.sqrt(8) / 2] * 2, nan_ok=True
    )
    assert all(math.isnan(row.values["epe@attended-all"]) for row in rows)
    done(evaluation(squares), path, predict)
    assert len(asked) == 4  # nothing is measured again
    assert list(done(evaluation(Footage()), tmp_path / "footage.csv")[0].values) == ["psnr", *ByMotion.columns]


def test_rows_of_another_true_motion_are_of_other_groups(tmp_path: Path) -> None:
    class Slower(Squares):
        def truth(self, triplet: Triplet) -> Truth | None:
            found = super().truth(triplet)
            return found and replace(found, flow_t0=found.flow_t0 / 4, flow_t1=found.flow_t1 / 4)

    one, other = done(evaluation(Squares()), tmp_path / "1.csv"), done(evaluation(Slower()), tmp_path / "2.csv")
    assert all(a.groups != b.groups and a.frames == b.frames for a, b in zip(one, other, strict=True))


def test_a_benchmark_that_knows_some_triplets_alone_is_refused(tmp_path: Path) -> None:
    class Half(Squares):
        def truth(self, triplet: Triplet) -> Truth | None:
            return super().truth(triplet) if triplet.level == "near" else None

    with pytest.raises(HarnessError, match="knows the truth of some triplets and not of others: far far-0"):
        done(evaluation(Half()), tmp_path / "rows.csv")
