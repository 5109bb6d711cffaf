"""Several processes that make label maps."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from harness.errors import HarnessError
from harness.masks.build import Made, Pair, Read, build
from harness.masks.cache import MaskCache

AT_ONCE = 8  # neighbouring pairs that a process is given, for they share frames

_here: dict[str, Any] = {}  # what a worker was started with


def share(
    cache: MaskCache, pairs: Sequence[Pair], read: Read, stop: Callable[[], bool], workers: int, device: str
) -> Iterator[Made]:
    """As `build`, on `device`, by `workers` processes with a copy of the source each; by this one where that is 1.

    Raises HarnessError that one of them raised, or where one was killed.
    """
    if workers == 1:
        cache.source.to(device)
        yield from build(cache, pairs, read, stop)
        return
    context = multiprocessing.get_context("spawn")
    halt = context.Event()
    pool = ProcessPoolExecutor(workers, context, _start, (cache, read, device, halt))
    try:
        starts = range(0, len(pairs), AT_ONCE)
        left: set[Future[list[Made]]] = {pool.submit(_some, pairs[at : at + AT_ONCE]) for at in starts}
        while left and not stop():
            done, left = wait(left, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in done:
                yield from future.result()
    except BrokenProcessPool:
        if not stop():
            raise HarnessError(
                "a process that makes masks was killed: try fewer --workers; what was made is kept"
            ) from None
    finally:
        halt.set()
        pool.shutdown(cancel_futures=True)


def _start(cache: MaskCache, read: Read, device: str, halt: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent decides what it means
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    cache.source.to(device)
    _here.update(cache=cache, read=read, stop=halt.is_set)


def _some(pairs: Sequence[Pair]) -> list[Made]:
    return list(build(_here["cache"], pairs, _here["read"], _here["stop"]))


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
