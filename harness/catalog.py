"""From a name to what is behind it: specs of all that is installed, and the building of it."""

from __future__ import annotations

import functools
import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from harness.errors import HarnessError, suggestion
from harness.options import Choice, Option, options_of, parse_choice, resolve
from harness.plugins import FAULTS, Broken, Origin, Plugins, discover, in_one_line
from harness.specs import BaselineSpec, BenchmarkSpec, MaskSourceSpec, PluginSpec, Spec

HOOKS: dict[str, type[Spec]] = {
    "harness_baselines": BaselineSpec,
    "harness_plugins": PluginSpec,
    "harness_mask_sources": MaskSourceSpec,
    "harness_benchmarks": BenchmarkSpec,
}


@dataclass(frozen=True)
class Entry:
    """A spec and who provides it."""

    spec: Spec
    origin: Origin

    def factory(self) -> Callable[..., Any]:
        """The class behind the spec, imported now. Raises HarnessError naming the distribution."""
        module, _, name = self.spec.factory.partition(":")
        try:
            return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
        except FAULTS as error:
            raise self.blame("cannot be imported", error) from error

    def blame(self, what: str, error: BaseException) -> HarnessError:
        """The one line for a failure inside somebody's code."""
        return HarnessError(f"{self.spec.kind} {self.spec.name} of {self.origin} {what}: {in_one_line(error)}")

    def options(self) -> dict[str, Option]:
        factory = self.factory()
        try:
            return options_of(factory, self.spec.preset)
        except FAULTS as error:
            raise self.blame("has a signature that cannot be read", error) from error

    def settle(self, choice: Choice) -> Chosen:
        """Every option checked and settled."""
        factory = self.factory()
        try:
            return Chosen(self, resolve(factory, self.spec.preset, choice), choice.options)
        except HarnessError:
            raise
        except FAULTS as error:
            raise self.blame("has a signature that cannot be read", error) from error

    def code(self) -> str:
        """Hash of the source of the package that the factory lives in; of the core, the part that it lives in."""
        module = self.spec.factory.partition(":")[0]
        package = module.partition(".")[0]
        return package_hash(module.rpartition(".")[0] if package == "harness" else package)


@dataclass(frozen=True)
class Chosen:
    """An entry with every option settled."""

    entry: Entry
    options: Mapping[str, Any]
    given: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.entry.spec.name

    @property
    def label(self) -> str:
        """The name with the options that the user gave: `hir(stages=L)`."""
        given = ",".join(f"{key}={value}" for key, value in sorted(self.given.items()))
        return f"{self.name}({given})" if given else self.name

    def build(self, *arguments: Any) -> Any:
        """The thing itself. What a factory raises is blamed on its distribution, unless it is a HarnessError."""
        try:
            return self.entry.factory()(*arguments, **self.options)
        except HarnessError:
            raise
        except ValueError as error:
            raise HarnessError(f"{self.label}: {error}") from error
        except FAULTS as error:
            raise self.entry.blame("cannot be built", error) from error

    def record(self) -> dict[str, Any]:
        """What a fingerprint keeps of it."""
        options = to_jsonable_python(dict(self.options), fallback=str)
        return {"name": self.name, "options": options, "code": self.entry.code()}


class Catalog:
    """All that is installed, by kind and name. A name that two distributions claim is refused when it is asked for."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.broken: list[Broken] = list(plugins.broken)
        self._entries: dict[str, dict[str, list[Entry]]] = {}
        for hook, kind in HOOKS.items():
            names = self._entries.setdefault(kind.kind, {})
            for origin, implementation in plugins.implementations(hook):
                for spec in self._specs(origin, hook, kind, implementation):
                    names.setdefault(spec.name, []).append(Entry(spec, origin))
            for name, claims in names.items():
                if len(claims) > 1:
                    others = " and ".join(str(claim.origin) for claim in claims[:-1])
                    self.broken.append(Broken(claims[-1].origin, f"{kind.kind} '{name}' is also claimed by {others}"))

    def _specs(self, origin: Origin, hook: str, kind: type[Spec], implementation: Callable[[], Any]) -> list[Spec]:
        try:
            specs = list(implementation())
            for spec in specs:
                if not isinstance(spec, kind):
                    raise TypeError(f"returned {spec!r}, which is no {kind.__name__}")
        except FAULTS as error:
            self.broken.append(Broken(origin, f"{hook}: {in_one_line(error)}"))
            return []
        return specs

    def entries(self, kind: type[Spec]) -> list[Entry]:
        """Every entry of a kind, by name; colliding ones are left out."""
        names = self._entries[kind.kind]
        return [claims[0] for _, claims in sorted(names.items()) if len(claims) == 1]

    def claims(self, kind: type[Spec], name: str) -> list[Entry]:
        """Every entry of that name: more than one where it is claimed more than once."""
        return self._entries[kind.kind].get(name, [])

    def find(self, kind: type[Spec], name: str) -> Entry:
        """The entry of that name. Raises HarnessError with the nearest name, or with who else claims it."""
        names = self._entries[kind.kind]
        claims = self.claims(kind, name)
        if len(claims) == 1:
            return claims[0]
        if claims:
            listed = " and ".join(str(claim.origin) for claim in claims)
            raise HarnessError(f"{kind.kind} '{name}' is claimed by {listed}: uninstall all but one")
        hint = suggestion(name, names) or f"; there are: {', '.join(sorted(names)) or 'none'}"
        raise HarnessError(f"unknown {kind.kind} '{name}'{hint} (harness list shows what is installed)")

    def choose(self, kind: type[Spec], choice: Choice) -> Chosen:
        """A user's choice, with every option checked and settled."""
        return self.find(kind, choice.name).settle(choice)

    def default_mask_source(self) -> Choice:
        """The installed source with the highest preference."""
        specs = [entry.spec for entry in self.entries(MaskSourceSpec)]
        best = min(specs, key=lambda spec: (-getattr(spec, "preference", 0), spec.name))
        return Choice(best.name)

    def mask_source(self, given: str | None, needed: bool) -> Chosen | None:
        """The source that the user gave, which is checked in any case, else the default; None where none is needed."""
        chosen = self.choose(MaskSourceSpec, parse_choice(given)) if given else None
        if not needed:
            return None
        return chosen or self.choose(MaskSourceSpec, self.default_mask_source())


@functools.cache
def catalog() -> Catalog:
    """The catalogue of this installation."""
    return Catalog(discover())


@functools.cache
def package_hash(name: str) -> str:
    """Hash of the Python source of a package, or of a module that is none; the same wherever it is installed."""
    module = importlib.import_module(name)
    roots = [Path(folder) for folder in getattr(module, "__path__", [])]
    files = [(path.relative_to(root), path) for root in roots for path in root.rglob("*.py")]
    if not roots and module.__file__:
        files = [(Path(Path(module.__file__).name), Path(module.__file__))]
    digest = hashlib.sha256()
    for relative, path in sorted(files):
        digest.update(f"{relative.as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
