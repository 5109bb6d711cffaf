"""When the jobs of a suite end on several devices, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.report.forecast_table import schedule_sheet
from harness.suites.reading import keeping_up
from harness.suites.schedule import Scheduled, Work, longest_chain, schedule, total

SECONDS = st.integers(0, 1000).map(float)  # whole, so that sums are exact
DEVICES = st.integers(1, 8)


def works(*jobs: tuple[float, str]) -> list[Work]:
    """Each with its seconds, and a letter for each thing that it holds."""
    return [Work(f"job {number}", seconds, frozenset(holds)) for number, (seconds, holds) in enumerate(jobs)]


any_jobs = st.lists(st.tuples(SECONDS, st.sets(st.sampled_from("abcd")).map("".join)), min_size=1, max_size=12)
one_baseline_each = st.lists(st.tuples(SECONDS, st.sampled_from("abc")), min_size=1, max_size=12)


@given(any_jobs, DEVICES)
def test_no_sooner_than_work_and_chains_allow(jobs: list[tuple[float, str]], devices: int) -> None:
    made = works(*jobs)
    done = schedule(made, devices)
    assert done.seconds >= total(made) / devices
    assert done.seconds >= total(longest_chain(made))
    assert 1 <= done.busy <= min(devices, len(made))
    assert schedule(made, 1) == Scheduled(total(made), 1)


@given(st.lists(SECONDS, min_size=1, max_size=12), DEVICES)
def test_of_jobs_that_share_nothing_no_device_waits(seconds: list[float], devices: int) -> None:
    """While the job that ends last waited, all devices were busy."""
    made = works(*((each, "") for each in seconds))
    assert schedule(made, devices).seconds <= total(made) / devices + max(seconds) * (1 - 1 / devices) + 1e-9


@given(one_baseline_each, DEVICES)
def test_more_devices_are_no_slower(jobs: list[tuple[float, str]], devices: int) -> None:
    """Of jobs as suites have them (tests/test_suites.py): those that share a run share that of the plain baseline."""
    made = works(*jobs)
    assert schedule(made, devices + 1).seconds <= schedule(made, devices).seconds


@given(any_jobs)
@example([(5.0, "x"), (5.0, "x"), (1.0, "y")])
def test_with_a_device_for_each_only_what_is_shared_waits(jobs: list[tuple[float, str]]) -> None:
    apart = [job for job in works(*jobs) if len(job.holds) <= 1]
    if apart:
        assert schedule(apart, len(apart)).seconds == total(longest_chain(apart))


@pytest.mark.parametrize(
    ("jobs", "devices", "expected"),
    [
        ([(3, "a"), (4, "b"), (2, "c")], 2, Scheduled(5, 2)),
        ([(1, "a"), (2, "b"), (3, "c")], 2, Scheduled(4, 2)),
        ([(3, "a"), (4, "a"), (2, "c")], 2, Scheduled(7, 2)),
        ([(3, "ab"), (4, "bc"), (2, "c"), (1, "d")], 8, Scheduled(7, 3)),
        ([(3, "a"), (4, "a")], 64, Scheduled(7, 1)),
    ],
)
def test_schedules_by_hand(jobs: list[tuple[float, str]], devices: int, expected: Scheduled) -> None:
    assert schedule(works(*jobs), devices) == expected


def cells(jobs: Sequence[Work], at_once: int) -> list[list[str]]:
    return [[line.label, *(cell.text for cell in line.cells)] for line in schedule_sheet(jobs, at_once, "H").lines]


def test_what_is_said_of_four_pairs() -> None:
    hour = 3600.0
    jobs = works((10 * hour, "a"), (20 * hour, "b"), (40 * hour, "c"), (30 * hour, "d"))
    assert cells(jobs, 2) == [
        ["1", "4 d 4 h", "100.0", "1", "how many devices there are"],
        ["2", "2 d 2 h", "100.0", "2", "how many devices there are"],
        ["4", "1 d 16 h", "160.0", "4", "the longest chain"],
        ["64", "1 d 16 h", "2,560.0", "4", "the longest chain"],
    ]
    first, chain, _ = schedule_sheet(jobs, 1, "H").notes
    assert "the jobs that are left: 4, 100.0 device-hours in all" in first
    assert chain.endswith("1 d 16 h, job 2.")


def test_what_is_said_of_variants_of_one_baseline() -> None:
    jobs = works((3600, "ab"), (3600, "ac"), (7100, "d"))
    assert [row[1] for row in cells(jobs, 1)] == ["3 h 58 min", "2 h 00 min", "2 h 00 min"]
    assert schedule_sheet(jobs, 1, "H").notes[1].endswith("2 h 00 min, 2 jobs that share a run, the first job 0.")


def test_workers_that_keep_up() -> None:
    said = keeping_up(0.012, 24, 0.06)
    assert "12.0 ms a sample in one process, without masks: 0.288 s a batch of 24, where the fastest step" in said
    assert "keeps up from --workers 5 on, for each device" in said
