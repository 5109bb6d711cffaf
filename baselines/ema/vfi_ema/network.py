"""EMA-VFI: motion and appearance from one inter-frame attention, flows from both, and a refinement network.

Zhang et al., "Extracting Motion and Appearance via Inter-Frame Attention for Efficient Video Frame Interpolation",
CVPR 2023. Module names are those of the official checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from harness import MotionSeam, Offers
from harness.model import Baseline, Features, Frames, MotionPrior, Prediction, resize, resize_flow, take_up, warp
from vfi_ema.decoder import Head, Unet
from vfi_ema.encoder import Encoder
from vfi_ema.windows import ShiftedPadding

Variant = Literal["small", "base"]
# channels of stage 1, attention blocks of stages 4 and 5 each
SIZES: dict[Variant, tuple[int, int]] = {"small": (16, 2), "base": (32, 4)}
# of an official checkpoint: a mask and its size, left behind by the last forward pass before it was saved
LEFT_BEHIND = ("attn_mask", "HW")


@dataclass(frozen=True)
class Kept:
    """What `decode` needs of `encode` besides the coarsest features; both frames as one batch (2B, ...).

    plain   the coarsest features as encoded, so that `decode` can tell whether a plug-in has refined them
    stage4  appearance at stride 8, motion of stages 4 and 5: at the working size
    full    appearance of stages 1-5 at full size
    """

    plain: tuple[Tensor, Tensor]
    stage4: Tensor
    motion: tuple[Tensor, Tensor]
    full: tuple[Tensor, ...]


class EMA(Baseline):
    """EMA-VFI small or base. Frames are RGB (B, 3, H, W) in [0, 1]; H and W, also times scale, multiples of 16.

    Decided: coarsest features that a plug-in has refined go to the first flow head and to the refinement network. At
    a working scale below 1 the latter has features of its own, of the frames at full size; there the refined ones,
    brought to that size, take the place of the coarsest of these, since it has been trained on refined features.

    shifted_padding  the mask that keeps padding out of shifted windows. "official": not shifted along with the
                     tokens, which is an oversight, but the published weights were trained with it; "rolled": shifted
    """

    size_multiple = 16
    fits_full_size = True

    def __init__(self, *, variant: Variant, shifted_padding: ShiftedPadding = "official") -> None:
        super().__init__()
        base, depth = SIZES[variant]
        self.offers = Offers(channels=16 * base, stride=16, motion=MotionSeam(stride=1, latent="blend", channels=1))
        self.feature_bone = Encoder(base, depth, shifted_padding)
        self.block = nn.ModuleList([Head(64 * base, 6, 4 * base), Head(32 * base, 17, 4 * base)])
        self.unet = Unet(base)
        for part in (self.feature_bone, self.unet):
            part.apply(_initialise)

    def encode(self, frames: Frames) -> Features:
        """Stage-5 appearance of both frames, (B, C, s*H/16, s*W/16) at working scale s; each has seen the other frame.

        Raises ValueError where a side, at full or working size, is not a multiple of 16.
        """
        size = self.working_size(frames)
        images = torch.cat([frames.img0, frames.img1])
        appearance, motion = self.feature_bone(resize(images, size))
        full = appearance if frames.scale == 1 else self.feature_bone(images).appearance
        f0, f1 = appearance[4].chunk(2)
        return Features(f0=f0, f1=f1, kept=Kept((f0, f1), appearance[3], motion, full))

    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """The frame at time t (B, 1, 1, 1), its flows in full-size pixels, and the blend mask.

        A prior has the format of the first head's output: flows (B, 2, s*H, s*W) from t to each source frame, in
        pixels of that grid, and as its latent the logit of the weight of frame 0 (B, 1, s*H, s*W).
        """
        kept: Kept = features.kept
        coarsest = torch.cat([features.f0, features.f1])
        flow0, flow1, logit = self._motion(frames, kept, coarsest, t, prior)
        refined = any(f is not plain for f, plain in zip((features.f0, features.f1), kept.plain, strict=True))
        last = kept.full[4]
        if refined:
            last = resize(coarsest, (last.shape[-2], last.shape[-1]))
        return self._synthesise(frames, flow0, flow1, logit, (*kept.full[:4], last))

    def _motion(
        self, frames: Frames, kept: Kept, coarsest: Tensor, t: Tensor, prior: MotionPrior | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What both heads estimate, at the working size."""
        size = self.working_size(frames)
        images = resize(torch.cat([frames.img0, frames.img1]), size)
        pair = _side_by_side(images)

        flow0, flow1, logit = take_up(prior, lambda: self.block[0](_timed(kept.motion[1], coarsest, t), pair))
        warped = _side_by_side(warp(images, torch.cat([flow0, flow1])))
        delta0, delta1, delta = self.block[1](
            _timed(kept.motion[0], kept.stage4, t), torch.cat([pair, warped, logit], 1), flow0, flow1
        )
        return flow0 + delta0, flow1 + delta1, logit + delta

    def _synthesise(
        self, frames: Frames, flow0: Tensor, flow1: Tensor, logit: Tensor, appearance: tuple[Tensor, ...]
    ) -> Prediction:
        """Blend of the warped frames, plus the refinement, at full size. The estimates come at the working size."""
        full = (frames.img0.shape[-2], frames.img0.shape[-1])
        flow0, flow1, logit = resize_flow(flow0, full), resize_flow(flow1, full), resize(logit, full)
        images = torch.cat([frames.img0, frames.img1])
        flows = torch.cat([flow0, flow1])
        warped0, warped1 = warp(images, flows).chunk(2)
        residual = self.unet((*images.chunk(2), warped0, warped1, logit, flow0, flow1), _warped(appearance, flows))
        blend = torch.sigmoid(logit)
        frame = blend * warped0 + (1 - blend) * warped1 + residual
        return Prediction(frame=frame.clamp(0, 1), flow_t0=flow0, flow_t1=flow1, blend=blend)

    def translate(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """An official state made to take and give RGB, and rid of what forward passes left behind.

        The published weights are for BGR. What touches an image has its channels reversed, so the result is the same
        network, up to the order of sums, and no flag has to travel with it. Each image is three channels of a
        convolution's input, in the order in which `decode` puts them together.
        """
        rgb = {key: value for key, value in state.items() if key.rpartition(".")[2] not in LEFT_BEHIND}
        own, none = self.state_dict(), torch.empty(0)
        # first channel of each image that the convolution sees
        for key, at, images in (
            ("feature_bone.block1.conv.0.weight", 0, 1),
            ("block.0.conv.0.0.weight", -6, 2),
            ("block.1.conv.0.0.weight", -17, 4),
            ("unet.down0.conv1.0.weight", 0, 4),
        ):
            if rgb.get(key, none).shape == own[key].shape:  # another file is refused by name, by whoever loads it
                first = at % rgb[key].shape[1]
                rgb[key] = rgb[key].clone()
                for start in range(first, first + 3 * images, 3):
                    rgb[key][:, start : start + 3] = state[key][:, start : start + 3].flip(1)
        for key in ("unet.conv.weight", "unet.conv.bias"):
            if key in rgb:
                rgb[key] = rgb[key].flip(0)
        return rgb


def _timed(motion: Tensor, appearance: Tensor, t: Tensor) -> Tensor:
    """What a head sees of a stage: the motion, as far as time t, and the appearance; (2B, C, h, w) -> (B, 4C, h, w)."""
    motion0, motion1 = motion.chunk(2)
    return torch.cat([t * motion0, (1 - t) * motion1, *appearance.chunk(2)], 1)


def _warped(appearance: tuple[Tensor, ...], flows: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Of each stage (2B, C, h, w), when it is asked for, what the flows (2B, 2, H, W) find in either frame."""
    for stage in appearance:
        flows = resize_flow(flows, (stage.shape[-2], stage.shape[-1]))  # from the stage before, as published
        yield warp(stage, flows).chunk(2)


def _side_by_side(x: Tensor) -> Tensor:
    """Both frames of a sample in its channels: (2B, C, h, w) -> (B, 2C, h, w)."""
    return torch.cat(x.chunk(2), 1)


def _initialise(module: nn.Module) -> None:
    """As published; transposed convolutions keep torch's default."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
