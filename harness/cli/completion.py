"""What a shell offers for names, by click's own completion; `docs/guide/defaults.md` says how it is switched on.

Imports no torch: specs, names of files and of what was run are all that is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from harness.cli import defaults
from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.registry.specs import Named

Known = Mapping[str, str]
"""Names, with what each is in a few words."""


def _installed(kind: str) -> Callable[[click.Context], Known]:
    def known(context: click.Context) -> Known:
        from harness.registry.catalog import HOOKS, catalog

        spec: type[Named] = next(spec for spec in HOOKS.values() if spec.kind == kind)
        return {entry.spec.name: getattr(entry.spec, "summary", "") for entry in catalog().entries(spec)}

    return known


def _recipes(context: click.Context) -> Known:
    from harness.registry.plugins import discover
    from harness.train.library import recipe_files, summary

    return {name: summary(claims[0][1]) for name, claims in recipe_files(discover()).items()}


def _suites(context: click.Context) -> Known:
    from harness.registry.plugins import discover
    from harness.suites.suite import suite_files

    return dict.fromkeys(suite_files(discover()), "suite")


def _runs(context: click.Context) -> Known:
    from harness.results.store import Store

    return {run.name: "run" for run in Store(_results(context)).runs()}


def _pairs(context: click.Context) -> Known:
    from harness.results.store import Store

    return dict.fromkeys(Store(_results(context)).pairs(), "pair")


def _evaluations(context: click.Context) -> Known:
    from harness.results.store import Store

    return dict.fromkeys(Store(_results(context)).evaluations(), "evaluation")


def _results(context: click.Context) -> Path:
    """As the command would have them; of a defaults file that is wrong, which the command will say, nothing."""
    if given := context.params.get("results"):
        root, leaf = context.find_root().command, context.info_name
        if given == Path("results") and "HARNESS_RESULTS" not in os.environ and isinstance(root, click.Group):
            with suppress(HarnessError):
                found = defaults.read(root)
                given = (found.values.get(str(leaf), {}) if found else {}).get("results", given)
        return Path(given)
    return Path(os.environ.get("HARNESS_RESULTS") or "results")


def _any_of(*sources: Callable[[click.Context], Known]) -> Callable[[click.Context], Known]:
    return lambda context: {name: text for source in sources for name, text in source(context).items()}


BASELINES, PLUGINS, MASKS = _installed("baseline"), _installed("plug-in"), _installed("mask source")
BENCHMARKS, METRICS, PROTOCOLS = _installed("benchmark"), _installed("metric"), _installed("protocol")
WEIGHTS = _any_of(_installed("weights"), _runs)
TABLES = _any_of(_suites, _pairs, _evaluations)
EVERYTHING = _any_of(
    *map(_installed, ("baseline", "plug-in", "mask source", "mask part", "weights", "benchmark", "metric", "protocol")),
    *(_installed("launcher"), _recipes, _suites, _runs),
)

OF: dict[str, Callable[[click.Context], Known]] = {
    **{"baseline": BASELINES, "baselines": BASELINES, "plugins": PLUGINS, "recipe": _recipes, "start": WEIGHTS},
    **{"data": BENCHMARKS, "test": BENCHMARKS, "masks": MASKS, "test_masks": MASKS, "protocol": PROTOCOLS},
    **{"metrics": METRICS, "launcher": _installed("launcher"), "pair": _pairs, "pairs": _pairs, "weights": WEIGHTS},
    **{"benchmark": BENCHMARKS, "source": MASKS, "suite name": _suites, "table name": TABLES},
    **{"show name": EVERYTHING, "check name": EVERYTHING, "list name": BENCHMARKS, "verify name": BENCHMARKS},
    **{"path name": _installed("weights"), "replay name": _runs, "rows name": _any_of(_pairs, _evaluations)},
    **{"runs": _runs},
    **{"rm names": _runs, "compare one": _runs, "compare other": _runs, "export names": _any_of(_runs, _pairs)},
}
"""By the parameter, or by the command's last word and the parameter: those of one name are of one kind."""


class NameType(click.types.StringParamType):
    """Text, as any other option's; a shell offers names for what stands after the last comma, or else files."""

    def __init__(self, known: Callable[[click.Context], Known]) -> None:
        self.known = known

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        if ":" in last:  # options of a name are in its factory, which imports torch
            return []
        found = [
            CompletionItem(f"{before}{comma}{name}", help=text)
            for name, text in sorted(self.known(ctx).items())
            if name.startswith(last)
        ]
        return found or [CompletionItem(incomplete, type="file")]


def give(commands: Iterable[tuple[tuple[str, ...], click.Command]]) -> None:
    """Let a shell complete what the commands are given by name."""
    for path, command in commands:
        for parameter in command.params:
            known = OF.get(f"{path[-1]} {parameter.name}") or OF.get(str(parameter.name))
            if known and type(parameter.type) is click.types.StringParamType:
                parameter.type = NameType(known)
