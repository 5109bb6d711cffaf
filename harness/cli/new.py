"""harness new: a distribution to start an adapter from."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from harness.cli.common import say
from harness.template.distribution import KINDS, words_of, write


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name")
@click.option(
    "--output", metavar="DIR", type=click.Path(path_type=Path), help="The folder to write.  [default: NAME, here]"
)
def new(kind: str, name: str, output: Path | None) -> None:
    """Start a new adapter: a distribution called vfi-NAME, which installs and passes `harness check` as it is.

    It has the code, a test for each check, tests of its own, a licence and a workflow for CI; docs/new.md has more.
    """
    folder = output or Path(name)
    files = write(kind, name, folder)
    words = words_of(kind, name)
    say(f"{words['kind']} {name}, in {folder}:")
    for path in files:
        say(f"  {path}")
    say("next:")
    for command in (f"pip install -e {shlex.quote(str(folder))}", f"harness check {name}", words["trial"]):
        say(f"  {command}")
