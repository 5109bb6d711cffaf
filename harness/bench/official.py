"""The code of a network's authors, found and called."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from harness.errors import HarnessError
from harness.model import Official
from harness.registry.contract import breach
from harness.registry.entry import Entry
from harness.registry.plugins import FAULTS, in_one_line
from harness.registry.specs import BaselineSpec, Named


def checkout_of(entry: Entry[Named], folder: Path) -> Path:
    """The authors' repository among those in `folder`. Raises HarnessError where there is none, or it is not named."""
    spec = _spec(entry)
    if not spec.official:
        raise HarnessError(f"{spec.name} names no code of its authors: there is nothing to run it beside")
    checkout = folder / spec.repository
    if not checkout.is_dir():
        raise HarnessError(f"{checkout} is not there: {spec.name} is run beside a checkout of its authors' code")
    return checkout


def official_of(entry: Entry[Named], checkout: Path) -> Official:
    """With new weights. Raises HarnessError for a checkout that does not run here, or is of another code."""
    spec = _spec(entry)
    module, _, name = spec.official.partition(":")
    try:
        made = getattr(import_module(module), name)(checkout, **spec.preset)
    except FAULTS as error:
        raise HarnessError(f"{checkout}: the code of {spec.name}'s authors fails: {in_one_line(error)}") from error
    if not isinstance(made, Official):
        raise breach(entry, f"{spec.official} returns {type(made).__name__}, not Official")
    return made


def _spec(entry: Entry[Named]) -> BaselineSpec:
    assert isinstance(entry.spec, BaselineSpec)
    return entry.spec
