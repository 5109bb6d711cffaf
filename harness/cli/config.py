"""harness config: what holds where nothing is given on the command line, and where that is from."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.core import ParameterSource

from harness.cli.common import say
from harness.cli.defaults import OWN, SHARED, Defaults, leaves, options_of
from harness.errors import HarnessError, suggestion


@click.command()
@click.argument("command", nargs=-1)
@click.pass_context
def config(context: click.Context, command: tuple[str, ...]) -> None:
    """Show what a defaults file or the environment set; of COMMAND, e.g. weights make, every option. Each with its
    value, and where that is from.

    The file is harness.toml in the working folder, or [tool.harness] of its pyproject.toml; docs/guide/defaults.md has
    more. The command line wins over the environment, and that over the file.
    """
    group = context.find_root().command
    assert isinstance(group, click.Group)
    known = dict(leaves(group))
    if command and command not in known:
        names = [" ".join(path) for path in known]
        words = " ".join(command)
        hint = suggestion(words, names) or f"; there are: {', '.join(names)}"
        raise HarnessError(f"no command is called '{words}'{hint}")
    found: Defaults | None = context.find_root().obj
    lines = [
        (f"{' '.join(path)} {name}", value, source)
        for path in ([command] if command else known)
        for name, value, source in _of(known[path], path, found)
        if command or source not in UNSET
    ]
    if not lines:
        say(f"nothing is set: here is no {OWN}, and no {SHARED} with [tool.harness]")
    widths = [max((len(line[at]) for line in lines), default=0) for at in (0, 1)]
    for name, value, source in lines:
        say(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}")


UNSET = ("default", "must be given")


def _of(command: click.Command, path: tuple[str, ...], found: Defaults | None) -> Iterator[tuple[str, str, str]]:
    """Name, value and source of every option."""
    values = found.values if found else {}
    for word in path:
        values = values.get(word, {})
    context = click.Context(command, default_map=dict(values))
    for name, option in options_of(command).items():
        value, source = option.consume_value(context, {})
        if source is ParameterSource.ENVIRONMENT:
            yield f"--{name}", str(value), f"environment, {option.envvar}"
        elif source is ParameterSource.DEFAULT_MAP and found:
            yield f"--{name}", _written(value), found.where
        elif option.required:
            yield f"--{name}", "", "must be given"
        else:
            yield f"--{name}", _written(option.default), "default"


def _written(value: object) -> str:
    """As in the file; nothing of what is not given."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or type(value).__module__.startswith("click") else str(value)
