"""What distinguishes AMT-S, AMT-L and AMT-G."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Variant = Literal["s", "l", "g"]

LEVELS, RADIUS = 4, 3
"""Of the correlation: its pyramid's levels, and the cells that a lookup sees on either side."""


@dataclass(frozen=True)
class MatchingSize:
    """The encoder whose features are correlated.

    bottleneck  residual blocks of the 1x1-3x3-1x1 kind, else of the 3x3-3x3 kind
    stem        channels after the first layer, at 1/2
    stages      name, channels and stride of each pair of residual blocks
    outputs     channels of the correlated features, at 1/8
    """

    bottleneck: bool
    stem: int
    stages: tuple[tuple[str, int, int], ...]
    outputs: int


@dataclass(frozen=True)
class UpdateSize:
    """Channels inside an update block: of the correlation feature, step by step; of the flow feature, likewise;
    of both joined; of everything after."""

    corr: tuple[int, ...]
    flow: tuple[int, int]
    joined: int
    hidden: int


@dataclass(frozen=True)
class Size:
    """One variant.

    widths  channels of the context encoder's levels 1-4
    kernel  of its first layer
    side    channels of the ResBlocks' side convolutions
    fields  flow fields, and so candidates, of the last decoder
    mix     kernel of the convolutions that mix the candidates
    high    the updates of levels 3 and 2 are repeated at those levels' own size
    """

    widths: tuple[int, int, int, int]
    kernel: int
    side: int
    matching: MatchingSize
    update: UpdateSize
    fields: int
    mix: int
    high: bool = False


SIZES: dict[Variant, Size] = {
    "s": Size(
        widths=(20, 32, 44, 56),
        kernel=3,
        side=20,
        matching=MatchingSize(True, 32, (("layer1", 32, 1), ("layer2", 64, 2), ("layer3", 96, 2)), 84),
        update=UpdateSize(corr=(64,), flow=(40, 20), joined=68, hidden=76),
        fields=3,
        mix=3,
    ),
    "l": Size(
        widths=(48, 64, 72, 128),
        kernel=7,
        side=48,
        matching=MatchingSize(False, 64, (("layer1", 64, 1), ("layer2", 72, 2), ("layer3", 128, 2)), 128),
        update=UpdateSize(corr=(256, 160), flow=(96, 48), joined=124, hidden=128),
        fields=5,
        mix=7,
    ),
    "g": Size(
        widths=(84, 96, 112, 128),
        kernel=7,
        side=84,
        matching=MatchingSize(
            False, 64, (("layer1", 64, 1), ("layer2", 112, 2), ("layer3", 160, 2), ("layer3_2", 160, 1)), 128
        ),
        update=UpdateSize(corr=(256, 192), flow=(128, 64), joined=188, hidden=192),
        fields=5,
        mix=7,
        high=True,
    ),
}
