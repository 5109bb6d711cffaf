"""A pair run from Python, as `harness run` does it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.distributed import joined
from harness.errors import HarnessError
from harness.files import expanded
from harness.pair.device import find_device
from harness.pair.plan import settle
from harness.pair.run import run_pair
from harness.pair.session import Session
from harness.pair.stopping import stoppable
from harness.registry.catalog import catalog
from harness.results.records import Asked
from harness.results.store import Store
from harness.train.loop import Interrupted

log = logging.getLogger("harness")

WORKERS = 256


def run_called(
    asked: Mapping[str, Any],
    seeds: int | Sequence[int],
    device: str | None,
    workers: int,
    data_root: str | Path | None,
    results: str | Path,
) -> list[str]:
    """The pairs' names, one a seed. `asked` are fields of `harness.results.records.Asked`; None stands for its default,
    and a list for names with commas between.

    Raises HarnessError for all that the command refuses, and KeyboardInterrupt once all is saved after Ctrl-C; SIGTERM
    ends the process as it ends the command.
    """
    pairs = [_asked(asked, seed) for seed in _seeds(seeds)]
    if type(workers) is not int or not 0 <= workers <= WORKERS:
        raise HarnessError(f"workers={workers!r}: expected a whole number from 0 to {WORKERS}")
    with _data_root(data_root), joined(find_device(device)) as world:
        known = catalog()
        for broken in known.broken:
            log.warning("left out: %s", broken)
        store = Store(expanded(results))
        plans = [settle(each, known, world.device, workers, store) for each in pairs]
        notify = known.plugins.notify if world.writes else lambda hook, **facts: None
        with _stoppable() as stop:
            session = Session(store, notify, log.info, lambda: bool(stop), world)
            try:
                return [run_pair(plan, session) for plan in plans]
            except Interrupted as interrupted:
                if stop and stop[0] == signal.SIGINT:
                    raise KeyboardInterrupt(f"{interrupted}; the same call goes on from there") from None
                raise SystemExit(128 + signal.SIGTERM) from None


def _asked(words: Mapping[str, Any], seed: int) -> Asked:
    given = {
        name: value if isinstance(value, str) else ",".join(map(str, value)) if isinstance(value, Sequence) else value
        for name, value in words.items()
        if value is not None
    }
    try:
        return Asked.model_validate({**given, "seed": seed}, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise HarnessError(f"{first['loc'][0]}={first['input']!r}: {first['msg']}") from error


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    found = (seeds,) if isinstance(seeds, int) else tuple(seeds) if isinstance(seeds, Sequence) else ()
    if not found or not all(type(seed) is int and 0 <= seed < 2**31 for seed in found):
        raise HarnessError(f"seeds={seeds!r}: expected a whole number, or a list of such as [0, 1, 2]")
    return tuple(dict.fromkeys(found))


@contextmanager
def _data_root(folder: str | Path | None) -> Iterator[None]:
    """Benchmarks look for their data there, in this process and in those that it starts."""
    if folder is None:
        yield
        return
    if not expanded(folder).is_dir():
        raise HarnessError(f"data_root={str(folder)!r}: is no folder")
    before = os.environ.get("HARNESS_DATA")
    os.environ["HARNESS_DATA"] = str(expanded(folder))
    try:
        yield
    finally:
        del os.environ["HARNESS_DATA"]
        if before is not None:
            os.environ["HARNESS_DATA"] = before


def _stoppable() -> Any:
    """Other threads than the main one get no signals."""
    main = threading.current_thread() is threading.main_thread()
    return stoppable(log.warning) if main else nullcontext([])
