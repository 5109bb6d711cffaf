"""Whether data is read as fast as a network trains: measured on a few samples, on the machine at hand."""

from __future__ import annotations

import math
import time
from statistics import fmean, median

from harness.data.around import seen_by
from harness.data.augment import augmented, sample_rng
from harness.data.frames import frames_of
from harness.pair.plan import Plan

SAMPLES = 8  # of each training set


def seconds_a_sample(plan: Plan) -> float:
    """That one process takes to read the frames of a training sample and to cut them, by the plan's recipe; without
    label maps, which are made beforehand. Of several sets the mean, by their weights."""
    return fmean(
        [_seconds(plan, number) for number in range(len(plan.data))], weights=[each.weight for each in plan.data]
    )


def _seconds(plan: Plan, number: int) -> float:
    chosen, recipe = plan.data[number].chosen, plan.training.recipe
    benchmark = seen_by(chosen.build(), plan.arm.inputs, chosen.label, "train")
    times = []
    for at, triplet in enumerate(benchmark.train[:: max(len(benchmark.train) // SAMPLES, 1)][:SAMPLES]):
        started = time.perf_counter()
        augmented(frames_of(benchmark, triplet), None, triplet.t, recipe.augment, sample_rng(plan.training.seed, 0, at))
        times.append(time.perf_counter() - started)
    return median(times)  # the first of a clip may have to decode all of it


def keeping_up(sample: float, batch: int, step: float) -> str:
    """What that means for a training whose batch is so many samples, and whose step takes so many seconds."""
    return (
        f"Reading: {1000 * sample:.1f} ms a sample in one process, without masks: {sample * batch:.3f} s a batch of "
        f"{batch}, where the fastest step takes {step:.3f} s. It keeps up from --workers "
        f"{math.ceil(sample * batch / step)} on, for each device that trains."
    )
