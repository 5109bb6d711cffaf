"""The kinds of things that can be checked, and the checks of each."""

from __future__ import annotations

from typing import Any

from harness.errors import HarnessError, suggestion
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.plugins import Origin, discover
from harness.registry.protocol import Protocol
from harness.registry.specs import (
    BaselineSpec,
    BenchmarkSpec,
    LauncherSpec,
    MaskSourceSpec,
    MetricSpec,
    PluginSpec,
    Spec,
)
from harness.suites.suite import suite_files
from harness.testing.baseline import BASELINE, BaselineSubject
from harness.testing.benchmark import BENCHMARK, BenchmarkSubject
from harness.testing.checks import Check
from harness.testing.common import Subject
from harness.testing.light import (
    DISTRIBUTION,
    LAUNCHER,
    PROTOCOL,
    SUITE,
    DistributionSubject,
    LauncherSubject,
    ProtocolSubject,
    SuiteSubject,
)
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
    "launcher": (LauncherSpec, LauncherSubject),
}
"""Of what has a factory."""

CHECKS: dict[str, tuple[Check, ...]] = {
    "baseline": (*BASELINE, *SEAM),
    "plug-in": PLUGIN,
    "mask source": MASK_SOURCE,
    "metric": METRIC,
    "benchmark": BENCHMARK,
    "launcher": LAUNCHER,
    "protocol": PROTOCOL,
    "suite": SUITE,
    "distribution": DISTRIBUTION,
}


def found(kind: str, words: str) -> Any:
    """The subject of that kind, by its name and options as a user writes them. Raises HarnessError for an unknown name
    or option."""
    known = catalog()
    if kind in SUBJECTS:
        spec, subject = SUBJECTS[kind]
        return subject(known.choose(spec, parse_choice(words)))
    if kind == "protocol":
        entry = known.find(Protocol, words)
        return ProtocolSubject(words, entry.origin, entry)
    files = suite_files(discover())
    if kind == "suite" and words in files:
        return SuiteSubject(words, Origin("a suite", "", str(files[words])), files[words])
    if kind == "distribution" and words in _origins():
        return DistributionSubject(words, _origins()[words])
    raise HarnessError(f"no {kind} is called '{words}'")


def _origins() -> dict[str, Origin]:
    """Of what is installed, by distribution."""
    plugins = discover()
    return {origin.distribution: origin for origin in (*plugins.origins.values(), *(b.origin for b in plugins.broken))}


def _names() -> dict[str, list[str]]:
    """All that can be checked, by kind; a name that is claimed twice is refused where it is asked for."""
    known = catalog()
    names = {kind: [entry.spec.name for entry in known.entries(spec)] for kind, (spec, _) in SUBJECTS.items()}
    names["protocol"] = [entry.spec.name for entry in known.entries(Protocol)]
    return names | {"suite": list(suite_files(discover())), "distribution": list(_origins())}


def named(words: str, kind: str | None = None) -> tuple[str, Any]:
    """The kind and the subject of what is called so. Raises HarnessError where nothing is, or several things are."""
    if kind is not None and kind not in CHECKS:
        raise HarnessError(f"--kind {kind}: there is {', '.join(CHECKS)}")
    name = parse_choice(words).name
    names = _names()
    claimed = [each for each, (spec, _) in SUBJECTS.items() if catalog().claims(spec, name)]
    kinds = [each for each in names if (name in names[each] or each in claimed) and kind in (None, each)]
    if len(kinds) > 1:
        raise HarnessError(f"'{name}' is a {' and a '.join(kinds)}: say which, with --kind '{kinds[0]}'")
    if not kinds:
        hint = suggestion(name, {each for of_kind in names.values() for each in of_kind})
        raise HarnessError(
            f"nothing that can be checked is called '{name}'{hint} (harness list shows what is installed)"
        )
    return kinds[0], found(kinds[0], words)
