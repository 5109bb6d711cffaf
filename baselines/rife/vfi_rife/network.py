"""RIFE: three blocks that estimate both flows and a blend mask, coarse to fine, and a Unet that adds a residual.

Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", ECCV 2022, Sec. 3.2 (IFNet)
and appendix (Contextnet, Unet). Module names are those of the official checkpoints; the teacher block, which takes
part in the official training only, is left out. Level l of a pyramid has 1 / 2^l of the frames' size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness import MotionSeam, Offers
from harness.model import (
    Baseline,
    Features,
    Frames,
    MotionPrior,
    Prediction,
    conv_prelu,
    resize,
    resize_flow,
    take_up,
    warp,
)

Motion = tuple[Tensor, Tensor, Tensor]
"""Flow t->0 and flow t->1 (B, 2, H, W), logit of the blend mask (B, 1, H, W); all at full size."""
Pyramid = tuple[Tensor, Tensor, Tensor, Tensor]
"""Features of levels 1-4."""


class IFBlock(nn.Module):
    """One stage of IFNet: estimates motion, or its change, at a size of its own."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(
            conv_prelu(inputs, channels // 2, stride=2), conv_prelu(channels // 2, channels, stride=2)
        )
        self.convblock = nn.Sequential(*(conv_prelu(channels, channels) for _ in range(8)))
        self.lastconv = nn.ConvTranspose2d(channels, 4 + 1, 4, 2, 1)

    def forward(self, x: Tensor, flows: tuple[Tensor, ...], size: tuple[int, int]) -> Motion:
        """Everything given, x (B, C, H, W) and flows (B, 2, H, W), is brought to `size`; the result to full size."""
        full = (x.shape[-2], x.shape[-1])
        inner = torch.cat([resize(x, size), *(resize_flow(flow, size) for flow in flows)], 1)
        inner = self.conv0(inner)
        inner = inner + self.convblock(inner)
        # in x's type: under autocast this is half precision, too coarse for flows of many pixels
        out = self.lastconv(inner).to(x.dtype).contiguous()
        flow0, flow1, logit = out.split((2, 2, 1), 1)
        return resize_flow(flow0, full), resize_flow(flow1, full), resize(logit, full)


class Conv2(nn.Module):
    """Two convolutions, the first of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = conv_prelu(inputs, outputs, stride=2)
        self.conv2 = conv_prelu(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(x))
        return out


class Contextnet(nn.Module):
    """Features of one frame. They are warped later: no level depends on the flow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Conv2(3, 16)
        self.conv2 = Conv2(16, 32)
        self.conv3 = Conv2(32, 64)
        self.conv4 = Conv2(64, 128)

    def forward(self, image: Tensor) -> Pyramid:
        """(B, 3, H, W) to levels 1-4: 16, 32, 64, 128 channels."""
        c1 = self.conv1(image)
        c2 = self.conv2(c1)
        c3 = self.conv3(c2)
        return c1, c2, c3, self.conv4(c3)


class Unet(nn.Module):
    """Frames, motion and warped context to the last layer's image in (0, 1)."""

    def __init__(self) -> None:
        super().__init__()

        def up(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.PReLU(outputs))

        self.down0 = Conv2(17, 32)  # both frames, both warped frames, blend logit, both flows
        self.down1 = Conv2(32 + 2 * 16, 64)
        self.down2 = Conv2(64 + 2 * 32, 128)
        self.down3 = Conv2(128 + 2 * 64, 256)
        self.up0 = up(256 + 2 * 128, 128)
        self.up1 = up(128 + 128, 64)
        self.up2 = up(64 + 64, 32)
        self.up3 = up(32 + 32, 16)
        self.conv = nn.Conv2d(16, 3, 3, 1, 1)

    def forward(self, images: Sequence[Tensor], context0: Pyramid, context1: Pyramid) -> Tensor:
        """What down0 sees, (B, 17, H, W) together, and both frames' context, warped to time t -> (B, 3, H, W), of the
        images' type."""
        s0 = self.down0(torch.cat([*images], 1))
        s1 = self.down1(torch.cat([s0, context0[0], context1[0]], 1))
        s2 = self.down2(torch.cat([s1, context0[1], context1[1]], 1))
        s3 = self.down3(torch.cat([s2, context0[2], context1[2]], 1))
        out = self.up0(torch.cat([s3, context0[3], context1[3]], 1))
        out = self.up1(torch.cat([out, s2], 1))
        out = self.up2(torch.cat([out, s1], 1))
        out = self.up3(torch.cat([out, s0], 1))
        return torch.sigmoid(self.conv(out).to(images[0].dtype))


@dataclass(frozen=True)
class Kept:
    """What `decode` needs of `encode` besides the coarsest features: levels 1, 2, 3 of each frame."""

    finer0: tuple[Tensor, Tensor, Tensor]
    finer1: tuple[Tensor, Tensor, Tensor]


class RIFE(Baseline):
    """RIFE, or with `timestep` RIFE_m, which is told the time. Frames are RGB (B, 3, H, W) in [0, 1].

    H and W are multiples of 16, and so are they times the working scale. That scale is the official `scale`
    argument: the three blocks estimate motion on reduced frames, all else is at full size, Contextnet too.

    For plug-ins the features are Contextnet's level 4, before warping. Refined ones go, warped, to the Unet in place
    of Contextnet's (decided: so HCE acts on RIFE without HIR too). The first decoder stage is block0.
    """

    size_multiple = 16
    scales_frames = False
    fits_full_size = True
    offers = Offers(channels=128, stride=16, motion=MotionSeam(stride=1, latent="blend", channels=1))

    def __init__(self, *, timestep: bool) -> None:
        super().__init__()
        self.timestep = timestep
        images = 6 + timestep
        self.block0 = IFBlock(images, 240)
        self.block1 = IFBlock(images + 6 + 1 + 4, 150)  # and warped frames, blend logit, flows
        self.block2 = IFBlock(images + 6 + 1 + 4, 90)
        self.contextnet = Contextnet()
        self.unet = Unet()

    def encode(self, frames: Frames) -> Features:
        """Contextnet's level 4 of both frames, (B, 128, H/16, W/16) whatever the working scale.

        Raises ValueError where a side, at full size or at the working scale, is not a multiple of 16.
        """
        self.working_size(frames)
        *finer0, f0 = self.contextnet(frames.img0)
        *finer1, f1 = self.contextnet(frames.img1)
        return Features(f0=f0, f1=f1, kept=Kept((*finer0,), (*finer1,)))

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """The frame at time t (B, 1, 1, 1), its flows in full-size pixels, and the blend mask. Sec. 3.2.

        Without `timestep` t is ignored, as published: the frame is always the middle one. A prior has the format of
        block0's result: full-size flows from t to each source frame, in pixels, and as its latent the logit of the
        blend mask.
        """
        flow0, flow1, logit = self._motion(frames, t, prior)
        kept: Kept = features.kept
        warped0, warped1 = warp(frames.img0, flow0), warp(frames.img1, flow1)
        out = self.unet(
            (frames.img0, frames.img1, warped0, warped1, logit, flow0, flow1),
            _warped((*kept.finer0, features.f0), flow0),
            _warped((*kept.finer1, features.f1), flow1),
        )
        blend = torch.sigmoid(logit)
        frame = blend * warped0 + (1 - blend) * warped1 + 2 * out - 1
        return Prediction(frame=frame.clamp(0, 1), flow_t0=flow0, flow_t1=flow1, blend=blend)

    def _motion(self, frames: Frames, t: Tensor, prior: MotionPrior | None) -> Motion:
        """What the three blocks estimate."""
        height, width = self.working_size(frames)
        images = torch.cat([frames.img0, frames.img1], 1)
        given = images
        if self.timestep:
            given = torch.cat([images, t.to(images.dtype).expand(len(images), -1, *images.shape[-2:])], 1)
        flow0, flow1, logit = take_up(prior, lambda: self.block0(given, (), (height // 4, width // 4)))
        for block, reduction in ((self.block1, 2), (self.block2, 1)):
            warped = torch.cat([warp(frames.img0, flow0), warp(frames.img1, flow1)], 1)
            size = (height // reduction, width // reduction)
            # the blocks, and the Unet below, take the logit itself; its sigmoid serves blending only
            delta0, delta1, delta = block(torch.cat([given, warped, logit], 1), (flow0, flow1), size)
            flow0, flow1, logit = flow0 + delta0, flow1 + delta1, logit + delta
        return flow0, flow1, logit

    def translate(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """An official state, for BGR images, as one for RGB images: without the teacher, colours reordered.

        The weights that touch colours have their channels permuted, which is the same network up to the order in
        which it adds.
        """
        own = {key: value.shape for key, value in self.state_dict().items()}
        state = {key: value for key, value in state.items() if not key.startswith("block_tea.")}
        warped = 6 + self.timestep  # where the warped frames are among a block's inputs
        colours = {
            "block0.conv0.0.0.weight": (0, 3),
            "block1.conv0.0.0.weight": (0, 3, warped, warped + 3),
            "block2.conv0.0.0.weight": (0, 3, warped, warped + 3),
            "contextnet.conv1.conv1.0.weight": (0,),
            "unet.down0.conv1.0.weight": (0, 3, 6, 9),
        }
        for key, starts in colours.items():
            if key in state and state[key].shape == own[key]:  # a foreign state is left to the strict loading
                order = list(range(own[key][1]))
                for at in starts:
                    order[at : at + 3] = reversed(order[at : at + 3])
                state[key] = state[key][:, order]
        for key in ("unet.conv.weight", "unet.conv.bias"):
            if key in state and state[key].shape == own[key]:
                state[key] = state[key].flip(0)
        return state


def _warped(pyramid: Pyramid, flow: Tensor) -> Pyramid:
    """Each level warped by the flow (B, 2, H, W) halved, level by level, to its size."""
    warped = []
    for feature in pyramid:
        flow = resize_flow(flow, (feature.shape[-2], feature.shape[-1]))
        warped.append(warp(feature, flow))
    c1, c2, c3, c4 = warped
    return c1, c2, c3, c4
