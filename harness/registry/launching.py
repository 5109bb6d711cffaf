"""What a launcher is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """A command that can be given again until it is done. Of jobs that share one of `holds`, one runs at a time."""

    name: str
    command: tuple[str, ...]
    log: Path
    holds: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class LaunchPlan:
    """Jobs, and how the user wants them run.

    launcher  its name; an implementation of `harness_launch` returns None for any name that is not its own
    jobs      commands that go on where they were stopped; of those that share one of `holds`, one may run at a time
    results   the results folder, absolute
    note      says a line to the user
    stop      asked all the time: a signal's number once the user wants to stop, else 0
    options   as the user wrote them: `--partition` and alike, and all those of a launcher that declares none
    wait      whether to return once every job has ended, not at once
    workers   processes that read data, for each process that trains
    at_once   jobs that this machine runs at a time; `gpus` are handed out to them, each as CUDA_VISIBLE_DEVICES has it
    """

    launcher: str
    jobs: tuple[Job, ...]
    results: Path
    note: Callable[[str], None]
    stop: Callable[[], int]
    options: Mapping[str, str] = field(default_factory=dict)
    wait: bool = False
    workers: int = 0
    at_once: int = 1
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A line for each failure, and the names of the jobs that have not ended."""

    failures: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
