"""Reading ahead and writing behind, each in a thread of its own, so that a network waits for neither."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")

AHEAD = 4
"""Items that wait between two threads at most."""

_END = object()


@contextmanager
def ahead(items: Generator[T, None, None]) -> Iterator[Iterator[T]]:
    """The same items, made by a thread before they are asked for, up to AHEAD. What it raises is raised here. At the
    end of the block the thread has ended, and what it reads is closed, however many were taken."""
    waiting: Queue[object] = Queue(AHEAD)
    failed: list[BaseException] = []
    over: list[bool] = []

    def work() -> None:
        try:
            for item in items:
                if over:
                    return
                waiting.put(item)
        except BaseException as error:  # it belongs to the other thread
            failed.append(error)
        finally:
            items.close()
            waiting.put(_END)

    def taken() -> Iterator[T]:
        while (item := waiting.get()) is not _END:
            yield item  # type: ignore[misc]
        if failed:
            raise failed[0]

    thread = Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        over.append(True)
        while thread.is_alive():
            _empty(waiting)
            thread.join(0.01)


class Behind(Generic[T]):
    """`put` gives an item to a thread that hands it to `work`. At the end of the block all are done, unless it is left
    by an error: then those that wait are dropped. What `work` raises is raised by the next `put`, or at the end."""

    def __init__(self, work: Callable[[T], None]) -> None:
        self._work = work
        self._waiting: Queue[object] = Queue(AHEAD)
        self._failed: list[BaseException] = []
        self._thread = Thread(target=self._run, name="behind", daemon=True)

    def put(self, item: T) -> None:
        self._raise()
        self._waiting.put(item)

    def __enter__(self) -> Behind[T]:
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._failed.append(error)  # what waits is passed over
        self._waiting.put(_END)
        self._thread.join()
        if error is None:
            self._raise()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not _END:
            if self._failed:
                continue
            try:
                self._work(item)  # type: ignore[arg-type]
            except BaseException as error:  # it belongs to the other thread
                self._failed.append(error)

    def _raise(self) -> None:
        if self._failed:
            raise self._failed[0]


def _empty(waiting: Queue[object]) -> None:
    while not waiting.empty():
        waiting.get_nowait()
