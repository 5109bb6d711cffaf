"""Inter: the interactive refinement block, an IFRNet decoder (paper, after Eq. 11)."""

from __future__ import annotations

from torch import Tensor, nn

from harness.model import decoder_body


class Inter(nn.Module):
    """[F0t^h, F1t^h, ft0^h, ft1^h] on (h, w) -> flows f_t0h, f_t1h and the latent on (2h, 2w), flows in its pixels.

    The flows are predicted afresh, not added to those given, and the last layer starts at zero: an untrained
    attention points at the centre of its region, and a network seeded with that starts some 7 dB worse.
    """

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        hidden = 2 * channels
        side = max(hidden // 6, 8)  # IFRNet's own proportion: 24, 32, 64 of 144, 192, 384
        self.decoder = decoder_body(2 * channels + 4, hidden, 4 + latent, side)
        for parameter in self.decoder[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, f0t: Tensor, f1t: Tensor, ft0: Tensor, ft1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> f_t0h (B, 2, 2h, 2w), f_t1h, latent (B, L, 2h, 2w); the flows float32."""
        out = self.decoder(f0t, f1t, ft0, ft1)
        return out[:, :2].float(), out[:, 2:4].float(), out[:, 4:]
