"""harness list: what is installed, from where, and what has been run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import output, results_option, say, warn_broken

if TYPE_CHECKING:
    from harness.results.store import RunFolder


@click.command("list")
@results_option
def list_all(results: Path) -> None:
    """List what is installed and what has been run."""
    from rich.markup import escape
    from rich.table import Table

    from harness.registry.catalog import HOOKS, catalog
    from harness.registry.observing import observers
    from harness.results.store import Store
    from harness.suites.suite import suites_brought
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
    for name, (distribution, path) in suites_brought(known.plugins).items():
        installed.add_row("suite", f"[bold]{name}", distribution, escape(_title(path)))
    for origin, (text, _) in observers(known.plugins).items():
        name, version = origin.distribution, f"{origin.distribution} {origin.version}"
        installed.add_row("observer", f"[bold]{name}", version, escape(text))
    console = output()
    console.print(installed)
    runs = Store(results).runs()
    if runs:
        say("")
        say(f"runs in {results}:")
    for run in runs:
        say(f"  {run.name}  {_progress(run)}")
    warn_broken(known)


def _title(path: Path) -> str:
    from harness.errors import HarnessError
    from harness.suites.suite import load_suite

    try:
        return load_suite(path).title
    except HarnessError as error:
        return f"cannot be read: {error}"


def _progress(run: RunFolder) -> str:
    from harness.errors import HarnessError

    try:
        status = run.status()
    except HarnessError as error:
        return str(error)
    return f"{status.state}, step {status.step} of {status.steps}" if status else "not started"
