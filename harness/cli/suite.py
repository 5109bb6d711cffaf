"""harness suite: run all pairs of a table, or say what that would take."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.common import (
    data_root_option,
    find_device,
    output,
    parse_seeds,
    results_option,
    say,
    stoppable,
    warn_broken,
)
from harness.cli.defaults import tell
from harness.cli.launching import launcher_options, launcher_words
from harness.cli.verbosity import note

if TYPE_CHECKING:
    from harness.pair.plan import Plan
    from harness.registry.launching import Launched
    from harness.registry.options import Choice
    from harness.results.records import Asked
    from harness.results.store import Store
    from harness.suites.suite import Suite


@click.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="List the runs, with time, memory and disk measured on a few steps.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 256), metavar="N", help="Pairs at a time.")
@click.option("--seeds", callback=parse_seeds, default=None, metavar="LIST", help="E.g. 0,1,2.  [default: the suite's]")
@click.option("--only", multiple=True, metavar="ROW", help="This row alone, by its label; may be given again.")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@click.option("--workers", default=0, show_default=True, type=click.IntRange(0, 256), help="Processes that read data.")
@launcher_options
@data_root_option
@results_option
def suite(
    name: str,
    dry_run: bool,
    jobs: int,
    seeds: tuple[int, ...],
    only: tuple[str, ...],
    device: str | None,
    workers: int,
    results: Path,
    launcher: str,
    wait: bool,
    **cluster: Any,
) -> None:
    """Run every pair of the suite NAME, e.g. clips1, and print its table. NAME may be a YAML file.

    The same command again skips what is done and goes on where it was stopped. Where a pair fails, the others go on.
    With --launcher slurm each pair is a job of a cluster, and this returns at once: given again, it says how they are.
    """
    from harness.errors import HarnessError, suggestion
    from harness.launch.launchers import check_launcher
    from harness.pair.plan import settle
    from harness.registry.catalog import catalog
    from harness.registry.options import parse_choice
    from harness.results.store import Store
    from harness.suites.plan import check_columns, check_levels
    from harness.suites.suite import find_suite, suite_files

    known = catalog()
    warn_broken(known)
    tell()
    chosen_launcher, words = parse_choice(launcher), launcher_words(**cluster)
    check_launcher(chosen_launcher, known)
    if twice := words.keys() & chosen_launcher.options:
        raise HarnessError(f"--launcher {launcher}: {min(twice)} is given twice, there and as an option of its own")
    found = find_suite(known.plugins, name)
    if found is None:
        names = suite_files(known.plugins)
        hint = suggestion(name, names) or f"; there are: {', '.join(sorted(names))}"
        raise HarnessError(f"unknown suite '{name}'{hint} (the name of a file ends in .yaml)")
    chosen = found[1]
    pairs = chosen.pairs(seeds, [chosen.row(label) for label in only])
    store = Store(results)
    if dry_run:
        _forecast(chosen, pairs, store, device, jobs)
        return
    at = find_device(device if chosen_launcher.name == "local" else "cpu")  # a cluster's nodes are other machines
    # what is misspelt is refused now, not hours later
    plans = [settle(asked, known, at, store=store) for asked in pairs]
    for plan in plans:
        check_columns(chosen, plan)
    if chosen_launcher.name == "local":  # the data of a cluster may be there alone
        check_levels(chosen, plans[0])
    if chosen_launcher.name != "local":
        plans = _unfinished(plans, store)
    more = [*(["--device", device] if device else []), *(["--workers", str(workers)] if workers else [])]
    how = {
        "launcher": chosen_launcher.name,
        "options": words,
        "wait": wait,
        "workers": workers,
        "at_once": jobs,
    }
    with stoppable() as received:
        launched = _launch(
            plans, results, more, _gpus(device), lambda: received[0] if received else 0, how, chosen_launcher
        )
    _finish(found, store, launched, received[0] if received else 0)


def _forecast(suite: Suite, pairs: Sequence[Asked], store: Store, device: str | None, jobs: int) -> None:
    from harness.measure.speed import device_name
    from harness.registry.catalog import catalog
    from harness.report.forecast_table import forecast_sheet, schedule_sheet
    from harness.report.formats import draw
    from harness.suites.forecast import forecast

    at = find_device(device)
    seen, name = forecast(suite, pairs, catalog(), store, at, note), device_name(at)
    sheets = [forecast_sheet(suite.title, seen, name)]
    if seen.jobs:
        sheets.append(schedule_sheet(seen.jobs, jobs, name))
    draw(sheets, output())


def _launch(
    plans: Sequence[Plan],
    results: Path,
    more: Sequence[str],
    gpus: Sequence[str],
    stop: Callable[[], int],
    how: Mapping[str, Any],
    launcher: Choice,
) -> Launched:
    """`more` are words for every command; `how` is the rest of a plan."""
    from harness.launch.launchers import launch
    from harness.registry.catalog import catalog
    from harness.registry.launching import LaunchPlan
    from harness.suites.plan import jobs_of

    jobs = jobs_of(plans, results, more)
    wanted = LaunchPlan(jobs=tuple(jobs), results=results.absolute(), note=note, stop=stop, gpus=tuple(gpus), **how)
    return launch(wanted, launcher, catalog())


def _unfinished(plans: Sequence[Plan], store: Store) -> list[Plan]:
    """Those that are worth a job."""
    from harness.suites.finished import finished
    from harness.suites.plan import name_of

    left = []
    for plan in plans:
        if pair := finished(plan, store):
            note(f"{name_of(plan)}: done already, as {pair}")
        else:
            left.append(plan)
    return left


def _gpus(device: str | None) -> list[str]:
    """GPUs to hand out, one a pair, where there are several and the user names none of them."""
    import torch

    if device not in (None, "cuda") or torch.cuda.device_count() < 2:
        return []
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]


def _finish(found: tuple[str, Suite], store: Store, launched: Launched, stopped_by: int) -> None:
    """The table of what there is, where it was not stopped; a line for each failure, and the exit code."""
    from harness.report.formats import draw
    from harness.report.suite_table import suite_sheet

    if stopped_by:
        note("stopped; the same command goes on from there")
    elif launched.pending:
        note(f"jobs handed over: {len(launched.pending)}; the same command says how they are, --wait waits for them")
    else:
        draw([suite_sheet(*found, store)], output())
    for failure in launched.failures:
        say(f"harness: error: {failure}", err=True)
    if stopped_by:
        raise SystemExit(128 + stopped_by)
    if launched.failures:
        raise SystemExit(2)
