"""Flows are drawn in the colours that everybody knows, on one scale, with arrows that point where they go."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver

from harness.model import import_torchvision
from harness.report.flow_picture import SHORTEST, Flow, draw_flow, flow_colours, full_length, wheel


def constant(x: float, y: float, height: int = 4, width: int = 5) -> Flow:
    return np.broadcast_to(np.array([x, y], np.float32)[:, None, None], (2, height, width)).copy()


def test_colours_are_those_of_torchvision() -> None:
    """Of its own scale, that of the longest vector. It rounds twice."""
    import_torchvision()
    from torchvision.utils import flow_to_image

    flow = np.random.default_rng(0).normal(0, 5, (2, 60, 80)).astype(np.float32)
    theirs = flow_to_image(torch.from_numpy(flow)).permute(1, 2, 0).numpy()
    ours = flow_colours(flow, float(np.hypot(*flow).max()))
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize(
    ("vector", "colour"),
    [((8, 0), (255, 0, 0)), ((0, 8), (255, 229, 0)), ((-8, 0), (0, 208, 255)), ((0, -8), (88, 0, 255))],
)
def test_directions_are_as_they_are_told(vector: tuple[float, float], colour: tuple[int, int, int]) -> None:
    """Right is red, down yellow, left cyan, up violet."""
    np.testing.assert_allclose(flow_colours(constant(*vector), 8.0), np.broadcast_to(colour, (4, 5, 3)), atol=1)


@settings(deadline=None, max_examples=30)
@given(st.floats(-50, 50, width=32), st.floats(-50, 50, width=32), st.floats(1, 40))
def test_the_length_is_the_strength_and_no_more_than_full(x: float, y: float, full: float) -> None:
    """What is white is missing of the full colour; beyond the full length nothing changes."""
    drawn = flow_colours(constant(x, y, 1, 1), full)[0, 0]
    length = float(np.hypot(x, y))
    assert int(drawn.min()) == pytest.approx(255 * (1 - min(length / full, 1)), abs=1)
    if length > full:
        np.testing.assert_allclose(drawn.astype(int), flow_colours(constant(x, y, 1, 1), length)[0, 0], atol=1)


def test_the_scale_is_one_for_all_and_no_outliers() -> None:
    slow, fast = constant(3, 4, 100, 100), constant(-12.34, 0, 100, 100)
    fast[0, 0, 0] = 1000
    assert full_length([slow]) == 5
    assert full_length([slow, fast]) == 12
    assert full_length([]) == full_length([constant(0, 0.01)]) == SHORTEST


def test_the_wheel_shows_where_a_colour_points() -> None:
    key = wheel(101)
    for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        column, row = 50 + 49 * x, 50 + 49 * y
        np.testing.assert_allclose(key[row, column, :3].astype(int), flow_colours(constant(x, y), 1.0)[0, 0], atol=12)
        assert key[row, column, 3] == 255
    assert key[50, 50].tolist() == [255] * 4
    assert key[0, 0, 3] == key[-1, -1, 3] == 0


def test_arrows_point_where_the_flow_goes() -> None:
    """To the right of the picture and down; of half the full length they are half as long as their square is wide."""
    figure = Figure()
    axis = figure.subplots()
    draw_flow(axis, constant(3, 0, 20, 40), 6.0, across=4)
    (arrows,) = (each for each in axis.collections if isinstance(each, Quiver))
    assert arrows.U.tolist() == [5] * 8
    assert arrows.V.tolist() == [0] * 8
    assert sorted(set(arrows.X.tolist())) == [4.5, 14.5, 24.5, 34.5]
    assert sorted(set(arrows.Y.tolist())) == [4.5, 14.5]
    assert axis.yaxis_inverted()
    axis = figure.subplots()
    draw_flow(axis, constant(0, 600, 20, 40), 6.0, across=4)
    (arrows,) = (each for each in axis.collections if isinstance(each, Quiver))
    assert arrows.V.tolist() == [10] * 8
    assert arrows.angles == "xy"


@pytest.mark.filterwarnings("error")
def test_any_flow_is_drawn() -> None:
    figure = Figure()
    for flow in (
        constant(1, 1, 1, 1),
        constant(1, 1, 2, 90),
        constant(np.nan, np.inf),
        constant(1e30, 0),
        constant(0, 0),
    ):
        draw_flow(figure.subplots(), flow, full_length([flow]))
    figure.canvas.draw()
    broken = constant(2, 0)
    broken[1, 0, 0] = np.nan
    assert full_length([broken]) == 2
    drawn = flow_colours(broken, 2.0)
    assert drawn[0, 0].tolist() == [0, 0, 0]
    assert drawn[0, 1, 0] == 255
