"""Which frame is shown at what moment: exact, whatever the source's times, copies and cuts are."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.interpolate.plan import (
    COPIES,
    Wanted,
    anchors,
    around,
    halved,
    moments,
    multiplied,
    placed,
    reachable,
    regular,
)

NTSC = Fraction(30000, 1001)
HALF = Fraction(1, 2)
RATES = st.sampled_from([Fraction(24), Fraction(25), NTSC, Fraction(60000, 1001), Fraction(50), Fraction(12)])


def times(steps: list[int], tick: Fraction = Fraction(1, 1000)) -> tuple[Fraction, ...]:
    """Moments that are so many ticks apart."""
    found = [Fraction(0)]
    for step in steps:
        found.append(found[-1] + step * tick)
    return tuple(found)


# --- when frames of the source are shown


@given(rate=RATES, count=st.integers(2, 400), first=st.integers(-5, 5000), tick=st.sampled_from([1000, 600, 90000]))
def test_even_stamps_are_exact_whatever_the_container_rounds_them_to(
    rate: Fraction, count: int, first: int, tick: int
) -> None:
    stamps = [first + round(i * tick / rate) for i in range(count)]
    found = moments(stamps, Fraction(1, tick), [Fraction(7), rate, Fraction(25)])
    assert found[0] == Fraction(first, tick)
    if len(set(stamps)) == count and count > 12:  # of a few frames 60 and 59.94 a second are the same
        assert {b - a for a, b in pairwise(found)} == {1 / rate}
    assert abs(found[-1] - Fraction(stamps[-1], tick)) <= Fraction(2, tick)


def test_a_rate_that_the_stamps_belie_is_not_taken() -> None:
    stamps = [100 * i for i in range(50)]
    assert moments(stamps, Fraction(1, 1000), [Fraction(30)]) == tuple(Fraction(i, 10) for i in range(50))


def test_uneven_stamps_are_taken_as_they_are() -> None:
    stamps = [0, 40, 80, 200, 240, 360]
    assert moments(stamps, Fraction(1, 1000), [Fraction(25)]) == tuple(Fraction(each, 1000) for each in stamps)


@pytest.mark.parametrize("stamps", [[None, None, None], [0, 2, 1], [0, None, 2]])
def test_stamps_that_tell_nothing_go_by_the_rate(stamps: list[int | None]) -> None:
    assert moments(stamps, Fraction(1, 1000), [NTSC, Fraction(25)]) == (0, 1 / NTSC, 2 / NTSC)


# --- when frames of the output are


@given(st.lists(st.integers(1, 500), min_size=1, max_size=30), st.sampled_from([2, 4, 8]), st.integers(1, 500))
def test_multiplied_has_every_frame_of_the_source_and_lasts_as_long(steps: list[int], by: int, last: int) -> None:
    shown = times(steps)
    end = shown[-1] + Fraction(last, 1000)
    at = multiplied(shown, end, by)
    assert at[::by] == shown
    assert len(at) == by * len(shown)
    assert all(a < b for a, b in pairwise((*at, end)))
    found = placed(at, end, shown, range(len(shown)), frozenset(), frozenset())
    assert found[0].at + sum(each.long for each in found) == end
    assert [each.t for each in found[: -by or None]] == [Fraction(i % by, by) for i in range(len(at) - by)]
    assert multiplied(shown, end, by, held=False) == at[: len(at) - by + 1]


@given(st.lists(st.integers(1, 500), min_size=1, max_size=30), RATES)
def test_regular_is_even_and_within_a_frame_of_the_end(steps: list[int], fps: Fraction) -> None:
    shown = times(steps)
    end = shown[-1] + Fraction(1, 25)
    at = regular(shown[0], end, fps)
    assert {b - a for a, b in pairwise(at)} <= {1 / fps}
    assert at[-1] < end <= at[-1] + 1 / fps


@given(
    steps=st.lists(st.integers(1, 500), min_size=2, max_size=40),
    fps=RATES,
    data=st.data(),
)
def test_what_is_placed_is_where_it_says(steps: list[int], fps: Fraction, data: st.DataObject) -> None:
    """At the moment that t says of frames of one shot; else it is the last frame that was shown by then."""
    shown = times(steps)
    rows = range(1, len(shown))
    copies = frozenset(data.draw(st.sets(st.sampled_from(rows))))
    cuts = frozenset(data.draw(st.sets(st.sampled_from(rows)))) - copies
    used = anchors(len(shown), copies, cuts)
    end = shown[-1] + Fraction(1, 25)
    for each in placed(regular(shown[0], end, fps), end, shown, used, copies, cuts):
        assert 0 <= each.t < 1
        assert {each.first, each.last} <= {*used}
        if each.t:
            assert shown[each.first] + each.t * (shown[each.last] - shown[each.first]) == each.at
            assert not [row for row in cuts if each.first < row <= each.last]
            assert [row for row in used if each.first < row <= each.last] == [each.last]
            assert each.last not in copies
        else:
            assert each.first == each.last == max(row for row in used if shown[row] <= each.at)


def test_before_a_cut_the_frame_is_held() -> None:
    shown = times([10, 10, 10])
    found = placed(multiplied(shown, shown[-1] + HALF, 2), shown[-1] + HALF, shown, range(4), frozenset(), {2})
    assert [(each.first, each.last, each.t) for each in found] == [
        *((0, 0, 0), (0, 1, HALF), (1, 1, 0), (1, 1, 0), (2, 2, 0), (2, 3, HALF), (3, 3, 0), (3, 3, 0))
    ]


# --- copies


def test_copies_are_replaced_by_what_is_between_those_around_them() -> None:
    shown = times([10, 10, 10])
    at, end = multiplied(shown, shown[-1] + Fraction(1, 100), 2), shown[-1] + Fraction(1, 100)
    found = placed(at, end, shown, anchors(4, {2}, frozenset()), {2}, frozenset())
    assert [(each.first, each.last, each.t) for each in found[2:6]] == [
        *((1, 1, 0), (1, 3, Fraction(1, 4)), (1, 3, HALF), (1, 3, Fraction(3, 4)))
    ]
    kept = placed(at, end, shown, range(4), {2}, frozenset())
    assert [(each.first, each.last, each.t) for each in kept[2:6]] == [(1, 1, 0), (1, 1, 0), (2, 2, 0), (2, 3, HALF)]


def test_a_picture_that_stands_still_is_not_smeared_over_its_time() -> None:
    still = {*range(1, COPIES + 2)}
    assert anchors(COPIES + 3, still, frozenset()) == tuple(range(COPIES + 3))
    assert anchors(COPIES + 3, still - {1}, frozenset()) == (0, 1, COPIES + 2)


# --- networks that make the middle alone


def test_halves_of_halves_are_what_halving_reaches() -> None:
    assert [reachable(Fraction(i, 8)) for i in range(8)] == [True] * 8
    assert not reachable(Fraction(1, 3))
    assert not reachable(Fraction(1, 128))


def test_copies_that_halving_cannot_replace_are_kept() -> None:
    shown, copies = times([10] * 8), frozenset({2, 3, 6})
    at, end = multiplied(shown, shown[-1] + Fraction(1, 100), 2), shown[-1] + Fraction(1, 100)

    def wanted(used: object) -> tuple[Wanted, ...]:
        return placed(at, end, shown, used, copies, frozenset())  # type: ignore[arg-type]

    used, kept = halved(wanted, anchors(9, copies, frozenset()))
    assert (used, kept) == ((0, 1, 2, 3, 4, 5, 7, 8), 1)
    assert all(reachable(each.t) for each in wanted(used))


def test_a_rate_that_halving_cannot_reach_is_refused_with_what_to_do() -> None:
    shown = tuple(Fraction(i, 24) for i in range(5))
    at, end = regular(shown[0], Fraction(5, 24), Fraction(60)), Fraction(5, 24)

    def wanted(used: object) -> tuple[Wanted, ...]:
        return placed(at, end, shown, used, frozenset(), frozenset())  # type: ignore[arg-type]

    with pytest.raises(HarnessError, match=r"at 0\.017 s a frame at t = 2/5 is needed.*--times 2, 4 or 8"):
        halved(wanted, range(5))


# --- networks that see four frames


def test_four_frames_are_evenly_spaced_and_of_one_shot() -> None:
    even = times([10] * 5)
    assert around(2, 3, range(6), even, frozenset()) == (1, 2, 3, 4)
    assert around(0, 1, range(6), even, frozenset()) == (0, 0, 1, 2)
    assert around(4, 5, range(6), even, frozenset()) == (3, 4, 5, 5)
    assert around(2, 3, range(6), even, {2, 4}) == (2, 2, 3, 3)
    assert around(1, 2, (0, 1, 2, 3), times([30, 10, 10]), frozenset()) == (1, 1, 2, 3)
