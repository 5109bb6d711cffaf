"""Paired differences as a crossed table, seeds by triplets in clips, and how sure their mean is.

The same clips are tested with every seed, so a difference is the sum of a seed's effect, a clip's, a triplet's, and
what these have together. The variance of the mean follows from three sums of squares: over seeds, over clips, and
over both, which the first two count twice. Wide designs differ in which of them matters, so the degrees of freedom
come from the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from harness.errors import HarnessError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Crossed:
    """Differences with their mean taken out, in an order that depends on nothing but the values.

    deviations  (seeds, triplets), triplets of a clip side by side; times `sign`
    sizes       triplets of each clip
    mean        over all triplets and seeds: what a table prints
    sign        1 or -1, such that the deviations are skewed to the right: a mirrored input gives the mirrored result
    """

    deviations: Array
    sizes: NDArray[np.int64]
    mean: float
    sign: float

    @classmethod
    def of(cls, differences: pd.DataFrame) -> Crossed:
        """From rows of seed, clip, triplet, value, in any order.

        Raises HarnessError where there is no row, a value is not finite, a row is there twice, or a seed lacks
        triplets.
        """
        return cls.of_values(*_values(differences))

    @classmethod
    def of_values(cls, values: Array, clips: NDArray[np.int64]) -> Crossed:
        """From (seeds, triplets), and the number of each triplet's clip, 0 and up, none left out: (triplets,)."""
        mean = math.fsum(values.ravel()) / values.size
        deviations = values - mean
        sign = 1.0 if math.fsum(deviations.ravel() ** 3) >= 0 else -1.0
        deviations = deviations[np.argsort(sign * deviations.mean(axis=1), kind="stable")] * sign
        sizes = np.bincount(clips)
        of_triplet = deviations.mean(axis=0)
        of_clip = np.bincount(clips, weights=of_triplet) / sizes
        order = np.lexsort((of_triplet, clips, of_clip[clips], sizes[clips]))
        return cls(deviations[:, order], sizes[np.lexsort((of_clip, sizes))], mean, sign)

    @property
    def seeds(self) -> int:
        return len(self.deviations)

    @property
    def clips(self) -> int:
        return len(self.sizes)

    @property
    def weights(self) -> Array:
        """Each clip's share of the triplets: (clips,)."""
        return np.asarray(self.sizes / self.sizes.sum())

    @property
    def cells(self) -> Array:
        """Mean of each clip with each seed: (seeds, clips)."""
        return self.clip_means(self.deviations)

    def clip_means(self, of_triplets: Array) -> Array:
        """Mean over the triplets of each clip: (..., triplets) -> (..., clips)."""
        starts = np.cumsum(self.sizes) - self.sizes
        return np.asarray(np.add.reduceat(of_triplets, starts, axis=-1) / self.sizes)

    @property
    def of_seeds(self) -> Array:
        """Mean deviation of each seed: (seeds,)."""
        return np.asarray(self.deviations.mean(axis=1))


def _values(differences: pd.DataFrame) -> tuple[Array, NDArray[np.int64]]:
    """(seeds, triplets), and the number of each triplet's clip."""
    if differences.empty:
        raise HarnessError("no differences to judge: evaluate both arms first")
    if not np.isfinite(differences["value"]).all():
        row = differences[~np.isfinite(differences["value"])].iloc[0]
        raise HarnessError(f"seed {row['seed']}, triplet {row['triplet']}: the difference is not a finite number")
    keys = ["clip", "triplet"]
    if differences.duplicated([*keys, "seed"]).any():
        row = differences[differences.duplicated([*keys, "seed"])].iloc[0]
        raise HarnessError(f"seed {row['seed']}, triplet {row['triplet']}: two rows of one difference")
    table = differences.set_index([*keys, "seed"])["value"].unstack("seed")
    if table.isna().any(axis=None):
        seed = table.columns[table.isna().any()][0]
        lacking = int(table[seed].isna().sum())
        raise HarnessError(f"seed {seed} lacks {lacking} of {len(table)} triplets: evaluate it first")
    clips = pd.factorize(table.index.get_level_values("clip"))[0]
    return table.to_numpy(dtype=np.float64).T, clips.astype(np.int64)


@dataclass(frozen=True)
class Spread:
    """Variance of a mean, and the degrees of freedom that it is known with."""

    variance: float
    freedom: float

    @property
    def upper_quartile(self) -> float:
        """What the true variance is below in three of four cases."""
        return float(self.variance * self.freedom / stats.chi2.ppf(0.25, self.freedom))

    def half_width(self, confidence: float = 0.95) -> float:
        """Of the t interval."""
        return float(stats.t.ppf((1 + confidence) / 2, self.freedom)) * math.sqrt(self.variance)

    def p_value(self, mean: float) -> float:
        """Two-sided, of the mean being 0."""
        return float(2 * stats.t.sf(abs(mean) / math.sqrt(self.variance), self.freedom))


def over_seeds(table: Crossed) -> Spread:
    """Of the mean over retrainings on these very clips: sd^2 / n of the seeds' means. Needs two seeds."""
    return Spread(float(table.of_seeds.var(ddof=1)) / table.seeds, table.seeds - 1)


def over_clips(table: Crossed) -> Spread:
    """Of the mean over other clips with these very seeds. Needs two clips."""
    freedom = table.clips - 1
    triplets = table.deviations.mean(axis=0, keepdims=True)
    return Spread(_pooled(table, triplets, freedom), freedom)


def over_both(table: Crossed) -> Spread:
    """Of the mean over retrainings and other clips. Needs two clips; with one seed it is that over clips.

    The variance is over seeds + over clips - over both, at least the larger of the first two. Satterthwaite's count of
    degrees of freedom is too high where the part with few of them came out small by chance, so each part enters that
    count at its upper quartile.
    """
    clips = over_clips(table)
    if table.seeds == 1:
        return clips
    seeds = over_seeds(table)
    joint = table.deviations - table.deviations.mean(axis=0)
    both = _pooled(table, joint, (table.seeds - 1) * (table.clips - 1)) / table.seeds
    variance = max(seeds.variance + clips.variance - both, seeds.variance, clips.variance)
    if variance == 0:
        return Spread(0.0, min(seeds.freedom, clips.freedom))
    high = np.array([seeds.upper_quartile, clips.upper_quartile])
    freedom = high.sum() ** 2 / (high**2 / [seeds.freedom, clips.freedom]).sum()
    return Spread(variance, float(freedom))


def _pooled(table: Crossed, of_triplets: Array, freedom: int) -> float:
    """Variance over clips of the mean of a row of `of_triplets` (rows, triplets), pooled over its rows.

    A clip's mean has the variance between + within / size. Both are estimated, and clips weigh in accordingly, so that
    unequal sizes cost no degrees of freedom. `freedom` is that of the clips' means, all rows together.
    """
    sizes, means = table.sizes, table.clip_means(of_triplets)
    inside = of_triplets - np.repeat(means, sizes, axis=1)
    rows = freedom / (table.clips - 1)  # that are free: of deviations from a mean over rows, one is not
    free_inside = rows * (sizes.sum() - table.clips)
    within = float((inside**2).sum() / free_inside) if free_inside > 0 else 0.0
    plain = float(((means - means.mean(axis=1, keepdims=True)) ** 2).sum()) / freedom
    shape = max(plain - within * float((1 / sizes).mean()), 0.0) + within / sizes
    if not (shape > 0).all():
        return 0.0
    weights = (1 / shape) / (1 / shape).sum()
    centred = means - (means @ weights)[:, None]
    scale = float((centred**2 / shape).sum()) / freedom
    return scale * float((table.weights**2 * shape).sum())
