"""Adapters with one planted mistake each, and right ones, by the hooks that are everybody's. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import (
    BaselineSpec,
    BenchmarkSpec,
    LauncherSpec,
    MaskSourceSpec,
    MetricSpec,
    PluginSpec,
    Protocol,
    hookimpl,
)
from vfi_mutants.table import MISTAKES

SUITES = Path(__file__).parent / "suites"

RIGHT: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "baseline": (("Right", {"times": "any"}), ("Feature", {"times": "any"})),
    "plug-in": (
        ("RightMean", {}),
        ("RightMotion", {"stage": "motion"}),
        ("RightAlone", {"needs_masks": False}),
    ),
    "metric": (
        ("RightDifference", {"higher_is_better": False}),
        ("RightLight", {"higher_is_better": False, "needs": ("frame", "inputs", "t")}),
        ("RightSometimes", {"higher_is_better": False, "needs": ("frame", "inputs", "t")}),
        ("RightColours", {"higher_is_better": False, "needs": ("frame", "set")}),
    ),
    "mask source": (("RightHalves", {"preference": -9}),),
    "benchmark": (("RightSet", {}),),
}


def _specs(kind: str, module: str, spec: Any) -> list[Any]:
    wrong = [
        spec(each.name, f"vfi_mutants.{module}:{each.made}", summary=each.words, **each.fields)
        for each in MISTAKES
        if each.kind == kind
    ]
    return wrong + [
        spec(made.lower(), f"vfi_mutants.{module}:{made}", summary="right", **fields)
        for made, fields in RIGHT.get(kind, ())
    ]


@hookimpl
def harness_baselines() -> list[BaselineSpec]:
    return _specs("baseline", "baselines", BaselineSpec)


@hookimpl
def harness_plugins() -> list[PluginSpec]:
    return _specs("plug-in", "plugins", PluginSpec)


@hookimpl
def harness_metrics() -> list[MetricSpec]:
    return _specs("metric", "metrics", MetricSpec)


@hookimpl
def harness_mask_sources() -> list[MaskSourceSpec]:
    return _specs("mask source", "masks", MaskSourceSpec)


@hookimpl
def harness_benchmarks() -> list[BenchmarkSpec]:
    return _specs("benchmark", "benchmarks", BenchmarkSpec)


@hookimpl
def harness_launchers() -> list[LauncherSpec]:
    return _specs("launcher", "launchers", LauncherSpec)


@hookimpl
def harness_protocols() -> list[Protocol]:
    return [Protocol(m.name, version=1, summary=m.words, **m.fields) for m in MISTAKES if m.kind == "protocol"]


@hookimpl
def harness_tables() -> list[Path]:
    """Suites are files, with one key too many or wrong."""
    return sorted(SUITES.glob("*.yaml"))
