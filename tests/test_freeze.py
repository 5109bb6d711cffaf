"""A frozen baseline does not move by a bit, its plug-ins do, and afterwards it trains on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.data import Benchmark, Triplet
from harness.data.augment import Augment
from harness.data.loader import Samples
from harness.data.order import Order
from harness.distributed import World
from harness.errors import HarnessError
from harness.model import Baseline, Composed, FeaturePlugin, Features, Frames, MotionPrior, Prediction
from harness.results.store import RunFolder
from harness.train import checkpoint, freeze
from harness.train.loop import Interrupted, Training, train
from harness.train.plan import TrainPlan
from harness.train.recipe import Recipe
from tests.worlds import together

STEPS = 6
FROZEN = 3


class Noise(Benchmark):
    levels = ()
    train = tuple(Triplet(f"noise/{i}", clip="noise", level="train", frames=(i, i + 1, i + 2)) for i in range(8))
    test = ()

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        return np.random.default_rng(triplet.frames[0]).integers(0, 256, (3, 20, 20, 3), np.uint8)

    def digest(self, split: str) -> str:
        return "noise"


class Mean(Baseline):
    """Convolutions over both frames, with dropout, and where asked for a batch norm, whose statistics are buffers.
    `fixed` is a parameter that the network itself never trains."""

    def __init__(self, norm: bool, dropout: float) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3) if norm else nn.Identity())
        self.body = nn.Sequential(nn.Dropout(dropout), nn.Conv2d(6, 3, 3, padding=1))
        self.fixed = nn.Parameter(torch.full((1,), 0.1), requires_grad=False)

    def encode(self, frames: Frames) -> Features:
        return Features(f0=self.encoder(frames.img0), f1=self.encoder(frames.img1))

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        frame = (self.body(torch.cat([features.f0, features.f1], 1)) + self.fixed).sigmoid()
        flow = frames.img0.new_zeros(len(frame), 2, *frame.shape[-2:])
        return Prediction(frame=frame, flow_t0=flow, flow_t1=flow)


class Mix(FeaturePlugin):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1)

    def forward(self, features: Features, regions: object) -> Features:
        return features.refined(self.mix(features.f0), self.mix(features.f1))


def network(plugged: bool = True, norm: bool = True, dropout: float = 0.2) -> Composed:
    torch.manual_seed(0)
    baseline = Mean(norm, dropout)
    return Composed(baseline, {"mix": Mix()} if plugged else {})


def training(
    world: World | None = None, stop_at: int | None = None, audit_every: int = 1, **changes: Any
) -> tuple[Training, Recipe]:
    settings: dict[str, Any] = {"steps": STEPS, "batch": 2, "augment": Augment(crop=16), "freeze": "baseline"}
    recipe = Recipe(**{**settings, "audit_every": audit_every, "learning_rate": 0.01, **changes})
    samples, asked = Samples({"noise": Noise()}, Order(8, 2, 0), recipe.augment, None), []

    def stop() -> bool:
        asked.append(True)
        return len(asked) == stop_at

    alone = World(0, 1, torch.device("cpu"))
    told = Training(TrainPlan(recipe, 0), samples, STEPS, stop, lambda hook, **facts: None, world or alone)
    return told, recipe


def trained(folder: Path, plugged: bool = True, stop_at: int | None = None, **changes: Any) -> checkpoint.Checkpoint:
    return train(network(plugged), training(stop_at=stop_at, **changes)[0], RunFolder(folder))


def moved(saved: checkpoint.Checkpoint, since: dict[str, Tensor] | None = None) -> set[str]:
    """Tensors of the network that are not bit for bit what they were."""
    start, end = since or network().state_dict(), safetensors.torch.load_file(saved.weights)
    return {name for name in end if not torch.equal(start[name], end[name])}


def state(saved: checkpoint.Checkpoint) -> tuple[bytes, Any]:
    return saved.weights.read_bytes(), torch.load(saved.path / "state.pt", weights_only=True)["optimizer"]


PLUGIN = {"plugin.mix.mix.weight", "plugin.mix.mix.bias"}
TRAINED = {
    *(f"baseline.{name}" for name in ("encoder.0.weight", "encoder.0.bias", "encoder.1.weight", "encoder.1.bias")),
    *("baseline.body.1.weight", "baseline.body.1.bias"),
}
BUFFERS = {f"baseline.encoder.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}


def test_without_a_freeze_all_moves(tmp_path: Path) -> None:
    """Or the tests below would prove nothing."""
    assert moved(trained(tmp_path, freeze=None)) >= PLUGIN | TRAINED | BUFFERS


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_for_good_no_bit_of_the_baseline_moves(precision: str, tmp_path: Path) -> None:
    saved = trained(tmp_path, weight_decay=0.1, precision=precision)
    assert moved(saved) == PLUGIN
    assert set(state(saved)[1]["state"]) == {len(list(network(False).parameters())) + at for at in range(2)}


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_plain_arm_has_as_many_steps_and_moves_nothing(precision: str, tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", plugged=False, weight_decay=0.1, precision=precision)
    trained(tmp_path / "plugged", precision=precision)
    assert moved(plain) == set()
    assert state(plain)[1]["state"] == {}
    points = RunFolder(tmp_path / "plain").points()
    assert [point.step for point in points] == list(range(1, STEPS + 1))
    assert len({point.loss for point in points}) == STEPS  # each of its own batch
    trails = [RunFolder(tmp_path / arm).trail() for arm in ("plain", "plugged")]
    assert [given.batch for given in trails[0]] == [given.batch for given in trails[1]]
    assert [given.gradient_norm for given in trails[0]][1:] == ["nan"] * STEPS
    assert all(float(given.gradient_norm) > 0 for given in trails[1][1:])


def test_after_the_freeze_the_baseline_trains_on(tmp_path: Path) -> None:
    for_good = trained(tmp_path / "good")
    with pytest.raises(Interrupted):
        trained(tmp_path / "some", stop_at=FROZEN, freeze_steps=FROZEN)
    half = checkpoint.latest(tmp_path / "some" / "checkpoints")
    assert half
    assert moved(half) == PLUGIN
    assert moved(trained(tmp_path / "some", freeze_steps=FROZEN)) == PLUGIN | TRAINED | BUFFERS
    plugin = network().plugin["mix"].state_dict()
    assert not torch.equal(safetensors.torch.load_file(for_good.weights)["plugin.mix.mix.bias"], plugin["mix.bias"])


def test_the_frozen_steps_of_a_freeze_are_those_of_one_for_good(tmp_path: Path) -> None:
    for name, steps in (("good", None), ("some", FROZEN)):
        with pytest.raises(Interrupted):
            trained(tmp_path / name, stop_at=FROZEN, freeze_steps=steps)
    one, other = (checkpoint.latest(tmp_path / name / "checkpoints") for name in ("good", "some"))
    assert one
    assert other
    assert state(one)[0] == state(other)[0]


@pytest.mark.parametrize("stop_at", [1, FROZEN, FROZEN + 1])
@pytest.mark.parametrize("plugged", [True, False])
def test_a_stop_in_either_phase_changes_no_bit(stop_at: int, plugged: bool, tmp_path: Path) -> None:
    straight = trained(tmp_path / "straight", plugged, freeze_steps=FROZEN)
    with pytest.raises(Interrupted):
        trained(tmp_path / "stopped", plugged, stop_at, freeze_steps=FROZEN)
    resumed = trained(tmp_path / "stopped", plugged, freeze_steps=FROZEN)
    assert state(resumed)[0] == state(straight)[0]
    torch.testing.assert_close(state(resumed)[1], state(straight)[1], rtol=0, atol=0)
    assert RunFolder(tmp_path / "stopped").trail() == RunFolder(tmp_path / "straight").trail()


@pytest.mark.parametrize("plugged", [True, False])
def test_a_compiled_network_is_frozen_and_let_go(
    plugged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    plugin = PLUGIN if plugged else set()
    assert moved(trained(tmp_path / "good", plugged, compile=True)) == plugin
    some = trained(tmp_path / "some", plugged, compile=True, freeze_steps=FROZEN)
    assert moved(some) == plugin | TRAINED | BUFFERS


def test_what_the_network_itself_never_trains_stays_so() -> None:
    model, (_, recipe) = network(), training(freeze_steps=1)
    hold = freeze.holder(model.train(), recipe)
    hold(0)
    assert not model.baseline.training
    assert model.plugin["mix"].training
    hold(1)
    assert model.baseline.training
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["baseline.fixed"]


@pytest.mark.parametrize("plugged", [True, False])
def test_processes_that_share_a_frozen_arm_do_as_one_does(plugged: bool, tmp_path: Path) -> None:
    """Gradients are missing in all of them alike."""

    def work(world: World, name: str, steps: int | None) -> int:
        model = network(plugged, norm=False, dropout=0)
        told, _ = training(world, freeze_steps=steps, batch=4, accumulate=2)
        return train(model, told, RunFolder(tmp_path / name)).step

    for name, steps in (("some", FROZEN), ("good", None)):
        assert together(2, lambda world, name=name, steps=steps: work(world, f"{name} 2", steps)) == [STEPS, STEPS]
        work(World(0, 1, torch.device("cpu")), f"{name} 1", steps)
        one, two = (checkpoint.latest(tmp_path / f"{name} {count}" / "checkpoints") for count in (1, 2))
        assert one
        assert two
        ends = [safetensors.torch.load_file(saved.weights) for saved in (one, two)]
        torch.testing.assert_close(*ends, rtol=1e-4, atol=1e-6)
        same = moved(two, network(plugged, norm=False, dropout=0).state_dict()) & {"baseline.body.1.weight"}
        assert bool(same) == (name == "some")


@pytest.mark.parametrize(
    ("plugged", "changes", "refused"),
    [
        (False, {}, True),
        (False, {"freeze_steps": STEPS}, True),
        (False, {"freeze_steps": STEPS - 1}, False),
        (False, {"freeze": None}, False),
        (True, {}, False),
    ],
)
def test_nothing_left_to_train_is_refused(plugged: bool, changes: dict[str, Any], refused: bool) -> None:
    _, recipe = training(**changes)
    if not refused:
        return freeze.check(network(plugged), recipe, STEPS, "mean")
    with pytest.raises(HarnessError, match="freeze: baseline leaves nothing to train of mean in 6 steps"):
        freeze.check(network(plugged), recipe, STEPS, "mean")
    return None


def test_whether_anything_trains() -> None:
    for plugged in (True, False):
        model, (_, recipe) = network(plugged), training(freeze_steps=1)
        hold = freeze.holder(model, recipe)
        hold(0)
        assert freeze.trains(model) == plugged
        hold(1)
        assert freeze.trains(model)
