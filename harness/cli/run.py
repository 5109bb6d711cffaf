"""harness run: train a matched pair, evaluate it, print the table."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from harness.cli.common import find_device, output, results_option, stoppable, warn_broken


@click.command()
@click.option("--baseline", required=True, metavar="NAME", help="The network, e.g. ifrnet-s.")
@click.option("--with", "plugins", default="", metavar="NAMES", help="Plug-ins, e.g. hce,hir:stages=L,radius=2.")
@click.option("--recipe", default="quick", show_default=True, metavar="NAME", help="A recipe's name or YAML file.")
@click.option("--data", default="clips", show_default=True, metavar="NAME", help="Benchmark, e.g. clips:root=DIR.")
@click.option("--masks", default=None, metavar="NAME", help="Mask source.  [default: the best one installed]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), metavar="N")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@click.option("--workers", default=0, show_default=True, type=click.IntRange(0, 256), help="Processes that read data.")
@results_option
def run(
    baseline: str,
    plugins: str,
    recipe: str,
    data: str,
    masks: str | None,
    seed: int,
    device: str | None,
    workers: int,
    results: Path,
) -> None:
    """Train a baseline alone and with plug-ins, identically, evaluate both and print the table.

    The same command again finds the finished run, or goes on where it was stopped.
    """
    from harness.arm import Arm
    from harness.catalog import catalog
    from harness.cli.progress import Progress
    from harness.compare.outcome import read_pair
    from harness.compare.pair import Request, run_pair
    from harness.compare.session import Session
    from harness.options import parse_choice, parse_choices
    from harness.report.figures import draw_figures
    from harness.report.tables import draw, pair_table
    from harness.results.store import Store
    from harness.specs import BenchmarkSpec
    from harness.train.loop import Interrupted
    from harness.train.recipe import load_recipe

    known = catalog()
    warn_broken(known)
    arm = Arm.of(known, parse_choice(baseline), parse_choices(plugins))
    request = Request(
        arm=arm,
        recipe=load_recipe(recipe),
        recipe_name=recipe,
        seed=seed,
        benchmark=known.choose(BenchmarkSpec, parse_choice(data)),
        masks=known.mask_source(masks, needed=arm.needs_masks),
        device=find_device(device),
        workers=workers,
        command=shlex.join(["harness", *sys.argv[1:]]),
    )
    store = Store(results)
    with Progress([arm.slug for arm in request.arms]).watching(known.plugins.manager) as progress, stoppable() as stop:
        session = Session(store, known.plugins.notify, progress.note, lambda: bool(stop))
        try:
            pair = read_pair(store, run_pair(request, session))
        except Interrupted as interrupted:
            progress.note(f"{interrupted}; the same command goes on from there")
            raise SystemExit(128 + stop[0]) from None
        folder = draw_figures(pair, request, store, progress.note)
    draw(pair_table(pair), output())
    click.echo(f"table, curves and gallery: {folder}")
