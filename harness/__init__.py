"""Matched-pair benchmark harness and plug-in registry for video frame interpolation.

The names in `__all__`, here and in `harness.model`, `harness.data`, `harness.masks`, `harness.weights` and, for tests,
`harness.testing`, are public: what is installed beside the harness imports these alone. Importing this imports no
torch; `harness.load` does, when it is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.registry.hookspecs import CONTRACT, hookimpl
from harness.registry.launching import Job, Launched, LaunchPlan
from harness.registry.observing import RunInfo
from harness.registry.protocol import Protocol, Settings
from harness.registry.specs import (
    BaselineSpec,
    BenchmarkSpec,
    LauncherSpec,
    MaskPartSpec,
    MaskSourceSpec,
    MetricSpec,
    MotionSeam,
    Offers,
    PluginSpec,
    WeightsSpec,
)

if TYPE_CHECKING:
    from harness.model import Composed

__version__ = "0.1.0"
__all__ = [
    "CONTRACT",
    "BaselineSpec",
    "BenchmarkSpec",
    "HarnessError",
    "Job",
    "LaunchPlan",
    "Launched",
    "LauncherSpec",
    "MaskPartSpec",
    "MaskSourceSpec",
    "MetricSpec",
    "MotionSeam",
    "Offers",
    "PluginSpec",
    "Protocol",
    "RunInfo",
    "Settings",
    "WeightsSpec",
    "hookimpl",
    "load",
]


def load(baseline: str, weights: str | None = None, plugins: Sequence[str] = ()) -> Composed:
    """A network in evaluation mode: `harness.load("ifrnet", weights="IFRNet_Vimeo90K.pth", plugins=["hir:stages=L"])`.

    `weights` is an official checkpoint or a run's `model.safetensors`, a file or a folder of shards; `FILE:KEY` is one
    of several sets of weights in it. Without it the weights are random.
    Raises HarnessError where a name, an option or a file is wrong, and where a file has several sets and none is named.
    """
    from harness.arm import load_model

    if isinstance(plugins, str):
        raise HarnessError(f"plugins: expected a list of names, got the text '{plugins}'")
    return load_model(baseline, weights, plugins)
