"""Standard output and error where the shell has closed them, where nobody reads on, where they cannot take a sign."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def open_streams() -> None:
    """What the shell has closed leads nowhere: else the next file opened would take its place, and all that is printed.

    Signs that the terminal's encoding has not are written as codes.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the process lives
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def unread(error: BaseException | None) -> bool:
    """Whether it says that the reader of the output has gone, as `head` does once it has its lines."""
    if not isinstance(error, OSError) or error.errno != errno.EPIPE:
        return False
    for stream in _streams():
        with suppress(OSError, ValueError):  # no file at all
            polled = select.poll()
            polled.register(stream.fileno(), 0)
            if any(event & select.POLLERR for _, event in polled.poll(0)):
                return True
    return False


def drop_unwritten() -> None:
    """What could not be written is not tried again as Python ends, which would complain of it."""
    for stream in _streams():
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _streams() -> list[Any]:
    """Both, without what click puts around them so that they fail in silence."""
    return [getattr(stream, "wrapped", stream) for stream in (sys.stdout, sys.stderr)]
