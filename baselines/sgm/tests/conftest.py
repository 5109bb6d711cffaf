"""SGM-VFI with golden weights, and golden frames. The official one, filled and fed alike, gave the arrays in
`goldens/`, as its README says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from vfi_sgm.network import SGM, Variant

from harness.model import Frames
from harness.testing import golden_frame, golden_weights

# flows of a few pixels, attention that looks at some more than at others, a residual that leaves most of the frame
# inside [0, 1], and matching that does not turn rounding into pixels
GAINS = {r"\.attn\.k?[qv]\.": 2.0, "_proj": 1.5, "lastconv": 0.8, "unet.conv.": 0.2, "gmflow.*norm": 0.2}


@cache
def filled(variant: Variant, **options: Any) -> SGM:
    network = SGM(variant=variant, **options)
    golden_weights(network, GAINS)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def network() -> Callable[..., SGM]:
    """(variant, **options) -> the network filled by the rule, in evaluation mode, frozen, shared: do not change it."""
    return filled


@pytest.fixture(scope="session")
def frames() -> Callable[..., Frames]:
    """(height, width, scale=1.0) -> the golden inputs at that size."""
    return lambda height, width, scale=1.0: Frames(
        img0=golden_frame(0, height, width), img1=golden_frame(2, height, width), scale=scale
    )
