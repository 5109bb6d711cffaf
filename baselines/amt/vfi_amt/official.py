"""AMT in its authors' code, https://github.com/MCG-NKU/AMT, beside which `harness bench` runs this one."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from torch import Tensor

from harness.model import Official, importing
from vfi_amt.sizes import Variant

OPTIONS = {"s": {"num_flows": 3}, "l": {"num_flows": 5}, "g": {"num_flows": 5}}
"""What the authors' configurations give of those that have other defaults."""


def official(checkout: Path, *, variant: Variant) -> Official:
    """The variant with weights drawn anew; `checkout` is the folder of the repository."""
    with importing(checkout):
        network = import_module(f"networks.AMT-{variant.upper()}").Model(corr_radius=3, corr_lvls=4, **OPTIONS[variant])

    def predict(img0: Tensor, img1: Tensor) -> Tensor:
        frame: Tensor = network(img0, img1, img0.new_full((len(img0), 1, 1, 1), 0.5), eval=True)["imgt_pred"]
        return frame

    return Official(network=network, predict=predict)
