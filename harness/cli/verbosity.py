"""How much is said: `-q` leaves warnings, errors and the result, `-v` shows what is logged beside them. Nothing is
warned of twice."""

from __future__ import annotations

import logging
import warnings
from typing import TextIO

import click

from harness.printable import printable

log = logging.getLogger("harness")

QUIET, SAID = "harness.quiet", "harness.said"  # in what the contexts of one call share


class VerbosityOption(click.Option):
    """Of every command, and of no defaults file."""


def _set_quiet(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        context.meta[QUIET] = True


def _set_verbose(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        log.setLevel(logging.INFO)
    elif context.parent is None:  # what an earlier call in this process was given
        log.setLevel(logging.NOTSET)


def options() -> list[click.Option]:
    return [
        VerbosityOption(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_set_quiet,
            help="Say nothing beside warnings, errors and the result.",
        ),
        VerbosityOption(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=_set_verbose,
            help="Say more: what was settled, and where warnings are from.",
        ),
    ]


def give(command: click.Command) -> None:
    """Let the command, and those below it, take both, as far as their names are free."""
    taken = {word for parameter in command.params for word in parameter.opts}
    command.params += [option for option in options() if not taken & {*option.opts}]
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        give(each)


def is_quiet() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and QUIET in context.meta


def is_verbose() -> bool:
    return log.isEnabledFor(logging.INFO)


def note(text: str) -> None:
    """How far something is, and the like: on stderr, unless -q is given."""
    if not is_quiet():
        click.echo(printable(f"harness: {text}"), err=True)


def warn(text: str) -> None:
    """What is said with -q too, but once."""
    context = click.get_current_context(silent=True)
    said = context.meta.setdefault(SAID, set()) if context else set()
    if text not in said:
        said.add(text)
        click.echo(printable(f"harness: warning: {text}"), err=True)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """As `warnings.showwarning`: a library's warning as a line like any other, which says where with -v."""
    where = f" ({filename}:{lineno})" if is_verbose() else ""
    log.warning("%s: %s%s", category.__name__, " ".join(str(message).split()), where)


def route_warnings() -> None:
    """Bring libraries' warnings to the log, where none is said twice."""
    warnings.showwarning = show_warning
