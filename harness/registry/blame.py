"""Whose code it was: of what a network or plug-in raises or gives while it is used, not when it is loaded or built."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from harness.errors import HarnessError
from harness.registry.contract import name_of
from harness.registry.plugins import Origin, Plugins, discover, in_one_line


def blame(error: BaseException, plugins: Plugins) -> str | None:
    """`boom 0.9 (/.../boom.py:12): RuntimeError: text`: the innermost line on the way to the error that is not the
    core's or a library's. None where there is no such line."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if origin := _origin(frame.filename, plugins):
            where = f"{frame.filename}:{frame.lineno}"
            return f"{origin.distribution} {origin.version} ({where}): {in_one_line(error)}"
    return None


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
