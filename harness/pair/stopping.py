"""Ctrl-C and SIGTERM while something trains: it ends at the next step, with its state saved."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stoppable(say: Callable[[str], None]) -> Iterator[list[int]]:
    """A list that holds the first SIGINT or SIGTERM: training looks at it between steps. A second one ends at once.

    Raises ValueError where this is not the main thread, which alone gets signals.
    """
    received: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        say("stopping as soon as the state is saved; once more to stop at once")

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
