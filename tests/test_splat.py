"""Forward warping against a loop over pixels, its gradients, what it keeps, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from harness.model import deterministic, splat

MODES = ("sum", "average", "linear", "softmax")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def metric_of(mode: str, shape: tuple[int, ...]) -> Tensor | None:
    """One that the mode takes."""
    batch, _, height, width = shape
    metric = 3 * random(batch, 1, height, width, seed=2)
    return {"linear": metric.abs() + 0.1, "softmax": metric}.get(mode)


def written_out(source: Tensor, flow: Tensor, metric: Tensor | None, mode: str) -> Tensor:
    """Pixel by pixel, as the paper has it."""
    batch, _, height, width = source.shape
    total, landed = torch.zeros_like(source), torch.zeros(batch, 1, height, width, dtype=source.dtype)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                at_x, at_y = x + float(flow[b, 0, y, x]), y + float(flow[b, 1, y, x])
                weight = 1.0 if metric is None else float(metric[b, 0, y, x])
                weight = math.exp(weight) if mode == "softmax" else weight
                for row in range(height):
                    for column in range(width):
                        share = max(0.0, 1 - abs(at_x - column)) * max(0.0, 1 - abs(at_y - row)) * weight
                        total[b, :, row, column] += share * source[b, :, y, x]
                        landed[b, 0, row, column] += share
    return total if mode == "sum" else total / torch.where(landed > 0, landed, 1)


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(5, 7), (1, 4), (3, 1)])
def test_it_is_the_loop_over_pixels(mode: Any, size: Any, rows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flows of up to several frames, so that much falls outside; also the way that CUDA takes in deterministic mode."""
    monkeypatch.setattr(deterministic, "applies", lambda x: rows)
    source, flow = random(2, 3, *size), 3 * random(2, 2, *size, seed=1)
    metric = metric_of(mode, source.shape)
    torch.testing.assert_close(splat(source, flow, metric, mode=mode), written_out(source, flow, metric, mode))


def test_a_flow_points_to_where_the_pixel_lands() -> None:
    """(3, 1) sends each pixel 3 to the right and 1 down; what nothing reaches is 0."""
    image = torch.rand(1, 2, 8, 9)
    moved = splat(image, torch.tensor([3.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 8, 9))
    assert torch.equal(moved[..., 1:, 3:], image[..., :-1, :-3])
    assert moved[..., 0, :].abs().max() == moved[..., :3].abs().max() == 0


@pytest.mark.parametrize("mode", MODES)
def test_no_motion_changes_nothing(mode: Any) -> None:
    image, metric = random(2, 3, 4, 6), metric_of(mode, (2, 3, 4, 6))
    kept = splat(image, torch.zeros(2, 2, 4, 6, dtype=torch.float64), metric, mode=mode)
    torch.testing.assert_close(kept, image)


@given(st.integers(1, 6), st.integers(1, 6), st.floats(0, 40), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_sum_keeps_all_that_stays_inside(height: int, width: int, reach: float, seed: int) -> None:
    """Wherever the pixels go inside the frame, their sum is what it was; where some leave, no more than that."""
    source, end = random(1, 2, height, width, seed=seed), random(1, 2, height, width, seed=seed + 1)
    at = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy"))[None].double()
    last = torch.tensor([width - 1, height - 1]).view(1, 2, 1, 1)
    inside = (at + reach * end).clamp(torch.zeros_like(last), last) - at
    torch.testing.assert_close(splat(source, inside, mode="sum").sum((2, 3)), source.sum((2, 3)))
    everywhere = splat(torch.ones_like(source), reach * end, mode="sum").sum((2, 3))
    assert bool((everywhere <= height * width + 1e-9).all())


@given(st.floats(-3000, 3000), st.sampled_from(["average", "linear", "softmax"]))
@settings(max_examples=40, deadline=None)
def test_a_mean_is_one_of_what_lands(shift: float, mode: Any) -> None:
    """Between the least and the greatest value; to softmax an offset common to all is of no account."""
    source, flow, metric = random(2, 2, 5, 6), random(2, 2, 5, 6, seed=1), metric_of(mode, (2, 2, 5, 6))
    out = splat(source, flow, metric, mode=mode)
    reached = splat(torch.ones_like(source), flow, mode="sum") > 0
    assert out[reached].min() >= source.min() - 1e-9
    assert out[reached].max() <= source.max() + 1e-9
    assert out[~reached].abs().sum() == 0
    if mode == "softmax":
        assert metric is not None
        torch.testing.assert_close(splat(source, flow, metric + shift, mode=mode), out)


def test_of_two_that_land_softmax_shows_the_greater() -> None:
    source = torch.tensor([[[[1.0, 2.0, 0.0]]]])
    flow = torch.tensor([[[[2.0, 1.0, 9.0]], [[0.0, 0.0, 0.0]]]])
    for first, expected in ((50.0, 1.0), (-50.0, 2.0), (0.0, 1.5)):
        metric = torch.tensor([[[[first, 0.0, 0.0]]]])
        assert splat(source, flow, metric, mode="softmax")[0, 0, 0].tolist() == pytest.approx([0, 0, expected])


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_those_of_small_differences(mode: Any, rows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from whole pixels, where a bilinear share has a kink."""
    monkeypatch.setattr(deterministic, "applies", lambda x: rows)
    source, flow = random(2, 2, 3, 4), (2 * random(2, 2, 3, 4, seed=1)).round() + 0.3
    inputs = [source, flow, *([metric] if (metric := metric_of(mode, (2, 2, 3, 4))) is not None else [])]
    assert torch.autograd.gradcheck(
        lambda *given: splat(*given, mode=mode), [x.requires_grad_() for x in inputs], nondet_tol=0
    )


def test_half_precision_is_summed_in_single() -> None:
    """Of 3000 ones that land in one pixel bfloat16 would count 256."""
    source = torch.ones(1, 1, 30, 100, dtype=torch.bfloat16)
    grid = torch.stack(torch.meshgrid(torch.arange(100.0), torch.arange(30.0), indexing="xy"))[None]
    with torch.autocast("cpu", torch.bfloat16):
        total = splat(source, -grid, mode="sum")
    assert total.dtype == torch.bfloat16
    assert total[0, 0, 0, 0] == torch.tensor(3000.0).bfloat16()


def test_what_is_not_a_number_is_seen_and_does_no_harm() -> None:
    """A diverged flow must neither become an index out of range nor be lost in silence."""
    flow = torch.zeros(1, 2, 2, 5)
    flow[0, :, 0] = torch.tensor([float("inf"), -float("inf"), 1e30, -1e30, 0.0])
    assert splat(torch.ones(1, 1, 2, 5), flow).isfinite().all()
    flow[0, 0, 1, 2] = float("nan")
    assert splat(torch.ones(1, 1, 2, 5), flow).isnan().any()


@pytest.mark.parametrize(
    ("shape", "metric", "mode", "words"),
    [
        ((1, 2, 4, 6), None, "sum", r"flow of shape \(1, 2, 4, 5\) is needed, got \(1, 2, 4, 6\)"),
        ((1, 2, 4, 5), None, "softmax", "mode 'softmax' takes a metric"),
        ((1, 2, 4, 5), (1, 1, 4, 5), "average", "mode 'average' takes no metric"),
        ((1, 2, 4, 5), (1, 2, 4, 5), "linear", r"metric of shape \(1, 1, 4, 5\) is needed"),
    ],
)
def test_what_does_not_fit_is_refused(shape: Any, metric: Any, mode: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        splat(torch.zeros(1, 3, 4, 5), torch.zeros(shape), torch.zeros(metric) if metric else None, mode=mode)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_bits_each_time() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    source, flow = random(2, 8, 64, 96).float().cuda(), 20 * random(2, 2, 64, 96, seed=1).float().cuda()
    runs = []
    torch.use_deterministic_algorithms(True)
    try:
        for _ in range(3):
            inputs = source.clone().requires_grad_(), flow.clone().requires_grad_()
            out = splat(*inputs)
            runs.append((out, *torch.autograd.grad(out.square().sum(), inputs)))
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(one, other) for run in runs for one, other in zip(runs[0], run, strict=True))
    torch.testing.assert_close(runs[0][0].cpu(), splat(source.cpu(), flow.cpu()), atol=1e-5, rtol=0)
