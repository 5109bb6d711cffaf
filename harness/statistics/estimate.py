"""How sure a paired difference is: one mean, one interval to read first, and the checks beside it.

"The plug-in helps" speaks of another training and of other clips, so the interval that comes first holds over both.
The t interval over seeds speaks of retraining on these very clips, and where clips differ more than seeds it is far
too narrow for the claim; the bootstrap has the same width as the first, in the shape that the data have. With a
single seed an interval holds over other clips for this one pair of trainings, and says nothing of retraining.

Intervals are of 95 %. By simulation (`tests/simulate_statistics.py`), with 3 to 5 seeds or one, 5 to 31 clips and
effects that are about normal, they hold the truth in 94 to 96 % of cases; in 93 to 97 % where seeds alone, or clips
alone, make the difference, and with two seeds. Below five clips nothing was simulated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from harness.statistics.bootstrap import resampled, scaled_interval
from harness.statistics.crossed import Array, Crossed, Spread, over_both, over_seeds

LEVEL = 0.05
POWER = 0.8
ROUNDING = 1e-9  # of the largest difference: a spread below it is that of floating-point sums


@dataclass(frozen=True)
class Interval:
    """The lowest and the highest value that the data allow, in the unit of the differences."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A mean paired difference and all that is known of it; what cannot be known is None, and `reason` says why.

    mean        over all triplets and seeds, as a table prints it
    interval    95 %, to be read first; `method` says over what it holds
    p_value     two-sided, of the mean being 0: the larger of those of `interval` and `over_seeds`; for `holm`
    resolvable  smallest true difference that is claimed in 80 % of cases, with so many seeds and clips that differ as
                these do: the larger of those that either test finds; None of one seed
    over_seeds  95 % t interval over retrainings on these very clips
    bootstrap   95 % hierarchical bootstrap over the same as `interval`, in the shape that the data have
    wilcoxon    p-value of the signed-rank test on clip means: a check that takes no distribution for granted
    """

    mean: float
    seeds: int
    clips: int
    triplets: int
    method: str
    interval: Interval | None = None
    p_value: float | None = None
    resolvable: float | None = None
    over_seeds: Interval | None = None
    bootstrap: Interval | None = None
    wilcoxon: float | None = None
    reason: str = ""

    @property
    def single_seed(self) -> bool:
        """Whether nothing is known of retraining."""
        return self.seeds == 1

    @property
    def different(self) -> bool:
        """Whether to claim that the arms differ: several seeds, and 0 outside both `interval` and `over_seeds`.

        Both, since two equal arms differ by what retraining does and nothing else, and there the t over seeds is exact.
        """
        return not self.single_seed and self.p_value is not None and self.p_value < LEVEL


def estimate(differences: pd.DataFrame) -> Estimate:
    """The estimate from rows of seed, clip, triplet, value (second arm minus first) of one level and metric.

    Every seed has the same triplets; one clip's are not independent. Raises HarnessError where rows are missing,
    there twice or not finite, or there is none.
    """
    table = Crossed.of(differences)
    facts = {"mean": table.mean, "seeds": table.seeds, "clips": table.clips, "triplets": table.deviations.shape[1]}
    largest = float(np.abs(table.mean + table.sign * table.deviations).max())
    if largest == 0:  # arms that are equal bit for bit, as a control and its baseline are
        zero = Interval(0.0, 0.0)
        retraining = None if table.seeds == 1 else zero
        return Estimate(
            **facts,
            method="no value differs",
            interval=zero,
            p_value=1.0,
            over_seeds=retraining,
            bootstrap=zero,
            wilcoxon=1.0,
        )
    seeds = over_seeds(table) if table.seeds > 1 else None
    if seeds and not _varies(seeds, largest):
        seeds = None
    retraining = _t_interval(table, seeds) if seeds else None
    if table.clips == 1:
        return Estimate(**facts, method="none", over_seeds=retraining, reason="one clip: nothing is known of others")
    spread = over_both(table)
    check = wilcoxon(table.mean + table.sign * table.cells.mean(axis=0))
    if not _varies(spread, largest):
        reason = "clips and seeds all give the same mean: no spread to judge by"
        return Estimate(**facts, method="none", wilcoxon=check, reason=reason)
    one = table.seeds == 1
    return Estimate(
        **facts,
        method="t over clips" if one else "t over seeds and clips",
        interval=_t_interval(table, spread),
        p_value=max(part.p_value(table.mean) for part in (spread, seeds) if part),
        resolvable=None if one else smallest_claimed(part for part in (spread, seeds) if part),
        over_seeds=retraining,
        bootstrap=_around(table, *scaled_interval(resampled(table), spread)),
        wilcoxon=check,
        reason="single seed: nothing is known of retraining" if one else "",
    )


def _varies(spread: Spread, largest: float) -> bool:
    return math.sqrt(spread.variance) > ROUNDING * largest


def _t_interval(table: Crossed, spread: Spread) -> Interval:
    half = spread.half_width()
    return Interval(table.mean - half, table.mean + half)


def _around(table: Crossed, low: float, high: float) -> Interval:
    """Of a deviation's interval in the table's orientation."""
    ends = sorted((table.mean + table.sign * low, table.mean + table.sign * high))
    return Interval(ends[0], ends[1])


def wilcoxon(clip_means: Array) -> float:
    """Two-sided p-value of the signed-rank test, zeros left out; 1 where nothing is left.

    With fewer than six clips it cannot fall below 0.05.
    """
    largest = float(np.abs(clip_means).max())
    if largest == 0:
        return 1.0
    rounded = np.round(clip_means / largest, 9)
    kept = rounded[rounded != 0]
    return float(stats.wilcoxon(kept).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being looked at together, in the order given: all that are below 0.05 hold at once.

    Holm's step-down rule; no independence is assumed.
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    raised = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1)) if len(given) else given
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(raised, 1)
    return [float(p) for p in adjusted]


def minimal_detectable(sd_between_seeds: float, seeds: int, level: float = LEVEL, power: float = POWER) -> float | None:
    """Smallest true mean difference that a paired t test over `seeds` finds with that power. None of a single seed.

    `sd_between_seeds` is that of the seeds' mean differences, in the unit of the result.
    """
    if seeds < 2:
        return None
    return smallest_found(Spread(sd_between_seeds**2 / seeds, seeds - 1), level, power)


def smallest_found(spread: Spread, level: float = LEVEL, power: float = POWER) -> float:
    """Smallest true mean that a two-sided t test tells from 0, on the right side, with that power (noncentral t)."""
    critical = float(stats.t.ppf(1 - level / 2, spread.freedom))

    def lack(shift: float) -> float:
        return float(stats.nct.sf(critical, spread.freedom, shift)) - power

    return float(optimize.brentq(lack, 0, 2 * critical + 10)) * math.sqrt(spread.variance)


def smallest_claimed(spreads: Iterable[Spread]) -> float:
    """The same where each of several tests has to tell it from 0: the largest that one of them asks for."""
    return max(map(smallest_found, spreads))


def noise_floor(differences: Sequence[float]) -> float | None:
    """What 95 % of differences between two trainings of the same arm stay below, in magnitude. None without any.

    `differences` are one level's means, one a pair of equal arms. Bound of the next one, if they are normal around 0:
    the root of the mean square times the t quantile, so that few of them give a high floor instead of a false low
    one.
    """
    if not differences:
        return None
    root = math.sqrt(math.fsum(value**2 for value in differences) / len(differences))
    return float(stats.t.ppf(1 - LEVEL / 2, len(differences))) * root


def curve_band(curves: pd.DataFrame, window: int = 1) -> pd.DataFrame:
    """Mean over seeds of a difference during training, and its 95 % t band at each step: step, mean, low, high.

    `curves` has rows of step, seed, value; steps that a seed lacks are left out. Each seed's curve is smoothed first,
    by a centred mean over `window` steps. The band holds at each step, not at all of them together; one seed has none
    (NaN).
    """
    table = curves.pivot(index="step", columns="seed", values="value").dropna().sort_index()
    smooth = table.rolling(window, min_periods=1, center=True).mean()
    seeds = smooth.shape[1]
    mean = smooth.mean(axis=1)
    if seeds > 1:
        half = smooth.std(axis=1, ddof=1) * (float(stats.t.ppf(1 - LEVEL / 2, seeds - 1)) / math.sqrt(seeds))
    else:
        half = mean * math.nan
    return pd.DataFrame({"mean": mean, "low": mean - half, "high": mean + half}).reset_index()
