"""The plan of a suite as tables: what is to be run, how long it takes about, and on how many devices."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.sheet import Cell, Line, Sheet
from harness.suites.forecast import Forecast
from harness.suites.schedule import Work, longest_chain, schedule, total

COLUMNS = ("state", "steps to do", "triplets to test", "s/step", "time", "memory", "disk")
DEVICES = (1, 4, 64)
HELD = ("time", "device-hours", "at work", "what limits it")


def forecast_sheet(title: str, seen: Forecast, device: str) -> Sheet:
    """A line a run, and the totals: time one after the other, memory of the largest, disk of all."""
    runs = seen.runs
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
        *seen.remarks,
    ]
    return Sheet(title, COLUMNS, tuple(lines), tuple(notes))


def schedule_sheet(jobs: Sequence[Work], at_once: int, device: str) -> Sheet:
    """How long all jobs take on DEVICES, and on `at_once`, and what these devices cost; there is one job at least."""
    chain, all_of_them = longest_chain(jobs), total(jobs)
    lines = []
    for count in sorted({*DEVICES, at_once}):
        done = schedule(jobs, count)
        hours = count * done.seconds / 3600
        limit = "the longest chain" if total(chain) * count >= all_of_them else "how many devices there are"
        lines.append(
            Line(
                str(count),
                (
                    Cell(duration(done.seconds), (("seconds", done.seconds),)),
                    Cell(f"{hours:,.1f}", (("hours", hours),)),
                    _count("devices", done.busy),
                    Cell(limit),
                ),
            )
        )
    alone = chain[0].name if len(chain) == 1 else f"{len(chain)} jobs that share a run, the first {chain[0].name}"
    notes = (
        f"A job is a pair on one device, {device}; the jobs that are left: {len(jobs)}, {all_of_them / 3600:,.1f} "
        "device-hours in all. The table has those of devices that are held until the last job ends; at work: how many "
        "are ever used.",
        f"The longest chain, which no number of devices makes shorter: {duration(total(chain))}, {alone}.",
        "Not in it: queues, and runs that are spread over several devices (--devices), which were not measured.",
    )
    return Sheet("On several devices", HELD, tuple(lines), notes)


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
