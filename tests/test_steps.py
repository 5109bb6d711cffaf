"""What a recipe asks of single steps: warm-up, clipping; and an arm that dies in silence."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from harness.data.augment import Augment
from harness.data.loader import Batch
from harness.distributed import World
from harness.errors import HarnessError
from harness.model import Composed, Features, Frames, MotionPrior, Prediction
from harness.results.store import RunFolder
from harness.train import checkpoint, silence
from harness.train.engine import Engine
from harness.train.recipe import Recipe, load_recipe
from harness.train.step import training_step
from tests.test_audit import Mean, trained

CPU = torch.device("cpu")
ALONE = World(0, 1, CPU)


def recipe(**changes: Any) -> Recipe:
    return Recipe(**{"steps": 10, "batch": 2, "augment": Augment(crop=16), **changes})


# -- the learning rate


def test_the_learning_rate_rises_in_a_line_and_falls_by_cosine_over_the_rest() -> None:
    asked = recipe(warmup=4, learning_rate=8e-4, final_learning_rate=1e-4)
    rates = [asked.learning_rate_at(step, 10) for step in range(10)]
    assert rates[:4] == pytest.approx([2e-4, 4e-4, 6e-4, 8e-4])
    assert (rates[4], rates[9]) == pytest.approx((8e-4, 1e-4))
    assert rates[4:] == [recipe(learning_rate=8e-4, final_learning_rate=1e-4).learning_rate_at(s, 6) for s in range(6)]


@given(st.integers(1, 50), st.integers(1, 200))
def test_warm_up_never_goes_above_the_learning_rate_nor_down(warmup: int, rest: int) -> None:
    asked = recipe(steps=warmup + rest, warmup=warmup)
    rates = [asked.learning_rate_at(step, warmup + rest) for step in range(warmup + rest)]
    rounding = 1e-12 * asked.learning_rate
    assert all(after > before - rounding for before, after in pairwise(rates[: warmup + 1]))
    assert all(after < before + rounding for before, after in pairwise(rates[warmup:]))
    assert max(rates) == pytest.approx(asked.learning_rate) == pytest.approx(rates[warmup])
    assert rates[0] > 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("warmup: 10", "warmup=10 leaves none of the 10 steps"),
        ("warmup: -1", "warmup: input should be greater than or equal to 0"),
        ("warmup: 2.5", "warmup: input should be a valid integer"),
        ("clip_norm: 0", "clip_norm: input should be greater than 0"),
        ("clip_norm: .inf", "clip_norm: input should be a finite number"),
        ("clip_norm: high", "clip_norm: input should be a valid number"),
        ("clipnorm: 1", "unknown key 'clipnorm'; did you mean 'clip_norm'?"),
    ],
)
def test_wrong_values_are_named_with_their_line(line: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"steps: 10\nbatch: 2\naugment: {{crop: 16}}\n{line}\n")
    with pytest.raises(HarnessError) as error:
        load_recipe(str(file))
    assert reason in str(error.value)
    assert str(error.value).startswith(f"{file}:")


def test_epochs_that_are_all_warm_up_are_refused() -> None:
    asked = Recipe(epochs=2, batch=2, augment=Augment(crop=16), warmup=6)
    assert asked.total_steps(4) == 8
    with pytest.raises(HarnessError, match="warmup=6 leaves none of the 6 steps"):
        asked.total_steps(3)


# -- clipping


def one_step(clip_norm: float | None) -> tuple[Composed, Tensor]:
    """A model after one step of plain gradient descent, at a learning rate of 1, and what the step gave."""
    torch.manual_seed(0)
    model = Composed(Mean())
    rng = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (2, 3, 3, 16, 16), dtype=torch.uint8, generator=rng)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    parts = Batch(frames, torch.full((2,), 0.5), None, 2).parts(2)
    return model, training_step(model, optimizer, parts, 1.0, Engine(CPU), ALONE, clip_norm)


def moves(model: Composed) -> list[Tensor]:
    torch.manual_seed(0)
    return [
        (before - after).detach()
        for before, after in zip(Mean().parameters(), model.baseline.parameters(), strict=True)
    ]


def test_a_step_says_the_norm_before_clipping_and_moves_by_the_clipped_gradient() -> None:
    free, given_free = one_step(None)
    norm = float(torch.stack([each.double().square().sum() for each in moves(free)]).sum().sqrt())
    assert given_free.dtype == torch.float64
    assert float(given_free[2]) == pytest.approx(norm, rel=1e-5)
    assert norm > 0.01
    clipped, given_clipped = one_step(norm / 4)
    assert torch.equal(given_clipped, given_free)
    for all_of_it, quarter in zip(moves(free), moves(clipped), strict=True):
        torch.testing.assert_close(quarter, all_of_it / 4, rtol=1e-3, atol=1e-7)
    longer, _ = one_step(norm * 4)
    assert all(torch.equal(*both) for both in zip(free.parameters(), longer.parameters(), strict=True))


def test_the_recipe_clips_and_the_trail_has_the_norm_before(tmp_path: Path) -> None:
    plain, clipped = trained(tmp_path / "plain"), trained(tmp_path / "clipped", clip_norm=1e-3)
    first_norms = [float(run.trail()[1].gradient_norm) for run in (plain, clipped)]
    assert first_norms[0] == first_norms[1] > 1e-3
    weights = [checkpoint.latest(run.checkpoints).weights.read_bytes() for run in (plain, clipped)]  # type: ignore[union-attr]
    assert weights[0] != weights[1]


def test_float16_is_clipped_after_its_scale_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    free, given_free = one_step(None)
    monkeypatch.setattr(Engine, "loss_scale", 2.0**6)
    scaled, given_scaled = one_step(float(given_free[2]) / 4)
    torch.testing.assert_close(given_scaled, given_free)
    for all_of_it, quarter in zip(moves(free), moves(scaled), strict=True):
        torch.testing.assert_close(quarter, all_of_it / 4, rtol=1e-3, atol=1e-7)


# -- gradients that are no numbers


class Broken(Mean):
    """In its third step the loss is as ever, and what comes back of it is no number."""

    passes = 0

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        self.passes += 1
        made = super().decode(frames, features, t, prior)
        if self.passes == 3:
            made.frame.register_hook(lambda gradient: gradient * torch.nan)
        return made


@pytest.mark.parametrize("curve_every", [1, 100])
def test_the_step_whose_gradient_is_no_number_is_named_and_moves_nothing(curve_every: int, tmp_path: Path) -> None:
    """Not the step after it, whose loss is none because of it."""
    model = Composed(Broken())
    with pytest.raises(HarnessError, match=r"the loss of step 3 is not finite, or its gradient: nan-3\.json"):
        trained(tmp_path, model, curve_every=curve_every)
    assert (tmp_path / "nan-3.json").exists()
    assert all(parameter.isfinite().all() for parameter in model.parameters())


# -- silent death


class Saturating(Mean):
    """From its `dies`-th forward pass on the output is above what the clamp lets through."""

    def __init__(self, dies: int, revives: int = 10**9) -> None:
        super().__init__()
        self.dies, self.revives, self.passes = dies, revives, 0

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        self.passes += 1
        made = super().decode(frames, features, t, prior)
        dead = self.dies <= self.passes < self.revives
        return Prediction(frame=(made.frame + 2 * dead).clamp(0, 1), flow_t0=made.flow_t0, flow_t1=made.flow_t1)


def saturating(folder: Path, dies: int, revives: int = 10**9, **changes: Any) -> RunFolder:
    torch.manual_seed(0)
    return trained(folder, Composed(Saturating(dies, revives)), **{"steps": 30, **changes})


@pytest.mark.parametrize("curve_every", [1, 4, 100])
def test_an_arm_that_died_in_silence_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curve_every: int
) -> None:
    monkeypatch.setattr(silence, "PATIENCE", 8)
    with pytest.raises(HarnessError) as error:
        saturating(tmp_path, dies=4, curve_every=curve_every, checkpoint_every=6)
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(f"{tmp_path.name}: no gradient since step 4, and the loss stays at 0.")
    assert "lower learning_rate" in line
    assert "clip_norm" in line
    kept = checkpoint.latest(tmp_path / "checkpoints")
    assert kept is not None
    assert kept.step == 6


def test_a_few_steps_without_a_gradient_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "PATIENCE", 8)
    run = saturating(tmp_path, dies=4, revives=11, curve_every=2)
    assert [given.step for given in run.trail() if given.gradient_norm == "0.0"] == list(range(4, 11))


def rows(*norms: float, loss: float = 0.49) -> Tensor:
    return torch.tensor([[loss, loss, norm] for norm in norms], dtype=torch.float64).reshape(-1, 3)


def test_silence_is_counted_over_the_rows_of_the_curve() -> None:
    assert silence.length(rows(0.5, 0, 0), 7) == 2
    assert silence.length(rows(0, 0), 7) == 9
    assert silence.length(rows(), 7) == 7
    assert silence.line(rows(0, 0), silence.PATIENCE - 2, 500).startswith("no gradient since step 401, ")
    assert silence.line(rows(0, 0), silence.PATIENCE - 3, 500) == ""


def test_what_is_frozen_and_what_is_right_is_not_dead() -> None:
    """No gradient was to come, or none was needed."""
    nothing_to_train = rows(*[float("nan")] * 2 * silence.PATIENCE)
    assert silence.line(nothing_to_train, silence.PATIENCE, 500) == ""
    perfect = rows(*[0.0] * 2 * silence.PATIENCE, loss=1e-3)
    assert silence.line(perfect, silence.PATIENCE, 500) == ""
    assert silence.line(rows(1e-30), silence.PATIENCE, 500) == ""


def test_where_nothing_has_a_gradient_the_norm_is_absent() -> None:
    class Frozen(Mean):
        def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
            frame = frames.img0.requires_grad_()
            return Prediction(frame=frame, flow_t0=frame[:, :2], flow_t1=frame[:, :2])

    model = Composed(Frozen())
    batch = Batch(torch.zeros(1, 3, 3, 16, 16, dtype=torch.uint8), torch.full((1,), 0.5), None, 1)
    given = training_step(model, torch.optim.AdamW(model.parameters()), [batch], 0.1, Engine(CPU), ALONE, 1.0)
    assert given[:2].isfinite().all()
    assert given[2].isnan()
