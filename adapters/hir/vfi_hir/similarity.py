"""How alike a query and a key are: what an attention of HIR takes the softmax of."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Name = Literal["cosine", "dot"]

START, LIMIT = 20.0, 100.0
"""The scale of cosines at the start of training, and what it stays below."""

FLAT = 0.1
"""A cell whose key deviates from the mean by less than this share of what is usual in its sample counts as flat."""


TINY = 1e-8
"""Of the squared length of a key (1e-3 in an untrained IFRNet): rounding in a frame of one colour is no direction."""

REACH, WINDOW_REACH = 4.0, 1.0
"""How far from the cell itself, and from the centre of a window, an attention looks that sees no difference: one
standard deviation, in cells."""


class Similarity(nn.Module):
    """Keys of both sides, each (B, C, h, w), to a pair whose plain product is the attention's logit; float32.

    A further similarity is a further subclass, entered in `of`.

    centred  whether keys are to come less their mean
    reach, window_reach  in cells, of the preference for what is near in HIR-L and HIR-S; None for none
    """

    centred: bool = True
    reach: float | None = REACH
    window_reach: float | None = WINDOW_REACH

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    @staticmethod
    def of(name: Name) -> Similarity:
        return {"cosine": Cosine, "dot": Dot}[name]()


class Dot(Similarity):
    """K0 K1^T / sqrt(D), Eq. 9 to the letter."""

    centred, reach, window_reach = False, None, None

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return query.float() * query.shape[1] ** -0.5, key.float()


class Cosine(Similarity):
    """s cos(K0, K1) of centred keys, with a learnt s between 0 and 100, 20 at the start.

    Plain products of coarse features are so small that softmax makes them uniform, and every cell attends to the
    centre of its region. The cosine does not depend on how large features are. Flat cells have no direction: their
    keys tend to 0 instead of to a unit vector of noise, and so attend to all cells alike.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(START / LIMIT).logit())

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(query.device.type, enabled=False):
            return LIMIT * self.scale.sigmoid() * directions(query), directions(key)


def directions(x: Tensor) -> Tensor:
    """(B, C, h, w) as vectors of length 1 in each cell, shorter where they are flat, 0 where they are 0; float32.

    Smooth everywhere: neither pass divides by a length that may be zero.
    """
    x = x.float()
    square = x.square().sum(1, keepdim=True)
    usual = square.mean((2, 3), keepdim=True)
    return x * torch.rsqrt(square + FLAT**2 * usual + TINY)


def key_projection(channels: int, similarity: Similarity) -> nn.Conv2d:
    """C -> C, the identity at the start, so that what the encoder tells apart is seen. Without a bias where keys are
    centred: it would cancel, and be moved by rounding alone."""
    projection = nn.Conv2d(channels, channels, 1, bias=not similarity.centred)
    nn.init.dirac_(projection.weight)
    if projection.bias is not None:
        nn.init.zeros_(projection.bias)
    return projection
