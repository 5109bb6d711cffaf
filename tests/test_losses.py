"""The loss of both arms (paper, Eq. 12-13)."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from harness.data.loader import Batch
from harness.distributed import World
from harness.errors import HarnessError
from harness.model import Baseline, Composed, Features, Frames, MotionPrior, Prediction
from harness.model.conformance import check_model
from harness.model.losses import charbonnier, losses
from harness.registry.entry import Entry
from harness.registry.plugins import Origin
from harness.registry.specs import BaselineSpec, MotionSeam
from harness.train.engine import Engine
from harness.train.recipe import load_recipe
from harness.train.step import training_step

FEATURE, BLEND = MotionSeam(stride=8, latent="feature", channels=5), MotionSeam(stride=8, latent="blend", channels=1)


def test_charbonnier_is_smooth_at_zero_and_l1_far_away() -> None:
    assert charbonnier(torch.zeros(4)).item() == pytest.approx(1e-3)
    assert charbonnier(torch.tensor([-3.0, 3.0])).item() == pytest.approx(3, abs=1e-6)


def prediction(prior: MotionPrior | None, frame: torch.Tensor) -> Prediction:
    zero = torch.zeros(1, 2, 16, 24)
    return Prediction(frame=frame, flow_t0=zero, flow_t1=zero, blend=torch.full((1, 1, 16, 24), 0.25), prior=prior)


def prior(latent: torch.Tensor) -> MotionPrior:
    return MotionPrior(flow_t0=torch.zeros(1, 2, 2, 3), flow_t1=torch.zeros(1, 2, 2, 3), latent=latent)


def test_without_a_prior_only_the_frame_counts() -> None:
    frames, truth = Frames(img0=torch.rand(1, 3, 16, 24), img1=torch.rand(1, 3, 16, 24)), torch.rand(1, 3, 16, 24)
    reconstruction, total = losses(prediction(None, frames.img0), frames, truth, FEATURE)
    assert torch.equal(reconstruction, total)
    assert torch.equal(total, charbonnier(frames.img0 - truth))


@pytest.mark.parametrize(
    ("seam", "latent", "weight"),
    [(FEATURE, torch.zeros(1, 5, 2, 3), 0.25), (BLEND, torch.full((1, 1, 2, 3), 1.0), torch.tensor(1.0).sigmoid())],
)
def test_the_frame_of_the_prior_is_added_with_a_tenth(
    seam: MotionSeam, latent: torch.Tensor, weight: float | torch.Tensor
) -> None:
    """Without motion that frame is a blend: by the baseline's own mask, or by the prior's where its latent is one."""
    frames, truth = Frames(img0=torch.rand(1, 3, 16, 24), img1=torch.rand(1, 3, 16, 24)), torch.rand(1, 3, 16, 24)
    reconstruction, total = losses(prediction(prior(latent), truth), frames, truth, seam)
    coarse = weight * frames.img0 + (1 - weight) * frames.img1
    assert reconstruction.item() == pytest.approx(1e-3)
    torch.testing.assert_close(total, reconstruction + 0.1 * charbonnier(coarse - truth))


def test_the_flow_of_the_prior_is_scaled_with_its_grid() -> None:
    """One cell of the stride-8 grid is eight pixels."""
    img0 = torch.rand(1, 3, 16, 40)
    truth = torch.cat([img0[..., 8:], img0[..., -1:].expand(-1, -1, -1, 8)], 3)
    flow = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 5)
    made = MotionPrior(flow_t0=flow, flow_t1=flow, latent=torch.full((1, 1, 2, 5), 50.0))
    guess = Prediction(frame=truth, flow_t0=flow, flow_t1=flow, prior=made)
    reconstruction, total = losses(guess, Frames(img0=img0, img1=img0), truth, BLEND)
    assert (total - reconstruction).item() == pytest.approx(0.1 * 1e-3, rel=1e-2)


def test_a_networks_own_loss_takes_the_place_of_the_recipes_and_a_prior_adds_to_it() -> None:
    frames, truth = Frames(img0=torch.rand(1, 3, 16, 24), img1=torch.rand(1, 3, 16, 24)), torch.rand(1, 3, 16, 24)
    own, latent = torch.tensor(7.0), torch.zeros(1, 5, 2, 3)
    reconstruction, total = losses(prediction(None, frames.img0), frames, truth, FEATURE, own)
    assert torch.equal(reconstruction, charbonnier(frames.img0 - truth))
    assert total == 7
    without, more = losses(prediction(prior(latent), truth), frames, truth, FEATURE)
    assert losses(prediction(prior(latent), truth), frames, truth, FEATURE, own)[1] == 7 + (more - without)


class Own(Baseline):
    """Its loss is the weight, which is what it learns of it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def encode(self, frames: Frames) -> Features:
        return Features(f0=frames.img0, f1=frames.img1)

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        return Prediction(frame=(frames.img0 + 0 * self.weight).clamp(0, 1), kept=self.weight)

    def loss(self, prediction: Prediction, frames: Frames, truth: Tensor) -> Tensor:
        assert torch.equal(truth, frames.img0)
        return prediction.kept  # type: ignore[no-any-return]


def test_a_training_step_minimises_it() -> None:
    model = Composed(Own())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    batch = Batch(torch.full((2, 3, 3, 16, 16), 100, dtype=torch.uint8), torch.full((2,), 0.5), None, 2)
    cpu = torch.device("cpu")
    engine = Engine.of(load_recipe("smoke"), cpu)
    reconstruction, total, norm = training_step(model, optimizer, batch.parts(2), 0.5, engine, World(0, 1, cpu))
    assert (total, norm) == (2, 1)
    assert reconstruction == pytest.approx(1e-3)
    assert model.baseline.weight == 1.5


@pytest.mark.parametrize(
    ("said", "loss", "words"),
    [
        ("own", lambda *given: None, r"says loss='own', and its loss\(\) gives None"),
        ("recipe", lambda *given: torch.tensor(1.0), r"its spec does not say so: give loss='own'"),
        ("own", lambda *given: torch.ones(2), r"gives a loss of shape \(2,\), where \(\) is needed"),
        ("own", lambda *given: torch.tensor(torch.nan), "gives a loss with values that are not finite"),
        ("own", lambda *given: 3, "gives a loss that is int, no tensor"),
    ],
)
def test_what_is_no_loss_is_refused_before_training(said: Literal["recipe", "own"], loss: Any, words: str) -> None:
    network = Own()
    network.loss = loss  # type: ignore[method-assign]
    entry = Entry(BaselineSpec("mine", "tests.test_losses:Own", summary="", loss=said), Origin("mine", "1", "mine.py"))
    with pytest.raises(HarnessError, match=words):
        check_model(Composed(network), entry, {})


def test_a_loss_is_the_recipes_or_the_networks() -> None:
    with pytest.raises(ValueError, match="is neither 'recipe' nor 'own'"):
        BaselineSpec("mine", "mine:Net", summary="", loss="both")  # type: ignore[arg-type]
