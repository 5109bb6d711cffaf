"""The guarantees that make two arms a pair. Each test fails when its guarantee is broken."""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.arm import Arm
from harness.data.augment import Augment
from harness.data.benchmark import Benchmark, Triplet
from harness.data.loader import Samples, batches
from harness.data.order import Order
from harness.distributed import World
from harness.errors import HarnessError
from harness.masks.cache import MaskCache
from harness.masks.source import MaskSource
from harness.model import Prediction
from harness.model.losses import losses
from harness.pair.initial import initial_weights
from harness.pair.start import state_hash
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice, parse_choices
from harness.results import lines
from harness.results.store import RunFolder, Store
from harness.results.trail import Point
from harness.results.upkeep import orphans
from harness.train import checkpoint
from harness.train.loop import Interrupted, Training, train
from harness.train.plan import TrainPlan
from harness.train.recipe import Recipe
from tests.stores import written
from tests.test_bad_input import (
    _toyvfi,  # noqa: F401
)

ALONE = World(0, 1, torch.device("cpu"))
STEPS = 4
CROP = 32
TOY = "toy"
"""What the loop does is the same for any network: it is looked at with one of thousands of parameters."""


class Noise(Benchmark):
    """Seven triplets of noise, each its own."""

    levels = ("easy",)
    train = tuple(Triplet(f"noise/{i}", clip="noise", level="train", frames=(i, i + 1, i + 2)) for i in range(7))
    test = ()

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        rng = np.random.default_rng(triplet.frames[0])
        return rng.integers(0, 256, (3, 80, 72, 3), dtype=np.uint8)

    def digest(self, split: str) -> str:
        return "noise"


class Halves(MaskSource):
    """Left and right half."""

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        maps = np.zeros((2, *img0.shape[:2]), np.uint16)
        maps[:, :, img0.shape[1] // 2 :] = 1
        return maps


def arm(plugins: str = "", baseline: str = "ifrnet-s") -> Arm:
    return Arm.of(catalog(), parse_choice(baseline), parse_choices(plugins))


def samples(seed: int = 0, masks: bool = False, crop: int = 64, batch: int = 2) -> Samples:
    cache = MaskCache(Halves(), "halves") if masks else None
    return Samples({"noise": Noise()}, Order(7, batch, seed), Augment(crop=crop), cache)


def seen(seed: int = 0, first: int = 0, steps: int = 7, workers: int = 0, masks: bool = False) -> list[Any]:
    return [
        (batch.frames.numpy().tobytes(), batch.t.tolist())
        for batch in batches(samples(seed, masks), first, steps, workers)
    ]


def trained(
    folder: Path,
    plugins: str = "",
    seed: int = 0,
    stop_at: int | None = None,
    workers: int = 0,
    baseline: str = TOY,
    curve_every: int = 1,
    steps: int = STEPS,
) -> checkpoint.Checkpoint:
    """Train for `steps`, or be stopped after `stop_at` of them."""
    model = arm(plugins, baseline).build(seed)
    steps_done = 0

    def stop() -> bool:
        nonlocal steps_done
        steps_done += 1
        return steps_done == stop_at

    recipe = Recipe(steps=steps, batch=2, augment=Augment(crop=CROP), checkpoint_every=100, curve_every=curve_every)
    training = Training(
        TrainPlan(recipe, seed, workers),
        samples(seed, masks="hce" in plugins, crop=CROP),
        steps,
        stop=stop,
        notify=lambda *hook, **facts: None,
        world=ALONE,
    )
    return train(model, training, RunFolder(folder))


@dataclass(frozen=True)
class Straight:
    """A training that nothing stopped: its last checkpoint and its curve."""

    saved: checkpoint.Checkpoint
    curve: list[str]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Straight]:
    """That of an arm, by its plug-ins; trained once, since nobody writes into its folder."""

    @functools.cache
    def once(plugins: str = "") -> Straight:
        folder = tmp_path_factory.mktemp("straight")
        return Straight(trained(folder, plugins), curve(folder))

    return once


def curve(folder: Path) -> list[str]:
    """The curve without its timings."""
    return [line.rsplit(",", 2)[0] for line in (folder / "curve.csv").read_text().splitlines()]


def states(saved: checkpoint.Checkpoint) -> tuple[bytes, Any]:
    """Weights and optimiser state of a checkpoint."""
    return saved.weights.read_bytes(), torch.load(saved.path / "state.pt", weights_only=True)["optimizer"]


# -- initial weights -------------------------------------------------------------------------------------------------


def test_every_arm_starts_from_the_same_baseline() -> None:
    plain = arm().build(3).baseline.state_dict()
    for plugins in ("null", "hce", "hir", "hce,hir", "hir:stages=S,inject=replace"):
        assert state_hash(arm(plugins).build(3).baseline.state_dict()) == state_hash(plain), plugins
    assert state_hash(arm().build(4).baseline.state_dict()) != state_hash(plain)


def test_a_plugin_does_not_shift_the_weights_of_another() -> None:
    alone, both = arm("hir").build(3).plugin["hir"], arm("hce,hir").build(3).plugin["hir"]
    assert state_hash(alone.state_dict()) == state_hash(both.state_dict())
    assert state_hash(alone.state_dict()) != state_hash(arm("hir").build(4).plugin["hir"].state_dict())


def test_initial_weights_are_one_file_with_its_hash(tmp_path: Path) -> None:
    path, sha = initial_weights(arm("hce,hir"), 3, Store(tmp_path))
    assert (path, sha) == initial_weights(arm("null"), 3, Store(tmp_path))
    own = {f"baseline.{name}": value for name, value in arm().build(3).baseline.state_dict().items()}
    assert state_hash(safetensors.torch.load_file(path)) == state_hash(own)


def test_initial_weights_that_a_run_is_about_to_begin_with_are_not_taken_away(tmp_path: Path) -> None:
    """Though they were drawn long ago, for a run that is gone."""
    store = Store(tmp_path)
    path, _ = initial_weights(arm(), 3, store)
    os.utime(path.with_suffix(".sha256"), (0, 0))
    assert orphans(store) == [path, path.with_suffix(".sha256")]
    initial_weights(arm(), 3, store)
    assert orphans(store) == []


def test_damaged_initial_weights_are_made_again_or_refused(tmp_path: Path) -> None:
    path, sha = initial_weights(arm(), 3, Store(tmp_path))
    whole = path.read_bytes()
    for damaged in (whole[:-4] + b"\0\0\0\1", whole[: len(whole) // 2], b""):
        path.write_bytes(damaged)
        assert initial_weights(arm(), 3, Store(tmp_path)) == (path, sha)
        assert path.read_bytes() == whole
    for damaged in (b"\xff" * 64, sha[:40].encode(), b""):
        path.with_suffix(".sha256").write_bytes(damaged)
        assert initial_weights(arm(), 3, Store(tmp_path)) == (path, sha)
        assert path.with_suffix(".sha256").read_text() == f"{sha}\n"
    path.with_suffix(".sha256").write_text("0" * 64)
    with pytest.raises(HarnessError, match="damaged, and this machine draws other weights"):
        initial_weights(arm(), 3, Store(tmp_path))


# -- data ------------------------------------------------------------------------------------------------------------


def test_the_order_is_a_shuffle_of_each_epoch() -> None:
    order = Order(7, 2, 5)
    epochs = [[order.at(6 * epoch + i) for i in range(6)] for epoch in range(3)]
    for number, epoch in enumerate(epochs):
        assert {drawn.epoch for drawn in epoch} == {number}
        indices = [drawn.index for drawn in epoch]
        assert len(set(indices)) == 6
        assert set(indices) <= set(range(7))
    assert epochs[0] != epochs[1]
    assert [drawn.index for drawn in epochs[0]] != [Order(7, 2, 6).at(i).index for i in range(6)]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_batches_are_the_same_for_any_number_of_workers(workers: int) -> None:
    assert seen(workers=workers) == seen()


def test_batches_after_a_restart_are_those_that_would_have_come() -> None:
    assert seen(first=3) == seen()[3:]


def test_masks_do_not_change_what_is_drawn() -> None:
    assert seen(masks=True) == seen()


def test_another_seed_gives_other_batches_and_epochs_differ() -> None:
    assert seen(seed=1) != seen()
    assert len({frames for frames, _ in seen()}) == 7


def test_data_depends_on_no_global_generator_and_moves_none() -> None:
    expected = seen()
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    before = (random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state())
    assert seen(masks=True) == expected
    arm("hce,hir").build(0)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tobytes() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_label_maps_arrive_with_their_frames() -> None:
    class Marked(Noise):
        def read(self, triplet: Triplet) -> NDArray[np.uint8]:
            frames = np.zeros((3, 80, 72, 3), np.uint8)
            frames[:, :, 36:] = 255
            return frames

    marked = Samples({"marked": Marked()}, Order(7, 2, 0), Augment(crop=64), MaskCache(Halves(), "marked"))
    for batch in batches(marked, 0, 7, 0):
        assert batch.maps is not None
        assert np.array_equal(batch.frames[:, [0, 2], 0].numpy() == 255, batch.maps == 1)


# -- training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", ["ifrnet-s", "rife", "amt-s", "ema", "uprnet"])
def test_the_null_plugin_reproduces_weights_and_curve_bit_for_bit(tmp_path: Path, baseline: str) -> None:
    """Two steps: the second goes on from the weights and the optimiser that the first has left."""
    plain = trained(tmp_path / "plain", baseline=baseline, steps=2)
    null = trained(tmp_path / "null", "null", baseline=baseline, steps=2)
    assert states(plain)[0] == states(null)[0]
    assert curve(tmp_path / "plain") == curve(tmp_path / "null")
    assert len(curve(tmp_path / "plain")) == 3


def test_a_real_plugin_changes_the_curve_and_its_own_weights(straight: Callable[..., Straight]) -> None:
    """Or the test before would prove nothing."""
    saved = straight("hce,hir").saved
    plain, both = ([row.split(",")[2] for row in straight(plugins).curve] for plugins in ("", "hce,hir"))
    assert plain[1] == both[1]  # an untrained arm is its baseline
    assert plain[2] != both[2]
    start, end = arm("hce,hir", TOY).build(0).state_dict(), safetensors.torch.load_file(saved.weights)
    moved = {name for name in start if not torch.equal(start[name], end[name])}
    assert {name for name in start if name.endswith("weight")} <= moved


@pytest.mark.parametrize("stop_at", [1, 3])
def test_a_stopped_training_goes_on_as_if_it_had_not_been(
    tmp_path: Path, stop_at: int, straight: Callable[..., Straight]
) -> None:
    whole = straight("hce,hir")
    with pytest.raises(Interrupted, match=f"step {stop_at} of {STEPS}"):
        trained(tmp_path / "stopped", "hce,hir", stop_at=stop_at)
    resumed = trained(tmp_path / "stopped", "hce,hir")
    assert states(resumed)[0] == states(whole.saved)[0]
    torch.testing.assert_close(states(resumed)[1], states(whole.saved)[1], rtol=0, atol=0)
    assert curve(tmp_path / "stopped") == whole.curve


def test_losses_that_the_curve_does_not_have_yet_survive_a_stop(tmp_path: Path) -> None:
    trained(tmp_path / "straight", curve_every=3)
    with pytest.raises(Interrupted):
        trained(tmp_path / "stopped", curve_every=3, stop_at=2)
    trained(tmp_path / "stopped", curve_every=3)
    assert [row.split(",")[0] for row in curve(tmp_path / "straight")] == ["step", "3", "4"]
    assert curve(tmp_path / "stopped") == curve(tmp_path / "straight")


def test_workers_do_not_change_the_weights(tmp_path: Path, straight: Callable[..., Straight]) -> None:
    """With masks, which the workers compute and cache side by side."""
    one, other = straight("hce,hir"), trained(tmp_path / "two", "hce,hir", workers=2)
    assert states(one.saved)[0] == states(other)[0]
    assert one.curve == curve(tmp_path / "two")


def test_curve_rows_after_the_checkpoint_are_cut_and_made_again(
    tmp_path: Path, straight: Callable[..., Straight]
) -> None:
    """As a kill between a row and the next checkpoint leaves them, the last one torn."""
    with pytest.raises(Interrupted):
        trained(tmp_path / "killed", stop_at=2)
    made = tmp_path / "killed" / "curve.csv"
    lines.append(made, Point._fields, written(Point(3, 0, 0.5, 0.5, 1e-05, 0.1)))
    made.write_text(made.read_text() + "4,0,0.")
    trained(tmp_path / "killed")
    assert curve(tmp_path / "killed") == straight().curve


def test_a_damaged_checkpoint_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, straight: Callable[..., Straight]
) -> None:
    for stop_at in (1, 1):
        with pytest.raises(Interrupted):
            trained(tmp_path / "damaged", stop_at=stop_at)
    newest = tmp_path / "damaged" / "checkpoints" / "step-00000002" / "model.safetensors"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert states(trained(tmp_path / "damaged"))[0] == states(straight().saved)[0]
    assert "step-00000002 is damaged" in caplog.text
    assert curve(tmp_path / "damaged") == straight().curve


def test_draws_inside_a_network_depend_on_the_step_alone(tmp_path: Path) -> None:
    """Dropout in a resumed run draws what it would have drawn."""
    recipe = Recipe(steps=STEPS, batch=2, augment=Augment(crop=CROP))
    drawn: dict[str, list[float]] = {"straight": [], "resumed": []}
    for name, stops in (("straight", [None]), ("resumed", [2, None])):
        for stop_at in stops:
            model = arm("", TOY).build(0)
            encode = model.baseline.encode

            def drawing(frames: Any, encode: Any = encode, into: list[float] = drawn[name]) -> Any:
                into.append(torch.rand(1).item())
                return encode(frames)

            model.baseline.encode = drawing  # type: ignore[method-assign]
            count = iter(range(1, 100))
            training = Training(
                TrainPlan(recipe, 0),
                samples(crop=CROP),
                STEPS,
                lambda count=count, at=stop_at: next(count) == at,
                lambda *hook, **facts: None,
                ALONE,
            )
            try:
                train(model, training, RunFolder(tmp_path / name))
            except Interrupted:
                continue
    assert drawn["straight"] == drawn["resumed"]
    assert len(set(drawn["straight"])) == STEPS


def test_a_loss_that_is_not_finite_stops_the_arm_and_keeps_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Interrupted):
        trained(tmp_path, stop_at=2)
    kept = checkpoint.latest(tmp_path / "checkpoints")
    model = arm("", TOY).build(0)
    training = Training(
        TrainPlan(Recipe(steps=STEPS, batch=2, augment=Augment(crop=CROP)), 0),
        samples(crop=CROP),
        STEPS,
        lambda: False,
        lambda *hook, **facts: None,
        ALONE,
    )
    restore = checkpoint.Checkpoint.restore

    def poisoned(self: checkpoint.Checkpoint, model: Any, optimizer: Any) -> Any:
        pending = restore(self, model, optimizer)
        next(model.parameters()).data[0] = float("nan")
        return pending

    monkeypatch.setattr(checkpoint.Checkpoint, "restore", poisoned)
    with pytest.raises(HarnessError, match="loss of step 3 is not finite"):
        train(model, training, RunFolder(tmp_path))
    monkeypatch.undo()
    assert checkpoint.latest(tmp_path / "checkpoints") == kept


def test_a_gradient_that_is_no_number_ends_the_arm_before_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is a number all the same."""

    def with_a_kink(prediction: Prediction, *more: Any) -> tuple[Tensor, Tensor]:
        reconstruction, total = losses(prediction, *more)
        return reconstruction, total + (0 * prediction.frame.sum()).sqrt()

    monkeypatch.setattr("harness.train.step.losses", with_a_kink)
    with pytest.raises(HarnessError, match="the loss of step 1 is not finite, or its gradient"):
        first_steps(tmp_path, checkpoint_every=1)
    assert checkpoint.latest(tmp_path / "checkpoints") is None


# -- engine ----------------------------------------------------------------------------------------------------------


def first_steps(folder: Path, **engine: Any) -> tuple[list[float], bytes]:
    """Their losses, and the weights then. On one small crop a step: a CPU's convolutions in float16 are slow."""
    recipe = Recipe(steps=2, batch=1, augment=Augment(crop=CROP), **engine)
    training = Training(
        TrainPlan(recipe, 0),
        samples(masks=True, crop=CROP, batch=1),
        2,
        lambda: False,
        lambda *hook, **facts: None,
        ALONE,
    )
    saved = train(arm("hce,hir").build(0), training, RunFolder(folder))
    return [float(row.split(",")[2]) for row in curve(folder)[1:]], saved.weights.read_bytes()


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[float], bytes]:
    return first_steps(tmp_path_factory.mktemp("exact"))


@pytest.mark.parametrize(
    ("engine", "tolerance"),
    [({"channels_last": True}, 1e-5), ({"precision": "bfloat16"}, 5e-3), ({"precision": "float16"}, 1e-3)],
)
def test_other_arithmetic_gives_nearly_the_same_losses(
    engine: dict[str, Any], tolerance: float, exact: tuple[list[float], bytes], tmp_path: Path
) -> None:
    losses, weights = first_steps(tmp_path, **engine)
    assert losses == pytest.approx(exact[0], rel=tolerance)
    assert weights != exact[1]


def test_a_float16_overflow_ends_the_arm_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.train.engine.Engine.loss_scale", 2.0**40)
    with pytest.raises(HarnessError, match=r"loss of step 1 is not finite.*overflowed in half precision"):
        first_steps(tmp_path, precision="float16")
    assert checkpoint.latest(tmp_path / "checkpoints") is None
