"""What several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.printable import printable

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from harness.registry.catalog import Catalog

results_option = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    envvar="HARNESS_RESULTS",
    show_default=True,
    help="Where runs live; also HARNESS_RESULTS.",
)


def say(text: object, err: bool = False) -> None:
    """Print one line. What may hold a name from elsewhere is printed by this: no code in it reaches the terminal."""
    click.echo(printable(str(text)), err=err)


def _set_data_root(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """Benchmarks look for their data there, in this process and in those that it starts."""
    if value and Path(value).exists() and not Path(value).is_dir():
        raise click.BadParameter(f"HARNESS_DATA: {value} is no folder", context, option)
    if value:
        os.environ["HARNESS_DATA"] = value


data_root_option = click.option(
    "--data-root",
    metavar="DIR",
    expose_value=False,
    callback=_set_data_root,
    help="Folder with the data sets; also HARNESS_DATA.",
)


def parse_seeds(context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...]:
    """`0,1,2`; none where nothing is given."""
    words = [word.strip() for word in value.split(",")] if value else []
    # more digits are more than int() takes; digits of other scripts would be seeds that nobody can type again
    if not all(re.fullmatch("[0-9]{1,10}", word) and int(word) < 2**31 for word in words):
        given = value if value and len(value) < 80 else f"{str(value)[:60]}..."
        raise click.BadParameter(f"'{given}' is no list of seeds such as 0,1,2", context, option)
    return tuple(dict.fromkeys(map(int, words)))


def find_device(name: str | None) -> torch.device:
    """The device of that name, else a GPU if there is one. Raises HarnessError where it cannot be used, or where this
    process's variables make its float32 less than that: whatever computes asks here first."""
    from harness.pair import device

    return device.find_device(name)


def check_devices(device: torch.device, count: int) -> None:
    """Raises HarnessError where a process would have no device of its own, or a CPU no core for it."""
    import torch

    from harness.errors import HarnessError

    here = torch.cuda.device_count() if device.type == "cuda" else os.cpu_count() or 1
    if count > here:
        kind = "GPU" if device.type == "cuda" else "core"
        raise HarnessError(f"--devices {count}: this machine has {here} {kind}" + ("s" if here > 1 else ""))


def output() -> Console:
    """Standard output: as wide as the terminal, or wide enough for everything where it is a pipe."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=160)


def warn_broken(catalog: Catalog) -> None:
    """One line on stderr for each plug-in that had to be left out."""
    for broken in catalog.broken:
        say(f"harness: warning: left out: {broken}", err=True)


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """A list that holds the first SIGINT or SIGTERM: training looks at it between steps. A second one ends at once."""
    from harness.pair import stopping

    with stopping.stoppable(lambda line: click.echo(f"\nharness: {line}", err=True)) as received:
        yield received
