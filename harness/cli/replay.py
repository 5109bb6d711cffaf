"""harness replay: one row of a run made again."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.common import data_root_option, find_device, output, results_option, say, warn_broken


@click.command()
@click.argument("name", metavar="RUN")
@click.argument("triplet")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@data_root_option
@results_option
def replay(name: str, triplet: str, device: str | None, results: Path) -> None:
    """Measure one TRIPLET of RUN again, e.g. `easy:bikes/00012-00013-00014`, and say whether the row comes out equal,
    bit for bit. Where it does not, what differs, and exit code 1. Nothing is written."""
    from rich.table import Table

    from harness.pair.replay import replay as again
    from harness.registry.catalog import catalog
    from harness.results.names import find_run
    from harness.results.store import Store

    known = catalog()
    warn_broken(known)
    store = Store(results)
    run = find_run(store, name)
    found = again(run, triplet, store, known, find_device(device))
    was, now = found.was, found.now
    say(f"{run.name}, {was.data} {was.level} {was.triplet}, protocol {was.protocol}")
    table = Table("", "then", "now", box=None, pad_edge=False)
    for metric in found.metrics:
        table.add_row(metric, repr(was.values[metric]), repr(now.values[metric]))
    output().print(table, markup=False)
    if left_out := [metric for metric in was.values if metric not in found.metrics]:
        say(f"not measured now: {', '.join(left_out)}")
    for line in found.machine:
        say(f"this machine differs: {line}")
    if found.changes:
        say(f"NOT equal: {'; '.join(found.changes)}")
        raise SystemExit(1)
    say(f"equal, bit for bit: {len(found.metrics)} values, frames and label maps")
