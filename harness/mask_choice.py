"""A mask source as a user chose it: with its parts, and with all that decides its maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.entry import Chosen
from harness.specs import WeightsSpec

if TYPE_CHECKING:
    from harness.masks.cache import MaskCache


@dataclass(frozen=True)
class ChosenPart(Chosen):
    """A part of a mask source, with the weights that it needs. Its option `weights` says where the first of them is."""

    weights: tuple[WeightsSpec, ...]

    def record(self) -> dict[str, Any]:
        """Of weights the sha256, whatever their path."""
        from harness.masks.digest import weights_digest

        record = super().record()
        given = record["options"].pop("weights", "") if self.weights else ""
        sums = {spec.name: weights_digest(spec, "" if at else given) for at, spec in enumerate(self.weights)}
        return record | {"version": getattr(self.entry.spec, "version", 1), "weights": sums}


@dataclass(frozen=True)
class ChosenMasks(ChosenPart):
    """A mask source with its parts by role; none where it is no pipeline."""

    parts: Mapping[str, ChosenPart]

    @property
    def written(self) -> str:
        """As it is written on the command line: `openworld:detector=mine`."""
        given = ",".join(f"{key}={value}" for key, value in self.given.items())
        return f"{self.name}:{given}" if given else self.name

    def build(self, *arguments: Any) -> Any:
        """The source, given its parts as keyword arguments."""
        parts = {role: part.build() for role, part in self.parts.items()}
        return Chosen(self.entry, {**self.options, **parts}, self.given).build(*arguments)

    def record(self) -> dict[str, Any]:
        parts = {role: part.record() for role, part in self.parts.items()}
        return super().record() | {"content": self.build().content(), "parts": parts}

    def identity(self) -> dict[str, Any]:
        """What decides the maps besides the frames. The maps of a light source are cheap, so that its code is part of
        it; those of any other are kept until a version is raised."""
        from harness.masks.rules import VERSION

        record = self.record() | {"rules": VERSION}
        if not getattr(self.entry.spec, "light", True):
            for part in (record, *record["parts"].values()):
                del part["code"]
        return record

    def cache(self) -> MaskCache:
        """Its label maps. Where one is missing, a source that is not light names the command that makes it."""
        from harness.masks.cache import MaskCache

        light = getattr(self.entry.spec, "light", True)
        command = "" if light else f"harness masks build BENCHMARK --source {self.written}"
        return MaskCache(self.build(), self.identity(), command)
