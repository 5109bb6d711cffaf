"""Adapters with one planted mistake each, and right ones, by the hooks that are everybody's. Imports no torch."""

from __future__ import annotations

from typing import Any

from harness import BaselineSpec, hookimpl
from vfi_mutants.table import MISTAKES

RIGHT: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "baseline": (("Right", {"times": "any"}), ("Feature", {"times": "any"}))
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
