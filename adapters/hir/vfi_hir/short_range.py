"""HIR-S: pixel-level motion and feature by attention in a window (paper, Eq. 8, IS)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.model import pixel_grid
from vfi_hir.similarity import Name, Similarity, around, directions, key_projection


class ShortRange(nn.Module):
    """IS: latent feature Ft^ and frame feature F0h (B, C, h, w), latent motion ft0^ (B, 2, h, w) -> F0t^h, ft0^h.

    The mechanism of HIR-L, with queries from Ft^ and keys, values and coordinates from F0h at the
    (2 radius + 1)^2 positions around x + ft0^(x), sampled bilinearly with border padding: a position outside the
    frame counts as the nearest one inside, for its coordinates too, so that a border cell repeated by the padding
    never drags the flow outwards. F0t^h = V(Ft^) + A V(F0h), ft0^h = A G - G, in pixels of the grid.

    Where the similarity says so, keys are taken less their mean over the frame, cells are compared with those around,
    and cells near the centre of the window are preferred: the latent motion stays where nothing speaks against it.
    """

    def __init__(self, channels: int, radius: int, similarity: Name) -> None:
        super().__init__()
        self.radius = radius
        self.similarity = Similarity.of(similarity)
        self.key = key_projection(channels, self.similarity)
        self.value = nn.Conv2d(channels, channels, 1)

    def forward(
        self, ft: Tensor, f0: Tensor, f1: Tensor, ft0: Tensor, ft1: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Both frames -> F0t^h, F1t^h, ft0^h, ft1^h."""
        query, own, reach = self._keys(ft), self.value(ft), self.similarity.window_reach
        q, k = self.similarity(query, self._keys(f0))
        v0, ft0 = window_attention(q, k, self.value(f0), ft0, self.radius, reach)
        q, k = self.similarity(query, self._keys(f1))
        v1, ft1 = window_attention(q, k, self.value(f1), ft1, self.radius, reach)
        return own + v0, own + v1, ft0, ft1

    def _keys(self, features: Tensor) -> Tensor:
        keys: Tensor = self.key(features).float()
        if self.similarity.centred:
            keys = keys - keys.mean((2, 3), keepdim=True)
        return around(directions(keys)).flatten(1, 2) if self.similarity.patches else keys


def window_attention(
    query: Tensor, key: Tensor, value: Tensor, flow: Tensor, radius: int, reach: float | None = None
) -> tuple[Tensor, Tensor]:
    """Softmax attention from each cell x to the window around x + flow(x).

    query, key, value (B, C, h, w), flow (B, 2, h, w); products of query and key are the logits, less d^2 / (2 reach^2)
    at a distance of d cells from the centre. Returns the attended values, of value's type, and the attended coordinates
    less the cell's own (B, 2, h, w); float32 inside.

    The products of all pairs of cells are one matrix product, from which the windows are gathered: sampling keys
    and then multiplying is the same as multiplying and then sampling, and needs (h w)^2 numbers instead of
    h w (2 radius + 1)^2 C, less up to 1280x720 (52 MB a sample there) and many times faster for small crops.
    """
    batch, channels, height, width = value.shape
    cells, side = height * width, 2 * radius + 2  # integer cells under a window at a fractional position
    with torch.autocast(query.device.type, enabled=False):
        q, k, v = (x.float().flatten(2).transpose(1, 2) for x in (query, key, value))
        products = q @ k.transpose(1, 2)

        grid = pixel_grid(height, width, flow.device)
        x, y = (grid + flow.float()).flatten(2)[..., None].unbind(1)  # (B, cells, 1) each
        left, top = x.detach().floor(), y.detach().floor()
        steps = torch.arange(-radius, radius + 2, device=flow.device)
        columns = (left.long() + steps).clamp(0, width - 1)
        rows = (top.long() + steps).clamp(0, height - 1)
        under = (rows[..., :, None] * width + columns[..., None, :]).view(batch, cells, side * side)

        right, below = (x - left)[..., None], (y - top)[..., None]
        logits = products.gather(2, under).view(batch, cells, side, side)
        logits = torch.lerp(logits[..., :-1], logits[..., 1:], right)
        logits = torch.lerp(logits[..., :-1, :], logits[..., 1:, :], below)
        if reach is not None:
            square = steps[:-1][:, None] ** 2 + steps[:-1] ** 2
            logits = logits - square / (2 * reach**2)
        weights = logits.flatten(2).softmax(2).view_as(logits)

        # values: each weight goes back to the four cells it was sampled from
        spread = F.pad(weights * (1 - right), (0, 1)) + F.pad(weights * right, (1, 0))
        spread = F.pad(spread * (1 - below), (0, 0, 0, 1)) + F.pad(spread * below, (0, 0, 1, 0))
        dense = torch.zeros_like(products).scatter_add(2, under, spread.flatten(2))
        attended = (dense @ v).transpose(1, 2).reshape(batch, channels, height, width)

        at_x = (weights.sum(2) * (x + steps[:-1]).clamp(0, width - 1)).sum(2)
        at_y = (weights.sum(3) * (y + steps[:-1]).clamp(0, height - 1)).sum(2)
        motion = torch.stack([at_x, at_y], 1).view(batch, 2, height, width) - grid
    return attended.to(value.dtype), motion
