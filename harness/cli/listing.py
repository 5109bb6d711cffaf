"""harness list and harness show: what is installed, from where, and what it offers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import output, results_option, say, warn_broken

if TYPE_CHECKING:
    from harness.registry.catalog import Entry
    from harness.registry.specs import Named, Spec
    from harness.results.store import RunFolder


@click.command("list")
@results_option
def list_all(results: Path) -> None:
    """List what is installed and what has been run."""
    from rich.table import Table

    from harness.registry.catalog import HOOKS, catalog
    from harness.results.store import Store
    from harness.train.library import recipe_files, summary

    known = catalog()
    installed = Table("kind", "name", "from", "what it is", box=None, pad_edge=False)
    for kind in HOOKS.values():
        for entry in known.entries(kind):
            spec, origin, summary_of = entry.spec, entry.origin, getattr(entry.spec, "summary", "")
            installed.add_row(spec.kind, f"[bold]{spec.name}", f"{origin.distribution} {origin.version}", summary_of)
    for name, claims in recipe_files(known.plugins).items():
        for distribution, path in claims:
            installed.add_row("recipe", f"[bold]{name}", distribution, summary(path))
    console = output()
    console.print(installed)
    runs = Store(results).runs()
    if runs:
        say("")
        say(f"runs in {results}:")
    for run in runs:
        say(f"  {run.name}  {_progress(run)}")
    warn_broken(known)


def _progress(run: RunFolder) -> str:
    from harness.errors import HarnessError

    try:
        status = run.status()
    except HarnessError as error:
        return str(error)
    return f"{status.state}, step {status.step} of {status.steps}" if status else "not started"


@click.command()
@click.argument("name")
def show(name: str) -> None:
    """Show what NAME is: origin, options, and for a baseline its seam, parameters and costs."""
    from harness.errors import HarnessError, suggestion
    from harness.registry.catalog import HOOKS, Entry, catalog
    from harness.registry.specs import Spec
    from harness.train.library import recipe_files

    known = catalog()
    warn_broken(known)
    entries = [entry for kind in HOOKS.values() for entry in known.entries(kind)]
    found = [known.find(kind, name) for kind in HOOKS.values() if known.claims(kind, name)]
    recipes = recipe_files(known.plugins)
    for _, path in recipes.get(name, []):  # beside a benchmark of that name
        click.echo(path.read_text(), nl=False)
    if not found and name not in recipes:
        names = {entry.spec.name for entry in entries} | set(recipes)
        raise HarnessError(
            f"nothing is called '{name}'{suggestion(name, names)} (harness list shows what is installed)"
        )
    for entry in found:
        if isinstance(entry.spec, Spec):
            _describe(Entry(entry.spec, entry.origin))
        else:
            _state(entry)


def _state(entry: Entry[Named]) -> None:
    """A record without a factory: every field that says something."""
    say(f"{entry.spec.name}: {entry.spec.kind}")
    for key, value in {"from": str(entry.origin), **vars(entry.spec)}.items():
        if value and key != "name":
            say(f"  {key:<12} {value}")


def _describe(entry: Entry[Spec]) -> None:
    from harness.registry.specs import BaselineSpec

    spec = entry.spec
    say(f"{spec.name}: {spec.kind}, {spec.summary}")
    facts = {"from": str(entry.origin), "class": spec.factory, "reference": spec.reference, "licence": spec.licence}
    for option in entry.options().values():
        default = str(option.default).lower() if isinstance(option.default, bool) else repr(option.default)
        must = option.default is option.empty
        facts[f"option {option.name}"] = f"{option.values}, " + ("must be given" if must else f"by default {default}")
    if isinstance(spec, BaselineSpec):
        facts["times"] = "any" if spec.times == "any" else "the middle frame alone"
        facts["loss"] = "its own, in both arms of a pair" if spec.loss == "own" else "the recipe's"
        facts["recipe"] = f"{spec.recipe}, unless --recipe names another" if spec.recipe else ""
        facts["inputs"] = "two frames" if spec.inputs == 2 else "four frames: one more before and one after"
    if isinstance(spec, BaselineSpec) and all(o.default is not o.empty for o in entry.options().values()):
        facts |= _costs(entry, spec.inputs)
    for key, value in facts.items():
        if value:
            say(f"  {key:<12} {value}")


def _costs(entry: Entry[Spec], inputs: int) -> dict[str, str]:
    from harness.measure.cost import SIZE, cost
    from harness.model import Composed
    from harness.registry.catalog import Chosen

    baseline = Chosen(entry, dict(entry.spec.preset), {}).build()
    counted = cost(Composed(baseline, inputs=inputs))
    facts = {
        "parameters": f"{counted.parameters:,}",
        "MACs": f"{counted.macs / 1e9:.1f} G at {SIZE[1]}x{SIZE[0]}; as in the paper {counted.macs_thop / 1e9:.1f} G"
        if counted.macs is not None and counted.macs_thop is not None
        else f"not counted: {counted.not_counted}",
        "left out": f"{', '.join(counted.unseen)}: no formula" if counted.unseen else "",
        "sizes": f"multiples of {baseline.size_multiple}; others are padded",
    }
    offers = baseline.offers
    if offers is None:
        return facts | {"seam": "none: takes no plug-ins"}
    facts["features"] = f"{offers.channels} channels at stride {offers.stride}"
    if offers.motion is None:
        facts["motion"] = "none: takes no motion plug-ins"
    else:
        facts["motion"] = (
            f"{'forward ' if offers.motion.kind == 'forward' else ''}flows and a latent {offers.motion.latent} of "
            f"{offers.motion.channels} at stride {offers.motion.stride}"
        )
    return facts
