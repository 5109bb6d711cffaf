"""What runs on a node of a cluster: a command, which is told to save before the node is taken away."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import submitit

from harness.files import write_json
from harness.launch.local import last_line

POLL = 0.2  # seconds
GRACE = 300.0  # seconds from SIGTERM until the cluster takes the node away or asks for the command to be queued again
AGAIN = signal.Signals[f"SIG{submitit.JobEnvironment.USR_SIG}"]  # comes before a time limit or a preemption
STOPPED = (128 + signal.SIGTERM, -signal.SIGTERM)  # exit codes of a command that was told to stop, and has saved


@dataclass(frozen=True)
class ClusterJob:
    """A command that goes on where it was stopped; submitit pickles it, and calls it on the node.

    Once the command has ended of itself, its exit code and last line are in the file `outcome`. Told by SIGTERM or
    AGAIN that its time is up, it passes SIGTERM on, once, and lets the command save; on AGAIN it is then queued again.
    """

    command: tuple[str, ...]
    folder: Path  # to run in
    log: Path
    outcome: Path

    def __call__(self) -> None:
        with _remembering() as (told, requeue):
            code = self._run(told)
            if not told or code not in STOPPED:
                reason = last_line(self.log)
                write_json(self.outcome, {"code": code, "reason": reason})
                if code:
                    raise RuntimeError(f"exit code {code}: {reason}")  # so the cluster's own record says it failed
                return
            deadline = time.monotonic() + GRACE
            while AGAIN not in told and time.monotonic() < deadline:
                time.sleep(POLL)  # a job that has ended would not be queued again by a cluster that preempts it
        if AGAIN in told and callable(requeue):
            requeue(AGAIN, None)  # submitit asks for a checkpoint, queues it and exits
        raise SystemExit(128 + signal.SIGTERM)  # no result: whoever asks learns from the cluster what became of it

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """The same again: the command's own checkpoint is on disk."""
        return submitit.helpers.DelayedSubmission(self)

    def _run(self, told: list[int]) -> int:
        """Exit code of the command."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_deaf
            )
        passed_on = False
        while process.poll() is None:
            time.sleep(POLL)
            if told and not passed_on:
                passed_on = True
                process.terminate()  # a second SIGTERM would end it before it has saved
        return process.returncode


@contextmanager
def _remembering() -> Iterator[tuple[list[int], object]]:
    """The signals that came, and what submitit does at AGAIN: that has to wait until the command has saved."""
    told: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        told.append(number)

    before = {number: signal.signal(number, remember) for number in (signal.SIGTERM, AGAIN)}
    try:
        yield told, before[AGAIN]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deaf() -> None:
    """Some clusters send AGAIN to every process of a job: it would kill the command."""
    signal.signal(AGAIN, signal.SIG_IGN)
