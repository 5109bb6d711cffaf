"""The one warping convention: backward flow in pixels, channel 0 = x, border padding, corners aligned."""

from __future__ import annotations

import pytest
import torch

from harness.model import pixel_grid, resize, resize_flow, warp


def constant_flow(x: float, y: float, height: int, width: int) -> torch.Tensor:
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, height, width)


def test_no_motion_changes_nothing() -> None:
    image = torch.rand(2, 3, 9, 14)
    torch.testing.assert_close(warp(image, torch.zeros(2, 2, 9, 14)), image, atol=1e-5, rtol=0)


def test_flow_points_to_where_the_pixel_is_looked_up() -> None:
    """warp(x)(p) = x(p + flow): a flow of (3, 1) fetches from 3 to the right and 1 below; outside, the border."""
    image = torch.rand(1, 1, 10, 12)
    moved = warp(image, constant_flow(3, 1, 10, 12))
    torch.testing.assert_close(moved[..., :9, :9], image[..., 1:, 3:], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[..., :9, 9:], image[..., 1:, -1:].expand(-1, -1, -1, 3), atol=1e-5, rtol=0)


def test_half_a_pixel_is_the_mean_of_two() -> None:
    image = torch.rand(1, 1, 6, 8)
    moved = warp(image, constant_flow(0.5, 0, 6, 8))
    torch.testing.assert_close(moved[..., :-1], (image[..., :-1] + image[..., 1:]) / 2, atol=1e-5, rtol=0)


def test_coordinates_keep_their_precision_in_half() -> None:
    """At x = 1200 a bfloat16 coordinate would be off by up to 4 pixels."""
    ramp = (pixel_grid(2, 1280, torch.device("cpu"))[:, :1] / 1280).bfloat16()
    moved = warp(ramp, constant_flow(0, 0, 2, 1280).bfloat16())
    assert torch.equal(moved, ramp)


def test_float64_stays_float64() -> None:
    image = torch.rand(1, 2, 5, 6, dtype=torch.float64)
    flow = torch.rand(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f: warp(image, f * 0.3 + 0.2), (flow,))


@pytest.mark.parametrize("size", [(20, 24), (5, 6), (10, 36)])
def test_a_resized_flow_still_points_to_the_same_place(size: tuple[int, int]) -> None:
    flow = constant_flow(4, -2, 10, 12)
    resized = resize_flow(flow, size)
    torch.testing.assert_close(resized, constant_flow(4 * size[1] / 12, -2 * size[0] / 10, *size))


def test_resize_is_the_plain_bilinear_one() -> None:
    image = torch.rand(1, 3, 8, 8)
    assert resize(image, (8, 8)) is image
    half = image.reshape(1, 3, 4, 2, 4, 2).mean((3, 5))
    torch.testing.assert_close(resize(image, (4, 4)), half)
