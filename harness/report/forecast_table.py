"""The plan of a suite as a table: what is to be run, and how long it takes about."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.sheet import Cell, Line, Sheet
from harness.suites.forecast import RunForecast

COLUMNS = ("state", "steps to do", "triplets to test", "s/step", "time", "memory", "disk")


def forecast_sheet(title: str, runs: Sequence[RunForecast], at_once: int, device: str, remarks: Sequence[str]) -> Sheet:
    """A line a run, and the totals: time one after the other, memory of the largest, disk of all."""
    lines = [
        Line(
            run.label,
            (
                Cell(run.state),
                _count("steps", run.steps),
                _count("triplets", run.triplets),
                Cell(f"{run.seconds_per_step:.3f}", (("seconds", run.seconds_per_step),)),
                *_sizes(run.seconds, run.memory, run.disk),
            ),
        )
        for run in runs
    ]
    seconds = sum(run.seconds for run in runs)
    counts = _count("steps", sum(run.steps for run in runs)), _count("triplets", sum(run.triplets for run in runs))
    totals = _sizes(seconds, max(run.memory for run in runs), sum(run.disk for run in runs))
    lines.append(Line("all", (Cell(), *counts, Cell(), *totals), rule=True))
    notes = [
        f"Estimated from a few steps with made-up frames on {device}; the reading of data and masks is not in it.",
        "Memory: of the training. Disk: two checkpoints a run; decoded clips and masks in the cache come on top.",
        *remarks,
    ]
    if at_once > 1:
        notes.append(
            f"Time: one run after the other; {at_once} at a time, a GPU each, about {duration(seconds / at_once)}."
        )
    return Sheet(title, COLUMNS, tuple(lines), tuple(notes))


def _count(name: str, count: int) -> Cell:
    return Cell(f"{count:,}", ((name, count),))


def _sizes(seconds: float, memory: int, disk: int) -> tuple[Cell, Cell, Cell]:
    return (
        Cell(duration(seconds), (("seconds", seconds),)),
        Cell(_bytes(memory), (("bytes", memory),)),
        Cell(_bytes(disk), (("bytes", disk),)),
    )


def duration(seconds: float) -> str:
    """`3 d 4 h`, `4 h 05 min`, `5 min`, `6 s`."""
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if days >= 1:
        return f"{int(days):,} d {int(hours) % 24} h"
    if hours >= 1:
        return f"{int(hours)} h {int(minutes) % 60:02} min"
    return f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"


def _bytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
