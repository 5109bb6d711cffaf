"""Networks that take four frames: what they are given, from the benchmark to the row, and that others see no change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from harness.data import Benchmark, Triplet
from harness.data.around import Around, seen_by
from harness.data.augment import Augment, augmented, sample_rng
from harness.data.benchmark import frames_hash
from harness.data.cropped import cropped
from harness.data.frames import frames_of
from harness.data.known import masks_of
from harness.data.loader import Samples, batches
from harness.data.order import Order
from harness.data.sets.clips import Clips
from harness.data.sets.layers import Layers
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.plan import EvalPlan
from harness.evaluate.protocol import mean_of_frames, predictor
from harness.evaluate.runner import Evaluation, evaluate
from harness.evaluate.testset import TripletSet
from harness.masks.cache import MaskCache
from harness.masks.source import MaskSource
from harness.metrics.pixelwise import PSNR
from harness.model import Baseline, Composed, Features, Frames, MotionPrior, Prediction, warp
from harness.model.contracts import inputs_and_truth
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.protocol import UNIFIED, Settings
from harness.registry.specs import BaselineSpec, BenchmarkSpec
from harness.results.rows import Row, read_rows
from harness.train.engine import Engine
from harness.train.recipe import load_recipe
from harness.train.step import training_step
from tests.test_clips import manifest, scene, write_exact
from tests.test_times import stamped

CPU = torch.device("cpu")


class Numbers(Benchmark):
    """Each frame is grey, of the brightness of its position; triplet 0 of either split has nothing around it."""

    levels = ("lone", "near", "far")

    def __init__(self, around: bool = True) -> None:
        self.train = [self._triplet("train", at, around and at > 0) for at in range(4)]
        self.test = [
            self._triplet(level, at, around and level != "lone") for at, level in enumerate(("lone", "near", "far"))
        ]

    def _triplet(self, level: str, at: int, around: bool) -> Triplet:
        first = 40 + 20 * at
        places = (first - 4, first + 8) if around else None
        return Triplet(
            f"{level}-{at}",
            clip=f"{level}{at}",
            level=level,
            frames=(first, first + 1, first + 4),
            t=0.25,
            around=places,
        )

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        return self._frames(triplet.frames)

    def read_around(self, triplet: Triplet) -> NDArray[np.uint8]:
        assert triplet.around is not None
        return self._frames(triplet.around)

    def _frames(self, places: Sequence[int]) -> NDArray[np.uint8]:
        return np.stack([np.full((16, 32, 3), place, np.uint8) for place in places])

    def digest(self, split: str) -> str:
        return f"numbers-{split}"


class Four(Baseline):
    """The extrapolation from both sides, and what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Frames] = []
        self.weight = nn.Parameter(torch.ones(()))

    def encode(self, frames: Frames) -> Features:
        self.seen.append(frames)
        return Features(f0=frames.img0, f1=frames.img1)

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        assert frames.before is not None
        assert frames.after is not None
        one, other = 1.5 * frames.img0 - 0.5 * frames.before, 1.5 * frames.img1 - 0.5 * frames.after
        return Prediction(frame=self.weight * ((one + other) / 2).clamp(0, 1))

    def places(self, frames: Frames | None = None) -> list[int]:
        """The brightness of the frames of the last pass, in order of time."""
        frames = frames or self.seen[-1]
        four = (frames.before, frames.img0, frames.img1, frames.after)
        return [round(255 * x.mean().item()) for x in four if x is not None]


# --- benchmarks ---


def test_five_frames_are_in_order_of_time_and_triplets_without_them_are_left_out() -> None:
    whole = Numbers()
    around = seen_by(whole, 4, "numbers", "train")
    assert [triplet.id for triplet in around.train] == ["train-1", "train-2", "train-3"]
    assert [triplet.id for triplet in around.test] == ["near-1", "far-2"]
    assert around.levels == ("near", "far")
    five = frames_of(around, around.train[0])
    assert five[:, 0, 0, 0].tolist() == [56, 60, 61, 64, 68]
    assert np.array_equal(five[1:4], frames_of(whole, around.train[0]))
    small = cropped(around, 8)
    assert frames_of(small, small.train[0])[:, 0, 0, 0].tolist() == [56, 60, 61, 64, 68]
    assert frames_of(small, small.train[0]).shape == (5, 8, 8, 3)


def test_a_network_of_two_inputs_gets_the_benchmark_itself() -> None:
    whole = Numbers()
    assert seen_by(whole, 2, "numbers", "train") is whole


def test_how_many_are_left_out_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        seen_by(Numbers(), 4, "numbers(a=1)", "train")
    (line,) = caplog.messages
    assert line.startswith("numbers(a=1): 1 of 4 train triplets are left out: ")


def test_what_has_no_frames_around_any_is_refused() -> None:
    for split in ("train", "test"):
        with pytest.raises(HarnessError, match=rf"numbers: no {split} triplet has a frame before and one after"):
            seen_by(Numbers(around=False), 4, "numbers", split)  # type: ignore[arg-type]


def test_frames_of_another_size_are_refused() -> None:
    class Odd(Numbers):
        def read_around(self, triplet: Triplet) -> NDArray[np.uint8]:
            return super().read_around(triplet)[:, :8]

    class Three(Numbers):
        def read_around(self, triplet: Triplet) -> NDArray[np.uint8]:
            return super().read(triplet)

    for broken, words in ((Odd(), r"are of \(16, 32\) and, before and after, \(8, 32\)"), (Three(), r"\(2, H, W, 3\)")):
        around = Around(broken)
        with pytest.raises(HarnessError, match=words):
            frames_of(around, around.train[0])


def test_digests_follow_what_is_seen() -> None:
    """Of the wrapped and the whole, and of which triplets have frames around them."""

    class Other(Numbers):
        def __init__(self) -> None:
            super().__init__()
            self.train = self.train[:1] + [replace(each, around=None) for each in self.train[1:2]] + self.train[2:]

    digests = [each.digest("train") for each in (Numbers(), Around(Numbers()), Around(Other()))]
    assert len(set(digests)) == 3
    assert Around(Numbers()).digest("train") == digests[1]
    assert Around(Numbers()).digest("test") == Around(Other()).digest("test") != digests[1]


@pytest.fixture(scope="module")
def bundled() -> Clips:
    return Clips(gaps="1+8")


def test_windows_of_clips_slide_within_a_shot(bundled: Clips) -> None:
    """All four frames are in one shot, as far apart as the triplet's inputs in frames that count; what has none is too
    near to an end."""
    found = 0
    for triplet in (*bundled.train, *bundled.test):
        clip = bundled._clips[triplet.clip]
        (shot,) = (shot for shot in clip.shots if triplet.frames[0] in shot and triplet.frames[2] in shot)
        first, last = shot.index(triplet.frames[0]), shot.index(triplet.frames[2])
        gap = last - first
        if triplet.around is None:
            assert first < gap or last + gap >= len(shot)
        else:
            assert (shot.index(triplet.around[0]), shot.index(triplet.around[1])) == (first - gap, last + gap)
            found += 1
    assert found > 1000


def test_clips_read_what_is_at_these_places(bundled: Clips) -> None:
    at = {(triplet.clip, triplet.frames[0]): triplet for triplet in bundled.test if triplet.level == "easy"}
    at |= {(triplet.clip, triplet.frames[0]): triplet for triplet in bundled.train[:600]}
    triplet = next(
        each for each in bundled.train if each.around and all((each.clip, place) in at for place in each.around)
    )
    assert triplet.around is not None
    expected = [bundled.read(at[triplet.clip, place])[0] for place in triplet.around]
    assert np.array_equal(bundled.read_around(triplet), np.stack(expected))


def test_no_window_crosses_a_cut_or_leaves_the_clip(tmp_path: Path) -> None:
    """Two shots of 10 frames: three of one before and after a gap of 2 have room for no more."""
    for name, seed in (("a", 1), ("b", 2)):
        write_exact(tmp_path / f"{name}.mkv", np.concatenate([scene(seed, 25), scene(seed + 10, 25)]))
    manifest(tmp_path, **{"a.mkv": {"split": "train"}, "b.mkv": {"split": "test", "shots": [[0, 24], [25, 49]]}})
    clips = Clips(root=str(tmp_path), gaps="1+4")
    (of_one, of_four) = (
        {each.frames[1]: each.around for each in clips.train if each.frames[1] - each.frames[0] == gap}
        for gap in (1, 4)
    )
    assert of_one[3] == (0, 6)
    assert [of_one[centre] for centre in (2, 22, 23, 26, 27)] == [None] * 5
    assert [of_one[centre] for centre in (21, 28)] == [(18, 24), (25, 31)]
    assert [centre for centre, around in of_four.items() if around] == [12, 37]
    assert {each.around is None for each in clips.test if each.level == "hard"} == {True, False}
    assert {each.around for each in clips.test if each.level == "extreme"} == {None}


def test_listed_triplets_have_windows_too(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        write_exact(tmp_path / f"{name}.mkv", scene(seed, 20))
    lines = "level,clip,frame0,frame_gt,frame1\nx,b,4,5,8\nx,b,3,4,8\nx,b,12,14,16\n"
    (tmp_path / "list.csv").write_text(lines)
    clips = Clips(root=str(tmp_path), gaps="1", list="list.csv")
    assert [each.around for each in clips.test] == [(0, 12), None, None]


def test_a_window_with_a_lost_capture_is_none(tmp_path: Path) -> None:
    """Frames by their time stamps: the triplet is even, and what is around it is not."""
    ticks = [*range(10), *range(11, 21)]
    stamped(tmp_path / "a.mp4", scene(1, 20), ticks, Fraction(1, 25))
    stamped(tmp_path / "b.mp4", scene(2, 20), range(20), Fraction(1, 25))
    manifest(tmp_path, **{"a.mp4": {"split": "train"}, "b.mp4": {"split": "test"}})
    windows = {each.frames[1]: each.around for each in Clips(root=str(tmp_path), gaps="1").train}
    assert windows[5] == (2, 8)
    assert windows[7] is None  # 4, 6, 8 and 10, which comes a frame later


def test_layers_go_on_beyond_both_inputs() -> None:
    """The background of frame -1 is found in frame 0 where its motion says, as that of frame 0 in frame 1."""
    layers = Layers(size=64, motion=20, shapes=0)
    triplet = layers.train[7]
    before, after = layers.read_around(triplet).astype(float)
    first, _, last = layers.read(triplet).astype(float)
    drawn = layers.scene(triplet)
    nothing = np.zeros((64, 64), np.uint16)
    for source, target, start, end in ((first, before, 0, -1), (last, after, 1, 2)):
        flow, visible = drawn._motion(nothing, start, end)
        image = torch.from_numpy(target).permute(2, 0, 1)[None]
        moved = warp(image, torch.from_numpy(flow)[None].double())[0].permute(1, 2, 0).numpy()
        right = np.abs(moved - source)[visible].mean()
        assert np.abs(target - source)[visible].mean() > 3 * right


@given(st.integers(0, 40), st.sampled_from([-1.0, 2.0]))
@settings(max_examples=25, deadline=None)
def test_a_texture_goes_on_mirrored_where_it_ends(index: int, time: float) -> None:
    """As if it had been drawn with a wider margin."""
    layers = Layers(size=48, motion=48, shapes=0, rotation=45, scale=0.5, seed=3)
    drawn = layers.scene(layers.test[index])
    (background,) = drawn.layers
    wide = 150
    texels = np.pad(np.asarray(background.texture), ((wide, wide), (wide, wide), (0, 0)), "symmetric")
    origin = (background.origin[0] + wide, background.origin[1] + wide)
    wider = replace(background, texture=Image.fromarray(texels), origin=origin)
    expected = np.asarray(wider.paint(background.motion.at(time), (0, 0, 48, 48)))
    assert (
        np.abs(drawn.frame(time).astype(int) - expected).max() <= 1
    )  # Pillow's own rounding, by where an image begins


def test_the_triplets_of_layers_stay_as_they_are_drawn() -> None:
    layers = Layers(size=64)
    around = seen_by(layers, 4, "layers", "train")
    assert around.train is layers.train
    five = frames_of(around, around.train[3])
    assert np.array_equal(five[1:4], layers.read(layers.train[3]))
    truth = around.truth(around.train[3])
    assert truth is not None
    assert np.array_equal(truth.flow_t0, layers.truth(layers.train[3]).flow_t0)


# --- augmentation ---


@given(st.integers(0, 1000), st.integers(0, 1), st.floats(0.05, 0.95))
def test_five_frames_are_augmented_alike_and_reversed_in_pairs(stream: int, maps: int, t: float) -> None:
    """Any three of them as if they had come alone; where time runs backwards the outer two swap as the inner two do."""
    rng = np.random.default_rng(stream)
    frames = rng.integers(0, 256, (5, 20, 24, 3), np.uint8)
    labels = rng.integers(0, 9, (2, 20, 24)).astype(np.uint16) if maps else None
    augment = Augment(crop=16)
    five, own, time = augmented(frames, labels, t, augment, sample_rng(0, 0, stream))
    inner, same, alike = augmented(frames[1:4], labels, t, augment, sample_rng(0, 0, stream))
    outer, *_ = augmented(frames[[0, 2, 4]], None, t, augment, sample_rng(0, 0, stream))
    assert time == alike
    assert np.array_equal(five[1:4], inner)
    assert np.array_equal(five[[0, 2, 4]], outer)
    assert maps == 0 or np.array_equal(own, same)  # type: ignore[arg-type]


@given(st.floats(0.05, 0.95))
def test_reversed_twice_is_as_it_was(t: float) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 3), np.uint8)
    back = Augment(crop=16, hflip=0, vflip=0, reverse=1, rotate=0)
    once, _, other = augmented(frames, None, t, back, sample_rng(0, 0, 0))
    assert np.array_equal(once, frames[::-1])
    twice, _, again = augmented(once, None, other, back, sample_rng(0, 0, 1))
    assert np.array_equal(twice, frames)
    assert again == pytest.approx(t)


# --- networks ---


def grey(*places: int) -> list[Tensor]:
    return [torch.full((1, 3, 16, 32), place / 255) for place in places]


def test_inputs_and_truth_by_their_number() -> None:
    one, two, three, four, five = grey(1, 2, 3, 4, 5)
    frames, truth = inputs_and_truth([one, two, three])
    assert (frames.before, frames.img0, truth, frames.img1, frames.after) == (None, one, two, three, None)
    frames, truth = inputs_and_truth([one, two, three, four, five])
    assert (frames.before, frames.img0, truth, frames.img1, frames.after) == (one, two, three, four, five)


def test_a_network_of_four_is_given_four_or_refuses() -> None:
    model = Composed(Four(), inputs=4)
    before, img0, img1, after = grey(50, 60, 80, 90)
    made = model.interpolate(img0, img1, before=before, after=after)
    assert round(255 * made.frame.mean().item()) == 70
    assert model.baseline.places() == [50, 60, 80, 90]  # type: ignore[operator]
    with pytest.raises(ValueError, match="before: a network of 4 inputs takes one"):
        model.interpolate(img0, img1)
    with pytest.raises(ValueError, match="after: a network of 4 inputs takes one"):
        model.interpolate(img0, img1, before=before)
    with pytest.raises(ValueError, match="img0 and after differ"):
        model.interpolate(img0, img1, before=before, after=after[..., :16])
    with pytest.raises(ValueError, match="before: a network of 2 inputs takes none"):
        Composed(Four()).interpolate(img0, img1, before=before, after=after)
    with pytest.raises(ValueError, match="takes four frames"):
        model(Frames(img0=img0, img1=img1), torch.full((1, 1, 1, 1), 0.5))


@pytest.mark.parametrize(
    "settings", [Settings(), Settings(channels="bgr"), Settings(flip_average=True), Settings(multiple=64)]
)
def test_a_protocol_does_to_all_four_what_it_does_to_two(settings: Settings) -> None:
    network = Four()
    four = dict(zip(("before", "img0", "img1", "after"), torch.rand(4, 1, 3, 20, 36), strict=True))
    predictor(Composed(network, inputs=4), settings)(Frames(**four), 0.5, None)
    seen = list(network.seen)
    for name in ("before", "after"):
        network.seen.clear()
        predictor(Composed(network, inputs=4), settings)(Frames(**{**four, "img0": four[name]}), 0.5, None)
        assert len(network.seen) == len(seen)
        for now, before in zip(network.seen, seen, strict=True):
            assert torch.equal(now.img0, getattr(before, name))


def test_a_training_step_sees_what_the_loader_gives() -> None:
    around = seen_by(Numbers(), 4, "numbers", "train")
    recipe = load_recipe("smoke")
    samples = Samples({"numbers": around}, Order(3, 3, 0), Augment(crop=16, reverse=0.5), None)
    (batch,) = batches(samples, 0, 1, workers=0)
    assert batch.frames.shape == (3, 5, 3, 16, 16)
    model = Composed(Four(), inputs=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    training_step(model, optimizer, batch.parts(3), 0.1, Engine.of(recipe, CPU), World(0, 1, CPU))
    places = [model.baseline.places(each) for each in model.baseline.seen]  # type: ignore[operator, union-attr]
    assert sorted(min(four) for four in places) == [56, 76, 96]
    for four in places:
        assert [each - min(four) for each in four] in ([0, 4, 8, 12], [12, 8, 4, 0])


class Brightness(MaskSource):
    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        return np.stack([img0, img1])[..., 0].astype(np.uint16)


def test_label_maps_are_of_the_two_in_the_middle() -> None:
    around = Around(Numbers())
    triplet = around.train[0]
    cache = MaskCache(Brightness(), "brightness")
    for benchmark in (Numbers(), around):
        maps = masks_of(cache, benchmark, triplet, frames_of(benchmark, triplet)).maps
        assert (
            maps[:, 0, 0].tolist()
            == masks_of(cache, Numbers(), triplet, Numbers().read(triplet)[[0, 2]]).maps[:, 0, 0].tolist()
        )


# --- rows ---


def rows(benchmark: Benchmark, path: Path, predict: Callable[..., Any]) -> list[Row]:
    tests = TripletSet(benchmark, "numbers-1234", list(benchmark.test))
    evaluation = Evaluation(EvalPlan(UNIFIED, {"psnr": PSNR()}, {}), tests, [], None, "none", "w", World(0, 1, CPU))
    evaluate(evaluation, predict, path, lambda: False, lambda done, total: None)
    return list(read_rows(path, ""))


def test_a_row_is_of_all_four_frames(tmp_path: Path) -> None:
    """The network has the right truth, the mean is of the two in the middle, and the hash covers all five."""
    around, network = Around(Numbers()), Four()
    of_network = rows(around, tmp_path / "network.csv", predictor(Composed(network, inputs=4), UNIFIED.settings))
    assert [network.places(each) for each in network.seen] == [[56, 60, 64, 68], [76, 80, 84, 88]]
    assert [row.frames for row in of_network] == [frames_hash(around.read(each), each.t) for each in around.test]
    of_mean = rows(around, tmp_path / "mean.csv", mean_of_frames)
    assert [row.values["psnr"] for row in of_mean] == [100.0] * 2  # brightness goes with time, and 100 is the most
    of_two = {row.triplet: row.frames for row in rows(Numbers(), tmp_path / "two.csv", mean_of_frames)}
    for row in of_network:
        assert row.frames != of_two[row.triplet]


def test_test_sets_of_two_and_of_four_have_other_names() -> None:
    chosen = catalog().choose(BenchmarkSpec, parse_choice("layers:size=64,tests=3"))
    two, four = (TripletSet.of(chosen, None, inputs=inputs) for inputs in (2, 4))
    assert two.data_id == TripletSet.of(chosen, None).data_id != four.data_id
    assert two.triplets == four.triplets
    assert four.benchmark.read(four.triplets[0]).shape == (5, 64, 64, 3)


# --- what a network says of itself ---


@pytest.mark.parametrize("inputs", [0, 1, 3, 6, "4"])
def test_a_network_takes_two_or_four(inputs: Any) -> None:
    with pytest.raises(ValueError, match="a network takes 2 frames or 4"):
        BaselineSpec("mine", "mine:Net", summary="", inputs=inputs)


def test_all_networks_here_take_two() -> None:
    assert {entry.spec.inputs for entry in catalog().entries(BaselineSpec)} == {2}
