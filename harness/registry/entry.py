"""A name that is installed: the record behind it, who provides it, and the building of it with a user's options."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic_core import to_jsonable_python

from harness.errors import HarnessError
from harness.registry import contract
from harness.registry.code import core, core_of
from harness.registry.distribution import contents, named, requirements
from harness.registry.options import Choice, Option, options_of, resolve
from harness.registry.plugins import FAULTS, Origin, in_one_line
from harness.registry.specs import BenchmarkSpec, Named, Spec

Kind = TypeVar("Kind", bound=Named, covariant=True)


@dataclass(frozen=True)
class Entry(Generic[Kind]):
    """A record that a hook returned, and who provides it. Those of a `Spec` have a factory."""

    spec: Kind
    origin: Origin

    @property
    def target(self) -> Spec:
        assert isinstance(self.spec, Spec)
        return self.spec

    def factory(self) -> Callable[..., Any]:
        """The class behind the spec, imported now. Raises HarnessError naming the distribution."""
        module, _, name = self.target.factory.partition(":")
        try:
            with contract.imported(self):
                return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
        except contract.ContractError:
            raise
        except FAULTS as error:
            raise self.blame("cannot be imported", error) from error

    def blame(self, what: str, error: BaseException) -> HarnessError:
        """The one line for a failure inside somebody's code."""
        return HarnessError(f"{self.spec.kind} {self.spec.name} of {self.origin} {what}: {in_one_line(error)}")

    def options(self) -> dict[str, Option]:
        factory = self.factory()
        try:
            return options_of(factory, self.target.preset)
        except FAULTS as error:
            raise self.blame("has a signature that cannot be read", error) from error

    def settle(self, choice: Choice) -> Chosen:
        """Every option checked and settled. A default that is spelled out counts as not given."""
        factory = self.factory()
        try:
            options, defaults = resolve(factory, self.target.preset, choice), self.options()
            given = {key: text for key, text in choice.options.items() if options[key] != defaults[key].default}
            return Chosen(self, options, given)
        except HarnessError:
            raise
        except FAULTS as error:
            raise self.blame("has a signature that cannot be read", error) from error

    def code(self) -> dict[str, Any]:
        """All code and data that decides what it computes, as hashes and versions, besides the lines of the table in
        `harness.registry.code` that decide for all of its kind: of the core its modules; of others their distribution,
        what that requires, and what the spec names in `fingerprint`. Raises HarnessError where one is not there."""
        spec, name, file = self.target, self.origin.distribution, self.origin.file
        module = spec.factory.partition(":")[0]
        record: dict[str, Any] = {}
        if module.startswith("harness."):
            # a public package, `harness.masks`, stands for the module that the factory is written in
            record["core"] = core_of(getattr(self.factory(), "__module__", module))
        else:
            record |= {"files": contents(name, file, module), "requires": dict(requirements(name))}
            if isinstance(spec, BenchmarkSpec):
                record["core"] = core("other benchmarks")
        if spec.fingerprint:
            record["named"] = {what: named(name, file, what) for what in spec.fingerprint}
        return record


@dataclass(frozen=True)
class Chosen:
    """An entry with every option settled; `like` are the plug-ins that one of them names, see `harness.PluginSpec`."""

    entry: Entry[Named]
    options: Mapping[str, Any]
    given: Mapping[str, str]
    like: tuple[Chosen, ...] = field(default=(), kw_only=True)

    @property
    def name(self) -> str:
        return self.entry.spec.name

    @property
    def label(self) -> str:
        """The name with the options that the user gave: `hir(stages=L)`."""
        given = ",".join(f"{key}={value}" for key, value in sorted(self.given.items()))
        return f"{self.name}({given})" if given else self.name

    def build(self, *arguments: Any) -> Any:
        """The thing itself, of the class that its spec promises. What a factory raises is blamed on its distribution,
        unless it is a HarnessError; so is state of the whole process that it leaves changed, which is put back."""
        factory = self.entry.factory()
        try:
            with contract.called(self.entry):
                thing = factory(*arguments, **self.options)
            contract.check(self.entry, thing)
            return thing
        except HarnessError:
            raise
        except ValueError as error:
            raise HarnessError(f"{self.label}: {error}") from error
        except FAULTS as error:
            raise self.entry.blame("cannot be built", error) from error

    def record(self) -> dict[str, Any]:
        """What a fingerprint keeps of it."""
        options = to_jsonable_python(dict(self.options), fallback=str)
        like = {"like": [each.record() for each in self.like]} if self.like else {}
        return {"name": self.name, "options": options, "code": self.entry.code(), **like}
