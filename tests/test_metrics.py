"""Every metric against the published code's values, its definition, and what holds of all of them."""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.metrics import structural_similarity
from torch import Tensor

from harness.errors import HarnessError
from harness.metrics.pixelwise import PERFECT, interpolation_error, psnr
from harness.metrics.ssim import UniformSSIM, ssim, ssim_2d, ssim_uniform
from harness.registry.metrics import ALEXNET_TRUNK, metrics

Metric = Callable[[Tensor, Tensor], Tensor]


def noisy(height: int, width: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height * width)
    truth = torch.rand(batch, 3, height, width, generator=generator)
    return (truth + 0.05 * torch.randn(truth.shape, generator=generator)).clamp(0, 1), truth


@pytest.fixture(params=[spec for spec in metrics() if spec.needs == "frame"], ids=lambda spec: spec.name)
def metric(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Metric:
    """Each registered metric of frames, built from its spec as a run builds it."""
    if request.param.name == "lpips":
        weights: Path = request.getfixturevalue("shared") / "weights"
        if not (weights / "lpips-backbones" / ALEXNET_TRUNK.file).is_file():
            pytest.skip("no weights of AlexNet")
        monkeypatch.setenv("HARNESS_WEIGHTS", str(weights))
    module, _, name = request.param.factory.partition(":")
    built: Metric = getattr(importlib.import_module(module), name)()
    return built


@pytest.mark.parametrize("case", ["a_64x96", "b_96x160", "c_37x53"])
def test_golden(shared: Path, case: str) -> None:
    values = json.loads((shared / "golden" / "metrics.json").read_text())[case]
    arrays = np.load(shared / "golden" / "metrics.npz")
    frame, truth = (torch.from_numpy(arrays[f"{case}/{name}"]) for name in ("pred", "gt"))
    assert psnr(frame, truth).item() == pytest.approx(values["psnr_noround(IFRNet,AMT,EMA)"], abs=1e-10)
    assert ssim(frame, truth).item() == pytest.approx(values["ssim3d_noround_fp64"], abs=1e-6)
    assert ssim(frame, truth).item() == pytest.approx(values["ssim3d_noround(IFRNet calculate_ssim)"], abs=1e-5)
    assert ssim_2d(frame, truth).item() == pytest.approx(values["ssim2d_noround"], abs=1e-6)
    assert interpolation_error(frame, truth).item() == pytest.approx(values["ie_ifrnet(round both)"], abs=1e-6)


def test_each_value_is_of_its_own_frame_alone(metric: Metric) -> None:
    """The same in whatever batch, in float64; frames of unequal quality show that none is taken for another."""
    frame, truth = noisy(40, 56, batch=3)
    frame[1] = (frame[1] + 0.1).clamp(0, 1)
    together = metric(frame, truth)
    alone = [metric(x, y).item() for x, y in zip(frame.split(1), truth.split(1), strict=True)]
    assert together.shape == (3,)
    assert together.dtype == torch.float64
    assert together.tolist() == pytest.approx(alone, rel=1e-13, abs=0)
    assert len(set(alone)) == 3


def test_metrics_are_symmetric_and_best_for_the_truth(metric: Metric, request: pytest.FixtureRequest) -> None:
    frame, truth = noisy(40, 56)
    assert metric(frame, truth).tolist() == pytest.approx(metric(truth, frame).tolist(), rel=1e-6)
    spec = request.node.callspec.params["metric"]
    best = {"psnr": PERFECT, "ie": 0, "lpips": 0}.get(spec.name, 1)
    assert metric(truth, truth).tolist() == pytest.approx([best, best], abs=1e-12)
    assert all((metric(frame, truth) < best) == spec.higher_is_better)


def test_listing_metrics_imports_no_torch() -> None:
    code = "import sys, harness.registry.metrics as c; c.metrics(), c.weights(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_psnr_is_its_definition() -> None:
    frame, truth = noisy(20, 30)
    for one, other, value in zip(frame.double(), truth.double(), psnr(frame, truth), strict=True):
        assert value.item() == pytest.approx(-10 * np.log10(((one - other) ** 2).mean().item()), abs=1e-10)


def test_interpolation_error_rounds_both_frames() -> None:
    truth = torch.full((1, 3, 4, 4), 100.4 / 255)
    assert interpolation_error(torch.full_like(truth, 101.4 / 255), truth).item() == 1
    assert interpolation_error(torch.full_like(truth, 99.6 / 255), truth).item() == 0


def window(side: int) -> Tensor:
    at = torch.arange(side, dtype=torch.float64) - side // 2
    line = torch.exp(-(at**2) / (2 * 1.5**2))
    return line / line.sum()


def ssim_of(blur: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> list[float]:
    """The definition, for a window that is given as a blur."""
    x, y = x.double(), y.double()
    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    score = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    return score.flatten(1).mean(1).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(("height", "width"), [(24, 31), (9, 40), (7, 7)])
def test_ssim_is_one_three_dimensional_window(height: int, width: int) -> None:
    """Against the literal convolution with an 11x11x11 window (smaller where the frame is)."""
    frame, truth = noisy(height, width)
    line = window(min(11, height, width))
    cube = torch.einsum("i,j,k->ijk", line, line, line)[None, None]
    expected = ssim_of(lambda x: F.conv3d(F.pad(x[:, None], (5,) * 6, mode="replicate"), cube), frame, truth)
    assert ssim(frame, truth).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("height", "width"), [(24, 31), (9, 40)])
def test_ssim_2d_is_a_window_in_each_colour(height: int, width: int) -> None:
    frame, truth = noisy(height, width)
    line = window(min(11, height, width))
    square = (line[:, None] * line).expand(3, 1, -1, -1)
    expected = ssim_of(lambda x: F.conv2d(F.pad(x, (5,) * 4, mode="replicate"), square, groups=3), frame, truth)
    assert ssim_2d(frame, truth).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("height", "width"), [(24, 31), (7, 9)])
def test_ssim_uniform_is_a_box_in_each_colour_without_padding(height: int, width: int) -> None:
    """Its variances are those of a sample: 49 / 48 of the window's."""
    frame, truth = noisy(height, width)
    x, y = frame.double(), truth.double()

    def mean(z: Tensor) -> Tensor:
        return F.avg_pool2d(z, 7, stride=1)

    mx, my = mean(x), mean(y)
    vx, vy, cov = ((mean(p) - q) * 49 / 48 for p, q in ((x * x, mx**2), (y * y, my**2), (x * y, mx * my)))
    score = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    assert ssim_uniform(frame, truth).tolist() == pytest.approx(score.mean((1, 2, 3)).tolist(), abs=1e-9)


def test_ssim_uniform_by_another_scikit_image_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which no fingerprint has the version: by a default that is another, values would be of another metric."""
    UniformSSIM()
    other = functools.partial(structural_similarity, use_sample_covariance=False)
    monkeypatch.setattr("skimage.metrics.structural_similarity", other)
    with pytest.raises(HarnessError, match=r"computes another SSIM than 0\.26: 0\.888503754 instead of 0\.8884466837"):
        UniformSSIM()


def test_ssim_uniform_of_frames_without_a_whole_window_is_nan() -> None:
    frame, truth = noisy(6, 40)
    assert ssim_uniform(frame, truth).isnan().tolist() == [True, True]
