"""harness eval: a checkpoint on a benchmark, without training."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click

from harness.cli.common import (
    check_devices,
    data_root_option,
    find_device,
    one_list,
    output,
    results_option,
    stoppable,
    warn_broken,
)
from harness.cli.defaults import tell


@click.command("eval")
@click.option("--baseline", default="", metavar="NAME", help="The network, e.g. ifrnet; a run's is known.")
@click.option(
    "--weights", required=True, metavar="NAME", help="A checkpoint's FILE or FILE:SET, a run, or of weights list."
)
@click.option(
    "--with",
    "plugins",
    multiple=True,
    callback=one_list,
    metavar="NAMES",
    help="Plug-ins whose weights a file has too.",
)
@click.option("--data", default="clips", show_default=True, metavar="NAME", help="Benchmarks, e.g. clips:root=DIR.")
@click.option("--masks", default=None, metavar="NAME", help="Mask source.  [default: that of the run, else the best]")
@click.option("--protocol", default="unified", show_default=True, metavar="NAME", help="How it is tested.")
@click.option("--metrics", default="psnr,ssim", show_default=True, metavar="NAMES", help="PSNR and SSIM always are.")
@click.option("--triplets", default=None, type=click.IntRange(1), metavar="N", help="Of each level.  [default: all]")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@click.option("--devices", default=1, show_default=True, type=click.IntRange(1, 64), help="GPUs that share triplets.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Threads that read ahead.")
@data_root_option
@results_option
def evaluate(
    baseline: str,
    weights: str,
    plugins: str,
    data: str,
    masks: str | None,
    protocol: str,
    metrics: str,
    triplets: int | None,
    device: str | None,
    devices: int,
    workers: int,
    results: Path,
) -> None:
    """Evaluate trained weights and print the table. Row by row, so that a stopped evaluation goes on.

    Under torchrun, or with --devices, the processes share the triplets; rows are the same."""
    from harness.cli.devices import relaunch
    from harness.cli.progress import Progress
    from harness.data.known import refuse_footage
    from harness.distributed import joined
    from harness.evaluate.plan import EvalPlan
    from harness.evaluate.testset import TripletSet
    from harness.masks.chosen import cache_of
    from harness.outcome.pairs import read_evaluation
    from harness.pair.given import arm_of, evaluate_weights, masks_of
    from harness.pair.session import Session
    from harness.pair.start import find_trained
    from harness.pair.testset import Tests, choose_metrics
    from harness.registry.catalog import catalog
    from harness.registry.options import parse_choices
    from harness.registry.protocol import Protocol
    from harness.registry.specs import BenchmarkSpec
    from harness.report.formats import draw
    from harness.report.tables import evaluation_sheets
    from harness.results.store import Store
    from harness.train.loop import Interrupted

    known = catalog()
    warn_broken(known)
    tell()
    if devices > 1 and "RANK" not in os.environ:
        check_devices(find_device(device), devices)
        raise SystemExit(relaunch(devices))
    with joined(find_device(device)) as world:
        store = Store(results)
        given = find_trained(weights, known, store)
        arm = arm_of(given, baseline, plugins, known)
        own = masks_of(given, known) if masks is None else None
        # a network that takes none is measured inside and outside of those that are named
        source = own or known.mask_source(masks, needed=arm.needs_masks or bool(masks))
        cache = cache_of(source) if source else None
        benchmarks = [known.choose(BenchmarkSpec, choice) for choice in parse_choices(data)]
        sets = tuple(TripletSet.of(each, triplets, inputs=arm.inputs) for each in benchmarks)
        if source:
            for each in sets:
                refuse_footage(source.name, each.name, each.benchmark, each.triplets[0], "--masks")
        chosen = known.find(Protocol, protocol).spec
        plan = EvalPlan(chosen, *choose_metrics(known, parse_choices(metrics), chosen.ssim), triplets, workers)
        tests = Tests(plan, sets, cache, world)
        with Progress([arm.slug], world.writes).watching(known.plugins.manager) as progress, stoppable() as stop:
            notify = known.plugins.notify if world.writes else lambda hook, **facts: None
            session = Session(store, notify, progress.note, lambda: bool(stop), world)
            try:
                name = evaluate_weights(arm, given, tests, source, session)
            except Interrupted as interrupted:
                progress.note(f"{interrupted}; the same command goes on from there")
                raise SystemExit(128 + (stop[0] if stop else signal.SIGTERM)) from None
        if not world.writes:
            return
        draw(evaluation_sheets(read_evaluation(store, name)), output())
