"""YAML files read into pydantic models: a wrong key, type or range is named with file, line and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import HarnessError, suggestion

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads `1e-4` as a number, as YAML 1.2 does, and takes no aliases: they can explode or recurse."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="an alias; write its value out", problem_mark=mark)
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def load_yaml(path: Path, model: type[Model]) -> Model:
    """The file's content as `model`. Raises HarnessError for everything that can be wrong with it."""
    try:
        loader = _Loader(path.read_text("utf-8"))
        node = loader.get_single_node()
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror}") from error
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
    return _value(node, loader, f"{path}:{lines[at]}")


def _value(node: yaml.Node, loader: _Loader, where: str) -> Any:
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise HarnessError(f"{where}: {getattr(error, 'problem', None) or error}") from error


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
