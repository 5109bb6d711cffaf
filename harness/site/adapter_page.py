"""What stands on the page of an adapter: what its spec says, its options, and the pairs that it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.registry.catalog import Catalog
from harness.registry.entry import Entry
from harness.registry.options import Option
from harness.registry.specs import (
    BaselineSpec,
    BenchmarkSpec,
    MaskSourceSpec,
    MetricSpec,
    PluginSpec,
    Spec,
)
from harness.results.records import PairRecord

KINDS = (BaselineSpec, PluginSpec, MaskSourceSpec, BenchmarkSpec, MetricSpec)

Options = Callable[[Entry[Spec]], Mapping[str, Option]]
"""What may be set of an adapter. Raises HarnessError where that cannot be read."""


@dataclass(frozen=True)
class AdapterPage:
    """`file` is the page's name; `options` are name, what may be given, and what it means, `unread` why they are not
    known; `pairs` are those that it is in; `installed` is False of one that records alone name."""

    kind: str
    name: str
    file: str
    summary: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str, str], ...] = ()
    unread: str = ""
    pairs: tuple[str, ...] = ()
    installed: bool = True


def adapter_pages(known: Catalog, records: dict[str, PairRecord], options: Options) -> list[AdapterPage]:
    """Of all that is installed, by kind and name, then of what pairs name and is not installed here."""
    used: dict[tuple[str, str], list[str]] = {}
    for pair, record in records.items():
        for at in dict.fromkeys(_parts(record)):
            used.setdefault(at, []).append(pair)
    pages = []
    for kind in KINDS:
        for entry in known.entries(kind):
            pairs = used.pop((kind.kind, entry.spec.name), [])
            pages.append(_page(entry, pairs, options))
    pages += [
        AdapterPage(kind, name, file_of(kind, name), pairs=tuple(pairs), installed=False)
        for (kind, name), pairs in sorted(used.items())
    ]
    return pages


def file_of(kind: str, name: str) -> str:
    """The page's name: that of an adapter is lower-case words, but records may name anything."""
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else f"={ord(sign):x}" for sign in name)
    return f"{kind.replace(' ', '-')}-{safe[:150]}.html"


def _parts(record: PairRecord) -> Iterable[tuple[str, str]]:
    compared = record.comparison
    yield BaselineSpec.kind, compared.baseline.name
    for plugin in compared.plugins:
        yield PluginSpec.kind, plugin.name
    for masks in (compared.masks, compared.test_masks):
        if masks:
            yield MaskSourceSpec.kind, masks.name
    for data in (*compared.data, *compared.tests):
        yield BenchmarkSpec.kind, data.name
    for metric in compared.metrics:
        yield MetricSpec.kind, metric


def no_options(entry: Entry[Spec]) -> Mapping[str, Option]:
    """Of a site that is made of records alone: to read them imports the adapter."""
    return {}


def _page(entry: Entry[Spec], pairs: list[str], options: Options) -> AdapterPage:
    spec = entry.spec
    facts = {
        "From": f"{entry.origin.distribution} {entry.origin.version}",
        "Cite": spec.reference,
        "Licence of what it stands on": spec.licence,
        "Fixed options": ", ".join(f"{name}={value}" for name, value in spec.preset.items()),
    }
    if isinstance(spec, BaselineSpec):
        facts |= {"Times": spec.times, "Frames that it sees": str(spec.inputs), "Its own recipe": spec.recipe}
    if isinstance(spec, PluginSpec):
        facts |= {"Stage": spec.stage, "Needs masks": "yes" if spec.needs_masks else "no"}
    if isinstance(spec, BenchmarkSpec):
        facts |= {"Where to get the data": spec.source, "Layout": spec.layout}
    if isinstance(spec, MetricSpec):
        facts |= {"Unit": spec.unit, "Better is": "higher" if spec.higher_is_better else "lower"}
    told = tuple((name, text) for name, text in facts.items() if text)
    found, unread = tuple[tuple[str, str, str], ...](), ""
    try:
        found = tuple((option.name, option.takes, option.meaning) for option in options(entry).values())
    except HarnessError as error:
        unread = str(error)
    file = file_of(spec.kind, spec.name)
    return AdapterPage(spec.kind, spec.name, file, spec.summary, told, found, unread, tuple(pairs))
