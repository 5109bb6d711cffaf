"""YAML files read into pydantic models: a wrong key, type or range is named with file, line and key.

Values are read as YAML 1.2 does. What YAML 1.1 reads as another value is refused: 010 (8 there), 1:30 (90), yes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import HarnessError, suggestion
from harness.files import small_file

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader with the values of YAML 1.2; it takes no aliases: they can explode or recurse."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - filled below

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="an alias; write its value out", problem_mark=mark)
        return super().compose_node(parent, index)


for _tag, _pattern, _first_letters in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), _first_letters)

_TEXT = "tag:yaml.org,2002:str"
_AMBIGUOUS = re.compile(
    r"(?P<truth>(yes|no|on|off)|(Yes|No|On|Off)|(YES|NO|ON|OFF))"
    r"|[-+]?0[0-9_]+|[-+]?0[bo][01_]*[0-7_]+|0x[0-9a-fA-F_]*_[0-9a-fA-F_]*"  # in base 8, 2 or 16
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"  # in base 60
    r"|[-+]?[0-9.][0-9_.]*_[0-9_.]*([eE][-+]?[0-9_]+)?"
)


def load_yaml(path: Path, model: type[Model]) -> Model:
    """The file's content as `model`. Raises HarnessError for everything that can be wrong with it."""
    content = small_file(path)
    try:
        loader = _Loader(content.decode("utf-8"))
        node = loader.get_single_node()
    except RecursionError as error:
        raise HarnessError(f"{path}: not valid YAML: nested too deeply") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise HarnessError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    lines: dict[Location, int] = {}
    data = _plain(node, (), lines, loader, path) if node else {}
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise HarnessError(_first(error, path, lines, model)) from error


def _plain(node: yaml.Node, at: Location, lines: dict[Location, int], loader: _Loader, path: Path) -> Any:
    """Plain data of a node, and the line of every key. Duplicate keys are refused."""
    lines[at] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = _value(key_node, loader, f"{path}:{line}")
            if not isinstance(key, str):
                raise HarnessError(f"{path}:{line}: the key {key!r} is not a word")
            if key in result:
                raise HarnessError(f"{path}:{line}: the key '{key}' appears twice")
            result[key] = _plain(value_node, (*at, key), lines, loader, path)
            lines[(*at, key)] = line
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*at, index), lines, loader, path) for index, item in enumerate(node.value)]
    return _value(node, loader, f"{path}:{lines[at]}: {'.'.join(map(str, at))}" if at else f"{path}:{lines[at]}")


def _value(node: yaml.Node, loader: _Loader, where: str) -> Any:
    """Of one that holds no others. After a tag such as !!int the constructors raise nearly anything."""
    plain = getattr(node, "style", None) is None
    if isinstance(node, yaml.ScalarNode) and (plain or node.tag != _TEXT) and (odd := _AMBIGUOUS.fullmatch(node.value)):
        remedy = "true or false" if odd["truth"] else "a decimal number"
        raise HarnessError(
            f"{where}: {node.value[:40]} is one thing in YAML 1.1 and another in 1.2; write {remedy}, or text in quotes"
        )
    try:
        return loader.construct_object(node)
    except yaml.YAMLError as error:
        raise HarnessError(f"{where}: {getattr(error, 'problem', None) or error}") from error
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        kind = node.tag.rpartition(":")[2]
        raise HarnessError(f"{where}: cannot be read as {kind}; write a plain number, true, false or text") from error


def _first(error: ValidationError, path: Path, lines: Mapping[Location, int], model: type[BaseModel]) -> str:
    """The first complaint as one line."""
    first = error.errors()[0]
    location = first["loc"]
    line = next((lines[location[:n]] for n in range(len(location), -1, -1) if location[:n] in lines), 1)
    key = ".".join(map(str, location))
    if first["type"] == "extra_forbidden":
        return f"{path}:{line}: unknown key '{key}'{suggestion(str(location[-1]), _keys(model, location[:-1]))}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{path}:{line}: {key}: {message[0].lower()}{message[1:]}" if key else f"{path}:{line}: {message}"


def _keys(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that are legal at `location` of a model."""
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return list(model.model_fields)
