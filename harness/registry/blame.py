"""Whose code raised: for what a network or plug-in raises while it is used, and not when it is loaded or built."""

from __future__ import annotations

import traceback
from pathlib import Path

from harness.registry.plugins import Plugins, in_one_line


def blame(error: BaseException, plugins: Plugins) -> str | None:
    """`boom 0.9 (/.../boom.py:12): RuntimeError: text`: the innermost line on the way to the error that is not the
    core's or a library's. None where there is no such line."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for origin in plugins.origins.values():
            file = Path(origin.file)
            if Path(frame.filename).is_relative_to(file.parent if file.name == "__init__.py" else file):
                where = f"{frame.filename}:{frame.lineno}"
                return f"{origin.distribution} {origin.version} ({where}): {in_one_line(error)}"
    return None
