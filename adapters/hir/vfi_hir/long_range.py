"""HIR-L: target-level motion and feature by attention inside the regions of equal label (paper, Eq. 9)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.model import Regions, pixel_grid, pool_and_copy, region_attention
from vfi_hir.similarity import Name, Similarity, around, directions, key_projection, mean_around


class LongRange(nn.Module):
    """IL: features H0, H1 (B, C, h, w) -> F0h, F1h (B, C, h, w) and f01h, f10h (B, 2, h, w).

    f01h lives on frame 0's grid, in its pixels: frame 0's cell x is found in frame 1 at x + f01h(x). Where the
    other frame lacks the cell's label there is no evidence: V* = 0 and the flow is 0. One set of weights for both
    frames. Coordinates and attention are float32, under autocast too.

    Where the similarity says so, keys are taken less their mean over the region in both frames, which tells none of its
    cells from another, cells are compared with their surroundings, flows are means over these (see
    `vfi_hir.similarity.Patch`), and nearer cells are preferred (see `preferring_near`).
    """

    def __init__(self, channels: int, similarity: Name) -> None:
        super().__init__()
        self.similarity = Similarity.of(similarity)
        self.key = key_projection(channels, self.similarity)
        self.value = nn.Conv2d(channels, channels, 1)

    def forward(self, h0: Tensor, h1: Tensor, regions: Regions) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """-> F0h, F1h, f01h, f10h."""
        keys, ids = torch.cat([self.key(h0), self.key(h1)]).float(), torch.cat([regions.ids0, regions.ids1])
        if self.similarity.centred:
            keys = keys - pool_and_copy(keys, ids, ids, regions.count)
        if self.similarity.patches:
            keys = around(directions(keys), ids).flatten(1, 2)
        k0, k1 = keys.chunk(2)
        v0, v1 = self.value(h0), self.value(h1)
        f0_h, f01_h = self._attend(k0, v0, k1, v1, regions)
        f1_h, f10_h = self._attend(k1, v1, k0, v0, regions.mirrored())
        return f0_h, f1_h, f01_h, f10_h

    def _attend(self, k0: Tensor, v0: Tensor, k1: Tensor, v1: Tensor, regions: Regions) -> tuple[Tensor, Tensor]:
        """F0h = V0 + A V1 and f01h = A G1 - G0, A = softmax(similarity of K0 and K1) inside each region."""
        batch, channels, height, width = v1.shape
        grid = pixel_grid(height, width, v1.device).expand(batch, -1, -1, -1)
        query, key = self.similarity(k0, k1)
        if self.similarity.reach is not None:
            places0 = places1 = grid - grid.mean((2, 3), keepdim=True)  # small numbers lose fewer digits
            if self.similarity.patches:
                places0, places1 = (
                    grid - pool_and_copy(grid, ids, ids, regions.count) for ids in (regions.ids0, regions.ids1)
                )
            reach = self.similarity.reach
            query, key = preferring_near(query, key, places0 / reach, places1 / reach)
        attended, found = region_attention(query, key, torch.cat([v1.float(), grid], 1), regions, scale=1.0)
        value, coordinates = attended[:, :channels], attended[:, channels:]
        flow = (coordinates - grid) * found
        if self.similarity.patches:
            flow = mean_around(flow, regions.ids0)
        return v0 + value.to(v0.dtype), flow


def preferring_near(query: Tensor, key: Tensor, places0: Tensor, places1: Tensor) -> tuple[Tensor, Tensor]:
    """Query and key (B, C, h, w) with three more lanes, so that their product is less by |g0 - g1|^2 / 2, but for what
    is the same for all keys of a query. `places0`, `places1` (B, 2, h, w) are the coordinates g of the cells of either
    frame, in units of the reach: from one origin, or each from the centre of its own region.

    Eq. 9 times a Gaussian around where the cell is expected. Without it what an attention says when it sees little, the
    way to the centre of the region, grows with the frame, and so does the number of cells that are alike by chance;
    with it neither does, so that what is learnt on crops holds on whole frames. Whatever matches well is found far
    beyond the reach: at twice the reach a logit is less by 2, while cosines count up to 20.
    """
    far = places1.square().sum(1, keepdim=True) / -2
    return torch.cat([query, places0, torch.ones_like(far)], 1), torch.cat([key, places1, far], 1)
