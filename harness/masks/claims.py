"""Who works on what: several processes, on one machine or on several that share a file system."""

from __future__ import annotations

import fcntl
from pathlib import Path
from types import TracebackType
from typing import BinaryIO


class Claims:
    """Claims of numbers, each of one process at a time, as locks on the bytes of a file.

    The system gives them up when the process ends, however it ends. One object a process and file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab")

    def claim(self, number: int) -> bool:
        """Whether `number`, from 0 to 2^60, is now this process's: another one may have it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def give_up(self, number: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)

    def __enter__(self) -> Claims:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
