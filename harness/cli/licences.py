"""harness licences: under which terms is what is installed, what it stands on, and the weights that it knows of."""

from __future__ import annotations

import click

from harness.cli.common import output, warn_broken

UNSTATED = "not stated"


@click.command()
def licences() -> None:
    """List the licences of what is installed, of what that stands on, of data sets and of weights.

    They are as their makers state them; whether they allow what you do is for you to judge.
    """
    from rich.markup import escape
    from rich.table import Table

    from harness.registry.catalog import HOOKS, catalog

    known = catalog()
    code = Table("distribution", "licence of its code", box=None, pad_edge=False)
    for name in sorted({origin.distribution for origin in known.plugins.origins.values()}):
        code.add_row(name, escape(_of_distribution(name)))
    parts = Table("kind", "name", "licence of what it stands on", box=None, pad_edge=False)
    for entry in (entry for kind in HOOKS.values() for entry in known.entries(kind)):
        if licence := getattr(entry.spec, "licence", ""):
            parts.add_row(entry.spec.kind, f"[bold]{entry.spec.name}", escape(licence))
    console = output()
    console.print(code)
    console.print()
    console.print(parts)
    warn_broken(known)


def _of_distribution(name: str) -> str:
    """As its metadata say: an SPDX expression, else free text, else a classifier."""
    from importlib import metadata

    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:  # not installed, but in the tree beside it
        return UNSTATED
    (stated,) = (told.get_all("License-Expression") or told.get_all("License") or [""])[:1]
    classified = [line.split(" :: ")[-1] for line in told.get_all("Classifier") or () if line.startswith("License ::")]
    return stated.strip().partition("\n")[0] or ", ".join(classified) or UNSTATED
