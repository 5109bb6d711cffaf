"""Discovery: entry points in group `harness` load one by one, and one that is broken stops nothing else."""

from __future__ import annotations

import ast
import functools
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pluggy

from harness.errors import suggestion
from harness.registry import builtins, hookspecs

log = logging.getLogger("harness")

T = TypeVar("T")

ATTRIBUTE, FIRST = "HARNESS_CONTRACT", "1.0"
"""Where an adapter says which contract it was written for, and that of one that says nothing."""

FAULTS = (Exception, SystemExit)
"""What somebody else's code may raise without stopping the harness."""


@dataclass(frozen=True)
class Origin:
    """Who provides a thing: distribution, version, and the file of the module that its entry point names."""

    distribution: str
    version: str
    file: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.file})"


@dataclass(frozen=True)
class Broken:
    """A plug-in that was left out, or one of its parts."""

    origin: Origin
    reason: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason}"


@dataclass(frozen=True)
class Plugins:
    """What is installed: the pluggy manager, each plug-in's origin, and what had to be left out."""

    manager: pluggy.PluginManager
    origins: dict[Any, Origin]
    broken: list[Broken] = field(default_factory=list)

    def implementations(self, hook: str) -> Iterator[tuple[Origin, Callable[..., Any]]]:
        """Each plug-in's own implementation of a hook, in the order of registration."""
        for call in getattr(self.manager.hook, hook).get_hookimpls():
            yield self.origins[call.plugin], call.function

    def brought(self, hook: str, read: Callable[[Any], T]) -> Iterator[tuple[Origin, T]]:
        """What `read` makes of each implementation's answer, of a hook that returns no specs. One that fails is named
        and left out."""
        for origin, implementation in self.implementations(hook):
            try:
                answer = read(implementation())
            except FAULTS as error:
                log.warning("left out: %s: %s: %s", origin, hook, in_one_line(error))
            else:
                yield origin, answer

    def notify(self, hook: str, **facts: Any) -> None:
        """Tell the observers of a hook. Their exceptions are logged: an observer never alters training."""
        for call in getattr(self.manager.hook, hook).get_hookimpls():
            try:
                call.function(**{name: facts[name] for name in call.argnames})
            except FAULTS as error:
                log.warning("observer %s: %s failed: %r", self.origins.get(call.plugin, call.plugin_name), hook, error)


@functools.cache
def discover() -> Plugins:
    """The core's own contributions and every installed entry point, registered by the same hooks."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(builtins)
    plugins = Plugins(manager, {builtins: Origin("vfi-harness", _version("vfi-harness"), str(builtins.__file__))})
    for entry in sorted(entry_points(group=hookspecs.GROUP), key=lambda e: (_owner(e), e.name)):
        _register(plugins, entry)
    return plugins


def _register(plugins: Plugins, entry: EntryPoint) -> None:
    origin = Origin(_owner(entry), entry.dist.version if entry.dist else "?", _file(entry))
    module = None
    try:
        _check_contract(entry, origin)
        loaded = entry.load()
        if loaded in plugins.origins:
            raise ValueError(f"{entry.value} is already registered by {plugins.origins[loaded]}")
        module = loaded
        plugins.manager.register(module, name=f"{origin.distribution}:{entry.name}")
        known = {name for name in vars(hookspecs) if name.startswith("harness_")}
        for caller in plugins.manager.get_hookcallers(module) or []:
            if not caller.has_spec():
                raise TypeError(f"there is no hook {caller.name}{suggestion(caller.name, known)}")
    except _OtherContract as error:
        plugins.broken.append(Broken(origin, str(error)))
    except FAULTS as error:
        if module is not None and plugins.manager.is_registered(module):
            plugins.manager.unregister(module)
        plugins.broken.append(Broken(origin, in_one_line(error)))
    else:
        plugins.origins[module] = origin


class _OtherContract(Exception):  # noqa: N818 - the line is for the user
    """An adapter was written for a harness that this is not."""


def _check_contract(entry: EntryPoint, origin: Origin) -> None:
    """Raises _OtherContract with what to do. What is written in the module is read without importing it: one of a newer
    contract may import what is not here, and one of an older one must not be half used."""
    ours = _numbers(hookspecs.CONTRACT)
    said = _written_for(entry)
    theirs = _numbers(said)
    if theirs is None or ours is None:
        raise _OtherContract(f"its {ATTRIBUTE} is {said!r}, where text such as '{hookspecs.CONTRACT}' is needed")
    if theirs[0] == ours[0] and theirs[1] <= ours[1]:
        return
    words = f"was written for contract {said}, and this harness has {hookspecs.CONTRACT}"
    if theirs > ours:
        raise _OtherContract(f"{words}: update vfi-harness, or install an older {origin.distribution}")
    raise _OtherContract(f"{words}: update {origin.distribution}; CHANGELOG.md of vfi-harness says what has changed")


def _numbers(contract: object) -> tuple[int, int] | None:
    found = re.fullmatch("([0-9]{1,4})[.]([0-9]{1,4})", contract) if isinstance(contract, str) else None
    return (int(found[1]), int(found[2])) if found else None


def _written_for(entry: EntryPoint) -> object:
    """What its module says in HARNESS_CONTRACT; FIRST where it says nothing, or where it cannot be read, which its
    import then tells."""
    file, rest = Path(_file(entry)), entry.module.split(".")[1:]
    path = file.parent.joinpath(*rest) if rest else file
    try:
        body = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_bytes()).body
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return FIRST
    for node in body:
        if isinstance(node, ast.Assign) and ATTRIBUTE in map(ast.unparse, node.targets):
            return node.value.value if isinstance(node.value, ast.Constant) else ast.unparse(node.value)
    return FIRST


def in_one_line(error: BaseException) -> str:
    """Type and message of an error."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _owner(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "?"


def _version(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"


def _file(entry: EntryPoint) -> str:
    """Where the entry point's package lies, without importing it."""
    try:
        spec = find_spec(entry.module.partition(".")[0])
    except (ImportError, ValueError):
        spec = None
    return spec.origin if spec and spec.origin else entry.value
