"""IFRNet with golden weights, and golden frames. The official one, filled and fed alike, gave the arrays in
`goldens/`, as its README says.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from vfi_ifrnet.network import IFRNet, Variant

from harness.model import Frames
from harness.testing import golden_frame, golden_weights

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("HARNESS_SHARED", HERE.parents[2].parent / "shared"))
FILES = {"s": "ifrnet_s", "base": "ifrnet", "l": "ifrnet_l"}
GAINS = {"encoder.pyramid1.0.0.weight": 8.0, "decoder[432].convblock.2.weight": 0.4, "decoder1.convblock.2.weight": 0.1}


@cache
def filled(variant: Variant) -> IFRNet:
    network = IFRNet(variant=variant)
    golden_weights(network, GAINS)
    return network.eval().requires_grad_(False)


def full_golden(variant: Variant) -> Path:
    path = SHARED / "golden" / f"{FILES[variant]}.npz"
    if not path.exists():
        pytest.skip(f"full goldens not found: {path} (set HARNESS_SHARED)")
    return path


@pytest.fixture(scope="session")
def golden() -> SimpleNamespace:
    """The stored arrays; a fixture, since test files of this import mode cannot import each other."""
    return SimpleNamespace(full=full_golden, slim=lambda variant: HERE / "goldens" / f"{FILES[variant]}.npz")


@pytest.fixture(scope="session")
def network() -> Callable[[Variant], IFRNet]:
    """variant -> the network filled by the rule, in evaluation mode, frozen and shared: do not change it."""
    return filled


@pytest.fixture(scope="session")
def frames() -> Callable[..., Frames]:
    """(height, width, scale=1.0) -> the golden inputs at that size."""
    return lambda height, width, scale=1.0: Frames(
        img0=golden_frame(0, height, width), img1=golden_frame(2, height, width), scale=scale
    )
