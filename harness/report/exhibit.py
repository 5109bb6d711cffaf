"""What a gallery shows of a triplet (paper, Figs. 6 and 10-12): the crop that its number comes from, errors and flows.

It keeps thumbnails and crops, so that a gallery of 4K frames fits into memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from harness.metrics.pixelwise import decibels
from harness.outcome.pairs import PairOutcome
from harness.pair.plan import Plan
from harness.report.flow_picture import Flow
from harness.report.gallery import Flows, Made, Pick, Pixels, Shown, covered, pixels, shown

THUMBNAIL = 640  # pixels, the longer side


@dataclass(frozen=True)
class Place:
    """A part of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def cut(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class View:
    """What an arm made of a triplet: the crop, its absolute error in grey levels (mean of the colours), PSNR of the
    whole frame as it was measured and of the crop, in dB, and in the crop the flow to the first input."""

    label: str
    crop: Pixels
    error: NDArray[np.float32]
    psnr: float
    crop_psnr: float
    flow: Flow | None = None


@dataclass(frozen=True)
class Exhibit:
    """A triplet as it is shown. `size` (H, W) is that of the frames, in which `place` is the crop; `masks` are those
    of both frames, under one colour a label; `regions` is how many there are, 0 without masks. `origin` says what the
    arms started from, as `harness.results.records.PairRecord.origin`. `true_flow` and `attended` are flows to the first
    input in the crop: what the benchmark knows, and what the motion plug-in attended to."""

    title: str
    size: tuple[int, int]
    place: Place
    overlay: Pixels
    masks: tuple[Pixels, Pixels] | None
    regions: int
    inputs: Pixels
    truth: Pixels
    views: tuple[View, ...]
    origin: str = ""
    true_flow: Flow | None = None
    attended: Flow | None = None

    @property
    def crop_gain(self) -> float | None:
        """By how many dB the second arm is above the first in the crop."""
        return self.views[1].crop_psnr - self.views[0].crop_psnr if len(self.views) > 1 else None

    @property
    def flows(self) -> list[Flow]:
        """All that are known."""
        return [
            flow for flow in (*(view.flow for view in self.views), self.true_flow, self.attended) if flow is not None
        ]


def exhibits(pair: PairOutcome, plan: Plan, chosen: Sequence[Pick], side: int | None = None) -> list[Exhibit]:
    """Read, mask and predict what was picked. `side` of the crop in pixels; None for a third of the frame's shorter
    side. Raises HarnessError as `shown`."""
    return [_exhibit(pair, each, side) for each in shown(pair, plan, chosen)]


def crop_place(errors: Sequence[NDArray[np.float64]], side: int, gain: float) -> Place:
    """Where the gain of a frame comes from, or its loss: of all squares of that side (cut to the frame's) the one over
    which the second arm's summed squared error (H, W) is farthest below the first's; where `gain`, the frame's, is
    negative, farthest above it. The first of equal ones. Of one arm, or of arms that are equal, the one with the
    largest error.
    """
    gained = errors[0] - errors[-1]
    score = gained if gain >= 0 else -gained
    if not score.any():
        score = errors[0]
    height, width = (min(side, length) for length in score.shape)
    total = np.pad(score.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(sums.argmax(), sums.shape)
    return Place(int(top), int(left), height, width)


def _exhibit(pair: PairOutcome, of: Shown, side: int | None) -> Exhibit:
    height, width = of.truth.shape[:2]
    side = side or max(min(height, width) // 3, 48)
    place = crop_place([made.squared for made in of.made], side, of.pick.value)
    overlay = _overlaid(of.first, of.last)
    maps = of.maps
    return Exhibit(
        title=of.title,
        size=(height, width),
        place=place,
        overlay=_small(overlay),
        masks=None if maps is None else (_masked(of.first, maps[0]), _masked(of.last, maps[1])),
        regions=0 if maps is None else len(np.unique(maps)),
        inputs=overlay[place.cut].copy(),
        truth=of.truth[place.cut].copy(),
        views=tuple(_view(made, place, of.truth) for made in of.made),
        origin=pair.record.origin,
        true_flow=_to_first(of.true_flows, place),
        attended=_to_first(of.made[-1].attended, place),
    )


def _view(made: Made, place: Place, truth: Pixels) -> View:
    frame, squared = made.frame[place.cut], made.squared[place.cut]
    error = np.abs(frame * 255 - truth[place.cut]).mean(-1, dtype=np.float32)
    crop_psnr = float(decibels(torch.tensor(squared.mean())))
    return View(made.label, pixels(frame), error, made.psnr, crop_psnr, _to_first(made.flows, place))


def _to_first(flows: Flows | None, place: Place) -> Flow | None:
    rows, columns = place.cut
    return None if flows is None else flows[0][:, rows, columns].copy()


def _overlaid(first: Pixels, last: Pixels) -> Pixels:
    """The mean of both inputs."""
    mean: Pixels = ((first.astype(np.uint16) + last) // 2).astype(np.uint8)
    return mean


def _masked(frame: Pixels, labels: NDArray[np.integer]) -> Pixels:
    return covered(_small(frame), _small_labels(labels))


def _small(image: Pixels) -> Pixels:
    """At most THUMBNAIL wide and high."""
    small = Image.fromarray(image)
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small)


def _small_labels(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """The same for labels, which have no mean."""
    small = Image.fromarray(labels.astype(np.int32))
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.NEAREST)
    return np.asarray(small)
