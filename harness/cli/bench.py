"""harness bench: how fast it is, beside the same done otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.bench import PARTS
from harness.cli.common import find_device, say, warn_broken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    import torch

    from harness.bench.networks import Work
    from harness.bench.turns import Timed
    from harness.registry.catalog import Catalog


@click.command()
@click.argument("baselines", nargs=-1)
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice([*PARTS]),
    help="A section of the page; may be given again.  [default: all, of BASELINES networks]",
)
@click.option(
    "--official",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Folder with checkouts of the authors' repositories, each under its own name, as IFRNet.",
)
@click.option("--quick", is_flag=True, help="Smaller crops and frames, and fewer turns: minutes instead of hours.")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@click.option("--output", "-o", "file", type=click.Path(path_type=Path, dir_okay=False), help="Writes the page there.")
@click.option(
    "--record", type=click.Path(path_type=Path, dir_okay=False), hidden=True, help="Writes ratios of networks there."
)
def bench(
    baselines: tuple[str, ...],
    parts: tuple[str, ...],
    official: Path | None,
    quick: bool,
    device: str | None,
    file: Path | None,
    record: Path | None,
) -> None:
    """Time what the harness does beside the same done otherwise, in turn, as a Markdown page: networks, the loading of
    triplets, the training loop, evaluation, masks, and what needs no network.

    Of networks a training step and a frame are timed, of BASELINES, by default of each that names its authors' code;
    with --official beside that code. Without it, ratios are shown that were recorded, and said to be so. Frames,
    loading, evaluation and attention are timed once both have given the same."""
    from harness.bench import recorded
    from harness.bench.networks import QUICK, WHOLE
    from harness.bench.parts import Ground, timed
    from harness.files import check_place, write_text
    from harness.measure.speed import device_name
    from harness.registry.catalog import catalog
    from harness.report import bench_table as page
    from harness.report.named import every_table
    from harness.report.weights_card import commit

    known = catalog()
    warn_broken(known)
    if baselines and parts and "networks" not in parts:
        raise click.UsageError(f"{', '.join(baselines)}: none of these parts is of networks; add --part networks")
    names = baselines or _with_official_code(known)
    for path in filter(None, (file, record)):
        check_place(path)
    chosen = find_device(device)
    machine = device_name(chosen)
    written: list[str] = []

    def put(lines: Sequence[str]) -> None:
        for each in lines:
            say(each)
        written.extend(lines)
        if file:
            write_text(file, "\n".join(written) + "\n")  # what is measured so far is kept if the rest fails

    command = " ".join(["harness", "bench", *_words(baselines, parts, official, quick)])
    title = page.title(command, commit(), machine, chosen.type == "cuda")
    measured: list[Timed] = []
    ground = Ground(quick, chosen, _display, every_table)
    networks = _networks(names, official, QUICK if quick else WHOLE, chosen, known)
    for number, part in enumerate(parts or (["networks"] if baselines else PARTS)):
        lines = networks if part == "networks" else timed(part, ground)
        for first, each in enumerate(lines):
            begin = [] if first else [*([] if number else title), *page.section(part)]
            put([*begin, page.line(part, each)])
            measured += [each] if part == "networks" else []
        if part == "networks" and official is None:
            put([*page.recorded(recorded.read(), names)])
    if record:
        write_text(record, recorded.recorded(measured, commit(), machine).model_dump_json(indent=2) + "\n")


def _with_official_code(known: Catalog) -> Sequence[str]:
    """Baselines whose authors' code is named; of two names of one network, as `amt` and `amt-l`, one."""
    from harness.registry.specs import BaselineSpec

    specs = [entry.spec for entry in known.entries(BaselineSpec) if entry.spec.official]
    return [*{(spec.factory, *sorted(spec.preset.items())): spec.name for spec in specs}.values()]


def _words(baselines: Sequence[str], parts: Sequence[str], official: Path | None, quick: bool) -> list[str]:
    """Of the command, for somebody else: the folder is another one there."""
    chosen = [word for part in parts for word in ("--part", part)]
    return [*baselines, *chosen, *(["--official DIR"] if official else []), *(["--quick"] if quick else [])]


def _display() -> AbstractContextManager[object]:
    from harness.cli.progress import Progress
    from harness.registry.plugins import discover

    return Progress(["ifrnet-s"]).watching(discover().manager)


def _networks(
    names: Sequence[str], folder: Path | None, work: Work, device: torch.device, known: Catalog
) -> Iterator[Timed]:
    """Everything is found before anything is timed."""
    from contextlib import nullcontext

    from harness.arm import Arm
    from harness.bench.apart import apart
    from harness.bench.networks import timed
    from harness.bench.official import checkout_of
    from harness.registry.options import parse_choice

    arms = [Arm.of(known, parse_choice(name)) for name in names]
    checkouts = [checkout_of(arm.baseline.entry, folder) if folder else None for arm in arms]
    for arm, checkout in zip(arms, checkouts, strict=True):
        with apart(arm.baseline.name, checkout, device) if checkout else nullcontext() as theirs:
            yield from timed(arm, theirs, work, device)
