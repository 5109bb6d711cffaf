"""EMA-VFI in its authors' code, https://github.com/MCG-NJU/EMA-VFI, beside which `harness bench` runs this one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from harness.model import Official, import_torchvision, importing

SIZES = {"small": (16, [2, 2, 2, 2, 2]), "base": (32, [2, 2, 2, 4, 4])}
"""Channels and depths."""


def official(checkout: Path, *, variant: Literal["small", "base"]) -> Official:
    """The variant with weights drawn anew; `checkout` is the folder of the repository. It needs timm."""
    import_torchvision()  # which timm imports
    with importing(checkout):
        config = import_module("config")
    channels, depths = SIZES[variant]
    of_backbone, of_flows = config.init_model_config(F=channels, depth=depths)
    backbone, flows = config.MODEL_CONFIG["MODEL_TYPE"]
    network = flows(backbone(**of_backbone), **of_flows)

    def predict(img0: Tensor, img1: Tensor) -> Tensor:
        with _on(img0.device):
            frame: Tensor = network(torch.cat([img0, img1], 1))[3]
        return frame

    return Official(network=network, predict=predict, bgr=True)


@contextmanager
def _on(device: torch.device) -> Iterator[None]:
    """The authors' forward pass asks for CUDA by name."""
    cuda = torch.Tensor.cuda
    torch.Tensor.cuda = lambda self, *_, **__: self.to(device)  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.Tensor.cuda = cuda  # type: ignore[method-assign]
