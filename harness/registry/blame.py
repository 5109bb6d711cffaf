"""Whose code it was: of what a network or plug-in raises or gives while it is used, not when it is loaded or built."""

from __future__ import annotations

import re
import sys
import traceback
from pathlib import Path

from harness.errors import HarnessError
from harness.registry.contract import name_of
from harness.registry.plugins import Origin, Plugins, discover, in_one_line


def blame(error: BaseException, plugins: Plugins) -> str | None:
    """`boom 0.9 (/.../boom.py:12): RuntimeError: text`: the innermost line on the way to the error that is not the
    core's or a library's, be it in a process that reads data. None where there is no such line."""
    places = [(frame.filename, str(frame.lineno)) for frame in traceback.extract_tb(error.__traceback__)]
    inside, said = _in_a_reader(str(error))
    for file, line in reversed(places + inside):
        if origin := _origin(file, plugins):
            return f"{origin.distribution} {origin.version} ({file}:{line}): {said or in_one_line(error)}"
    return None


_READER = re.compile(r"Caught \w+ in DataLoader worker process \d+\.\n")
_PLACE = re.compile(r'  File "(.+)", line (\d+), in .*\n(?:    .*\n)*')


def _in_a_reader(text: str) -> tuple[list[tuple[str, str]], str]:
    """Of what torch raises for such a process, which has its traceback as text: files with lines, and what was said."""
    if not _READER.match(text):
        return [], ""
    last = text.rpartition("Traceback (most recent call last):\n")[2]
    return _PLACE.findall(last), " ".join(_PLACE.sub("", last).split())


def breach_of(kind: str, thing: object, what: str) -> HarnessError:
    """`benchmark ours_one:Set of ours-one 0.9 (/.../ours_one.py) breaks its contract: <what>`, for a thing that is
    known by its class alone; of the core's own, without a distribution."""
    module = sys.modules.get(type(thing).__module__)
    origin = _origin(getattr(module, "__file__", None) or "", discover())
    owner = f" of {origin}" if origin else ""
    return HarnessError(f"{kind} {name_of(thing)}{owner} breaks its contract: {what}")


def _origin(source: str, plugins: Plugins) -> Origin | None:
    """Who provides a file of Python."""
    for origin in plugins.origins.values():
        file = Path(origin.file)
        if Path(source).is_relative_to(file.parent if file.name == "__init__.py" else file):
            return origin
    return None
