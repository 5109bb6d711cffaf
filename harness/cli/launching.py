"""The options of `harness suite` that say where its pairs run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def launcher_options(command: Command) -> Command:
    """`launcher`, `wait` and `cluster`, a mapping."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def _pairs(context: click.Context, option: click.Parameter, value: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE`, or KEY alone for what takes no value."""
    pairs = {}
    for word in value:
        key, _, given = word.partition("=")
        if not key.strip():
            raise click.BadParameter(f"'{word}' is not of the form KEY=VALUE", context, option)
        pairs[key.strip()] = given.strip()
    return pairs


OPTIONS = (
    click.option(
        "--launcher", default="local", show_default=True, metavar="NAME", help="E.g. slurm:partition=gpu,gpus=2."
    ),
    click.option("--partition", default=None, metavar="NAME", help="Of the cluster."),
    click.option("--time", default=None, metavar="TIME", help="Limit of a job, e.g. 12:00:00; it then queues again."),
    click.option("--gpus", default=None, metavar="N", help="Of a job, 1 if not given; they train together."),
    click.option("--slurm", multiple=True, callback=_pairs, metavar="KEY=VALUE", help="Any other option of sbatch."),
    click.option("--wait", is_flag=True, help="Return once all jobs have ended, not at once."),
)


def launcher_words(partition: str | None, time: str | None, gpus: str | None, slurm: dict[str, str]) -> dict[str, str]:
    """All that is given, by key."""
    given = {"partition": partition, "time": time, "gpus": gpus}
    return {key: value for key, value in given.items() if value is not None} | slurm
