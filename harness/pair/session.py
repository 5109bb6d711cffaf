"""The world around a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.distributed import World
from harness.results.store import Store


@dataclass(frozen=True)
class Session:
    """Where results go, whom to tell, whether to stop. `notify` takes a hook's name and its facts; `world` are the
    processes that work together, of which the first writes and tells."""

    store: Store
    notify: Callable[..., None]
    note: Callable[[str], None]
    stop: Callable[[], bool]
    world: World
