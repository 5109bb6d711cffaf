"""Files that are either whole or not there: written under another name, synced, then renamed."""

from __future__ import annotations

import errno
import fcntl
import glob
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from harness.errors import HarnessError

SMALL = 1 << 20  # bytes: no settings that people write are longer
ABANDONED = 3600  # seconds without a write, after which what no process holds was written by one that was killed


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the name `path` only when all of it is on disk.

    A crash or a full disk leaves what was there before; OSError names the file. A link at `path` is replaced, and none
    is followed where it is written first. Threads, processes and machines that write one path at once do not meet: the
    last one's file is there in the end.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
    temporary = path.with_name(f"{path.name}.{token_hex(6)}.tmp")  # numbers of processes repeat, as on two machines
    try:
        with temporary.open("x+b") as out:
            hold(out.fileno())
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def hold(handle: int) -> bool:
    """Whether what is open there is this process's until it closes it, or ends: another one may have it. A network
    would take hours for a frame, a laptop sleeps: what is held is not abandoned, however long nothing was written."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # this file system keeps no locks
        pass
    return True


def check_place(path: Path) -> None:
    """Raises OSError, which names the file, where none of that name could be written: to be known before what takes
    long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        error.filename = str(path)
        raise


def inside(folder: Path, root: Path) -> Path:
    """The folder, which is in `root`. Raises HarnessError where links lead out of it: whoever gives a folder of results
    away could have us write where they please."""
    if not folder.resolve().is_relative_to(root.resolve()):
        raise HarnessError(f"{folder}: is a link that leads out of {root}; remove it, and it is made anew")
    return folder


def small_file(path: Path, most: int = SMALL) -> bytes:
    """All of a file that people write, at most so many bytes.

    Raises HarnessError for what is longer and for what is no file: a device never ends, a pipe may never begin.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode) and not stat.S_ISDIR(state.st_mode):
                raise HarnessError(f"{path}: cannot be read: it is a device, a pipe or a socket; give a file")
            content, room = b"", min(state.st_size, most) + 1
            while len(content) <= most and (more := os.read(handle, room)):
                content += more
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise HarnessError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > most:
        raise HarnessError(f"{path}: cannot be read: it is longer than {most:,} bytes; give a shorter one")
    return content


def check_no_device(path: Path) -> None:
    """Raises HarnessError for what is there and neither a file nor a folder: it may never end, or never begin."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise HarnessError(f"{path}: is a device, a pipe or a socket; give a file")


def expanded(path: str | Path) -> Path:
    """A path with ~ written out. Raises HarnessError where nobody knows the home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise HarnessError(f"{path}: there is no such home folder; set HOME, or give the path without ~") from error


def disk_is_full(error: BaseException) -> bool:
    """Whether it says, or was raised because, there is no space left or the user's share of it is used up."""
    causes = (error, error.__cause__)
    return any(isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT) for e in causes)


def write_bytes(path: Path, content: bytes) -> None:
    with replacing(path) as out:
        out.write(content)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, data: Any) -> None:
    write_text(path, json.dumps(data, indent=2) + "\n")


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on disk: what a power cut must not take back."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        os.close(handle)


def append_line(path: Path, line: str, durable: bool = True) -> None:
    """One more line at the end of a file; `durable`, it is on disk when this returns."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            if durable:
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def whole_lines(path: Path) -> list[str]:
    """The lines of an appended file; one that a crash tore is left out. No file, no lines.

    Raises HarnessError where it is no text."""
    return lines_and_rest(path)[0]


def lines_and_rest(path: Path) -> tuple[list[str], str]:
    """The same, and what stands after the last line's end."""
    try:
        *lines, rest = path.read_bytes().decode().split("\n")
    except FileNotFoundError:
        return [], ""
    except UnicodeDecodeError as error:
        raise HarnessError(f"{path}: damaged: byte {error.start} is no text; move it away, it is made anew") from error
    return lines, rest


def remove_abandoned(path: Path) -> None:
    """What processes that were killed had written of this file, or folder, and none holds."""
    for torn in _unfinished(path):
        with suppress(OSError):
            if time.time() - torn.stat().st_mtime > ABANDONED and not _is_held(torn):
                shutil.rmtree(torn) if torn.is_dir() and not torn.is_symlink() else torn.unlink()


def is_being_written(path: Path) -> bool:
    """Whether a process writes this file, or folder, and holds what it has of it."""
    return any(map(_is_held, _unfinished(path)))


def _unfinished(path: Path) -> Iterator[Path]:
    """By names that nobody else gives."""
    for torn in path.parent.glob(f"{glob.escape(path.name)}.*.tmp"):
        folder = torn.is_dir() and not torn.is_symlink()
        named = "[0-9a-f]{12}" if folder else "[0-9a-f]{12}|[0-9]+"  # numbers of processes, as once
        if re.fullmatch(named, torn.name[len(path.name) + 1 : -len(".tmp")]):
            yield torn


def _is_held(torn: Path) -> bool:
    """False where it is gone, or may not be opened."""
    with suppress(OSError):
        handle = os.open(torn, os.O_RDONLY if torn.is_dir() else os.O_RDWR)  # NFS locks no file that is only read
        try:
            return not hold(handle)
        finally:
            os.close(handle)
    return False
