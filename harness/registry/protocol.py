"""A protocol: everything besides the weights that moves a metric's second decimal. Data, versioned and hashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.registry.specs import Named


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is run on one benchmark's frames.

    channels      order in which the network sees the colours and gives them back
    padding       how frames are brought to a size that the network takes: "replicate", "zero" or "grey", which is 0.5
    placement     where the padding goes: "right-below", or "centre", half of it on either side
    multiple      of the padded sides, at full size; None for the smallest that the network takes at that scale
    scale         working scale of the network
    rounding      whether the frame is rounded to 8 bit before it is measured
    flip_average  whether the frame is the mean of two: of the inputs, and of the inputs turned by 180 degrees
    """

    channels: Literal["rgb", "bgr"] = "rgb"
    padding: Literal["replicate", "zero", "grey"] = "replicate"
    placement: Literal["right-below", "centre"] = "right-below"
    multiple: int | None = None
    scale: float = 1.0
    rounding: bool = False
    flip_average: bool = False


@dataclass(frozen=True, kw_only=True)
class Protocol(Named):
    """`settings` hold everywhere but on the benchmarks that `on` names. `ssim` is the metric that its tables call SSIM.

    Averages are arithmetic means over images of the metric of each image, always.
    """

    version: int
    summary: str
    settings: Settings = Settings()
    on: Mapping[str, Settings] = field(default_factory=dict)
    ssim: str = "ssim"
    reference: str = ""

    kind = "protocol"

    def settings_on(self, benchmark: str) -> Settings:
        """What holds on the benchmark of that name."""
        return self.on.get(benchmark, self.settings)


UNIFIED = Protocol(
    "unified",
    version=2,
    summary="one rule for all: RGB, replicate padding to what the network takes, scale 1 up to 2K, no rounding",
    on={"xiph-4k": Settings(scale=0.5), "xiph-2k": Settings(scale=0.5), "x4k1000fps": Settings(scale=0.25)},
)
