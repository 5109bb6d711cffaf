"""What is asked of everything that has a factory, whatever its kind."""

from __future__ import annotations

import functools
import hashlib
import inspect
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch

from harness.errors import HarnessError
from harness.registry.catalog import Chosen
from harness.registry.contract import ContractError
from harness.registry.plugins import FAULTS, Origin, in_one_line
from harness.registry.state import Setting, kept
from harness.testing.checks import CheckError, skip
from harness.testing.elsewhere import answer

Made = TypeVar("Made")


@dataclass(frozen=True)
class Subject:
    """A choice that is checked. `thing` is what its factory gives, built once: checks leave it as it is."""

    chosen: Chosen

    @cached_property
    def thing(self) -> Any:
        return self.build()

    def build(self) -> Any:
        """Another one. Raises HarnessError where that cannot be."""
        return self.chosen.build()

    @cached_property
    def failure(self) -> BaseException | None:
        """What building it raises."""
        try:
            assert self.thing is not None
        except FAULTS as error:
            return error
        return None

    @property
    def broken(self) -> str:
        """Why it cannot be built; "" where it can."""
        error = self.failure
        return "" if error is None else str(error) if isinstance(error, HarnessError) else in_one_line(error)

    @property
    def unavailable(self) -> bool:
        """Whether it says itself that something of the user's is not here: weights, or data."""
        own = isinstance(self.failure, HarnessError) and not isinstance(self.failure, ContractError)
        return own and isinstance(getattr(self.failure, "__cause__", None), HarnessError | OSError | None)

    @property
    def origin(self) -> Origin:
        """Who provides it."""
        return self.chosen.entry.origin

    @property
    def words(self) -> str:
        """The choice as a user writes it."""
        given = ",".join(f'{key}="{value}"' for key, value in self.chosen.given.items())
        return f"{self.chosen.name}:{given}" if given else self.chosen.name

    def hashes(self) -> dict[str, str]:
        """Of all that must be the same in every process."""
        raise NotImplementedError


def digest(*parts: Any) -> str:
    """16 hexadecimal digits over tensors, arrays and words."""
    total = hashlib.sha256()
    for part in parts:
        data = part.detach().contiguous().numpy() if hasattr(part, "detach") else part
        total.update(data.tobytes() if hasattr(data, "tobytes") else repr(data).encode())
    return total.hexdigest()[:16]


def left_alone(settings: tuple[Setting, ...], call: Callable[[], object]) -> None:
    """Raises HarnessError with what a call changes of what the process has once."""
    # so that a generator that is seeded anew is not found where a seeding before has left it
    random.random(), np.random.random(), torch.rand(1)
    with kept(settings, lambda what: _ChangedError(what)):
        call()


class _ChangedError(HarnessError):
    """Its text says what."""


def several(names: Iterable[str], limit: int = 3) -> str:
    """`a, b, c and 4 more`."""
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def pickled(thing: Made) -> Made:
    """What another process gets. Raises CheckError where nothing can be sent there."""
    try:
        return pickle.loads(pickle.dumps(thing))  # type: ignore[no-any-return]
    except FAULTS as error:
        raise CheckError(f"cannot be sent to another process: {in_one_line(error)}") from error


# --- checks ---


def check_builds(subject: Subject) -> None:
    """The factory gives what its spec says, with no state of the process changed."""
    if subject.unavailable:
        skip(subject.broken)
    if subject.broken:
        raise CheckError(subject.broken)


def check_options(subject: Subject) -> None:
    """Every option is a keyword-only parameter of the factory, so that it is known, checked, and in each record."""
    if getattr(subject.chosen.entry.spec, "parts", ()):
        skip("it is made of parts, whose options are theirs")
    factory = subject.chosen.entry.factory()
    parameters = list(inspect.signature(factory).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    expected = 1 if subject.chosen.entry.spec.kind in ("plug-in", "launcher") else 0
    swallowed = [f"{'*' if p.kind is p.VAR_POSITIONAL else '**'}{p.name}" for p in parameters if "VAR" in p.kind.name]
    if swallowed:
        raise CheckError(f"the factory takes {several(swallowed)}: options in it are known to nobody; name each one")
    if extra := [p.name for p in positional[expected:]]:
        raise CheckError(f"{several(extra)} can be given by position, and so is no option: put a * before it")
    untyped = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.annotation is p.empty]
    if untyped := [name for name in untyped if name not in subject.chosen.entry.target.preset]:
        raise CheckError(f"the option {several(untyped)} has no type, and so takes any text")


def check_lists_without_torch(subject: Subject) -> None:
    """Listing what is installed imports the entry point's module, and that imports no torch."""
    module = subject.chosen.entry.target.factory.partition(".")[0].partition(":")[0]
    if module == "harness":
        skip("is of the core")
    if guilty := [hook for hook in _hook_modules(subject) if _imports_torch(hook, tuple(sys.path))]:
        raise CheckError(
            f"importing {several(guilty)} imports torch: name the factory as text, and import torch in its own module"
        )


def _hook_modules(subject: Subject) -> list[str]:
    """The modules that the distribution's entry points name."""
    from importlib.metadata import entry_points

    owner = subject.chosen.entry.origin.distribution
    mine = [entry.module for entry in entry_points(group="harness") if entry.dist and entry.dist.name == owner]
    if not mine:
        skip("its distribution has no entry point here")
    return mine


@functools.cache
def _imports_torch(module: str, path: tuple[str, ...]) -> bool:
    code = f"import sys; sys.path[:] = {list(path)!r}; import {module}; sys.exit('torch' in sys.modules)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode != 0


def check_fresh_process(subject: Subject) -> None:
    """Another process, with other hashes of words, makes the same of the same."""
    here = subject.hashes()
    there = answer(subject.chosen.entry.spec.kind, subject.words)
    if differing := [what for what, value in here.items() if there.get(what) != value]:
        raise CheckError(
            f"{several(differing)} differ in a fresh process: something depends on what ran before, or on chance"
        )


COMMON = (check_builds, check_options, check_lists_without_torch, check_fresh_process)
