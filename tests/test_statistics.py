"""Intervals, tests and bounds of paired differences: against textbooks, plain loops, symmetries and the truth."""

from __future__ import annotations

import math
import runpy
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.errors import HarnessError
from harness.statistics.bootstrap import resampled
from harness.statistics.crossed import Crossed, Spread, over_both, over_clips, over_seeds
from harness.statistics.estimate import (
    curve_band,
    estimate,
    holm,
    minimal_detectable,
    noise_floor,
    smallest_claimed,
    wilcoxon,
)

quick = settings(deadline=None, max_examples=12)


def rows_of(values, clips):
    """Rows of seed, clip, triplet, value from (seeds, triplets) and each triplet's clip."""
    return pd.DataFrame(
        [
            (seed, f"clip{clip}", f"clip{clip}/{number}", value)
            for seed, of_seed in enumerate(values)
            for number, (clip, value) in enumerate(zip(clips, of_seed, strict=True))
        ],
        columns=["seed", "clip", "triplet", "value"],
    )


def some_rows(seed, seeds=3, sizes=(4, 7, 10, 5, 8)):
    """Differences with effects of seeds, clips and triplets, skewed."""
    random = np.random.default_rng(seed)
    clips = np.repeat(np.arange(len(sizes)), sizes)
    values = 0.02 + 0.03 * random.standard_normal((seeds, 1)) + 0.05 * random.exponential(size=len(sizes))[clips]
    return rows_of(values + 0.1 * random.standard_normal((seeds, len(clips))), clips)


def numbers(found):
    """Every number of an estimate, by name."""
    out = {"mean": found.mean, "p": found.p_value, "wilcoxon": found.wilcoxon, "resolvable": found.resolvable}
    for name in ("interval", "over_seeds", "bootstrap"):
        interval = getattr(found, name)
        if interval is not None:
            out |= {f"{name}.low": interval.low, f"{name}.high": interval.high}
    return {name: value for name, value in out.items() if value is not None}


def test_the_mean_is_that_of_the_table():
    rows = some_rows(0)
    assert estimate(rows).mean == pytest.approx(rows["value"].mean(), abs=1e-15)


def test_the_interval_over_seeds_is_the_textbooks():
    rows = some_rows(1, seeds=4)
    means = rows.groupby("seed")["value"].mean()
    expected = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    found = estimate(rows).over_seeds
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-9)


def test_one_seed_and_clips_of_one_size_are_the_paired_t_test_over_clips():
    rows = some_rows(2, seeds=1, sizes=(6,) * 9)
    test = stats.ttest_1samp(rows.groupby("clip")["value"].mean(), 0)
    found = estimate(rows)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(test.confidence_interval(0.95)), rel=1e-9)
    assert found.p_value == pytest.approx(test.pvalue, rel=1e-9)
    assert found.wilcoxon == pytest.approx(stats.wilcoxon(rows.groupby("clip")["value"].mean()).pvalue)
    assert found.single_seed
    assert not found.different
    assert found.method == "t over clips"
    assert "single seed" in found.reason
    assert "retraining" in found.reason


def test_the_variance_over_both_is_that_of_the_two_way_analysis():
    rows = some_rows(3, seeds=4, sizes=(5,) * 6)
    cells = rows.groupby(["seed", "clip"])["value"].mean().unstack().to_numpy()
    seeds, clips = cells.shape
    of_seed, of_clip, mean = cells.mean(1), cells.mean(0), cells.mean()
    rest = sum((cells[s, c] - of_seed[s] - of_clip[c] + mean) ** 2 for s in range(seeds) for c in range(clips))
    parts = (of_seed.var(ddof=1) / seeds, of_clip.var(ddof=1) / clips)
    both = rest / ((seeds - 1) * (clips - 1)) / (seeds * clips)
    spread = over_both(Crossed.of(rows))
    assert spread.variance == pytest.approx(max(sum(parts) - both, *parts), rel=1e-9)
    high = [part * free / stats.chi2.ppf(0.25, free) for part, free in zip(parts, (seeds - 1, clips - 1), strict=True)]
    freedom = sum(high) ** 2 / (high[0] ** 2 / (seeds - 1) + high[1] ** 2 / (clips - 1))
    assert spread.freedom == pytest.approx(freedom, rel=1e-9)


def test_unequal_clips_keep_their_degrees_of_freedom_and_their_weight():
    """The variance of the mean over clips of 2 and of 40 triplets: its mean over draws is near the truth."""
    random = np.random.default_rng(0)
    sizes = np.array([2, 2, 40, 5, 20, 3])
    clips = np.repeat(np.arange(6), sizes)
    spreads, means = [], []
    for _ in range(1000):
        values = random.standard_normal(6)[clips] * 0.05 + random.standard_normal((1, len(clips))) * 0.1
        table = Crossed.of_values(values, clips)
        spreads.append(over_clips(table).variance)
        means.append(table.mean)
    assert np.mean(spreads) == pytest.approx(np.var(means), rel=0.1)


def test_resamples_are_those_of_a_plain_loop():
    rows = some_rows(4, seeds=3, sizes=(3, 9, 5, 7))
    table = Crossed.of(rows)
    starts = np.cumsum(table.sizes) - table.sizes
    random = np.random.default_rng(0)
    loop = []
    for _ in range(4000):
        seeds = random.integers(0, 3, 3)
        drawn = []
        for clip in random.integers(0, 4, 4):
            drawn += list(starts[clip] + random.integers(0, table.sizes[clip], table.sizes[clip]))
        loop.append(table.deviations[seeds][:, drawn].mean())
    found = resampled(table)
    assert found.std() == pytest.approx(np.std(loop), rel=0.05)
    for share in (0.025, 0.25, 0.5, 0.75, 0.975):
        assert np.quantile(found, share) == pytest.approx(np.quantile(loop, share), abs=0.08 * np.std(loop))


def test_many_seeds_are_resampled_in_bounded_memory(monkeypatch):
    """250 seeds took 15 GB: every resample has a weight for each pair of them. In parts it is the same."""
    table = Crossed.of(some_rows(0, seeds=60, sizes=(2, 3)))
    tracemalloc.start()
    whole = resampled(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6
    monkeypatch.setattr("harness.statistics.bootstrap.BLOCK", 1_000_000)
    np.testing.assert_allclose(resampled(table), whole, rtol=1e-9, atol=1e-12)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_raises_keeps_order_and_stays_below_bonferroni(given_values):
    adjusted = holm(given_values)
    order = np.argsort(given_values, kind="stable")
    assert all(p <= a <= min(1, p * len(given_values)) + 1e-12 for p, a in zip(given_values, adjusted, strict=True))
    assert list(np.array(adjusted)[order]) == sorted(adjusted)


@pytest.mark.parametrize("seeds", [2, 3, 5, 8])
def test_the_detectable_difference_is_found_in_four_of_five_cases(seeds):
    smallest = minimal_detectable(0.03, seeds)
    random = np.random.default_rng(seeds)
    means = smallest + 0.03 * random.standard_normal((40_000, seeds))
    t = means.mean(1) / (means.std(1, ddof=1) / math.sqrt(seeds))
    assert np.mean(t > stats.t.ppf(0.975, seeds - 1)) == pytest.approx(0.8, abs=0.01)


def test_the_detectable_difference_scales_and_shrinks():
    assert minimal_detectable(0.06, 3) == pytest.approx(2 * minimal_detectable(0.03, 3))
    sizes = [minimal_detectable(0.03, n) for n in range(2, 12)]
    assert sizes == sorted(sizes, reverse=True)
    assert minimal_detectable(0.03, 1) is None
    assert minimal_detectable(0.0, 3) == 0


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_difference_that_counts_as_resolvable_is_claimed(seeds):
    """Where retraining alone makes the difference, and the t over seeds decides, too."""
    random = np.random.default_rng(seeds)
    clips = np.repeat(np.arange(12), 4)
    for joint in (0.0, 0.05):
        own = 0.1 * random.standard_normal((seeds, len(clips))) + joint * random.standard_normal((seeds, 12))[:, clips]
        table = rows_of(own, clips)
        found = estimate(table)
        there = table.assign(value=table["value"] - found.mean + found.resolvable)
        assert estimate(there).different


def test_what_is_resolvable_is_claimed_in_four_of_five_cases():
    """With the spread as it is: the mean of its estimates."""
    simulation = runpy.run_path(str(Path(__file__).parent / "simulate_statistics.py"))
    tables = [draw.table for draw in simulation["draws"](simulation["NULL"], 2, 31, 500)]
    both, alone = ([over(table) for table in tables] for over in (over_both, over_seeds))
    freedom = float(np.median([each.freedom for each in both]))
    known = (
        Spread(np.mean([each.variance for each in both]), freedom),
        Spread(np.mean([s.variance for s in alone]), 1),
    )
    smallest = smallest_claimed(known)
    claimed = [
        table.mean + smallest > max(one.half_width(), other.half_width())
        for table, one, other in zip(tables, both, alone, strict=True)
    ]
    assert np.mean(claimed) == pytest.approx(0.8, abs=0.04)


def test_the_noise_floor_holds_for_the_next_pair():
    assert noise_floor([]) is None
    assert noise_floor([0.0, 0.0]) == 0.0
    random = np.random.default_rng(0)
    pairs = 0.02 * random.standard_normal((4000, 4))
    below = [abs(pair[3]) <= noise_floor(list(pair[:3])) for pair in pairs]
    assert np.mean(below) == pytest.approx(0.95, abs=0.01)


def test_equal_arms_differ_by_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seeds in (1, 3):
            found = estimate(some_rows(0, seeds=seeds).assign(value=0.0))
            assert all(value in (0.0, 1.0) and not math.isnan(value) for value in numbers(found).values())
            assert (found.mean, found.interval.low, found.interval.high) == (0, 0, 0)
            assert (found.p_value, found.wilcoxon) == (1, 1)
            assert not found.different


@pytest.mark.parametrize(
    ("values", "clips", "why"),
    [
        ([[0.1]], [0], "one clip"),
        ([[0.1], [0.2]], [0], "one clip"),
        ([[0.1, 0.3, 0.2]], [0, 0, 0], "one clip"),
        ([[0.1] * 6] * 3, [0, 0, 1, 1, 2, 2], "no spread"),
        ([[0.1, 0.3] * 3], [0, 0, 1, 1, 2, 2], "no spread"),
    ],
)
def test_what_cannot_be_said_is_none_with_the_reason(values, clips, why):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = estimate(rows_of(values, clips))
    assert found.mean == pytest.approx(np.mean(values))
    assert found.interval is found.p_value is found.bootstrap is found.resolvable is None
    assert why in found.reason
    assert not found.different


@quick
@given(
    st.integers(1, 4),
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
    st.sampled_from([0.0, 0.1, 1e-12, 1e9]),
)
def test_no_table_makes_it_fail_or_warn(seeds, sizes, random, step):
    clips = np.repeat(np.arange(len(sizes)), sizes)
    values = [[step * random.randrange(-2, 3) for _ in clips] for _ in range(seeds)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = estimate(rows_of(values, clips))
    assert all(math.isfinite(value) for value in numbers(found).values())
    assert found.interval or found.reason
    if found.interval:
        assert found.interval.low <= found.mean <= found.interval.high
        outside = [not i.low <= 0 <= i.high for i in (found.interval, found.over_seeds) if i]
        assert (found.p_value < 0.05) == all(outside)
        assert found.different == (all(outside) and seeds > 1)


def close(found, expected, but=()):
    assert found.keys() == expected.keys()
    for name in found.keys() - set(but):
        assert found[name] == pytest.approx(expected[name], rel=1e-7, abs=1e-9), name


@quick
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_neither_order_nor_names_matter(seed, seeds):
    rows = some_rows(seed, seeds)
    random = np.random.default_rng(seed)

    def renamed(column):
        names = rows[column].unique()
        return rows[column].map(dict(zip(names, random.permutation(len(names)), strict=True)))

    other = rows.assign(**{name: renamed(name) for name in ("seed", "clip", "triplet")}).iloc[
        random.permutation(len(rows))
    ]
    close(numbers(estimate(other)), numbers(estimate(rows)))


@quick
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_swapping_the_arms_mirrors_everything(seed, seeds):
    rows = some_rows(seed, seeds)
    one, other = estimate(rows), estimate(rows.assign(value=-rows["value"]))
    for name in ("interval", "over_seeds", "bootstrap"):
        if getattr(one, name):
            mirrored = (-getattr(other, name).high, -getattr(other, name).low)
            assert mirrored == pytest.approx((getattr(one, name).low, getattr(one, name).high), rel=1e-9)
    assert (other.mean, other.p_value, other.wilcoxon) == pytest.approx((-one.mean, one.p_value, one.wilcoxon))
    assert other.resolvable == pytest.approx(one.resolvable)


@quick
@given(st.integers(0, 10**6), st.integers(1, 4), st.floats(0.01, 100), st.floats(-5, 5))
def test_scaling_scales_and_a_constant_shifts(seed, seeds, factor, constant):
    rows = some_rows(seed, seeds)
    one = numbers(estimate(rows))
    places = {name: value for name, value in one.items() if "." in name or name == "mean"}
    scaled = numbers(estimate(rows.assign(value=factor * rows["value"])))
    widths = {"resolvable": factor * one["resolvable"]} if seeds > 1 else {}
    close(scaled, one | {name: factor * value for name, value in places.items()} | widths)
    shifted = numbers(estimate(rows.assign(value=constant + rows["value"])))
    close(shifted, one | {name: constant + value for name, value in places.items()}, but=("p", "wilcoxon"))


def test_wilcoxon_leaves_zeros_out_and_takes_ties():
    assert wilcoxon(np.zeros(5)) == 1
    many = np.linspace(-0.5, 0.9, 20) ** 3  # no ties: the exact distribution, with a zero as without
    assert wilcoxon(np.append(many, 0.0)) == pytest.approx(stats.wilcoxon(many, method="exact").pvalue)
    values = np.array([0.1, 0.1, -0.1, 0.3, 0.2, 0.2, 0.4])
    expected = stats.wilcoxon([1, 1, -1, 3, 2, 2, 4]).pvalue
    assert wilcoxon(np.append(values, 0.0)) == pytest.approx(expected)
    assert wilcoxon(np.full(5, 0.3)) > 0.05


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows.iloc[:0], "evaluate both arms"),
        (lambda rows: rows.drop(index=len(rows) - 1), "seed 2 lacks 1 of 34 triplets"),
        (lambda rows: pd.concat([rows, rows.iloc[[3]]]), "two rows of one difference"),
        (lambda rows: rows.assign(value=rows["value"].where(rows.index != 5, math.inf)), "not a finite number"),
    ],
)
def test_rows_that_cannot_be_judged_are_named(spoil, said):
    with pytest.raises(HarnessError, match=said):
        estimate(spoil(some_rows(0)))


def test_the_band_of_a_curve():
    steps = np.arange(0, 50, 10)
    rows = pd.DataFrame([(step, seed, 0.1 * seed + step) for step in steps for seed in range(3)])
    rows.columns = ["step", "seed", "value"]
    band = curve_band(rows.drop(index=0))
    half = stats.t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert list(band["step"]) == list(steps[1:])
    np.testing.assert_allclose(band["mean"], steps[1:] + 0.1)
    np.testing.assert_allclose(band["high"] - band["mean"], half)
    np.testing.assert_allclose(band["mean"] - band["low"], half)
    smooth = curve_band(rows, window=3)
    np.testing.assert_allclose(smooth["mean"].iloc[2], np.mean(steps[1:4]) + 0.1)
    single = curve_band(rows[rows["seed"] == 0])
    assert single["low"].isna().all()
    assert not single["mean"].isna().any()


@pytest.fixture(scope="module")
def simulation():
    return runpy.run_path(str(Path(__file__).with_name("simulate_statistics.py")))


@pytest.mark.parametrize(("seeds", "clips"), [(1, 5), (3, 31), (5, 10)])
def test_intervals_hold_the_truth_in_95_percent(simulation, seeds, clips):
    """The band is four standard errors of so few draws; a plain percentile interval holds it in 89 % with (3, 31)."""
    found = simulation["coverage"](simulation["NORMAL"], seeds, clips, 300)
    assert 91 < found.interval < 99
    assert 91 < found.bootstrap < 99


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_null_pair_is_rarely_called_different(simulation, seeds):
    """At most 5 %, and by chance up to 3 % more in so few draws."""
    assert simulation["coverage"](simulation["NULL"], seeds, 10, 300).different < 8


def test_the_simulation_judges_as_estimate_does(simulation):
    draw = next(simulation["draws"](simulation["NORMAL"], 3, 5, 1))
    table = draw.table
    clips = np.repeat(np.arange(5), table.sizes)
    found = estimate(rows_of(table.mean + table.sign * table.deviations, clips))
    assert found.interval.high - found.mean == pytest.approx(over_both(table).half_width())
