"""Files that are either whole or not there: written under another name, synced, then renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the name `path` only when all of it is on disk.

    A crash or a full disk leaves what was there before; OSError names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w+b") as out:
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
    """The lines of an appended file; one that a crash tore is left out. No file, no lines."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    return text.split("\n")[:-1]
