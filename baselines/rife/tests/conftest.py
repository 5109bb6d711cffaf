"""RIFE with golden weights, and golden frames. The official one, filled and fed alike, gave the arrays in
`goldens/`, as its README says.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from vfi_rife.network import RIFE

from harness.model import Frames
from harness.testing import golden_frame, golden_weights

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("HARNESS_SHARED", HERE.parents[2].parent / "shared"))
FILES = {"rife": "rife", "rife-m": "rife_m"}
GAINS = {"block[012].lastconv.weight": 0.8, "unet.conv.weight": 0.2}


@cache
def filled(name: str) -> RIFE:
    network = RIFE(timestep=name == "rife-m")
    golden_weights(network, GAINS)
    return network.eval().requires_grad_(False)


def full_golden(name: str) -> Path:
    path = SHARED / "golden" / f"{FILES[name]}.npz"
    if not path.exists():
        pytest.skip(f"full goldens not found: {path} (set HARNESS_SHARED)")
    return path


@pytest.fixture(scope="session")
def golden() -> SimpleNamespace:
    """The stored arrays; a fixture, since test files of this import mode cannot import each other."""
    return SimpleNamespace(full=full_golden, slim=lambda name: HERE / "goldens" / f"{FILES[name]}.npz")


@pytest.fixture(scope="session")
def network() -> Callable[[str], RIFE]:
    """name -> the network filled by the rule, in evaluation mode, frozen and shared: do not change it."""
    return filled


@pytest.fixture(scope="session")
def frames() -> Callable[..., Frames]:
    """(height, width, scale=1.0) -> the golden inputs at that size."""
    return lambda height, width, scale=1.0: Frames(
        img0=golden_frame(0, height, width), img1=golden_frame(2, height, width), scale=scale
    )
