# mypy: ignore-errors
"""Baselines with one mistake each. `Right` has none."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.model import Features, Frames, MotionPrior, Prediction, resize, resize_flow
from harness.testing.small import Small


class Right(Small): ...


class Feature(Small):
    def __init__(self) -> None:
        super().__init__(latent="feature")


# --- the prior, as `decode` takes it up ---


class Prior(Small):
    """Somebody's own reading of a prior."""

    def decode(self, frames: Frames, features: Features, t: Any, prior: Any) -> Prediction:
        return super().decode(frames, features, t, prior and self.read(prior, frames))

    def read(self, prior: MotionPrior, frames: Frames) -> MotionPrior | None:
        raise NotImplementedError


class FlowSign(Prior):
    def read(self, prior, frames):
        return replace(prior, flow_t0=-prior.flow_t0, flow_t1=-prior.flow_t1)


class SwappedAxes(Prior):
    def read(self, prior, frames):
        return replace(prior, flow_t0=prior.flow_t0.flip(1), flow_t1=prior.flow_t1.flip(1))


class SwappedFrames(Prior):
    def read(self, prior, frames):
        return replace(prior, flow_t0=prior.flow_t1, flow_t1=prior.flow_t0)


class PriorIgnored(Prior):
    def read(self, prior, frames):
        return None


class LatentIgnored(Prior):
    def read(self, prior, frames):
        return replace(prior, latent=torch.zeros_like(prior.latent))


class LogitOfFrame1(Prior):
    def read(self, prior, frames):
        return replace(prior, latent=-prior.latent)


class InjectIgnored(Prior):
    def read(self, prior, frames):
        return replace(prior, inject="replace")


class PriorInFullPixels(Feature):
    """Of a seam at stride 8."""

    def decode(self, frames, features, t, prior):
        if prior is not None:
            prior = replace(prior, flow_t0=prior.flow_t0 / 8, flow_t1=prior.flow_t1 / 8)
        return super().decode(frames, features, t, prior)


class PriorForgetsScale(Prior):
    """The grid of a working scale is another one."""

    def read(self, prior, frames):
        return replace(prior, flow_t0=prior.flow_t0 * frames.scale**2, flow_t1=prior.flow_t1 * frames.scale**2)


# --- the frame, as it is made of flows ---


class FrameFlowSign(Small):
    """The flows that it gives are right, and it warps by others."""

    def synthesis(self, frames, flow0, flow1, logit, residual):
        made = super().synthesis(frames, -flow0, -flow1, logit, residual)
        full = frames.img0.shape[-2:]
        return replace(made, flow_t0=resize_flow(flow0, full), flow_t1=resize_flow(flow1, full))


class NotWarped(Small):
    def synthesis(self, frames, flow0, flow1, logit, residual):
        still = torch.zeros_like(flow0)
        made = super().synthesis(frames, still, still, logit.detach() * 0, residual.detach() * 0)
        full = frames.img0.shape[-2:]
        return replace(made, flow_t0=resize_flow(flow0, full), flow_t1=resize_flow(flow1, full))


class BlendOfFrame1(Small):
    """Says the weight of frame 1."""

    def synthesis(self, frames, flow0, flow1, logit, residual):
        made = super().synthesis(frames, flow0, flow1, logit, residual)
        return replace(made, blend=1 - made.blend)


class OneFrameOnly(Small):
    """Warps frame 0 by both flows."""

    def synthesis(self, frames, flow0, flow1, logit, residual):
        return super().synthesis(Frames(img0=frames.img0, img1=frames.img0), flow0, flow1, logit, residual)


class BGR(Small):
    def synthesis(self, frames, flow0, flow1, logit, residual):
        made = super().synthesis(frames, flow0, flow1, logit, residual)
        return replace(made, frame=made.frame.flip(1))


class To255(Small):
    def synthesis(self, frames, flow0, flow1, logit, residual):
        made = super().synthesis(frames, flow0, flow1, logit, residual)
        return replace(made, frame=made.frame * 255)


class NotClamped(Small):
    def synthesis(self, frames, flow0, flow1, logit, residual):
        made = super().synthesis(frames, flow0, flow1, logit, residual)
        return replace(made, frame=made.frame + 0.1 * resize(residual, frames.img0.shape[-2:]))


class HalfSize(Small):
    def synthesis(self, frames, flow0, flow1, logit, residual):
        made = super().synthesis(frames, flow0, flow1, logit, residual)
        return replace(made, frame=made.frame[..., ::2, ::2])


class OwnPadding(Small):
    """Pads to 32 on the left and on top, and crops right and below."""

    def decode(self, frames, features, t, prior):
        height, width = frames.img0.shape[-2:]
        more = (-width % 32, 0, -height % 32, 0)
        padded = [nn.functional.pad(img, more, mode="replicate") for img in (frames.img0, frames.img1)]
        wide = Frames(img0=padded[0], img1=padded[1], scale=frames.scale)
        made = super().decode(wide, self.encode(wide), t, None)
        crop = (..., slice(height), slice(width))
        return Prediction(
            frame=made.frame[crop], flow_t0=made.flow_t0[crop], flow_t1=made.flow_t1[crop], blend=made.blend[crop]
        )


class CachedGrid(Small):
    """Of the first size that it meets."""

    grid: Any = None

    def synthesis(self, frames, flow0, flow1, logit, residual):
        made = super().synthesis(frames, flow0, flow1, logit, residual)
        height, width = made.frame.shape[-2:]
        if self.grid is None:
            self.grid = made.frame.new_ones(1, 1, height, width).detach()
        return replace(made, frame=made.frame * self.grid)


# --- time ---


class NeighboursIgnored(Small): ...


class RecipeOfNobody(Small): ...


class TimeIgnored(Small):
    def first(self, features, t, size):
        return super().first(features, torch.full_like(t, 0.5), size)


class TimeReversed(Small):
    """Motion that is scaled by the time: from frame 0 it is 1 - t."""

    def first(self, features, t, size):
        flow0, flow1, latent = super().first(features, t, size)
        return (1 - t) * flow0, t * flow1, latent


class BlendTimeReversed(Small):
    """A cross-fade that begins with frame 1."""

    def synthesis(self, frames, flow0, flow1, logit, residual):
        return super().synthesis(frames, flow0, flow1, logit + torch.log(self.t / (1 - self.t)), residual)

    def decode(self, frames, features, t, prior):
        self.t = t
        made = super().decode(frames, features, t, prior)
        del self.t
        return made


# --- chance, memory, and the process ---


class DropoutAtTest(Small):
    def first(self, features, t, size):
        f0 = nn.functional.dropout(features.f0, 0.2)
        return super().first(features.refined(f0, features.f1), t, size)


class Remembers(Small):
    """The last features, as a recurrent network would."""

    last: Any = None

    def encode(self, frames):
        found = super().encode(frames)
        if self.last is not None and self.last.shape == found.f0.shape:
            found = found.refined(found.f0 + 0.1 * self.last, found.f1)
        self.last = found.f0.detach()
        return found


class InPlace(Small):
    def encode(self, frames):
        frames.img0.sub_(0.0).mul_(0.999)
        return super().encode(frames)


class PriorInPlace(Small):
    def decode(self, frames, features, t, prior):
        if prior is not None:
            prior.flow_t0.mul_(1.001)
        return super().decode(frames, features, t, prior)


class Reseeds(Small):
    def encode(self, frames):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        return super().encode(frames)


class DefaultDtype(Small):
    def __init__(self) -> None:
        super().__init__()
        torch.set_default_dtype(torch.float64)


class Threads(Small):
    def decode(self, frames, features, t, prior):
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().decode(frames, features, t, prior)


class NoGradLeftOn(Small):
    def encode(self, frames):
        found = super().encode(frames)
        torch.set_grad_enabled(False)
        return found


class OrderOfASet(Small):
    """Weights that follow the order of a set of words, another in each process."""

    def __init__(self) -> None:
        super().__init__()
        words = list({f"layer{at}" for at in range(20)})
        order = sum(int(word.removeprefix("layer")) / 20**at for at, word in enumerate(words))  # no one place alone:
        with torch.no_grad():  # that is the same in one of twenty processes
            self.motion[1].bias.add_(0.01 * order)


class BatchMixed(Small):
    def encode(self, frames):
        found = super().encode(frames)
        mean = found.f0.mean((0, 2, 3), keepdim=True)
        return found.refined(found.f0 - mean, found.f1)


# --- weights ---


class Frozen(Small):
    def __init__(self) -> None:
        super().__init__()
        self.fine.requires_grad_(False)


class Unused(Small):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Conv2d(3, 3, 3)


class Detached(Small):
    def encode(self, frames):
        found = super().encode(frames)
        return Features(f0=found.f0.detach(), f1=found.f1.detach(), kept=tuple(x.detach() for x in found.kept))


class PriorDetached(Small):
    def decode(self, frames, features, t, prior):
        if prior is not None:
            prior = replace(prior, flow_t0=prior.flow_t0.detach(), flow_t1=prior.flow_t1.detach())
        return super().decode(frames, features, t, prior)


class FeaturesIgnored(Small):
    """What a plug-in refines goes nowhere: the decoder keeps its own."""

    def encode(self, frames):
        found = super().encode(frames)
        return replace(found, kept=(*found.kept, found.f0, found.f1))

    def decode(self, frames, features, t, prior):
        fine0, fine1, f0, f1 = features.kept
        return super().decode(frames, Features(f0=f0, f1=f1, kept=(fine0, fine1)), t, prior)


class InAList(Small):
    """Layers in a plain list are not trained, saved or moved."""

    def __init__(self) -> None:
        super().__init__()
        self.extra = [nn.Conv2d(4, 4, 3, 1, 1)]

    def first(self, features, t, size):
        flow0, flow1, latent = super().first(features, t, size)
        more = self.extra[0](torch.cat([flow0, flow1], 1))
        return flow0 + more[:, :2], flow1 + more[:, 2:], latent


class BufferNotSaved(Small):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("running", torch.zeros(1, 16, 1, 1), persistent=False)

    def encode(self, frames):
        found = super().encode(frames)
        if self.training:
            self.running.mul_(0.9).add_(0.1 * found.f0.detach().mean((0, 2, 3), keepdim=True))
        return found.refined(found.f0 - self.running, found.f1 - self.running)


class WeightsDidNotLoad(Small):
    """A loading that finds nothing and says nothing."""

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        state_dict[f"{prefix}fine.0.0.weight"] = self.fine[0][0].weight.detach()
        super()._load_from_state_dict(state_dict, prefix, *rest)


class AlwaysTraining(Small):
    def train(self, mode: bool = True) -> Any:
        super().train(mode)
        self.fine.train(True)
        return self


class TranslateLoses(Small):
    def translate(self, state):
        return {key: value for key, value in state.items() if not key.endswith("motion.1.bias")}


class TranslateInvents(Small):
    def translate(self, state):
        return {"motion.1.bias": self.motion[1].bias.detach() * 0, **state}


class TranslateInPlace(Small):
    def translate(self, state):
        for value in state.values():
            value.mul_(1.0).add_(1e-3)
        return state


# --- the factory ---


class AnyOption(Small):
    def __init__(self, **options: Any) -> None:
        super().__init__(channels=int(options.get("width", 16)))


class Positional(Small):
    def __init__(self, width: int = 16) -> None:
        super().__init__(channels=width)


class Lambda(Small):
    def __init__(self) -> None:
        super().__init__()
        self.act = lambda x: x

    def encode(self, frames):
        return super().encode(replace(frames, img0=self.act(frames.img0)))


class HiddenDevice(Small):
    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)

    def encode(self, frames):
        return super().encode(replace(frames, img0=frames.img0 - self.mean, img1=frames.img1 - self.mean))


class HiddenDtype(Small):
    def synthesis(self, frames, flow0, flow1, logit, residual):
        made = super().synthesis(frames, flow0, flow1, logit, residual)
        return replace(made, frame=made.frame.float(), flow_t0=made.flow_t0.float())


class LooksAtValues(Small):
    """No count without data, and a GPU that waits."""

    def encode(self, frames):
        found = super().encode(frames)
        return found.refined(found.f0 * float(found.f0.mean().item() < 1e9), found.f1)


class KeepsAside(Small):
    """Fine features of the last frames that were encoded, not of those that are decoded."""

    def encode(self, frames):
        found = super().encode(frames)
        self.aside = [each.detach() for each in found.kept]
        return found

    def decode(self, frames, features, t, prior):
        return super().decode(frames, replace(features, kept=self.aside), t, prior)


class OneFrameTwice(Small):
    """Features of frame 0 for those of frame 1."""

    def encode(self, frames):
        found = super().encode(frames)
        return found.refined(found.f0, found.f0)


class OtherGrid(Small):
    """At a working scale its features are those of the full size."""

    def encode(self, frames):
        full = super().encode(Frames(img0=frames.img0, img1=frames.img1))
        return full.refined(full.f0, full.f1)

    def decode(self, frames, features, t, prior):
        whole = Frames(img0=frames.img0, img1=frames.img1)
        if prior is not None:
            size = frames.img0.shape[-2:]
            prior = replace(
                prior,
                flow_t0=resize_flow(prior.flow_t0, size),
                flow_t1=resize_flow(prior.flow_t1, size),
                latent=resize(prior.latent, size),
            )
        return super().decode(whole, features, t, prior)
