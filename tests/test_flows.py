"""Forward flows from backward ones and back: exact where all moves alike, near the truth where things cover others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from harness import MotionSeam, Offers
from harness.model import MotionPrior, backward_flows, forward_flows, take_up
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.specs import BenchmarkSpec


def moving(x: float, y: float, height: int = 6, width: int = 9) -> Tensor:
    return torch.tensor([x, y]).double().view(1, 2, 1, 1).expand(1, 2, height, width)


def at(t: float) -> Tensor:
    return torch.full((1, 1, 1, 1), t, dtype=torch.float64)


@given(st.floats(-12, 12), st.floats(-12, 12), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_what_moves_alike_everywhere_does_so_after(x: float, y: float, t: float) -> None:
    """To the border, and where things come in from outside; at any time, both ways."""
    motion = moving(x, y)
    flow_01, flow_10 = forward_flows(-t * motion, (1 - t) * motion)
    torch.testing.assert_close(flow_01, motion, atol=1e-9, rtol=0)
    torch.testing.assert_close(flow_10, -motion, atol=1e-9, rtol=0)
    flow_t0, flow_t1 = backward_flows(motion, -motion, at(t))
    torch.testing.assert_close(flow_t0, -t * motion, atol=1e-9, rtol=0)
    torch.testing.assert_close(flow_t1, (1 - t) * motion, atol=1e-9, rtol=0)


def test_a_thing_is_found_where_it_is() -> None:
    """One pixel moves by (4, 2) before a still background, and is seen at (5, 3) at t = 1/2; each flow is where it
    starts, and not where the pixel is at another time."""
    flow_t0, flow_t1 = moving(0, 0).clone(), moving(0, 0).clone()
    flow_t0[0, :, 3, 5], flow_t1[0, :, 3, 5] = torch.tensor([-2, -1]), torch.tensor([2, 1])
    flow_01, flow_10 = forward_flows(flow_t0, flow_t1)
    assert flow_01[0, :, 2, 3].tolist() == [2, 1]  # it lands on the background, which says 0: the mean
    assert flow_10[0, :, 4, 7].tolist() == [-2, -1]
    moved_01, moved_10 = (flow.abs().sum(1)[0].nonzero().tolist() for flow in (flow_01, flow_10))
    assert moved_01 == [[2, 3], [3, 5]]  # where it was lies bare, and keeps the motion of that place
    assert moved_10 == [[3, 5], [4, 7]]


def test_the_nearer_frame_counts_for_more() -> None:
    """At t = 1/4, where frame 0 says (4, 0) and frame 1 that nothing moves: three quarters of it, where both land."""
    flow_t0, flow_t1 = backward_flows(moving(4, 0), moving(0, 0), at(0.25))
    torch.testing.assert_close(flow_t0[..., 1:], -0.25 * 0.75 * moving(4, 0)[..., 1:])
    torch.testing.assert_close(flow_t1[..., 1:], 0.75 * 0.75 * moving(4, 0)[..., 1:])


def test_no_motion_stays_exactly_none() -> None:
    still = torch.zeros(2, 2, 5, 7)
    for flows in (forward_flows(still, still), backward_flows(still, still, torch.full((2, 1, 1, 1), 0.3))):
        assert not any(bool(flow.any()) for flow in flows)


@pytest.fixture(scope="module")
def scenes() -> list[dict[str, Tensor]]:
    """Drawn scenes with their true flows, shapes that cover each other before a moving background."""
    bench: Any = catalog().choose(BenchmarkSpec, parse_choice("layers:size=96,tests=6")).build()
    found = []
    for triplet in bench.test:
        truth = bench.truth(triplet)
        found.append({name: torch.from_numpy(np.asarray(getattr(truth, name)))[None] for name in FLOWS + SEEN})
    return found


FLOWS = ["flow01", "flow10", "flow_t0", "flow_t1"]
SEEN = ["visible01", "visible10", "visible_t0", "visible_t1"]


def error(flow: Tensor, true: Tensor, where: Tensor) -> float:
    return float((flow - true).norm(dim=1)[where].mean())


def test_true_flows_of_one_kind_give_those_of_the_other(scenes: list[dict[str, Tensor]]) -> None:
    """Against what the drawing itself knows, where the other frame shows the place: nearer to it than if each pixel
    kept the motion of its place, and far nearer than if nothing moved."""
    errors: dict[str, list[float]] = {"ours": [], "in place": [], "still": []}
    for true in scenes:
        motion = true["flow_t1"] - true["flow_t0"]
        flow_01, flow_10 = forward_flows(true["flow_t0"], true["flow_t1"])
        flow_t0, flow_t1 = backward_flows(true["flow01"], true["flow10"], torch.full((1, 1, 1, 1), 0.5))
        for name, ours, place in (
            ("flow01", flow_01, motion),
            ("flow10", flow_10, -motion),
            ("flow_t0", flow_t0, true["flow10"] / 2),
            ("flow_t1", flow_t1, true["flow01"] / 2),
        ):
            seen = true[name.replace("flow", "visible")]
            for kind, flow in (("ours", ours), ("in place", place), ("still", torch.zeros_like(ours))):
                errors[kind].append(error(flow, true[name], seen))
    ours, place, still = (float(np.mean(errors[kind])) for kind in ("ours", "in place", "still"))
    assert ours < 0.7 * place  # 1.5 pixels of 6.5, and not 2.4: what is covered at one of the times is averaged in
    assert ours < 0.3 * still


def test_gradients_are_those_of_small_differences() -> None:
    random = torch.Generator().manual_seed(0)
    first, second = (torch.randn(1, 2, 3, 4, generator=random, dtype=torch.float64) for _ in range(2))
    inputs = first.requires_grad_(), second.requires_grad_()
    assert torch.autograd.gradcheck(forward_flows, inputs)
    assert torch.autograd.gradcheck(lambda a, b: backward_flows(a, b, at(0.37)), inputs)


# -- a network's first stage -------------------------------------------------------------------------------------------


def offers(kind: Any) -> Offers:
    return Offers(channels=4, stride=16, motion=MotionSeam(stride=16, latent="feature", channels=3, kind=kind))


@pytest.mark.parametrize("inject", ["residual", "replace"])
def test_a_network_gets_a_prior_in_the_kind_that_it_declares(inject: Any) -> None:
    """At t = 1/4, where no factor can stand for another."""
    motion = moving(4, -2).float()
    latent = torch.rand(1, 3, 6, 9)
    prior = MotionPrior(flow_t0=-0.25 * motion, flow_t1=0.75 * motion, latent=latent, inject=inject)
    own = (0 * motion + 1, 0 * motion - 1, latent)
    added = 1 if inject == "residual" else 0
    for declared, first, second in (
        (None, -0.25 * motion, 0.75 * motion),
        (offers("backward"), -0.25 * motion, 0.75 * motion),
        (offers("forward"), motion, -motion),
    ):
        stage = take_up(prior, lambda: own, declared)
        torch.testing.assert_close(stage[0], first + added)
        torch.testing.assert_close(stage[1], second - added)
        assert torch.equal(stage[2], latent * (1 + added))


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="kind 'splat' is neither 'backward' nor 'forward'"):
        offers("splat")
