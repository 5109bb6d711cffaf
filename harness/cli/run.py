"""harness run: train a matched pair, evaluate it, print the table."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.common import (
    check_devices,
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

if TYPE_CHECKING:
    from harness.pair.plan import Plan
    from harness.results.store import Store

log = logging.getLogger("harness")


@click.command()
@click.option("--baseline", required=True, metavar="NAME", help="The network, e.g. ifrnet-s.")
@click.option(
    "--with",
    "plugins",
    multiple=True,
    metavar="NAMES",
    help="Plug-ins, e.g. hce,hir:stages=L,radius=2. Given again, or with {L,S}: variants, against one baseline.",
)
@click.option(
    "--recipe",
    default="",
    metavar="NAME",
    help="A recipe's name or YAML file.  [default: the one that the baseline names, else quick]",
)
@click.option(
    "--start", default="", metavar="NAME", help="Trained weights for both: FILE or FILE:SET, a run, or of weights list."
)
@click.option(
    "--data", default="", metavar="NAMES", help="Training sets, e.g. clips:root=DIR.  [default: recipe, clips]"
)
@click.option("--test", default="", metavar="NAMES", help="Benchmarks to test on.  [default: those of --data]")
@click.option("--masks", default="", metavar="NAME", help="Mask source.  [default: the best one installed]")
@click.option("--test-masks", default="", metavar="NAME", help="Masks given to the network when it is tested.")
@click.option("--protocol", default="unified", show_default=True, metavar="NAME", help="How it is tested.")
@click.option("--metrics", default="psnr,ssim", show_default=True, metavar="NAMES", help="PSNR and SSIM always are.")
@click.option(
    "--seeds", "--seed", default="0", show_default=True, callback=parse_seeds, metavar="LIST", help="E.g. 0,1,2."
)
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@click.option("--devices", default=1, show_default=True, type=click.IntRange(1, 64), help="GPUs that train together.")
@click.option("--workers", default=0, show_default=True, type=click.IntRange(0, 256), help="Processes that read data.")
@click.option("--dry-run", is_flag=True, help="List the runs, with time, memory and disk measured on a few steps.")
@data_root_option
@results_option
def run(
    plugins: tuple[str, ...],
    seeds: tuple[int, ...],
    device: str | None,
    devices: int,
    workers: int,
    dry_run: bool,
    results: Path,
    **asked: Any,
) -> None:
    """Train a baseline alone and with plug-ins, identically, evaluate both and print the table.

    With --with several times, or with --with 'hir:stages={L,S,LS}', each variant is held against the one baseline,
    which is trained once, in one table.

    The same command again finds the finished run, or goes on where it was stopped. With several seeds, one pair each.
    Under torchrun, or with --devices, the processes share every batch and every test set. `--with null`, the control,
    ends with PASS, or with FAIL and exit code 1.
    """
    from harness.cli.devices import relaunch
    from harness.cli.progress import Progress
    from harness.distributed import joined
    from harness.outcome.control import judged
    from harness.outcome.pairs import read_pair
    from harness.pair.plan import settle
    from harness.pair.run import run_pair
    from harness.pair.session import Session
    from harness.registry.catalog import catalog
    from harness.report.figures import draw_figures
    from harness.report.formats import draw
    from harness.report.suite_table import suite_sheet
    from harness.report.tables import sheets_of
    from harness.results.records import Asked
    from harness.results.store import Store
    from harness.suites.family import check_distinct, family
    from harness.train.loop import Interrupted

    known = catalog()
    warn_broken(known)
    wanted = _variants(plugins)
    tell()
    if devices > 1 and "RANK" not in os.environ:
        check_devices(find_device(device), devices)
        raise SystemExit(relaunch(devices))
    with joined(find_device(device)) as world:
        store = Store(results)
        plans = [
            settle(Asked(**asked, plugins=words, seed=seed), known, world.device, workers, store)
            for seed in seeds
            for words in wanted
        ]
        check_distinct(plans)
        for plan in plans:
            log.info("%s", _settled(plan))
        if dry_run:
            _forecast(plans, store)
            return
        arms = list(dict.fromkeys(arm.slug for plan in plans for arm in plan.arms))
        with Progress(arms, world.writes).watching(known.plugins.manager) as progress, stoppable() as stop:
            notify = known.plugins.notify if world.writes else lambda hook, **facts: None
            session = Session(store, notify, progress.note, lambda: bool(stop), world)
            try:
                names = [run_pair(plan, session) for plan in plans]
            except Interrupted as interrupted:
                progress.note(f"{interrupted}; the same command goes on from there")
                # where another process got the signal, this one does not know its number
                raise SystemExit(128 + (stop[0] if stop else signal.SIGTERM)) from None
            if not world.writes:
                return
            pairs = [read_pair(store, name) for name in names]
            folders = [draw_figures(*of, store, progress.note) for of in zip(pairs, plans, strict=True)]
    if len(wanted) > 1:
        levels = {tests.name: tuple(tests.levels) for tests in pairs[0].record.tests}
        draw([suite_sheet("run", family(plans, levels), store)], output())
    else:
        draw(sheets_of(store, pairs[0], store.pair_records()), output())
    for folder in dict.fromkeys(folders if len(wanted) > 1 else folders[-1:]):
        say(f"table, curves and gallery: {folder}")
    verdicts = [f"control of seed {pair.record.seed}: {found}" for pair in pairs if (found := judged(pair))]
    for line in verdicts:
        say(line)
    if any(": FAIL: " in line for line in verdicts):
        raise SystemExit(1)


def _variants(given: Sequence[str]) -> list[str]:
    """The plug-ins of each pair. Of several the plain baseline is in every one; alone it is a pair of its own."""
    from harness.registry.options import variants

    words = [each for word in given for each in variants(word)]
    return [each for each in words if each.strip()] or [""]


def _forecast(plans: Sequence[Plan], store: Store) -> None:
    from harness.cli.verbosity import note
    from harness.measure.speed import device_name
    from harness.registry.catalog import catalog
    from harness.report.forecast_table import forecast_sheet
    from harness.report.formats import draw
    from harness.suites.family import family
    from harness.suites.forecast import forecast

    at = plans[0].device
    suite = family(plans, {chosen.name: chosen.build().levels for chosen in plans[0].tests})
    seen = forecast(suite, [plan.asked for plan in plans], catalog(), store, at, note)
    draw([forecast_sheet(suite.title, seen, device_name(at))], output())


def _settled(plan: Plan) -> str:
    """What the words of a command have come to."""
    masks = plan.masks.label if plan.masks else "none"
    tests = ", ".join(chosen.label for chosen in plan.tests)
    return (
        f"{plan.arm.label}, seed {plan.training.seed}{plan.origin}: recipe {plan.asked.recipe}, trained on "
        f"{plan.data_label}, tested on {tests}, masks {masks}, on {plan.device}: {plan.command}"
    )
