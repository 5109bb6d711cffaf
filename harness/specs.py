"""Frozen records that hooks return: what a thing is called, where its code is, what it needs.

A spec is data. Its `factory` is a lazy "module:Class" string, so that listing what is installed
imports neither torch nor any network. The factory's keyword-only parameters are the options a user
may give (`--with hir:stages=L`); `preset` fixes some of them, as a variant of a network does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Spec:
    """Common to all kinds. `reference` is the paper or page to cite, `licence` that of the code's facts."""

    name: str
    factory: str
    summary: str
    reference: str = ""
    licence: str = ""
    preset: Mapping[str, Any] = field(default_factory=dict)

    kind = "spec"

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.kind} name {self.name!r} is not lower-case words joined by '-'")
        if not re.fullmatch(r"[\w.]+:\w+", self.factory):
            raise ValueError(f"factory {self.factory!r} of {self.name!r} is not of the form 'module:Class'")


@dataclass(frozen=True)
class BaselineSpec(Spec):
    """A VFI network. Factory: `(**options) -> harness.model.Baseline`."""

    kind = "baseline"


@dataclass(frozen=True)
class PluginSpec(Spec):
    """A module at the seam. Factory: `(offers: Offers, **options) -> FeaturePlugin | MotionPlugin`.

    `stage` says which of the two it is; a motion plug-in always acts after the feature plug-ins.
    """

    stage: Literal["feature", "motion"] = "feature"
    needs_masks: bool = True

    kind = "plug-in"


@dataclass(frozen=True)
class MaskSourceSpec(Spec):
    """Where label maps come from. Factory: `(**options) -> harness.masks.MaskSource`.

    Of the sources with the highest `preference` the catalogue takes the first by name where the user
    names none. `version` is part of the cache key: raise it when the maps change.
    """

    version: int = 1
    preference: int = 0

    kind = "mask source"


@dataclass(frozen=True)
class BenchmarkSpec(Spec):
    """Triplets to train and test on. Factory: `(**options) -> harness.data.Benchmark`."""

    kind = "benchmark"


@dataclass(frozen=True)
class MotionSeam:
    """What a baseline's first decoder stage emits and a motion plug-in may supply.

    stride    input pixels per cell of that output; its flows are in pixels of that grid
    latent    "feature": an intermediate feature (IFRNet, AMT); "blend": the logit of the blend mask (RIFE, EMA-VFI)
    channels  of the latent: 1 for a blend logit
    """

    stride: int
    latent: Literal["feature", "blend"]
    channels: int


@dataclass(frozen=True)
class Offers:
    """What a baseline hands to plug-ins: coarsest siamese features of `channels` at `stride`, and the motion seam."""

    channels: int
    stride: int
    motion: MotionSeam | None = None
