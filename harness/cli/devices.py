"""Several devices on this machine: one process each, running the command that was given.

They are told of each other by the variables that torchrun sets, and torchrun may start them instead, on many machines
too. It is not used here: it ends in a traceback, with exit code 1 whatever its processes ended with, and gives them
30 seconds to save.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from harness.errors import HarnessError
from harness.launch.local import signal_name

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 60.0  # seconds that the others have once one has failed: they may be waiting for it
POLL = 0.1

Process = subprocess.Popen[bytes]


def relaunch(devices: int) -> int:
    """Run this very command once for each of `devices` devices, and wait for all. As `launch`."""
    return launch([sys.executable, "-P", "-m", "harness", *sys.argv[1:]], devices)


def launch(command: Sequence[str], count: int) -> int:
    """Run the command in `count` processes that train together; SIGINT, SIGTERM and SIGHUP are passed on to each.

    Returns 0 if all ended well, else the highest of their exit codes. Raises HarnessError where one was killed by a
    signal that was not sent from here.
    """
    common = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    common |= {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))}
    processes: list[Process] = []
    with _forwarding(processes) as sent:
        for rank in range(count):
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            # a group of its own: Ctrl-C on a terminal is to reach it once, from here
            processes.append(subprocess.Popen(command, env={**os.environ, **common, **place}, process_group=0))
        _wait(processes, sent)
    codes = [process.returncode for process in processes]
    for rank, code in enumerate(codes):
        if code < 0 and -code not in sent:
            raise HarnessError(
                f"process {rank} of {count} was killed ({signal_name(-code)}): out of memory is the usual "
                "reason; what was saved is kept, and the same command goes on from there"
            )
    failed = max((code for code in codes if code), default=0)
    return failed if failed >= 0 else 128 - failed


def _wait(processes: Sequence[Process], sent: set[int]) -> None:
    """Until all have ended. Once one has failed the others have GRACE; then they are killed."""
    deadline = None
    while None in (codes := [process.poll() for process in processes]):
        if deadline is None and any(codes):
            deadline = time.monotonic() + GRACE
        if deadline is not None and time.monotonic() > deadline:
            sent.add(signal.SIGKILL)
            _send(processes, signal.SIGKILL)
        time.sleep(POLL)


@contextmanager
def _forwarding(processes: Sequence[Process]) -> Iterator[set[int]]:
    """Holds the signals that were sent. Whatever ends the block ends the processes too."""
    sent: set[int] = set()

    def forward(number: int, frame: FrameType | None) -> None:
        sent.add(number)
        _send(processes, number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        yield sent
    finally:
        _send(processes, signal.SIGKILL)
        for number, handler in before.items():
            signal.signal(number, handler)


def _send(processes: Sequence[Process], number: int) -> None:
    for process in processes:
        process.send_signal(number)  # nothing happens where it has ended


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
