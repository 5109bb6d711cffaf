"""When jobs end that several devices work off, each on one of them: as a launcher hands them out."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """A job that takes so many seconds on one device. Of those that share one of `holds`, one runs at a time."""

    name: str
    seconds: float
    holds: frozenset[str]


@dataclass(frozen=True)
class Scheduled:
    """seconds  until the last job has ended
    busy     the most devices that work at the same time
    """

    seconds: float
    busy: int


def schedule(jobs: Sequence[Work], devices: int) -> Scheduled:
    """Whenever a device is free it takes the first job that shares nothing with one that runs."""
    waiting, running, held = dict(enumerate(jobs)), list[tuple[float, int]](), set[str]()  # running: end, and number
    now, busy = 0.0, 0
    while waiting or running:
        for number, job in list(waiting.items()):
            if len(running) < devices and not job.holds & held:
                heapq.heappush(running, (now + waiting.pop(number).seconds, number))
                held |= job.holds
        busy = max(busy, len(running))
        now, ended = heapq.heappop(running)
        held -= jobs[ended].holds
    return Scheduled(now, busy)


def longest_chain(jobs: Sequence[Work]) -> list[Work]:
    """Jobs that run one after another on any number of devices, which is never faster: one, or all that share one of
    `holds`. Of `jobs` there is one at least."""
    keys = dict.fromkeys(key for job in jobs for key in sorted(job.holds))
    chains = [[job] for job in jobs] + [[job for job in jobs if key in job.holds] for key in keys]
    return max(chains, key=total)


def total(jobs: Sequence[Work]) -> float:
    """Seconds of all, one after another."""
    return sum(job.seconds for job in jobs)
