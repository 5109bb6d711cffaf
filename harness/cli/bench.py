"""harness bench: how fast our networks are, beside the code of their authors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import find_device, say, warn_broken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from harness.bench.networks import Timed, Work
    from harness.registry.catalog import Catalog


@click.command()
@click.argument("baselines", nargs=-1)
@click.option(
    "--official",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Folder with checkouts of the authors' repositories, each under its own name, as IFRNet.",
)
@click.option("--quick", is_flag=True, help="Smaller crops and frames, and fewer turns: minutes instead of an hour.")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
def bench(baselines: tuple[str, ...], official: Path | None, quick: bool, device: str | None) -> None:
    """Time a training step and a frame of BASELINES, by default of all that name their authors' code, as a Markdown
    table. With --official beside that code, in turn, after both have made the same frame."""
    from harness.bench.networks import QUICK, WHOLE
    from harness.measure.speed import device_name
    from harness.registry.catalog import catalog
    from harness.registry.specs import BaselineSpec
    from harness.report.bench_table import HEADER, line, note

    known = catalog()
    warn_broken(known)
    names = baselines or [entry.spec.name for entry in known.entries(BaselineSpec) if entry.spec.official]
    chosen = find_device(device)
    said = list(HEADER)
    for each in _timed(names, official, QUICK if quick else WHOLE, chosen, known):
        for row in (*said, line(each)):
            say(row)
        said = []
    say("")
    say(note(device_name(chosen), official is not None))


def _timed(
    names: Sequence[str], folder: Path | None, work: Work, device: torch.device, known: Catalog
) -> Iterator[Timed]:
    """Everything is found before anything is timed."""
    from harness.arm import Arm
    from harness.bench.networks import timed
    from harness.bench.official import checkout_of, official_of
    from harness.registry.options import parse_choice

    arms = [Arm.of(known, parse_choice(name)) for name in names]
    checkouts = [checkout_of(arm.baseline.entry, folder) if folder else None for arm in arms]
    for arm, checkout in zip(arms, checkouts, strict=True):
        theirs = official_of(arm.baseline.entry, checkout) if checkout else None
        yield from timed(arm, theirs, work, device)
