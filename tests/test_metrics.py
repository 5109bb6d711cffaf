"""PSNR and SSIM against the published code's values, and against their definitions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.evaluate.metrics import PERFECT, psnr, ssim


def noisy(height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height * width)
    truth = torch.rand(2, 3, height, width, generator=generator)
    return (truth + 0.05 * torch.randn(truth.shape, generator=generator)).clamp(0, 1), truth


@pytest.mark.parametrize("case", ["a_64x96", "b_96x160", "c_37x53"])
def test_golden(shared: Path, case: str) -> None:
    values = json.loads((shared / "golden" / "metrics.json").read_text())[case]
    arrays = np.load(shared / "golden" / "metrics.npz")
    frame, truth = (torch.from_numpy(arrays[f"{case}/{name}"]) for name in ("pred", "gt"))
    assert psnr(frame, truth).item() == pytest.approx(values["psnr_noround(IFRNet,AMT,EMA)"], abs=1e-10)
    assert ssim(frame, truth).item() == pytest.approx(values["ssim3d_noround_fp64"], abs=1e-6)
    assert ssim(frame, truth).item() == pytest.approx(values["ssim3d_noround(IFRNet calculate_ssim)"], abs=1e-5)


def test_psnr_is_its_definition() -> None:
    frame, truth = noisy(20, 30)
    for one, other, value in zip(frame.double(), truth.double(), psnr(frame, truth), strict=True):
        assert value.item() == pytest.approx(-10 * np.log10(((one - other) ** 2).mean().item()), abs=1e-10)


def test_psnr_of_a_perfect_frame_is_finite() -> None:
    _, truth = noisy(16, 16)
    assert psnr(truth, truth).tolist() == [PERFECT, PERFECT]


@pytest.mark.parametrize(("height", "width"), [(24, 31), (9, 40), (7, 7)])
def test_ssim_is_one_three_dimensional_window(height: int, width: int) -> None:
    """Against the literal convolution with an 11x11x11 window (smaller where the frame is)."""
    frame, truth = noisy(height, width)
    side = min(11, height, width)
    at = torch.arange(side, dtype=torch.float64) - side // 2
    line = torch.exp(-(at**2) / (2 * 1.5**2))
    line /= line.sum()
    cube = torch.einsum("i,j,k->ijk", line, line, line)[None, None]

    def blur(x: Tensor) -> Tensor:
        return F.conv3d(F.pad(x.double()[:, None], (5,) * 6, mode="replicate"), cube)

    mx, my = blur(frame), blur(truth)
    x, y = frame.double(), truth.double()
    vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    score = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    expected = score.mean((1, 2, 3, 4))
    assert ssim(frame, truth).tolist() == pytest.approx(expected.tolist(), abs=1e-9)


def test_ssim_of_equal_frames_is_one_and_is_symmetric() -> None:
    frame, truth = noisy(32, 32)
    assert ssim(truth, truth).tolist() == pytest.approx([1, 1], abs=1e-12)
    assert ssim(frame, truth).tolist() == pytest.approx(ssim(truth, frame).tolist(), abs=1e-12)
