"""The code of a network's authors, found and called."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from harness.errors import HarnessError
from harness.model import Official
from harness.registry.contract import breach
from harness.registry.entry import Entry
from harness.registry.plugins import FAULTS, in_one_line
from harness.registry.specs import BaselineSpec


def checkout_of(entry: Entry[BaselineSpec], folder: Path) -> Path:
    """The authors' repository among those in `folder`. Raises HarnessError where there is none, or it is not named."""
    if not entry.spec.official:
        raise HarnessError(f"{entry.spec.name} names no code of its authors: there is nothing to run it beside")
    checkout = folder / entry.spec.repository
    if not checkout.is_dir():
        raise HarnessError(f"{checkout} is not there: {entry.spec.name} is run beside a checkout of its authors' code")
    return checkout


def official_of(entry: Entry[BaselineSpec], checkout: Path) -> Official:
    """With new weights. Raises HarnessError for a checkout that does not run here, or is of another code."""
    module, _, name = entry.spec.official.partition(":")
    try:
        made = getattr(import_module(module), name)(checkout, **entry.spec.preset)
    except FAULTS as error:
        raise HarnessError(f"{checkout}: the code of {entry.spec.name}'s authors fails: {in_one_line(error)}") from error
    if not isinstance(made, Official):
        raise breach(entry, f"{entry.spec.official} returns {type(made).__name__}, not Official")
    return made
