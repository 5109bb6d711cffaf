"""From a name to what is behind it: specs of all that is installed, and the building of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.errors import HarnessError, suggestion
from harness.registry.entry import Chosen, Entry, Kind
from harness.registry.mask_choice import ChosenMasks, ChosenPart
from harness.registry.options import Choice, or_quoted, parse_choice, parse_joined
from harness.registry.plugins import FAULTS, Broken, Origin, Plugins, discover, in_one_line
from harness.registry.protocol import Protocol
from harness.registry.specs import (
    BaselineSpec,
    BenchmarkSpec,
    LauncherSpec,
    MaskPartSpec,
    MaskSourceSpec,
    MetricSpec,
    Named,
    PluginSpec,
    Spec,
    WeightsSpec,
)

__all__ = ["HOOKS", "Catalog", "Chosen", "ChosenMasks", "Entry", "catalog"]

HOOKS: dict[str, type[Named]] = {
    "harness_baselines": BaselineSpec,
    "harness_plugins": PluginSpec,
    "harness_mask_sources": MaskSourceSpec,
    "harness_mask_parts": MaskPartSpec,
    "harness_weights": WeightsSpec,
    "harness_benchmarks": BenchmarkSpec,
    "harness_metrics": MetricSpec,
    "harness_protocols": Protocol,
    "harness_launchers": LauncherSpec,
}

PARTS = ("tagger", "detector", "segmenter")


class Catalog:
    """All that is installed, by kind and name. A name that two distributions claim is refused when it is asked for."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.broken: list[Broken] = list(plugins.broken)
        self._entries: dict[str, dict[str, list[Entry[Any]]]] = {}
        for hook, kind in HOOKS.items():
            names = self._entries.setdefault(kind.kind, {})
            for origin, implementation in plugins.implementations(hook):
                for spec in self._specs(origin, hook, kind, implementation):
                    names.setdefault(spec.name, []).append(Entry(spec, origin))
            for name, claims in names.items():
                if len(claims) > 1:
                    others = " and ".join(str(claim.origin) for claim in claims[:-1])
                    self.broken.append(Broken(claims[-1].origin, f"{kind.kind} '{name}' is also claimed by {others}"))

    def _specs(self, origin: Origin, hook: str, kind: type[Named], implementation: Callable[[], Any]) -> list[Named]:
        try:
            specs = list(implementation())
            for spec in specs:
                if not isinstance(spec, kind):
                    raise TypeError(f"returned {spec!r}, which is no {kind.__name__}")
        except FAULTS as error:
            self.broken.append(Broken(origin, f"{hook}: {in_one_line(error)}"))
            return []
        return specs

    def entries(self, kind: type[Kind]) -> list[Entry[Kind]]:
        """Every entry of a kind, by name; colliding ones are left out."""
        names = self._entries[kind.kind]
        return [claims[0] for _, claims in sorted(names.items()) if len(claims) == 1]

    def claims(self, kind: type[Kind], name: str) -> list[Entry[Kind]]:
        """Every entry of that name: more than one where it is claimed more than once."""
        return self._entries[kind.kind].get(name, [])

    def find(self, kind: type[Kind], name: str) -> Entry[Kind]:
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
        if not self.claims(kind, choice.name) and (hint := or_quoted(choice)):
            raise HarnessError(f"unknown {kind.kind} '{choice.name}'{hint}")
        if kind is MaskSourceSpec:
            return self.masks(choice)
        chosen = self.find(kind, choice.name).settle(choice)
        spec = chosen.entry.spec
        if not isinstance(spec, PluginSpec) or not spec.like:
            return chosen
        if spec.like not in chosen.options:
            raise HarnessError(f"plug-in {spec.name} of {chosen.entry.origin}: like={spec.like!r} is no option of it")
        named = parse_joined(str(chosen.options[spec.like]))
        return replace(chosen, like=tuple(self.choose(PluginSpec, each) for each in named))

    def default_mask_source(self) -> Choice:
        """The installed source with the highest preference."""
        specs = [entry.spec for entry in self.entries(MaskSourceSpec)]
        best = min(specs, key=lambda spec: (-getattr(spec, "preference", 0), spec.name))
        return Choice(best.name)

    def mask_source(self, given: str | None, needed: bool) -> ChosenMasks | None:
        """The source that the user gave, which is checked in any case, else the default; None where none is needed."""
        chosen = self.masks(parse_choice(given)) if given else None
        if not needed:
            return None
        return chosen or self.masks(self.default_mask_source())

    def masks(self, choice: Choice) -> ChosenMasks:
        """A mask source. Of one that is made of parts, `detector=NAME` puts another part in the place of its own,
        `tagger=` leaves one out, and `detector.KEY=VALUE` is an option of that part."""
        entry = self.find(MaskSourceSpec, choice.name)
        defaults: dict[str, str] = {self._part(name).spec.part: name for name in entry.spec.parts}
        names = dict(defaults)
        own: dict[str, str] = {}
        of_parts: dict[str, dict[str, str]] = {role: {} for role in PARTS}
        for key, value in choice.options.items():
            role, _, option = key.partition(".")
            if not names or role not in PARTS:
                own[key] = value
            elif option:
                of_parts[role][option] = value
            else:
                names[role] = value
        parts: dict[str, ChosenPart] = {
            role: self._settled(role, name, of_parts[role]) for role, name in names.items() if name
        }
        for role in of_parts:
            if of_parts[role] and role not in parts:
                raise HarnessError(f"{choice.name}: options for a {role}, but it has none")
        source = entry.settle(Choice(choice.name, own))
        given = dict(source.given) | {role: name for role, name in names.items() if name != defaults.get(role)}
        given |= {f"{role}.{key}": text for role, part in parts.items() for key, text in part.given.items()}
        return ChosenMasks(entry, source.options, given, self._weights(entry.spec), parts)

    def _part(self, name: str) -> Entry[MaskPartSpec]:
        return self.find(MaskPartSpec, name)

    def _settled(self, role: str, name: str, options: Mapping[str, str]) -> ChosenPart:
        entry = self._part(name)
        if entry.spec.part != role:
            raise HarnessError(f"{role}={name}: {name} is a {entry.spec.part}")
        part = entry.settle(Choice(name, options))
        return ChosenPart(entry, part.options, part.given, self._weights(entry.spec))

    def _weights(self, spec: MaskSourceSpec | MaskPartSpec) -> tuple[WeightsSpec, ...]:
        return tuple(self.find(WeightsSpec, name).spec for name in spec.weights)


@functools.cache
def catalog() -> Catalog:
    """The catalogue of this installation."""
    return Catalog(discover())
