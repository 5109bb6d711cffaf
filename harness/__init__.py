"""Matched-pair benchmark harness and plug-in registry for video frame interpolation.

The names in `__all__`, here and in `harness.model`, `harness.data`, `harness.masks`, `harness.results`,
`harness.weights` and, for tests, `harness.testing`, are public: what is installed beside the harness imports these
alone. Importing this imports neither torch nor pandas; what is called does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
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
from harness.results import Results

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
    "run",
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


def run(
    baseline: str,
    *,
    plugins: str | Sequence[str] = "",
    recipe: str | None = None,
    start: str = "",
    data: str | Sequence[str] = "",
    test: str | Sequence[str] = "",
    masks: str = "",
    test_masks: str = "",
    protocol: str | None = None,
    metrics: str | Sequence[str] | None = None,
    seeds: int | Sequence[int] = 0,
    device: str | None = None,
    workers: int = 0,
    data_root: str | Path | None = None,
    results: str | Path = "results",
) -> Results:
    """What `harness run` does: `harness.run("ifrnet-s", plugins="hce,hir", seeds=[0, 1]).table()`.

    Arguments are called as the command's options are, and mean the same: `plugins` is `--with`, which Python keeps for
    itself; None is the command's default. Runs, rows and records are the command's: each finds what the other has made.
    It draws no figures. What it returns reads these pairs alone; a control's verdict is in `.pairs()["control"]`.

    Raises HarnessError for whatever the command refuses. Ctrl-C saves the state, then raises KeyboardInterrupt, and the
    same call goes on from there.
    """
    from harness.pair.called import run_called

    asked = {"baseline": baseline, "plugins": plugins, "recipe": recipe, "start": start, "data": data, "test": test}
    asked |= {"masks": masks, "test_masks": test_masks, "protocol": protocol, "metrics": metrics}
    return Results(results, run_called(asked, seeds, device, workers, data_root, results))
