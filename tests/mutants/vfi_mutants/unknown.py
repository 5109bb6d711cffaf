"""A hook that nobody calls."""

from __future__ import annotations

from harness import hookimpl


@hookimpl
def harness_baseline() -> list[object]:
    return []
