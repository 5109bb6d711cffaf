"""The running of a plan: a list of commands, several at a time, each in a process of its own with a log of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harness.errors import HarnessError
from harness.files import hold
from harness.registry.launching import Job

POLL = 0.1  # seconds
SAY_EVERY = 30.0  # seconds between lines about what runs

Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Failure:
    """`reason` is the last line of the log, or why there was none to write."""

    job: Job
    code: int
    reason: str

    def __str__(self) -> str:
        ended = f"killed by {signal_name(-self.code)}" if self.code < 0 else f"exit code {self.code}"
        return f"{self.job.name} failed ({ended}): {self.reason or 'it said nothing'}; see {self.job.log}"


def signal_name(number: int) -> str:
    """Of a signal; those between SIGRTMIN and SIGRTMAX have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def run_jobs(
    jobs: Sequence[Job], at_once: int, slots: Sequence[str], note: Callable[[str], None], stop: Callable[[], int]
) -> list[Failure]:
    """Run every job, `at_once` at a time; what fails stops no other. Returns the failures.

    slots  GPUs, as CUDA_VISIBLE_DEVICES has them: each job that runs gets one of its own; empty to leave that alone
    stop   asked all the time; a signal's number once the user wants to stop, else 0. It goes to what runs, and nothing
           else is started; returns when all have saved and ended. Whatever ends this function ends the processes too.
    """
    waiting, failures, said = deque(jobs), list[Failure](), time.monotonic()
    running: dict[int, _Running] = {}  # by place, of which there are `at_once`
    told = False
    try:
        while running or (waiting and not told):
            while not told and len(running) < at_once and (job := _next(waiting, running.values())):
                place = min(set(range(at_once)) - set(running))
                try:
                    running[place] = _Running.start(job, slots[place % len(slots)] if slots else None)
                except (HarnessError, OSError) as error:  # of its log, or of the system: the others go on
                    why = f"cannot be started: {error.strerror}" if isinstance(error, OSError) else str(error)
                    failures.append(Failure(job, 2, why))
                    note(str(failures[-1]))
                    continue
                note(f"{job.name}: started, {len(jobs) - len(waiting)} of {len(jobs)}; log: {job.log}")
            time.sleep(POLL)
            if not told and (number := stop()):
                told = True
                for each in running.values():
                    each.process.send_signal(number)
            for place in [place for place, each in running.items() if each.process.poll() is not None]:
                failures += _ended(running.pop(place), told, note)
            if time.monotonic() - said > SAY_EVERY:
                said = time.monotonic()
                for each in running.values():
                    note(f"{each.job.name}: {last_line(each.job.log) or 'starts'}")
    finally:
        for each in running.values():
            each.process.kill()
            each.process.wait()
    return failures


@dataclass(frozen=True)
class _Running:
    job: Job
    process: Process
    since: float

    @classmethod
    def start(cls, job: Job, gpu: str | None) -> _Running:
        environment = {**os.environ, **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})}
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with _own_log(job.log) as log:
            # a group of its own: Ctrl-C on a terminal is to reach it once, from here
            process = subprocess.Popen(
                job.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, process_group=0
            )
        return cls(job, process, time.monotonic())


@contextmanager
def _own_log(path: Path) -> Iterator[BinaryIO]:
    """A log to write anew, which belongs to this job until it has ended: the process that it is handed to holds the
    lock as well, and goes on holding it where this one is killed. A link is not followed.

    Raises HarnessError where another job writes it now.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o666), "ab") as log:
        if not hold(log.fileno()):
            raise HarnessError("another harness suite runs it now; wait for that one")
        log.truncate(0)
        yield log


def _next(waiting: deque[Job], running: Iterable[_Running]) -> Job | None:
    """The first job that shares nothing with those that run, taken from the queue."""
    held = {key for each in running for key in each.job.holds}
    job = next((job for job in waiting if not job.holds & held), None)
    if job:
        waiting.remove(job)
    return job


def _ended(each: _Running, told: bool, note: Callable[[str], None]) -> list[Failure]:
    """Say how a process ended; its failure, if it was one. One that was told to stop may have stopped."""
    code, seconds = each.process.returncode, time.monotonic() - each.since
    stopped = told and code in (128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM)
    if code == 0 or stopped:
        note(f"{each.job.name}: {'stopped' if stopped else 'done'} after {seconds:.0f} s")
        return []
    failure = Failure(each.job, code, last_line(each.job.log))
    note(str(failure))
    return [failure]


def last_line(log: Path) -> str:
    """What a command said last, without the name that it signs with; "" of a log that somebody took away meanwhile."""
    try:
        text = log.read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("harness: ").removeprefix("error: ") if lines else ""
