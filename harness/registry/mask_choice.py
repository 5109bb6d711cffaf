"""A mask source as a user chose it: with its parts, and with the weights that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.registry.entry import Chosen
from harness.registry.options import written
from harness.registry.specs import WeightsSpec

TRUTH = "truth"
"""The source whose label maps the benchmark itself knows: who has it asks the benchmark, and no frames."""


@dataclass(frozen=True)
class ChosenPart(Chosen):
    """A part of a mask source, with the weights that it needs. Its option `weights` says where the first of them is."""

    weights: tuple[WeightsSpec, ...]


@dataclass(frozen=True)
class ChosenMasks(ChosenPart):
    """A mask source with its parts by role; none where it is no pipeline."""

    parts: Mapping[str, ChosenPart]

    @property
    def light(self) -> bool:
        """Whether its maps are computed where the cache lacks them."""
        return getattr(self.entry.spec, "light", True)

    @property
    def written(self) -> str:
        """As it is written on the command line: `openworld:detector=mine`."""
        return written(self.name, self.given)

    def build(self, *arguments: Any) -> Any:
        """The source, given its parts as keyword arguments."""
        parts = {role: part.build() for role, part in self.parts.items()}
        return Chosen(self.entry, {**self.options, **parts}, self.given).build(*arguments)
