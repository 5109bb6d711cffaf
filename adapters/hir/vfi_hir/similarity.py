"""How alike a query and a key are: what an attention of HIR takes the softmax of."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Name = Literal["patch", "cosine", "dot", "place"]

START, LIMIT = 20.0, 100.0
"""The scale of cosines at the start of training, and what it stays below."""

FLAT = 0.1
"""A cell whose key deviates from the mean by less than this share of what is usual in its sample counts as flat."""


TINY = 1e-8
"""Of the squared length of a key (1e-3 in an untrained IFRNet): rounding in a frame of one colour is no direction."""

REACH, WINDOW_REACH = 4.0, 1.0
"""How far from the cell itself, and from the centre of a window, an attention looks that sees no difference: one
standard deviation, in cells."""

PATCH_REACH, PATCH_WINDOW_REACH = 1.0, 0.7
"""The same of patches, around where its region puts the cell. HIR-S, in so narrow a window, adds no noise to what HIR-L
has found."""


class Similarity(nn.Module):
    """Keys of both sides, each (B, C, h, w), to a pair whose plain product is the attention's logit; float32.

    A further similarity is a further subclass, entered in `of`.

    centred  whether keys are to come less their mean
    reach, window_reach  in cells, of the preference for what is near in HIR-L and HIR-S; None for none
    patches  whether keys are compared with those around them, and a region is taken to move as a whole: see `Patch`
    """

    centred: bool = True
    patches: bool = False
    reach: float | None = REACH
    window_reach: float | None = WINDOW_REACH

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    @staticmethod
    def of(name: Name) -> Similarity:
        kinds: dict[Name, type[Similarity]] = {"patch": Patch, "cosine": Cosine, "dot": Dot, "place": Place}
        return kinds[name]()


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
            return LIMIT * self.scale.sigmoid() * self.unit(query), self.unit(key)

    def unit(self, keys: Tensor) -> Tensor:
        return directions(keys)


class Patch(Cosine):
    """Cosine of the 3x3 keys around both cells, of their own region alone; and a region moves as a whole, nearly.

    One cell at stride 16 looks like many others; nine in their order do not. What is near is reckoned from the centre
    of the region in either frame: what sees nothing moves with its region, and stays where it is without masks, so that
    the preference can be narrow. Flows are the means of those that the 3x3 cells around find, likewise of their region.

    Keys have a quarter of the channels, so that a patch has little more than twice as many lanes as the features.
    """

    patches = True
    reach, window_reach = PATCH_REACH, PATCH_WINDOW_REACH

    def unit(self, keys: Tensor) -> Tensor:
        """Of patches of directions: of length 1, nearly. They are scaled already: to divide by a tiny length twice
        would be steep, and one cell alone says less than nine."""
        return keys * torch.rsqrt(keys.square().sum(1, keepdim=True) + 1)


class Place(Patch):
    """All cells alike: a control, of what is left of `Patch` where features are not looked at. A region moves as far as
    its centre does, and what it takes up in the other frame is what lies there."""

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        query, key = super().forward(query, key)
        return 0 * query, key  # every parameter has a gradient still, of zero


def around(x: Tensor, ids: Tensor | None = None) -> Tensor:
    """x (B, C, h, w) -> (B, C, 9, h, w), the 3x3 cells around each, 0 outside the frame and, with `ids` (B*h*w,), the
    cells' regions, for cells of another region."""
    batch, channels, height, width = x.shape
    cells = F.unfold(x, 3, padding=1).view(batch, channels, 9, height, width)
    if ids is None:
        return cells
    own = ids.view(batch, 1, height, width)
    theirs = F.unfold(own.float() + 1, 3, padding=1).view(batch, 1, 9, height, width)  # exact up to 2^24 regions
    return cells * (theirs == own[:, :, None] + 1)


def mean_around(x: Tensor, ids: Tensor) -> Tensor:
    """x (B, C, h, w) -> the mean over the 3x3 cells around each that are of its region."""
    cells = around(torch.cat([x, torch.ones_like(x[:, :1])], 1), ids).sum(2)
    return cells[:, :-1] / cells[:, -1:]


def directions(x: Tensor) -> Tensor:
    """(B, C, h, w) as vectors of length 1 in each cell, shorter where they are flat, 0 where they are 0; float32.

    Smooth everywhere: neither pass divides by a length that may be zero.
    """
    x = x.float()
    square = x.square().sum(1, keepdim=True)
    usual = square.mean((2, 3), keepdim=True)
    return x * torch.rsqrt(square + FLAT**2 * usual + TINY)


def key_projection(channels: int, similarity: Similarity) -> nn.Conv2d:
    """C -> C, the identity at the start, so that what the encoder tells apart is seen; of patches C -> C / 4, at the
    start orthogonal. Without a bias where keys are centred: it would cancel, and be moved by rounding alone."""
    depth = max(channels // 4, 8) if similarity.patches else channels
    projection = nn.Conv2d(channels, depth, 1, bias=not similarity.centred)
    (nn.init.orthogonal_ if similarity.patches else nn.init.dirac_)(projection.weight)
    if projection.bias is not None:
        nn.init.zeros_(projection.bias)
    return projection
