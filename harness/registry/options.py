"""Choices on the command line: `name:key=value,key=value`, checked against the factory's signature.

A value in double quotes may hold anything, `name:key="a,b"`; a quote in it is written twice.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, ClassVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from harness.errors import HarnessError, suggestion
from harness.registry.docstrings import described


@dataclass(frozen=True)
class Choice:
    """A name and the options given with it, as written, but for quotes.

    after  the option that was written before it, of another choice: the name may be the rest of its value
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    after: str = field(default="", compare=False)


@dataclass(frozen=True)
class Option:
    """One keyword-only parameter of a factory. `meaning` is what the factory's docstring says of it."""

    name: str
    type: Any
    default: Any
    meaning: str = ""
    empty: ClassVar[Any] = inspect.Parameter.empty  # the default of an option that must be given

    @property
    def values(self) -> str:
        """The type in a user's words: `L | S | LS`, `true | false`, `int`."""
        if self.type is bool:
            return "true | false"
        return " | ".join(map(str, getattr(self.type, "__args__", ()))) or getattr(self.type, "__name__", "value")

    @property
    def takes(self) -> str:
        """What may be given, and what it is where nothing is: `L | S | LS, by default 'LS'`."""
        default = str(self.default).lower() if isinstance(self.default, bool) else repr(self.default)
        return f"{self.values}, " + ("must be given" if self.default is self.empty else f"by default {default}")


_PIECE = re.compile(r'[^,=]*=\s*"(?:[^"]|"")*"[^,]*|[^,]+')


def parse_choices(text: str) -> list[Choice]:
    """`hce:temporal=false,hir:stages=L,radius=2` -> hce with one option, hir with two."""
    choices: list[tuple[str, dict[str, str], str]] = []
    before = ""
    for piece in filter(None, (part.strip() for part in _PIECE.findall(text))):
        head, equals, value = piece.partition("=")
        name, colon, key = head.rpartition(":")
        if not equals:
            choices.append((piece.rstrip(":"), {}, before))
            before = ""
            continue
        if colon:
            choices.append((name, {}, before))
        elif not choices:
            raise HarnessError(f"'{piece}': an option without a name before it; write NAME:{piece}")
        given = choices[-1][1]
        if key.strip() in given:
            raise HarnessError(f"{choices[-1][0]}: the option '{key.strip()}' is given twice")
        given[key.strip()] = _unquoted(piece, value.strip())
        before = f"{key.strip()}={value.strip()}"
    return [Choice(*choice) for choice in choices]


def parse_joined(text: str) -> list[Choice]:
    """`hce+hir:stages=L`, in which commas are taken -> the same choices as of `hce,hir:stages=L`."""
    return [choice for part in text.split("+") for choice in parse_choices(part)]


def _unquoted(piece: str, value: str) -> str:
    if not value.startswith('"'):
        return value
    if not (quoted := re.fullmatch(r'"((?:[^"]|"")*)"', value)):
        raise HarnessError(
            f"'{piece}': a value in quotes ends with one, and a quote in it is written twice; "
            "on a command line put all of it in single quotes: 'NAME:key=\"a,b\"'"
        )
    return quoted[1].replace('""', '"')


def written(name: str, options: Mapping[str, str]) -> str:
    """What `parse_choice` reads as this choice; the inverse of it."""
    text = ",".join(f"{key}={_quoted(value)}" for key, value in options.items())
    return f"{name}:{text}" if text else name


def _quoted(value: str) -> str:
    """As it is where that can be read back; nothing, as in `tagger=`, too."""
    return value if re.fullmatch(r'[^\s",]*', value) else '"' + value.replace('"', '""') + '"'


_BRACES = re.compile(r'("(?:[^"]|"")*")|\{([^{}"]*)\}|([^{}"]+|.)')


def variants(text: str) -> list[str]:
    """`hce,hir:stages={L,S}` -> `hce,hir:stages=L` and `hce,hir:stages=S`: each of what stands in braces, of several
    every combination. Nothing in quotes is changed. Raises HarnessError for braces that do not close."""
    pieces: list[list[str]] = []
    for quoted, listed, other in _BRACES.findall(text):
        if other in ("{", "}"):
            raise HarnessError(f"'{text}': braces hold what an option is to be in turn, as in 'NAME:key={{a,b}}'")
        pieces.append([quoted or other] if quoted or other else [each.strip() for each in listed.split(",")])
    return ["".join(words) for words in product(*pieces)]


def parse_choice(text: str) -> Choice:
    """Exactly one choice."""
    choices = parse_choices(text)
    if len(choices) != 1:
        rest = choices[1].after if len(choices) > 1 else ""
        raise HarnessError(f"'{text}': expected one name, as in NAME:key=value" + (rest and _quote(rest)))
    return choices[0]


def or_quoted(choice: Choice) -> str:
    """What to add where nothing is called so: that it may be the rest of a value with a comma."""
    return _quote(choice.after, choice.name) if choice.after else ""


def _quote(option: str, rest: str = "...") -> str:
    key, _, value = option.partition("=")
    return f"""; a value with a comma in it goes in quotes, all in single ones: 'NAME:{key}="{value},{rest}"'"""


def options_of(factory: Callable[..., Any], preset: Mapping[str, Any]) -> dict[str, Option]:
    """What a user may set: the factory's keyword-only parameters, less those the spec has preset."""
    hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    meanings = described(factory)
    return {
        name: Option(name, hints.get(name, str), parameter.default, meanings.get(name, ""))
        for name, parameter in inspect.signature(factory).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in preset
    }


def resolve(factory: Callable[..., Any], preset: Mapping[str, Any], choice: Choice) -> dict[str, Any]:
    """Every option of the factory with its value: preset, given (converted to its type), or default."""
    known = options_of(factory, preset)
    values: dict[str, Any] = dict(preset)
    for name in choice.options:
        if name not in known:
            listed = ", ".join(known) or "none"
            hint = suggestion(name, known) or f"; it has: {listed}"
            raise HarnessError(f"{choice.name} has no option '{name}'{hint}")
    for name, option in known.items():
        if name in choice.options:
            try:
                values[name] = TypeAdapter(option.type).validate_strings(choice.options[name])
            except ValidationError:
                given = choice.options[name]
                raise HarnessError(f"{choice.name}: {name}={given}: expected {option.values}") from None
        elif option.default is option.empty:
            raise HarnessError(f"{choice.name}: the option '{name}' is needed: {choice.name}:{name}={option.values}")
        else:
            values[name] = option.default
    return values
