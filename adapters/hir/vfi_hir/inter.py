"""Inter: the interactive refinement block, an IFRNet decoder (METHOD, after Eq. 11)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.model import ResBlock, conv_prelu


class Inter(nn.Module):
    """[F0t^h, F1t^h, ft0^h, ft1^h] on (h, w) -> flows f_t0h, f_t1h and the latent on (2h, 2w), flows in its pixels.

    The flows are predicted afresh, not added to those given, and the last layer starts at zero: an untrained
    attention points at the centre of its region, and a network seeded with that starts some 7 dB worse.
    """

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        hidden = 2 * channels
        last = nn.ConvTranspose2d(hidden, 4 + latent, 4, 2, 1)
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)
        side = max(hidden // 6, 8)  # IFRNet's own proportion: 24, 32, 64 of 144, 192, 384
        self.decoder = nn.Sequential(conv_prelu(2 * channels + 4, hidden), ResBlock(hidden, side), last)

    def forward(self, f0t: Tensor, f1t: Tensor, ft0: Tensor, ft1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> f_t0h (B, 2, 2h, 2w), f_t1h, latent (B, L, 2h, 2w); the flows float32."""
        out = self.decoder(torch.cat([f0t, f1t, ft0, ft1], 1))
        return out[:, :2].float(), out[:, 2:4].float(), out[:, 4:]
