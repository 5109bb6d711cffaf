"""The audit trail: equal for matched arms, and whatever is tampered with shows at the step at which it happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.data import Benchmark, Triplet
from harness.data import loader as loader_module
from harness.data import order as order_module
from harness.data.augment import Augment
from harness.data.loader import Samples
from harness.data.order import Order
from harness.distributed import World
from harness.errors import HarnessError
from harness.model import Baseline, Composed, Features, Frames, MotionPrior, Prediction
from harness.outcome.verdict import judge
from harness.pair.run import _check_trails
from harness.report.certainty import audited
from harness.results.envelope import write
from harness.results.records import RunRecord, Status
from harness.results.store import RunFolder
from harness.results.trail import Given
from harness.train import loop
from harness.train.loop import Interrupted, Training, train
from harness.train.plan import TrainPlan
from harness.train.recipe import Recipe
from tests.stores import fingerprint, put_run

STEPS = 6


class Noise(Benchmark):
    levels = ()
    train = tuple(Triplet(f"noise/{i}", clip="noise", level="train", frames=(i, i + 1, i + 2)) for i in range(9))
    test = ()

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        return np.random.default_rng(triplet.frames[0]).integers(0, 256, (3, 20, 20, 3), np.uint8)

    def digest(self, split: str) -> str:
        return "noise"


class Mean(Baseline):
    """One convolution over both frames."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(6, 3, 3, padding=1)

    def encode(self, frames: Frames) -> Features:
        return Features(f0=frames.img0, f1=frames.img1)

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        frame = self.body(torch.cat([features.f0, features.f1], 1)).sigmoid()
        flow = frames.img0.new_zeros(len(frame), 2, *frame.shape[-2:])
        return Prediction(frame=frame, flow_t0=flow, flow_t1=flow)


def trained(folder: Path, model: Composed | None = None, stop_at: int | None = None, **changes: Any) -> RunFolder:
    """A short training, with the recipe changed."""
    settings: dict[str, Any] = {"steps": STEPS, "batch": 3, "augment": Augment(crop=16), "audit_every": 1}
    recipe = Recipe(**{**settings, **changes})
    if model is None:
        torch.manual_seed(0)
        model = Composed(Mean())
    samples = Samples({"noise": Noise()}, Order(9, 3, 0), recipe.augment, None)
    run, asked = RunFolder(folder), []

    def stop() -> bool:
        asked.append(True)
        return len(asked) == stop_at

    world = World(0, 1, torch.device("cpu"))
    training = Training(TrainPlan(recipe, 0), samples, recipe.steps or 0, stop, lambda hook, **facts: None, world)
    write(run.config, RunRecord(label="mean", fingerprint=fingerprint()))
    train(model, training, run)
    return run


def difference(one: RunFolder, other: RunFolder) -> str:
    return "; ".join(judge(one, other).refusals)


@pytest.fixture
def reference(tmp_path: Path) -> RunFolder:
    return trained(tmp_path / "reference")


def test_matched_arms_have_the_same_trail(reference: RunFolder, tmp_path: Path) -> None:
    found = judge(reference, trained(tmp_path / "other"))
    assert (found.steps, found.refusals, found.equal_gradients) == (STEPS, (), STEPS)
    assert "at 6 audited steps" in audited(found)


def test_the_trail_is_the_same_after_a_stop(reference: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        trained(tmp_path / "stopped", stop_at=2)
    assert trained(tmp_path / "stopped").audit.read_bytes() == reference.audit.read_bytes()


def test_other_networks_on_the_same_batches_are_matched(reference: RunFolder, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Composed(Mean())
    model.plugin["bias"] = _Bias()
    found = judge(reference, trained(tmp_path / "other", model))
    assert (found.refusals, found.equal_gradients < STEPS) == ((), True)


class _Bias(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, features: Features, regions: object) -> Features:
        return features.refined(features.f0 + self.value, features.f1)


def swap_order(patch: pytest.MonkeyPatch) -> None:
    """Two samples of the second epoch change places."""
    right = order_module.permutation

    def wrong(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
        drawn = right(seed, epoch, size).copy()
        if epoch == 1:
            drawn[[0, 4]] = drawn[[4, 0]]
        return drawn

    patch.setattr(order_module, "permutation", wrong)


def other_seed(patch: pytest.MonkeyPatch) -> None:
    right = order_module.permutation
    patch.setattr(order_module, "permutation", lambda seed, epoch, size: right(seed + 1, epoch, size))


def same_epoch_again(patch: pytest.MonkeyPatch) -> None:
    right = order_module.permutation
    patch.setattr(order_module, "permutation", lambda seed, epoch, size: right(seed, 0, size))


def other_draws(patch: pytest.MonkeyPatch) -> None:
    right = loader_module.sample_rng
    patch.setattr(loader_module, "sample_rng", lambda seed, epoch, index: right(seed, epoch, index + 1))


def draws_by_epoch_only(patch: pytest.MonkeyPatch) -> None:
    right = loader_module.sample_rng
    patch.setattr(loader_module, "sample_rng", lambda seed, epoch, index: right(seed, epoch, 0))


def altered(change: Callable[[NDArray[np.uint8], float], tuple[NDArray[np.uint8], float]]) -> Callable[..., None]:
    """Every sample changed after augmentation."""

    def tamper(patch: pytest.MonkeyPatch) -> None:
        right = loader_module.augmented

        def wrong(*arguments: Any) -> Any:
            frames, maps, t = right(*arguments)
            frames, t = change(frames.copy(), t)
            return frames, maps, t

        patch.setattr(loader_module, "augmented", wrong)

    return tamper


def one_value(frames: NDArray[np.uint8], t: float) -> tuple[NDArray[np.uint8], float]:
    frames[1, 3, 5, 2] ^= 1
    return frames, t


def one_bit_of_a_weight(patch: pytest.MonkeyPatch) -> None:
    right = loop._begin

    def wrong(model: Composed, *rest: Any) -> None:
        with torch.no_grad():
            next(model.baseline.parameters()).view(-1)[7:8].view(torch.int32).bitwise_xor_(1)
        right(model, *rest)

    patch.setattr(loop, "_begin", wrong)


def optimiser(**settings: Any) -> Callable[[pytest.MonkeyPatch], None]:
    def tamper(patch: pytest.MonkeyPatch) -> None:
        right = torch.optim.AdamW
        patch.setattr(torch.optim, "AdamW", lambda *given, **named: right(*given, **{**named, **settings}))

    return tamper


def rate_of_one_step(patch: pytest.MonkeyPatch) -> None:
    right = Recipe.learning_rate_at
    patch.setattr(
        Recipe, "learning_rate_at", lambda self, step, steps: right(self, step, steps) * (1 + 1e-6 * (step == 3))
    )


# what is tampered with -> (how, the first step that shows it, the column)
TAMPERING: dict[str, tuple[Callable[[pytest.MonkeyPatch], None] | dict[str, Any], int, str]] = {
    "two samples swapped": (swap_order, 4, "batch"),
    "another seed of the order": (other_seed, 1, "batch"),
    "the first epoch again": (same_epoch_again, 4, "batch"),
    "another stream of draws": (other_draws, 1, "batch"),
    "one stream for all samples": (draws_by_epoch_only, 1, "batch"),
    "one value of one frame": (altered(one_value), 1, "batch"),
    "frames mirrored": (altered(lambda f, t: (f[:, :, ::-1].copy(), t)), 1, "batch"),
    "frames turned": (altered(lambda f, t: (np.rot90(f, 1, (1, 2)).copy(), t)), 1, "batch"),
    "frames shifted by a pixel": (altered(lambda f, t: (np.roll(f, 1, 1), t)), 1, "batch"),
    "time reversed": (altered(lambda f, t: (f[::-1].copy(), t)), 1, "batch"),
    "colours swapped": (altered(lambda f, t: (f[..., ::-1].copy(), t)), 1, "batch"),
    "another time": (altered(lambda f, t: (f, t + 1e-6)), 1, "batch"),
    "one bit of a weight": (one_bit_of_a_weight, 0, "weights"),
    "weight decay": (optimiser(weight_decay=2e-4), 0, "optimizer"),
    "betas": (optimiser(betas=(0.9, 0.99)), 0, "optimizer"),
    "epsilon": (optimiser(eps=1e-7), 0, "optimizer"),
    "amsgrad": (optimiser(amsgrad=True), 0, "optimizer"),
    "the rate of one step": (rate_of_one_step, 4, "learning_rate"),
    "recipe: learning rate": ({"learning_rate": 1.001e-4}, 1, "learning_rate"),
    "recipe: final learning rate": ({"final_learning_rate": 1.1e-5}, 2, "learning_rate"),
    "recipe: flips": ({"augment": Augment(crop=16, hflip=0.9)}, 3, "batch"),
    "recipe: no reversal of time": ({"augment": Augment(crop=16, reverse=0.0)}, 1, "batch"),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_caught_at_its_step(
    name: str, reference: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how, step, column = TAMPERING[name]
    if callable(how):
        how(monkeypatch)
    other = trained(tmp_path / "other", **({} if callable(how) else how))
    where = "before the first step" if step == 0 else f"at step {step} "
    assert where in difference(reference, other)
    assert column in difference(reference, other)


def test_a_trail_that_audits_other_steps_is_no_match(reference: RunFolder, tmp_path: Path) -> None:
    assert "audited step 2" in difference(reference, trained(tmp_path / "other", audit_every=2))


def test_trails_that_would_be_no_match_are_refused_before_the_other_arm_is_trained(tmp_path: Path) -> None:
    """How often is in no fingerprint: a plain arm that was audited otherwise is found all the same."""

    def run(name: str, *steps: int) -> RunFolder:
        found = RunFolder(tmp_path / name)
        put_run(found, name, fingerprint(), trail=[Given(step, "", "", "", "", "") for step in (0, *steps)])
        return found

    plain, missing = run("plain", 10, 20, 25), RunFolder(tmp_path / "missing")
    _check_trails([plain, missing], 10, 25)
    with pytest.raises(HarnessError, match=r"plain was audited every 10 steps, .* give audit_every: 10 in the recipe"):
        _check_trails([plain, missing], 5, 25)
    with pytest.raises(HarnessError, match="begun was audited every 5 steps"):
        _check_trails([plain, run("begun", 5, 10)], 10, 25)
    _check_trails([plain, run("trained", 10, 20, 25)], 5, 25)  # both as they are, whatever a recipe says today
    _check_trails([run("short", 3), missing], 100, 3)


def test_a_torn_row_does_not_count(reference: RunFolder, tmp_path: Path) -> None:
    other = trained(tmp_path / "other")
    other.audit.write_text(other.audit.read_text()[:-30])
    other.set_status(Status(state="training", step=STEPS, steps=STEPS))
    found = judge(reference, other)
    assert (found.steps, found.refusals) == (STEPS - 1, ())


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_finished_arm_without_its_whole_trail_is_no_match(rows: int, reference: RunFolder, tmp_path: Path) -> None:
    other = trained(tmp_path / "other")
    other.audit.write_text("".join(other.audit.read_text().splitlines(keepends=True)[:rows]))
    assert f"the trail of other ends at step {max(rows - 2, 0)} of 6" in difference(reference, other)


def test_a_verdict_is_kept_until_its_files_change(reference: RunFolder, tmp_path: Path) -> None:
    other = trained(tmp_path / "other")
    kept = judge(reference, other).model_copy(update={"refusals": ("kept",)})
    assert judge(reference, other, kept) == kept
    other.audit.write_text("".join(other.audit.read_text().splitlines(keepends=True)[:-1]))
    assert judge(reference, other, kept).refusals == ("the trail of other ends at step 5 of 6",)
    write(other.config, RunRecord(label="mean", fingerprint=fingerprint(seed=1)))
    assert judge(reference, other, kept).refusals[0] == "seed: 0 -> 1"


def test_the_trail_costs_little_and_is_in_every_recipe() -> None:
    assert Recipe(steps=1, batch=1, augment=Augment()).audit_every == 100
    assert "audit_every" not in json.dumps(Recipe(steps=1, batch=1, augment=Augment()).training())
