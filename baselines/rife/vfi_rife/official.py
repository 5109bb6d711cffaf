"""RIFE in its authors' code, https://github.com/hzwer/ECCV2022-RIFE, beside which `harness bench` runs this one."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch

from harness.model import Official, importing


def official(checkout: Path, *, timestep: bool) -> Official:
    """RIFE, or with `timestep` RIFE_m, with weights drawn anew; `checkout` is the folder of the repository."""
    with importing(checkout):
        module = import_module("model.IFNet_m" if timestep else "model.IFNet")
    network = module.IFNet_m() if timestep else module.IFNet()
    return Official(network=network, predict=lambda img0, img1: network(torch.cat([img0, img1], 1))[2][2], bgr=True)
