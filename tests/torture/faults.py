"""Calls that change a disk, counted; at a chosen one the process is killed, or the disk is full."""

from __future__ import annotations

import errno
import io
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal


@dataclass
class Faults:
    """Of the calls that touch a path below `root` with `only` in it, the one numbered `at` (from 1) goes wrong.

    kill     SIGKILL before the call is made; a write is made half first
    full     no space left, this once; a write is made half first
    for good no space left from then on
    """

    root: str
    only: str = ""
    at: int = 0
    how: Literal["kill", "full", "for good"] = "kill"
    calls: list[str] = field(default_factory=list)
    counting: Lock = field(default_factory=Lock)
    torn: bool = False  # half of a write was made: the next one fails

    def install(self) -> None:
        """For the rest of this process."""
        for name in ("mkdir", "rename", "replace", "unlink", "rmdir"):
            setattr(os, name, self._named(name, getattr(os, name)))
        os.fsync = self._synced(os.fsync)
        os.open = self._created(os.open)
        io.open = self._opened(io.open)

    def now(self, call: str, path: str) -> bool:
        """Note a call; whether it is the one to go wrong."""
        if not path.startswith(self.root) or self.only not in path:
            return False
        with self.counting:  # frames for a test are read in another thread
            self.calls.append(f"{call} {Path(path).relative_to(self.root)}")
            number = len(self.calls)
        if call in ("unlink", "rmdir") and self.how != "kill":
            return False  # a full disk lets go of files
        return number >= self.at > 0 if self.how == "for good" else number == self.at

    def strike(self, path: str | None = None) -> None:
        """The kill, or the error with or without the file's name, as the system has it."""
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([path] if path else []))

    def _named(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            target = os.fspath(path)
            if options.get("dir_fd") is not None:
                target = f"{_path_of(options['dir_fd'])}/{target}"
            if not (name == "mkdir" and Path(target).is_dir()) and self.now(name, target):
                self.strike(target)
            return real(path, *arguments, **options)

        return call

    def _synced(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def fsync(handle: int) -> None:
            if self.now("fsync", _path_of(handle)):
                self.strike()
            real(handle)

        return fsync

    def _created(self, real: Callable[..., int]) -> Callable[..., int]:
        def create(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & os.O_CREAT and self.now("open", str(path)):
                self.strike(str(path))
            return real(path, flags, *arguments, **options)

        return create

    def _opened(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, *more: Any) -> Any:
            path = str(file)
            if not path.startswith(self.root) or not set(mode) & set("wax+"):
                return real(file, mode, buffering, encoding, *more)
            if self.now("open", path):
                self.strike(path)
            raw = _File(path, mode.replace("b", ""), self)
            binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return binary if "b" in mode else io.TextIOWrapper(binary, encoding)

        return opened


class _File(io.FileIO):
    """What it is told to write goes through the faults."""

    def __init__(self, path: str, mode: str, faults: Faults) -> None:
        super().__init__(path, mode)
        self.path, self.faults = path, faults

    def write(self, data: Any) -> int:
        """On a disk that fills up half is written, which is said, and the next call fails; as by the system."""
        if self.faults.torn:
            self.faults.torn = self.faults.how == "for good"
            self.faults.strike()
        if not self.faults.now("write", self.path):
            return super().write(data)
        half = super().write(bytes(data)[: len(data) // 2])
        if self.faults.how == "kill" or not half:
            self.faults.strike()
        self.faults.torn = True
        return half


def _path_of(handle: int) -> str:
    return str(Path(f"/proc/self/fd/{handle}").readlink())
