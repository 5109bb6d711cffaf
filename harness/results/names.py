"""What a user calls a run or a pair: all of its name, or as much of it as no other has."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import HarnessError, suggestion
from harness.results.store import RunFolder, Store

SHOWN = 8  # choices of an ambiguous name


def called(word: str, names: Iterable[str]) -> list[str]:
    """Those that are meant: the one of that name; else all of that arm, or of that arm and seed; else all that begin
    so. `ifrnet-s.s1` is not of seed 10."""
    names = list(names)
    if word in names:
        return [word]
    return [name for name in names if word and name.startswith(f"{word}.")] or [
        name for name in names if word and name.startswith(word)
    ]


def choices(names: Iterable[str]) -> str:
    """`a, b and 3 more`, sorted."""
    names = sorted(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def find_run(store: Store, word: str) -> RunFolder:
    """Raises HarnessError for a name that is several runs', with these, or no run's."""
    runs = {run.name: run for run in store.runs()}
    found = called(word, runs)
    if len(found) > 1:
        raise HarnessError(f"'{word}' is the beginning of {len(found)} runs: {choices(found)}; give more of it")
    if not found:
        raise HarnessError(f"no run '{word}' in {store.root}{suggestion(word, runs)} (harness list shows runs)")
    return runs[found[0]]
