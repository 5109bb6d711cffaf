"""harness show: what a name is: origin, options with their meaning, and what it offers."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import output, results_option, say, warn_broken
from harness.printable import printable

if TYPE_CHECKING:
    from harness.registry.catalog import Entry
    from harness.registry.options import Option
    from harness.registry.plugins import Origin
    from harness.registry.specs import Named, Spec
    from harness.results.store import Store

INDENT = " " * 15  # of the values
WIDEST = 120  # of what an option means


@click.command()
@click.argument("name")
@results_option
def show(name: str, results: Path) -> None:
    """Show what NAME is: origin and options, for a baseline its seam, parameters and costs. It may be anything that
    harness list has: what is installed, a recipe, a suite, an observer's distribution, or a run."""
    from harness.errors import HarnessError, suggestion
    from harness.registry.catalog import HOOKS, Entry, catalog
    from harness.registry.observing import observers
    from harness.registry.specs import Spec
    from harness.results.names import called
    from harness.results.store import Store
    from harness.suites.suite import suites_brought
    from harness.train.library import recipe_files

    known = catalog()
    warn_broken(known)
    found = [known.find(kind, name) for kind in HOOKS.values() if known.claims(kind, name)]
    recipes, suites = recipe_files(known.plugins), suites_brought(known.plugins)
    observing = {origin.distribution: (origin, *told) for origin, told in observers(known.plugins).items()}
    for _, path in recipes.get(name, []):  # beside a benchmark of that name
        click.echo(path.read_text(), nl=False)
    for entry in found:
        if isinstance(entry.spec, Spec):
            _describe(Entry(entry.spec, entry.origin))
        else:
            _state(entry)
    if name in suites:
        _suite(name, *suites[name])
    if name in observing:
        _observer(*observing[name])
    if found or name in recipes or name in suites or name in observing:
        return
    store = Store(results)
    runs = {run.name: run for run in store.runs()}
    if not called(name, runs):
        names = {entry.spec.name for kind in HOOKS.values() for entry in known.entries(kind)}
        hint = suggestion(name, names | set(recipes) | set(suites) | set(observing) | set(runs))
        raise HarnessError(f"nothing is called '{name}'{hint} (harness list shows what is installed)")
    _run(store, name)


def _say_facts(facts: Mapping[str, str]) -> None:
    for key, value in facts.items():
        if value:
            say(f"  {key:<12} {value}")


def _run(store: Store, name: str) -> None:
    """What its record says, and which pairs it is an arm of."""
    from harness.results.names import find_run

    run = find_run(store, name)
    record, status = run.record(), run.status()
    state = f"{status.state}, step {status.step} of {status.steps}" if status else "not started"
    say(f"{run.name}: run, of {record.label}")
    pairs = {pair: of for pair, of in store.pair_records().items() if run.name in of.runs}
    facts = {"state": state, "folder": str(run.path), "seed": str(record.fingerprint.seed)}
    _say_facts(facts | {"recipe": next((pair.recipe for pair in pairs.values()), "")})
    for pair, of in pairs.items():
        _say_facts({"pair": pair})
        _say_facts({"command": of.command})


def _suite(name: str, distribution: str, path: Path) -> None:
    """Its keys, as far as they say something, and its rows."""
    from harness.suites.suite import load_suite

    suite = load_suite(path)
    say(f"{name}: suite, {suite.title}")
    keys = ("summary", "recipe", "data", "test", "protocol", "masks", "metrics", "start", "published")
    facts = {"from": f"{distribution} ({path})"} | {key: getattr(suite, key) for key in keys}
    _say_facts(facts | {"seeds": ", ".join(map(str, suite.seeds))})
    _say_facts({"columns": ", ".join(column.label for column in suite.columns)})
    for row in suite.rows:
        against = f", against {row.against}" if row.against else ""
        plugins = f" with {row.plugins}" if row.plugins else ""
        _say_facts({"row": f"{row.label}: {row.baseline}{plugins}{against}"})


def _observer(origin: Origin, text: str, hooks: Sequence[str]) -> None:
    say(f"{origin.distribution}: observer, {text}")
    _say_facts({"from": str(origin), "is told": ", ".join(hooks)})


def _state(entry: Entry[Named]) -> None:
    """A record without a factory: every field that says something."""
    say(f"{entry.spec.name}: {entry.spec.kind}")
    for key, value in {"from": str(entry.origin), **vars(entry.spec)}.items():
        if value and key != "name":
            say(f"  {key:<12} {value}")


def _describe(entry: Entry[Spec]) -> None:
    from harness.registry.specs import BaselineSpec

    spec, options = entry.spec, entry.options()
    say(f"{spec.name}: {spec.kind}, {spec.summary}")
    _say_facts({"from": str(entry.origin), "class": spec.factory, "reference": spec.reference, "licence": spec.licence})
    for option in options.values():
        _say_option(option)
    if not isinstance(spec, BaselineSpec):
        return
    facts = {
        "times": "any" if spec.times == "any" else "the middle frame alone",
        "loss": "its own, in both arms of a pair" if spec.loss == "own" else "the recipe's",
        "recipe": f"{spec.recipe}, unless --recipe names another" if spec.recipe else "",
        "inputs": "two frames" if spec.inputs == 2 else "four frames: one more before and one after",
    }
    if all(option.default is not option.empty for option in options.values()):
        facts |= _costs(entry, spec.inputs)
    _say_facts(facts)


def _say_option(option: Option) -> None:
    """What may be given, the default, and below that what it means."""
    _say_facts({f"option {option.name}": option.takes})
    width = min(output().width, WIDEST)
    for line in textwrap.wrap(printable(option.meaning), width, initial_indent=INDENT, subsequent_indent=INDENT):
        say(line)


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
