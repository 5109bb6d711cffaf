"""What a gallery shows of a pair (paper, Figs. 6 and 10-12): as many triplets that gain most as that lose most.

Of each it keeps a thumbnail and a crop, so that a gallery of 4K frames fits into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image

from harness.data.around import seen_by
from harness.data.benchmark import Benchmark, Triplet
from harness.data.cropped import cropped
from harness.data.known import masks_of
from harness.errors import HarnessError, suggestion
from harness.evaluate.protocol import predictor
from harness.evaluate.runner import to_image
from harness.masks.chosen import cache_of
from harness.metrics.pixelwise import decibels, squared_error
from harness.model import Composed
from harness.model.contracts import inputs_and_truth
from harness.outcome.difference import difference
from harness.outcome.pairs import ArmOutcome, Column, PairOutcome
from harness.pair.plan import Plan
from harness.pair.testset import file_hash

Pixels = NDArray[np.uint8]  # (H, W, 3) RGB
Maps = NDArray[np.integer]  # (2, H, W)
THUMBNAIL = 640  # pixels, the longer side
TOLERANCE = 0.05  # dB between a frame's PSNR now and when it was measured, maybe on another device


@dataclass(frozen=True)
class Pick:
    """A triplet to show. `value` is its difference in PSNR, of a single arm its PSNR; rank 1 of `count` is the
    highest of its level."""

    column: Column
    triplet: str
    value: float
    rank: int
    count: int


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
    """What an arm made of a triplet: the crop, its absolute error in grey levels (mean of the colours), and PSNR of
    the whole frame as it was measured and of the crop, in dB."""

    label: str
    crop: Pixels
    error: NDArray[np.float32]
    psnr: float
    crop_psnr: float


@dataclass(frozen=True)
class Exhibit:
    """A triplet as it is shown. `size` (H, W) is that of the frames, in which `place` is the crop; `masks` are those
    of the first frame, under one colour a label; `regions` is how many there are, 0 without masks. `origin` says what
    the arms started from, as `harness.results.records.PairRecord.origin`."""

    title: str
    size: tuple[int, int]
    place: Place
    overlay: Pixels
    masks: Pixels | None
    regions: int
    inputs: Pixels
    truth: Pixels
    views: tuple[View, ...]
    origin: str = ""


def picks(pair: PairOutcome, count: int = 1, levels: Sequence[str] = ()) -> list[Pick]:
    """Of each level the `count` triplets with the highest difference in PSNR, and as many with the lowest, from the
    highest down; fewer of both where the level has fewer, and one where it has one. Of a single arm: by PSNR.

    Raises HarnessError where the arms are not evaluated or not matched, or for a level that the pair has not.
    """
    rows = pair.arms[0].rows if len(pair.arms) == 1 else difference(pair)
    if rows is None or rows.empty:
        raise HarnessError(f"{pair.name} is not evaluated yet: {pair.record.asked.command()} does it")
    known = {pair.column_label(column): column for column in pair.columns}
    for level in levels:
        if level not in known and all(level != column.level for column in known.values()):
            hint = suggestion(level, known) or f"; there are: {', '.join(known)}"
            raise HarnessError(f"{pair.name} has no level '{level}'{hint}")
    chosen = []
    for label, column in known.items():
        if not levels or label in levels or column.level in levels:
            of_level = rows[(rows["test"] == column.test) & (rows["level"] == column.level)]
            chosen += _extremes(column, of_level, count)
    return chosen


def _extremes(column: Column, rows: pd.DataFrame, count: int) -> list[Pick]:
    ordered = rows.sort_values(["psnr", "triplet"], ascending=[False, True])
    total = len(ordered)
    all_picks = [
        Pick(column, str(triplet), float(value), rank, total)
        for rank, (triplet, value) in enumerate(zip(ordered["triplet"], ordered["psnr"], strict=True), start=1)
    ]
    each = min(count, total // 2)
    return all_picks[:each] + all_picks[total - each :] if each else all_picks


def most_different(errors: Sequence[NDArray[np.float64]], side: int) -> Place:
    """Where arms differ most: of all squares of that side (cut to the frame's) the one over which their summed
    squared errors (H, W) are farthest apart, the first of equal ones. Of one arm, or of arms that are equal, the one
    with the largest error."""
    score = errors[1] - errors[0] if len(errors) > 1 else errors[0]
    if not score.any():
        score = errors[0]
    height, width = (min(side, length) for length in score.shape)
    total = np.pad(score.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(np.abs(sums).argmax(), sums.shape)
    return Place(int(top), int(left), height, width)


def exhibits(pair: PairOutcome, plan: Plan, chosen: Sequence[Pick], side: int | None = None) -> list[Exhibit]:
    """Read, mask and predict what was picked. `side` of the crop in pixels; None for a third of the frame's shorter
    side. Raises HarnessError as `shown`."""
    return [_exhibit(pair, each, side) for each in shown(pair, plan, chosen)]


@dataclass(frozen=True)
class Made:
    """What an arm made of a triplet: the frame (H, W, 3) in [0, 1] as it was measured, its squared error (H, W), and
    the flows from it to both inputs (2, H, W), channel 0 = x, None of a network that estimates none."""

    label: str
    frame: NDArray[np.float32]
    squared: NDArray[np.float64]
    psnr: float
    flows: tuple[NDArray[np.float32], NDArray[np.float32]] | None


@dataclass(frozen=True)
class Shown:
    """A triplet at full size: the inputs and the truth between them, label maps of the inputs where the arm with
    plug-ins had any, and what each arm made of it."""

    pick: Pick
    title: str
    first: Pixels
    truth: Pixels
    last: Pixels
    maps: Maps | None
    made: tuple[Made, ...]


def shown(pair: PairOutcome, plan: Plan, chosen: Sequence[Pick]) -> Iterator[Shown]:
    """Read, mask and predict what was picked, one at a time.

    Raises HarnessError where a network or a triplet is no longer what was measured.
    """
    networks = [_network(pair, arm, plan, at) for at, arm in enumerate(pair.arms)]
    source = plan.test_masks or plan.masks
    cache = cache_of(source) if source and plan.arm.needs_masks else None
    for pick, benchmark, triplet in _triplets(pair, plan, chosen):
        frames = benchmark.read(triplet)
        maps = masks_of(cache, benchmark, triplet, frames).maps if cache else None
        made = tuple(
            _made(pair, arm, plan, model, (pick, triplet), frames, maps)
            for arm, model in zip(pair.arms, networks, strict=True)
        )
        first, truth, last = frames[len(frames) // 2 - 1 :][:3]
        yield Shown(pick, f"{_headline(pair, pick)}: {pick.triplet}", first, truth, last, maps, made)


def _triplets(pair: PairOutcome, plan: Plan, chosen: Sequence[Pick]) -> Iterator[tuple[Pick, Benchmark, Triplet]]:
    for test in plan.tests:
        wanted = [pick for pick in chosen if pick.column.test == test.name]
        benchmark = None
        if wanted:
            seen = seen_by(test.build(), plan.arm.inputs, test.label, "test")
            benchmark = cropped(seen, plan.training.recipe.test_crop)
        known = {(each.level, each.id): each for each in benchmark.test} if benchmark else {}
        for pick in wanted:
            triplet = known.get((pick.column.level, pick.triplet))
            if benchmark is None or triplet is None:
                raise _changed(pair, f"{test.label} has no triplet {pick.triplet} in {pick.column.level} now")
            yield pick, benchmark, triplet


def _network(pair: PairOutcome, arm: ArmOutcome, plan: Plan, at: int) -> Composed:
    """The very network that was tested."""
    assert arm.run is not None
    assert arm.measured is not None
    weights = arm.run.path / arm.measured.weights_file
    if not weights.is_file() or file_hash(weights)[:12] != arm.measured.weights:
        raise _changed(pair, f"{weights} is not there, or not what was tested")
    model = plan.arms[at].build(plan.training.seed)
    model.load_state_dict(safetensors.torch.load_file(weights))
    return model.to(plan.device)


def _exhibit(pair: PairOutcome, of: Shown, side: int | None) -> Exhibit:
    height, width = of.truth.shape[:2]
    place = most_different([made.squared for made in of.made], side or max(min(height, width) // 3, 48))
    overlay = _overlaid(of.first, of.last)
    maps = of.maps
    return Exhibit(
        title=of.title,
        size=(height, width),
        place=place,
        overlay=_small(overlay),
        masks=None if maps is None else covered(_small(of.first), _small_labels(maps[0])),
        regions=0 if maps is None else len(np.unique(maps[0])),
        inputs=overlay[place.cut].copy(),
        truth=of.truth[place.cut].copy(),
        views=tuple(_view(made, place, of.truth) for made in of.made),
        origin=pair.record.origin,
    )


def _made(
    pair: PairOutcome,
    arm: ArmOutcome,
    plan: Plan,
    model: Composed,
    what: tuple[Pick, Triplet],
    frames: Pixels,
    maps: Maps | None,
) -> Made:
    pick, triplet = what
    settings = plan.testing.protocol.settings_on(pick.column.test)
    inputs, truth = inputs_and_truth([to_image(image, plan.device) for image in frames])
    predicted = predictor(model, settings)(inputs, triplet.t, maps)
    frame, flows = predicted.frame, (predicted.flow_t0, predicted.flow_t1)
    if settings.rounding:
        frame = (frame * 255).round() / 255
    squared = squared_error(frame, truth)[0].cpu().numpy()
    psnr = _psnr(arm, pick)
    now = float(decibels(torch.tensor(squared.mean())))
    if abs(now - psnr) > TOLERANCE:
        raise _changed(pair, f"{pick.triplet}: {arm.label} has {now:.2f} dB now and had {psnr:.2f} dB when tested")
    known = [flow[0].float().cpu().numpy() for flow in flows if flow is not None]
    both = (known[0], known[1]) if len(known) == 2 else None
    return Made(arm.label, frame[0].permute(1, 2, 0).float().cpu().numpy(), squared, psnr, both)


def _view(made: Made, place: Place, truth: Pixels) -> View:
    frame, squared = made.frame[place.cut], made.squared[place.cut]
    error = np.abs(frame * 255 - truth[place.cut]).mean(-1, dtype=np.float32)
    return View(made.label, pixels(frame), error, made.psnr, float(decibels(torch.tensor(squared.mean()))))


def pixels(frame: NDArray[np.float32]) -> Pixels:
    """A frame in [0, 1] as an image."""
    image: Pixels = (frame.clip(0, 1) * 255).round().astype(np.uint8)
    return image


def _psnr(arm: ArmOutcome, pick: Pick) -> float:
    rows = arm.rows.set_index(["test", "level", "triplet"])["psnr"]
    return float(rows.loc[(*pick.column, pick.triplet)])


def _headline(pair: PairOutcome, pick: Pick) -> str:
    sign = "+" if len(pair.arms) > 1 else ""
    return f"{pair.column_label(pick.column)}, {pick.value:{sign}z.2f} dB, rank {pick.rank} of {pick.count}"


def _changed(pair: PairOutcome, what: str) -> HarnessError:
    again = pair.record.asked.command()
    return HarnessError(f"{what}: code, data or weights changed since the pair was tested; test it again: {again}")


def _overlaid(first: Pixels, last: Pixels) -> Pixels:
    """The mean of both inputs."""
    mean: Pixels = ((first.astype(np.uint16) + last) // 2).astype(np.uint8)
    return mean


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


def covered(image: Pixels, labels: NDArray[np.integer]) -> Pixels:
    """The image (H, W, 3) under its labels (H, W); 0, the rest, is left as it is."""
    covered = np.where(labels[..., None] > 0, tinted(image / 255, labels), image / 255)
    result: Pixels = (covered * 255).round().astype(np.uint8)
    return result


def tinted(image: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """The image (H, W, 3) in [0, 1] under one colour a label (H, W), the same for the same label everywhere."""
    golden = (np.sqrt(5) - 1) / 2
    hue = (labels.astype(np.float64) * golden) % 1
    channels = (5 + np.array([0.0, 4.0, 2.0])) % 6
    wheel = np.abs((hue[..., None] * 6 + channels) % 6 - 3) - 1
    mixed: NDArray[np.float64] = 0.5 * image + 0.5 * wheel.clip(0, 1)
    return mixed
