"""IFRNet in its authors' code, https://github.com/ltkong218/IFRNet, beside which `harness bench` runs this one."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from harness.model import Official, importing
from vfi_ifrnet.network import Variant

MODULES = {"s": "IFRNet_S", "base": "IFRNet", "l": "IFRNet_L"}


def official(checkout: Path, *, variant: Variant) -> Official:
    """The variant with weights drawn anew; `checkout` is the folder of the repository."""
    with importing(checkout):
        network = import_module(f"models.{MODULES[variant]}").Model()
    return Official(
        network=network,
        predict=lambda img0, img1: network.inference(img0, img1, img0.new_full((len(img0), 1, 1, 1), 0.5)),
    )
