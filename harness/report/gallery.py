"""Triplets of a pair that are looked at: as many that gain most as that lose most, and what both arms make of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from numpy.typing import NDArray

from harness.data.around import seen_by
from harness.data.benchmark import Benchmark, Triplet
from harness.data.cropped import cropped
from harness.data.known import masks_of, truth_of
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
from harness.report.flow_picture import Flow

Pixels = NDArray[np.uint8]  # (H, W, 3) RGB
Maps = NDArray[np.integer]  # (2, H, W)
Flows = tuple[Flow, Flow]
"""From the frame to be made to the first input and to the last, each (2, H, W), in pixels, channel 0 = x."""

TURNS = ((0.8, 1), (1, 0.7), (1, 1), (0.5, 1), (1, 0.55), (1, 0.85))
"""Saturation and value of labels' colours, in turns: of 28 labels the nearest two are nearly three times as far apart
in CIELAB as under hues alone."""

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


@dataclass(frozen=True)
class Made:
    """What an arm made of a triplet: the frame (H, W, 3) in [0, 1] as it was measured, its squared error (H, W), and
    the flows from it to both inputs; `attended` are those that a motion plug-in attended to before anything learnt from
    them, brought to the frame's size. None of a network or plug-in that has none."""

    label: str
    frame: NDArray[np.float32]
    squared: NDArray[np.float64]
    psnr: float
    flows: Flows | None
    attended: Flows | None = None


@dataclass(frozen=True)
class Shown:
    """A triplet at full size: the inputs and the truth between them, label maps of the inputs where the arm with
    plug-ins had any, what each arm made of it, and the true flows where the benchmark knows them."""

    pick: Pick
    title: str
    first: Pixels
    truth: Pixels
    last: Pixels
    maps: Maps | None
    made: tuple[Made, ...]
    true_flows: Flows | None = None


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
        known = truth_of(benchmark, triplet, truth.shape[:2])
        flows = (known.flow_t0, known.flow_t1) if known else None
        yield Shown(pick, f"{_headline(pair, pick)}: {pick.triplet}", first, truth, last, maps, made, flows)


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
    predict = predictor(model, settings)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):  # as it was measured
        predicted = predict(inputs, triplet.t, maps)
    frame = predicted.frame
    if settings.rounding:
        frame = (frame * 255).round() / 255
    squared = squared_error(frame, truth)[0].cpu().numpy()
    psnr = _psnr(arm, pick)
    now = float(decibels(torch.tensor(squared.mean())))
    if abs(now - psnr) > TOLERANCE:
        raise _changed(pair, f"{pick.triplet}: {arm.label} has {now:.2f} dB now and had {psnr:.2f} dB when tested")
    return Made(
        arm.label,
        frame[0].permute(1, 2, 0).float().cpu().numpy(),
        squared,
        psnr,
        _flows(predicted.flow_t0, predicted.flow_t1),
        _flows(predicted.attended_t0, predicted.attended_t1),
    )


def _flows(flow_t0: torch.Tensor | None, flow_t1: torch.Tensor | None) -> Flows | None:
    if flow_t0 is None or flow_t1 is None:
        return None
    return flow_t0[0].float().cpu().numpy(), flow_t1[0].float().cpu().numpy()


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


def covered(image: Pixels, labels: NDArray[np.integer]) -> Pixels:
    """The image (H, W, 3) under its labels (H, W); 0, the rest, is left as it is."""
    covered = np.where(labels[..., None] > 0, tinted(image / 255, labels), image / 255)
    result: Pixels = (covered * 255).round().astype(np.uint8)
    return result


def tinted(image: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """The image (H, W, 3) in [0, 1] under one colour a label (H, W), the same for the same label everywhere."""
    mixed: NDArray[np.float64] = 0.5 * image + 0.5 * label_colours(int(labels.max()) + 1)[labels]
    return mixed


def label_colours(count: int) -> NDArray[np.float64]:
    """The colours (count, 3) in [0, 1] of the labels 0, 1, ...: each has a hue of its own, and as hues of many are near
    each other, strength and brightness take turns."""
    from matplotlib.colors import hsv_to_rgb

    numbers = np.arange(count)
    hues = numbers * (np.sqrt(5) - 1) / 2 % 1
    colours: NDArray[np.float64] = hsv_to_rgb(np.column_stack([hues, np.array(TURNS)[numbers % len(TURNS)]]))
    return colours
