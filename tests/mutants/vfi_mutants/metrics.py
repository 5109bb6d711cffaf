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
