"""The classifier against the published implementation, with the published weights, which vfi-lite installs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from vfi_lite.efficientnet import EfficientNetLite2, load
from vfi_lite.weights import EFFICIENTNET

from harness import HarnessError
from harness.weights import locate

# of efficientnet-lite-pytorch 0.1.0, torch 2.13 on a CPU: every hundredth logit, and the likeliest class
LOGITS = (-0.29687, -0.33031, 0.89342, 0.10564, 1.35805, -1.63734, 2.13714, 0.87829, 0.41965, -1.32214)
LIKELIEST = 906


def test_logits_are_the_published_ones() -> None:
    rows, columns, colours = torch.meshgrid(*map(torch.arange, (260.0, 260.0, 3.0)), indexing="ij")
    image = torch.sin(0.11 * columns + 0.05 * colours * rows) * torch.cos(0.07 * rows - 0.3 * colours)
    with torch.inference_mode():
        logits = load(locate(EFFICIENTNET))(image.permute(2, 0, 1)[None])
    assert logits.shape == (1, 1000)
    torch.testing.assert_close(logits[0, ::100], torch.tensor(LOGITS), atol=5e-5, rtol=0)
    assert logits.argmax() == LIKELIEST


def test_parameters() -> None:
    assert sum(parameter.numel() for parameter in EfficientNetLite2().parameters()) == 6_092_072


def test_the_installed_file_is_the_published_one() -> None:
    assert hashlib.sha256(locate(EFFICIENTNET).read_bytes()).hexdigest() == EFFICIENTNET.sha256


def test_another_checkpoint_is_named(tmp_path: Path) -> None:
    for content in ({"_fc.bias": torch.zeros(1000)}, {"bias": torch.zeros(3)}):
        torch.save(content, tmp_path / "net.pth")
        with pytest.raises(HarnessError, match=r"net.pth: not a checkpoint of EfficientNet-Lite2: .*Missing key"):
            load(tmp_path / "net.pth")
    (tmp_path / "net.pth").write_bytes(b"junk")
    with pytest.raises(HarnessError, match=r"net.pth: not a checkpoint of EfficientNet-Lite2"):
        load(tmp_path / "net.pth")
