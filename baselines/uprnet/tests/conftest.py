"""UPR-Net with golden weights, and golden frames. The official one, filled and fed alike, gave the arrays in
`goldens/`, as its README says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from vfi_uprnet.network import UPRNet, Variant

from harness.model import Frames
from harness.testing import golden_frame, golden_weights

# flows of a few pixels, and a residual that leaves most of the frame inside [0, 1]
GAINS = {"motion_estimator.conv_layer6.0.weight": 12.0, "synthesis_network.pred.weight": 0.4}


@cache
def filled(variant: Variant, skipped: int = 0) -> UPRNet:
    network = UPRNet(variant=variant, skipped=skipped)
    golden_weights(network, GAINS)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def network() -> Callable[..., UPRNet]:
    """(variant, skipped=0) -> the network filled by the rule, in evaluation mode, frozen, shared: do not change it."""
    return filled


@pytest.fixture(scope="session")
def frames() -> Callable[..., Frames]:
    """(height, width, scale=1.0) -> the golden inputs at that size."""
    return lambda height, width, scale=1.0: Frames(
        img0=golden_frame(0, height, width), img1=golden_frame(2, height, width), scale=scale
    )
