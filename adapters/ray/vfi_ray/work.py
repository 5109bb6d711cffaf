"""What runs on a node of Ray: one job's command, with its log."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

POLL = 0.1  # seconds
GRACE = 60.0  # seconds that a command may take to save, once its worker is gone
BOUND = Path(__file__).with_name("bound.py")
KILLED = (128 + signal.SIGTERM, -signal.SIGTERM, 128 + signal.SIGKILL, -signal.SIGKILL)
"""Exit codes of a command that somebody else stopped, as a machine that is taken away does."""


class KilledError(Exception):
    """A command ended by one of KILLED, though nobody here told it to: Ray is to run it again."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class BusyError(Exception):
    """Another command of the same job runs."""


@dataclass(frozen=True)
class Ended:
    """A command, with its exit code; `reason` is the last line that it wrote."""

    code: int
    reason: str
    seconds: float


@dataclass(frozen=True)
class Work:
    """A command that goes on where it was stopped, run in `folder`; its output is added to `log`.

    environment  set on top of what the node has
    """

    command: tuple[str, ...]
    folder: Path
    log: Path
    environment: Mapping[str, str]

    def run(self) -> Ended:
        """Where Ray cancels the task, the command is told to stop, and this returns once it has.

        Raises KilledError where somebody else stopped it.
        """
        started = time.monotonic()
        # by it Ray cancels a task; it is ignored in all that a shell has started in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with _own(self.log) as log:
                log.write(f"runs on {socket.gethostname()}\n".encode())
                log.flush()
                before = log.tell()
                code, told = self._wait(log)
        except BusyError:
            return Ended(2, "another harness suite runs it now; wait for that one", time.monotonic() - started)
        except OSError as error:  # of the log, or of the system
            return Ended(2, f"cannot be started: {error.strerror}", time.monotonic() - started)
        reason = _last_line(self.log, before)
        if code in KILLED and not told:
            raise KilledError(code, reason)
        return Ended(code, reason, time.monotonic() - started)

    def _wait(self, log: BinaryIO) -> tuple[int, bool]:
        """The command's exit code, and whether it was told to stop."""
        command = (sys.executable, "-S", str(BOUND), str(os.getpid()), *self.command)
        environment = {**os.environ, **self.environment}
        process = subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, process_group=0
        )
        try:
            while process.poll() is None:
                time.sleep(POLL)
        except KeyboardInterrupt:  # so Ray cancels a task
            process.terminate()
            return process.wait(), True
        return process.returncode, False


@contextmanager
def _own(path: Path) -> Iterator[BinaryIO]:
    """A log to add to, which belongs to this job until its command has ended: that holds the lock as well, and goes on
    holding it while it saves, where the worker that started it is gone. A link is not followed.

    Raises BusyError where another holds it for longer than GRACE.
    """
    deadline = time.monotonic() + GRACE
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666), "ab") as log:
        while True:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:  # of the lock alone: a command that cannot be started raises the same
                if time.monotonic() > deadline:
                    raise BusyError from None
                time.sleep(POLL)
        yield log


def _last_line(log: Path, start: int) -> str:
    """What was said last after byte `start`, without the name that the command signs with; "" of a log that somebody
    took away meanwhile."""
    try:
        text = log.read_bytes()[start:].decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("harness: ").removeprefix("error: ") if lines else ""
