# mypy: ignore-errors
"""Metrics with one mistake each. `RightDifference` has none."""

from __future__ import annotations

import torch


class RightDifference:
    """Mean absolute difference in grey levels."""

    def __call__(self, frame, truth):
        return 255 * (frame - truth).abs().mean((1, 2, 3))


class WrongDirection(RightDifference):
    """The spec says that higher is better."""


class MeanOfBatch:
    """One number for all, again and again."""

    def __call__(self, frame, truth):
        return (frame - truth).abs().mean().expand(len(frame))


class EightBit:
    """Takes frames for 0 to 255."""

    def __call__(self, frame, truth):
        return (frame.byte().float() - truth.byte().float()).abs().mean((1, 2, 3))


class NotSymmetrical:
    def __call__(self, frame, truth):
        return ((frame - truth).abs() / truth.clamp(min=0.05)).mean((1, 2, 3))


class MetricInPlace(RightDifference):
    def __call__(self, frame, truth):
        return super().__call__(frame.mul_(0.999), truth)


class Running:
    """The mean over all frames so far."""

    def __init__(self):
        self.seen = []

    def __call__(self, frame, truth):
        self.seen += (frame - truth).abs().mean((1, 2, 3)).tolist()
        return torch.full((len(frame),), sum(self.seen) / len(self.seen))


class Infinite:
    """Of the truth itself it is infinite."""

    def __call__(self, frame, truth):
        return -10 * torch.log10((frame - truth).square().mean((1, 2, 3)))


class OneForAll:
    def __call__(self, frame, truth):
        return (frame - truth).abs().mean()


class RightLight:
    """How far the light of a frame is from that of its inputs."""

    def __call__(self, *, frame, truth, img0, img1, t):
        light, light0, light1 = (image.mean((1, 2, 3)) for image in (frame, img0, img1))
        return (light - (1 - t) * light0 - t * light1).abs()


class RightSometimes(RightLight):
    """The same, which early frames do not have."""

    def __call__(self, *, frame, truth, img0, img1, t):
        light = super().__call__(frame=frame, truth=truth, img0=img0, img1=img1, t=t)
        return torch.where(t < 0.4, torch.nan, light)


class NothingInABatch(RightLight):
    """One frame at a time can be measured, and no batch."""

    def __call__(self, *, frame, truth, img0, img1, t):
        light = super().__call__(frame=frame, truth=truth, img0=img0, img1=img1, t=t)
        return light if len(light) == 1 else light * torch.nan


class FirstTime(RightLight):
    """The first sample's time is taken for all."""

    def __call__(self, *, frame, truth, img0, img1, t):
        return super().__call__(frame=frame, truth=truth, img0=img0, img1=img1, t=t[:1])


class RightColours:
    """Of a whole set: how far the mean colour of all its frames is from that of the true ones."""

    def __call__(self, *, frame, truth):
        return (frame - truth).mean((2, 3))

    def result(self, features):
        return float(abs(features.mean(0)).sum())


class CentredFeatures(RightColours):
    """Features are what a frame has more than others of its batch."""

    def __call__(self, *, frame, truth):
        found = super().__call__(frame=frame, truth=truth)
        return found - found.mean(0)
