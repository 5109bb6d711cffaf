"""harness weights: which files of weights can be used, where they are looked for, whether they are sound; own ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import find_device, results_option, say, stoppable, warn_broken
from harness.cli.defaults import tell

if TYPE_CHECKING:
    from harness.registry.catalog import Catalog
    from harness.registry.specs import WeightsSpec


@click.group()
def weights() -> None:
    """Weights that are not trained in a pair. Nothing is ever downloaded."""


@weights.command("list")
def list_all() -> None:
    """List every file that something installed can use, and where it is, or where it was looked for."""
    from harness.weights.places import find

    for spec in _specs(_known()):
        size = f"{spec.size / 1e6:.1f} MB" if spec.size else "size unknown"
        say(f"{spec.name}: {spec.summary}")
        say(f"  file     {spec.file}, {size}, {spec.licence}, sha256 {spec.sha256 or 'unknown'}")
        say(f"  from     {spec.source}")
        say(f"  here     {find(spec) or 'no; looked at ' + _looked_at(spec)}")


@weights.command()
@click.argument("name")
def path(name: str) -> None:
    """Print where the weights NAME are; where they are not, every place that was looked at."""
    from harness.errors import HarnessError
    from harness.registry.specs import WeightsSpec
    from harness.weights.places import find

    spec = _known().find(WeightsSpec, name).spec
    found = find(spec)
    if found is None:
        what = f"the weights '{name}' ({spec.file}) are not here"
        raise HarnessError(f"{what}; looked at {_looked_at(spec)}; get them from {spec.source}")
    say(found)


@weights.command()
@click.argument("name", required=False)
def verify(name: str | None) -> None:
    """Compare the weights NAME, or all that are here, with the sha256 that is known of them."""
    from harness.errors import HarnessError
    from harness.registry.specs import WeightsSpec
    from harness.weights.places import find, locate

    known = _known()
    wrong = []
    for spec in [known.find(WeightsSpec, name).spec] if name else _specs(known):
        found = locate(spec) if name else find(spec)
        verdict = "not here" if found is None else _verdict(spec, found)
        say(f"{spec.name}: {verdict}")
        if found is not None and verdict.startswith("differs"):
            wrong.append(str(found))
    if wrong:
        raise HarnessError(f"{', '.join(wrong)}: not the published file; get it again, see harness weights list")


@weights.command()
@click.argument("file", metavar="FILE")
def inspect(file: str) -> None:
    """Say what is in FILE: sets of weights, and which of the installed baselines each fits.

    Of several sets `FILE:NAME` is the one of that name, here and in --weights and --start.
    """
    from harness.errors import HarnessError
    from harness.pair.inspection import described
    from harness.pair.inspection import inspect as look
    from harness.weights.places import given

    if (found := given(file)) is None:
        raise HarnessError(f"{file}: there is no such file")
    inside = look(found, _known())
    for each in inside.sets:
        say(described(each))
    if inside.beside:
        more = f" and {len(inside.beside) - 8} more" if len(inside.beside) > 8 else ""
        say(f"other tensors: {', '.join(inside.beside[:8])}{more}")
    for line in inside.unasked:
        say(f"not asked: {line}", err=True)


@weights.command()
@click.argument("baseline")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=None, metavar="DIR", help="Folder.")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@click.option("--workers", default=0, show_default=True, type=click.IntRange(0, 256), help="Processes that read data.")
@results_option
def make(baseline: str, into: Path | None, device: str | None, workers: int, results: Path) -> None:
    """Train small weights of BASELINE from scratch, on drawn motion and the bundled clips.

    They are a start for your own training, and no model to publish with. The same command goes on where it was stopped.
    File and card go into DIR, by default `weights` in the results.
    """
    from harness.cli.progress import Progress
    from harness.distributed import World
    from harness.files import write_text
    from harness.pair import own
    from harness.pair.session import Session
    from harness.report.weights_card import card as draw_card
    from harness.results.store import Store
    from harness.suites.estimate import estimate
    from harness.train.loop import Interrupted

    tell()
    known = _known()
    world = World(0, 1, find_device(device))
    with Progress([baseline]).watching(known.plugins.manager) as progress, stoppable() as stop:
        session = Session(Store(results), known.plugins.notify, progress.note, lambda: bool(stop), world)
        seconds = 0.0
        for stage in range(len(own.STAGES)):
            plan = own.plan_of(baseline, stage, session, known, workers)
            seconds += estimate(plan.arm, plan, {}).step * plan.training.recipe.total_steps(0)
        progress.note(f"about {seconds / 3600:.1f} hours on this machine for all steps of {' and '.join(own.STAGES)}")
        try:
            made = own.make(baseline, session, known, workers, into or results / "weights")
            card = made.file.with_suffix(".md")
            outcome = own.tested(made, session, known, workers)
            write_text(card, draw_card(baseline, made.file, made.runs, outcome))
        except Interrupted as interrupted:
            progress.note(f"{interrupted}; the same command goes on from there")
            raise SystemExit(128 + stop[0]) from None
    say(f"weights: {made.file}, and what they are: {card}")


def _verdict(spec: WeightsSpec, found: Path) -> str:
    from harness.weights.digest import digest

    sha256 = digest(found)
    if not spec.sha256:
        return f"no sha256 is known; {found} has {sha256}"
    return f"as published: {found}" if sha256 == spec.sha256 else f"differs: {found} has {sha256}, not {spec.sha256}"


def _known() -> Catalog:
    from harness.registry.catalog import catalog

    known = catalog()
    warn_broken(known)
    return known


def _specs(known: Catalog) -> list[WeightsSpec]:
    from harness.registry.specs import WeightsSpec

    return [entry.spec for entry in known.entries(WeightsSpec)]


def _looked_at(spec: WeightsSpec) -> str:
    from harness.weights.places import places

    return ", ".join(map(str, places(spec))) or "no place, for HARNESS_WEIGHTS is not set"
