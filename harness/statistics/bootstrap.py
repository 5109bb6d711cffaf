"""Hierarchical paired bootstrap: seeds are drawn anew, then clips, then the triplets of each clip that was drawn.

Seeds and clips are crossed: one draw of clips serves all seeds of a resample. Nothing is drawn triplet by triplet:
given the seeds and clips of a resample, the sum over its triplets is a sum of independent draws, of which mean and
variance are known exactly, and it is drawn as normal with these.

The plain percentile interval is too narrow with few seeds or clips, by simulation: it holds the truth in 89 % of
cases with three seeds and 31 clips, in 64 % with two seeds that differ much. It neither knows that the spread of n
draws lacks the factor n / (n - 1) nor that it is estimated. So the deviations keep their shape, and are scaled to the
width of the t interval over seeds and clips.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.statistics.crossed import Array, Crossed, Spread

RESAMPLES = 10_000
KEY = 6  # of the counter-based generator: the same draws always
BLOCK = 4_000_000  # numbers of resamples, each as many as there are clips or pairs of seeds, that are held at a time


def percentile_interval(resamples: Array) -> tuple[float, float]:
    """95 % interval of the mean's deviation, as the resamples are: too narrow with few seeds or clips."""
    low, high = np.quantile(resamples, [0.025, 0.975])
    return float(low), float(high)


def scaled_interval(resamples: Array, spread: Spread) -> tuple[float, float]:
    """95 % interval of the mean's deviation: the resamples' shape, in the width of `spread`'s t interval."""
    unit = float(resamples.std()) * float(stats.norm.ppf(0.975))
    scale = spread.half_width() / unit if unit > 0 else 0.0
    low, high = percentile_interval(resamples)
    return low * scale, high * scale


def resampled(table: Crossed) -> Array:
    """Deviation of the mean in each resample: (RESAMPLES,). As a table's mean, it is over triplets."""
    seed_counts, clip_counts, noise = draws(table.seeds, table.clips)
    seeds = seed_counts / table.seeds
    inside = table.deviations - np.repeat(table.cells, table.sizes, axis=1)
    products = (inside[:, None] * inside[None]).reshape(table.seeds**2, -1)
    per_clip: Array = (
        np.vstack([np.ones_like(table.weights)[None], table.cells, table.clip_means(products)]) * table.sizes
    )
    parts = 1 + RESAMPLES * max(table.clips, table.seeds**2) // BLOCK
    blocks = np.array_split(np.arange(RESAMPLES), parts)
    return np.concatenate([_means(clip_counts[at], seeds[at], noise[at], per_clip.T) for at in blocks])


def _means(clip_counts: NDArray[np.uint16], seeds: Array, noise: Array, per_clip: Array) -> Array:
    """Of some of the resamples, from each one's clips (B, clips), share of every seed (B, seeds) and noise (B,)."""
    sums = clip_counts.astype(np.float64) @ per_clip
    triplets, of_seeds, covariance = np.split(sums, [1, 1 + seeds.shape[1]], axis=1)
    mean = (of_seeds * seeds).sum(axis=1)
    both_seeds = (seeds[:, :, None] * seeds[:, None]).reshape(len(seeds), -1)
    variance = (covariance * both_seeds).sum(axis=1)
    return np.asarray((mean + np.sqrt(np.maximum(variance, 0)) * noise) / triplets[:, 0])


@lru_cache(maxsize=4)
def draws(seeds: int, clips: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16], Array]:
    """How often each seed and each clip is in each resample, and a standard normal: the same for the same design."""
    random = np.random.Generator(np.random.Philox(key=KEY))
    seed_counts = random.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES).astype(np.uint8)
    clip_counts = random.multinomial(clips, np.full(clips, 1 / clips), RESAMPLES).astype(np.uint16)
    return seed_counts, clip_counts, random.standard_normal(RESAMPLES)
