"""The kinds of things that can be checked, and the checks of each."""

from __future__ import annotations

from harness.errors import HarnessError, suggestion
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.specs import BaselineSpec, BenchmarkSpec, MaskSourceSpec, MetricSpec, PluginSpec, Spec
from harness.testing.baseline import BASELINE, BaselineSubject
from harness.testing.benchmark import BENCHMARK, BenchmarkSubject
from harness.testing.checks import Check
from harness.testing.common import Subject
from harness.testing.masks import MASK_SOURCE, MaskSubject
from harness.testing.metric import METRIC, MetricSubject
from harness.testing.plugin import PLUGIN, PluginSubject
from harness.testing.prior import SEAM

SUBJECTS: dict[str, tuple[type[Spec], type[Subject]]] = {
    "baseline": (BaselineSpec, BaselineSubject),
    "plug-in": (PluginSpec, PluginSubject),
    "mask source": (MaskSourceSpec, MaskSubject),
    "metric": (MetricSpec, MetricSubject),
    "benchmark": (BenchmarkSpec, BenchmarkSubject),
}

CHECKS: dict[str, tuple[Check, ...]] = {
    "baseline": (*BASELINE, *SEAM),
    "plug-in": PLUGIN,
    "mask source": MASK_SOURCE,
    "metric": METRIC,
    "benchmark": BENCHMARK,
}


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
