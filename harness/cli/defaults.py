"""What a user wants wherever nothing else is said: `harness.toml` in the working folder, or `[tool.harness]` of its
`pyproject.toml`. docs/guide/defaults.md says how it is written.

The command line wins over the environment, and that over the file. What a file gives is a value like any other: it is
checked, said, and in the records of what is run and in the commands that they show. Jobs of a suite read no file: their
commands say everything.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.cli.verbosity import VerbosityOption, note
from harness.errors import HarnessError, suggestion
from harness.files import small_file

OWN, SHARED = "harness.toml", "pyproject.toml"
COMMON = ("results", "data-root", "device")
"""Options that mean the same in every command that has them: they stand before any table."""


@dataclass(frozen=True)
class Defaults:
    """Where they are from, and the values, by command and parameter, as click takes them."""

    where: str
    values: Mapping[str, Any]


def read(group: click.Group) -> Defaults | None:
    """Those of the working folder; None where there are none. Raises HarnessError with file and key for a key that is
    no option, and for a value that the option does not take."""
    own, shared = Path(OWN), Path(SHARED)
    of_project = _parsed(shared).get("tool", {}).get("harness") if shared.is_file() else None
    if own.is_file():
        if of_project is not None:
            raise HarnessError(f"both {OWN} and [tool.harness] of {SHARED} have defaults: keep one of them")
        return Defaults(OWN, _checked(_parsed(own), group, f"{OWN}: "))
    if of_project is None:
        return None
    if not isinstance(of_project, dict):
        raise HarnessError(f"{SHARED}: tool.harness: a table is needed, not {_short(of_project)}")
    return Defaults(f"[tool.harness] of {SHARED}", _checked(of_project, group, f"{SHARED}: tool.harness."))


def options_of(command: click.Command) -> dict[str, click.Option]:
    """What a file may say of a command, by name."""
    return {
        word.removeprefix("--"): option
        for option in command.params
        if isinstance(option, click.Option) and not isinstance(option, VerbosityOption)
        for word in option.opts
        if word.startswith("--")
    }


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by the words that call it."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


def tell() -> None:
    """Say which values of the command that is running are a file's: of commands that make numbers."""
    context = click.get_current_context()
    given = [
        " ".join((f"--{name}", *_words(context.params.get(option.name))))
        for name, option in options_of(context.command).items()
        if option.name and context.get_parameter_source(option.name) is ParameterSource.DEFAULT_MAP
    ]
    if given:
        note(f"from {context.find_root().obj.where}: {' '.join(given)}")


def refused(error: click.BadParameter) -> HarnessError | None:
    """What a command makes of a value that is a file's, in words that name the file; None of any other value."""
    context, option = error.ctx, error.param
    if context is None or option is None or option.name is None:
        return None
    if context.get_parameter_source(option.name) is not ParameterSource.DEFAULT_MAP:
        return None
    defaults: Defaults = context.find_root().obj
    name = next(name for name, each in options_of(context.command).items() if each is option)
    return HarnessError(f"{defaults.where}: {name}: {_in_words(error)}")


def _words(value: object) -> list[str]:
    """Of a value that was taken."""
    return [*map(str, value)] if isinstance(value, (list, tuple)) else [] if value is None else [str(value)]


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(small_file(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HarnessError(f"{path}: not valid TOML: {error}") from error


def _checked(found: Mapping[str, Any], group: click.Group, where: str) -> dict[str, Any]:
    common = {key: value for key, value in found.items() if key in COMMON}
    for key, value in common.items():
        one = next(options_of(command)[key] for _, command in leaves(group) if key in options_of(command))
        _value(one, value, f"{where}{key}")
    return _of_group({key: value for key, value in found.items() if key not in COMMON}, group, where, common)


def _of_group(found: Mapping[str, Any], group: click.Group, where: str, common: Mapping[str, Any]) -> dict[str, Any]:
    """Values of every command of the group, those that are `common` among them."""
    for key, value in found.items():
        if key not in group.commands:
            having = [".".join(path) for path, command in leaves(group) if key in options_of(command)]
            hint = f"; put it in [{having[0]}]" if having else suggestion(key, [*group.commands, *COMMON])
            raise HarnessError(f"{where}{key}: no command is called so{hint}")
        if not isinstance(value, dict):
            raise HarnessError(f"{where}{key}: a table of its options is needed, not {_short(value)}")
    values: dict[str, Any] = {}
    for name, command in group.commands.items():
        own = found.get(name, {})
        if isinstance(command, click.Group):
            values[name] = _of_group(own, command, f"{where}{name}.", common)
            continue
        known = options_of(command)
        if wrong := next((key for key in own if key not in known), None):
            hint = suggestion(wrong, known) or f"; it has: {', '.join(known) or 'none'}"
            raise HarnessError(f"{where}{name}.{wrong}: harness {name} has no such option{hint}")
        values[name] = {str(known[key].name): value for key, value in common.items() if key in known}
        values[name] |= {
            str(known[key].name): _value(known[key], value, f"{where}{name}.{key}") for key, value in own.items()
        }
    return values


def _value(option: click.Option, value: Any, where: str) -> Any:
    """As click takes it. Raises HarnessError where it is of another type, or not what the option takes."""
    one: type = str
    wanted = "text in quotes"
    if option.is_flag:
        one, wanted = bool, "true or false"
    elif isinstance(option.type, click.types.IntParamType):
        one, wanted = int, "a whole number"
    each = value if option.multiple and isinstance(value, list) else [value]
    if not all(type(item) is one for item in each):
        raise HarnessError(f"{where}: {wanted} is needed, not {_short(value)}")
    taken = each if option.multiple else value
    try:
        option.type_cast_value(click.Context(click.Command("")), taken)
    except click.BadParameter as error:
        raise HarnessError(f"{where}: {_in_words(error)}") from error
    return taken


def _in_words(error: click.BadParameter) -> str:
    """Without the option's name, which stands before."""
    return error.message.rstrip(".")


def _short(value: Any) -> str:
    """As it stands in the file, or nearly so."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
