"""How often 95 % intervals of a paired difference hold the truth, and how often a null pair is called different.

A difference is drawn as truth + seed's effect + clip's + what a seed and a clip have together + triplet's, each with
mean 0, in dB; clips have 4 to 16 triplets, half of a triplet's variance is the same for every seed. With one seed the
truth that is asked for includes that seed's effect. A null pair has no effects of clips and triplets that last over
retrainings.

Run `python tests/simulate_statistics.py` (10,000 draws a design), or with another number of draws; it prints Markdown.
The bootstrap, which no claim rests on and which takes nearly all of the time, is looked at in the first 1,000.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from harness.statistics.bootstrap import percentile_interval, resampled, scaled_interval
from harness.statistics.crossed import Crossed, over_both, over_seeds

TRUTH = 0.04
BOOTSTRAPPED = 1000  # draws


class Effects(NamedTuple):
    """Standard deviations in dB. `own` is the share of a triplet's variance that is drawn anew with each seed;
    `freedom` is that of a t distribution, scaled to the same standard deviation."""

    seed: float = 0.03
    clip: float = 0.05
    joint: float = 0.0
    triplet: float = 0.1
    own: float = 0.5
    freedom: float = math.inf


class Model(NamedTuple):
    """Effects, the true mean, and the designs (seeds, clips) that are asked for."""

    name: str
    effects: Effects
    designs: tuple[tuple[int, int], ...]
    truth: float = TRUTH


ALL = tuple((seeds, clips) for seeds in (1, 2, 3, 4, 5) for clips in (5, 10, 31))
CORNERS = ((3, 5), (3, 31), (5, 5), (5, 31))
NORMAL = Model("normal", Effects(), ALL)
NULL = Model("null pair", Effects(clip=0.0, joint=0.05, own=1.0), ALL[3:], truth=0.0)
MODELS = (
    NORMAL,
    NULL,
    Model("seeds alike", Effects(seed=0.0), CORNERS),
    Model("seeds apart", Effects(seed=0.1), CORNERS),
    Model("seeds and clips interact", Effects(joint=0.03), CORNERS),
    Model("heavy tails", Effects(freedom=4.0), ((1, 5), (1, 31), *CORNERS)),
)


class Draw(NamedTuple):
    """A table of differences, and the truth that its interval should hold."""

    table: Crossed
    truth: float


def draws(model: Model, seeds: int, clips: int, count: int) -> Iterator[Draw]:
    """Tables drawn from the model, the same ones each time."""
    effects = model.effects
    random = np.random.default_rng([seeds, clips])
    sizes = np.round(np.linspace(4, 16, clips)).astype(int)
    of_clip = np.repeat(np.arange(clips), sizes)

    def some(sd: float, *shape: int) -> np.ndarray:
        if math.isinf(effects.freedom):
            return sd * random.standard_normal(shape)
        return sd * math.sqrt(1 - 2 / effects.freedom) * random.standard_t(effects.freedom, shape)

    for _ in range(count):
        of_seed = some(effects.seed, seeds, 1)
        both = some(effects.clip, 1, clips) + some(effects.joint, seeds, clips)
        shared = some(effects.triplet * math.sqrt(1 - effects.own), 1, len(of_clip))
        own = some(effects.triplet * math.sqrt(effects.own), seeds, len(of_clip))
        values = model.truth + of_seed + both[:, of_clip] + shared + own
        yield Draw(Crossed.of_values(values, of_clip), model.truth + (float(of_seed[0, 0]) if seeds == 1 else 0.0))


class Coverage(NamedTuple):
    """Of one design, in per cent: how often the truth is in an interval, and how often the pair is called different."""

    interval: float
    bootstrap: float
    percentile: float
    over_seeds: float
    different: float
    half_width: float  # median of `interval`, in dB


def coverage(model: Model, seeds: int, clips: int, count: int) -> Coverage:
    """Over `count` draws."""
    tables = enumerate(draws(model, seeds, clips, count))
    found = np.array([_holds(draw, bootstrap=at < BOOTSTRAPPED) for at, draw in tables])
    return Coverage(*(100 * np.nanmean(found[:, :-1], axis=0)), half_width=float(np.median(found[:, -1])))


def _holds(draw: Draw, bootstrap: bool) -> tuple[float, ...]:
    table = draw.table
    error = table.sign * (draw.truth - table.mean)
    spread = over_both(table)
    half = spread.half_width()
    of_seeds = over_seeds(table).half_width() if table.seeds > 1 else math.nan
    inside = [math.nan, math.nan]
    if bootstrap:
        resamples = resampled(table)
        both = (scaled_interval(resamples, spread), percentile_interval(resamples))
        inside = [float(low <= error <= high) for low, high in both]
    different = abs(table.mean) > max(half, of_seeds) if table.seeds > 1 else False
    return abs(error) <= half, *inside, abs(error) <= of_seeds, different, half


HEADS = ("seeds", "clips", "interval", "bootstrap", "plain percentile", "t over seeds", "different", "half (dB)")


def main(count: int) -> None:
    """Print a table for each model."""
    command = f"python tests/simulate_statistics.py {count}"
    print(f"\n## Intervals of simulated pairs\n\n`{command}`: per cent of {count} draws a design, ", end="")
    print(f"of the bootstrap of the first {min(count, BOOTSTRAPPED)}.\n")
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        asked = [
            [(design, processes.submit(coverage, model, *design, count)) for design in model.designs]
            for model in MODELS
        ]
        for model, of_model in zip(MODELS, asked, strict=True):
            print(f"**{model.name}**: {model.effects}, truth {model.truth} dB\n")
            rows = [_row(*design, found.result()) for design, found in of_model]
            print(tabulate(rows, HEADS, tablefmt="github", disable_numparse=True), "\n", flush=True)


def _row(seeds: int, clips: int, found: Coverage) -> list[str]:
    shown = [f"{value:.1f}" for value in found[:-1]]
    if seeds == 1:
        shown[-2:] = ["", "never"]
    return [str(seeds), str(clips), *shown, f"{found.half_width:.3f}"]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
