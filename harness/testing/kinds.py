"""The kinds of things that can be checked, and the checks of each."""

from __future__ import annotations

from harness.errors import HarnessError, suggestion
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.specs import BaselineSpec, Spec
from harness.testing.baseline import OUTSIDE, BaselineSubject
from harness.testing.checks import Check
from harness.testing.common import Subject
from harness.testing.prior import SEAM
from harness.testing.training import TRAINING

SUBJECTS: dict[str, tuple[type[Spec], type[Subject]]] = {"baseline": (BaselineSpec, BaselineSubject)}

CHECKS: dict[str, tuple[Check, ...]] = {"baseline": (*OUTSIDE, *SEAM, *TRAINING)}


def found(kind: str, words: str) -> Subject:
    """The subject of that kind, by its name and options as a user writes them."""
    spec, subject = SUBJECTS[kind]
    return subject(catalog().choose(spec, parse_choice(words)))


def named(words: str, kind: str | None = None) -> tuple[str, Subject]:
    """The kind and the subject of what is called so. Raises HarnessError where nothing is, or several things are."""
    if kind is not None and kind not in SUBJECTS:
        raise HarnessError(f"--kind {kind}: there is {', '.join(SUBJECTS)}")
    known, name = catalog(), parse_choice(words).name
    kinds = [each for each, (spec, _) in SUBJECTS.items() if known.claims(spec, name) and kind in (None, each)]
    if len(kinds) > 1:
        raise HarnessError(f"'{name}' is a {' and a '.join(kinds)}: say which, with --kind '{kinds[0]}'")
    if not kinds:
        names = {entry.spec.name for spec, _ in SUBJECTS.values() for entry in known.entries(spec)}
        raise HarnessError(
            f"nothing that can be checked is called '{name}'{suggestion(name, names)} "
            "(harness list shows what is installed)"
        )
    return kinds[0], found(kinds[0], words)
