"""The world around a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.results.store import Store


@dataclass(frozen=True)
class Session:
    """Where results go, whom to tell, whether to stop. `notify` takes a hook's name and its facts."""

    store: Store
    notify: Callable[..., None]
    note: Callable[[str], None]
    stop: Callable[[], bool]
