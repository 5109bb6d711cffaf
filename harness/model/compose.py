"""A baseline and its plug-ins as one module."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.model.contracts import Baseline, FeaturePlugin, Features, Frames, MotionPlugin, MotionPrior, Prediction
from harness.model.padding import Padding
from harness.model.regions import Regions


class Composed(nn.Module):
    """encode -> feature plug-ins, in order -> motion plug-in -> decode.

    Weights live under `baseline.` and `plugin.<name>.`. Without plug-ins it is the baseline, bit for bit. One of
    `middle_only` makes the frame at t = 1/2, whatever t it gets, and so `interpolate` takes no other. One of 4 `inputs`
    sees the frames before and after, too. `needs_masks` says whether one of the plug-ins does; else `interpolate` gives
    them no regions, as training does. Weights of a baseline of `channels_last` may lie so, see `lay_out`; plug-ins get
    and may return features that lie in the usual order, whatever those lie in that `decode` gets.
    """

    def __init__(
        self,
        baseline: Baseline,
        plugins: Mapping[str, FeaturePlugin | MotionPlugin] | None = None,
        *,
        middle_only: bool = False,
        inputs: int = 2,
        needs_masks: bool = True,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.baseline = baseline
        self.middle_only = middle_only
        self.inputs = inputs
        self.needs_masks = needs_masks
        self.channels_last = channels_last
        self.plugin = nn.ModuleDict(dict(plugins or {}))

    def forward(self, frames: Frames, t: Tensor, regions: Regions | None = None) -> Prediction:
        if self.inputs == 4 and (frames.before is None or frames.after is None):
            raise ValueError("the baseline takes four frames: give those before and after, too")
        encoded = self.baseline.encode(frames)
        features = _laid_out(encoded, torch.contiguous_format) if self.plugin else encoded
        prior = None
        for plugin in self.plugin.values():
            if isinstance(plugin, MotionPlugin):
                prior = plugin(features, regions, t)
                self._check_prior(prior, frames)
            else:
                features = plugin(features, regions)
        if self.plugin and encoded.f0.is_contiguous(memory_format=torch.channels_last):
            features = _laid_out(features, torch.channels_last)
        prediction = self.baseline.decode(frames, features, t, prior)
        return replace(prediction, prior=prior)

    def lay_out(self) -> Composed:
        """Itself, its weights as they lie best on their device for what its mode says, `train()` or `eval()`: of a
        baseline that says `channels_last` so on a CPU on which convolutions are then faster. With AVX-512 they always
        are; with AVX2 frames are made faster, and the gradients of such weights take up to three times as long. For
        every arm of a baseline the same."""
        device = next(self.parameters()).device
        if self.channels_last and device.type == "cpu":
            faster = ("AVX512",) if self.training else ("AVX2", "AVX512")
            last = torch.backends.cpu.get_cpu_capability() in faster
            for part in self.baseline.children():
                # an instance norm knows the usual order alone, as a group norm does on the way back
                if not any(isinstance(each, nn.InstanceNorm2d | nn.GroupNorm) for each in part.modules()):
                    part.to(memory_format=torch.channels_last if last else torch.contiguous_format)  # type: ignore[call-overload]
        return self

    def _check_prior(self, prior: MotionPrior, frames: Frames) -> None:
        """A prior of another grid would broadcast in silence."""
        shapes = [tuple(x.shape) for x in (prior.flow_t0, prior.flow_t1, prior.latent)]
        if shapes != (expected := self.prior_shapes(frames)):
            raise ValueError(f"the motion plug-in returned {shapes}; the baseline takes {expected}")

    def prior_shapes(self, frames: Frames) -> list[tuple[int, ...]]:
        """Of flow_t0, flow_t1 and latent of a MotionPrior. Raises ValueError where there is no motion seam."""
        seam = self.baseline.offers.motion if self.baseline.offers else None
        if seam is None:
            raise ValueError("the baseline has no motion seam")
        grid = self.grid(frames, seam.stride)
        return [(len(frames.img0), channels, *grid) for channels in (2, 2, seam.channels)]

    def grid(self, frames: Frames, stride: int) -> tuple[int, int]:
        """Rows and columns of a grid of that stride on frames, at their working scale."""
        height, width = frames.img0.shape[-2:]
        return self._grid((height, width), stride, frames.scale)

    def regions(self, maps: NDArray[np.integer] | None, size: tuple[int, int], scale: float = 1.0) -> Regions | None:
        """Label maps (B, 2, H, W) of frames padded to `size`, on the plug-ins' grid and device."""
        offers = self.baseline.offers
        if maps is None or offers is None:
            return None
        device = next(self.parameters()).device
        return Regions.of(maps[:, 0], maps[:, 1], self._grid(size, offers.stride, scale)).to(device)

    def _grid(self, size: tuple[int, int], stride: int, scale: float) -> tuple[int, int]:
        """Rows and columns of a grid of that stride, on frames of `size` at a working scale."""
        scale = scale if self.baseline.scales_frames else 1.0
        return round(size[0] * scale) // stride, round(size[1] * scale) // stride

    @torch.inference_mode()
    def interpolate(
        self,
        img0: Tensor,
        img1: Tensor,
        t: float = 0.5,
        masks: NDArray[np.integer] | None = None,
        scale: float = 1.0,
        *,
        before: Tensor | None = None,
        after: Tensor | None = None,
    ) -> Prediction:
        """The frame at time `t` between `img0` and `img1`, RGB float (B, 3, H, W) in [0, 1], of any H, W >= 2.

        `masks` are label maps (B, 2, H, W); without them everything is one region. A network that needs none is given
        none of them. The frames are padded by replication, right and below, to the network's size multiple, and the
        result is cropped back. `before` and `after` are the frames as far before and after these as these are apart,
        for a network of four inputs.
        Raises ValueError for anything else, and for a result that is not finite.
        """
        _check(img0, img1, t, masks)
        for name, image in (("before", before), ("after", after)):
            if (image is None) != (self.inputs == 2):
                raise ValueError(
                    f"{name}: a network of {self.inputs} inputs takes {'none' if image is not None else 'one'}"
                )
            if image is not None:
                _check(img0, image, t, masks, name)
        if self.middle_only and t != 0.5:
            raise ValueError(f"t: this network makes the frame at 0.5 alone, got {t}")
        if img0.dtype != (own := next(self.parameters()).dtype):
            raise ValueError(f"img0, img1: expected {own}, as the network's weights are, got {img0.dtype}")
        if not 0 < scale <= 16:
            raise ValueError(f"scale: expected a working scale above 0 and at most 16, got {scale}")
        batch, _, height, width = img0.shape
        padding = Padding.to_multiple(height, width, self.multiple(scale))
        regions = None
        if len(self.plugin) and self.needs_masks:
            maps = np.zeros((batch, 2, height, width), np.uint8) if masks is None else masks
            regions = self.regions(padding.pad_maps(maps), padding.size, scale)
        given = Frames(img0=img0, img1=img1, scale=scale, before=before, after=after)
        frames = given.changed(padding.pad)
        time = torch.full((batch, 1, 1, 1), t, dtype=img0.dtype, device=img0.device)
        out = self(frames, time, regions)
        if not all(bool(x.isfinite().all()) for x in (out.frame, out.flow_t0, out.flow_t1) if x is not None):
            raise ValueError(
                f"the result is not finite: {img0.dtype} overflowed, or the weights are broken; try float32"
            )
        flow_t0, flow_t1, blend = (x if x is None else padding.crop(x) for x in (out.flow_t0, out.flow_t1, out.blend))
        return Prediction(frame=padding.crop(out.frame), flow_t0=flow_t0, flow_t1=flow_t1, blend=blend)

    def multiple(self, scale: float = 1.0) -> int:
        """The smallest size that the working scale brings to a multiple of what the network takes."""
        needed = self.baseline.size_multiple
        multiple = (needed / Fraction(scale).limit_denominator(64)).numerator
        return math.lcm(multiple, needed) if self.baseline.fits_full_size else multiple


def _laid_out(features: Features, order: torch.memory_format) -> Features:
    f0, f1 = (x.contiguous(memory_format=order) for x in (features.f0, features.f1))
    return features.refined(f0, f1)


def _check(img0: Tensor, img1: Tensor, t: float, masks: NDArray[np.integer] | None, called: str = "img1") -> None:
    for name, img in (("img0", img0), (called, img1)):
        if not isinstance(img, Tensor):
            raise ValueError(f"{name}: expected a tensor, got {type(img).__name__}")
        if img.ndim != 4 or img.shape[1] != 3 or min(img.shape[-2:]) < 2:
            raise ValueError(f"{name}: expected (B, 3, H, W) with H, W >= 2, got {tuple(img.shape)}")
        if not img.is_floating_point():
            raise ValueError(f"{name}: expected floats in [0, 1], got {img.dtype}")
        if not bool(((img >= 0) & (img <= 1)).all()):
            raise ValueError(f"{name}: expected values in [0, 1], got NaN or values outside")
    if img0.shape != img1.shape or img0.dtype != img1.dtype:
        raise ValueError(
            f"img0 and {called} differ: {tuple(img0.shape)} {img0.dtype} against {tuple(img1.shape)} {img1.dtype}"
        )
    if not 0 < t < 1:
        raise ValueError(f"t: expected a time strictly between 0 and 1, got {t}")
    if masks is not None and masks.shape != (len(img0), 2, *img0.shape[-2:]):
        raise ValueError(f"masks: expected {(len(img0), 2, *img0.shape[-2:])}, got {masks.shape}")
