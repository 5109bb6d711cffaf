"""Every hook of the harness. An entry point in group `harness` names a module that implements some of them."""

# mypy: disable-error-code="empty-body"
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from click import Group

    from harness.registry.launching import Launched, LaunchPlan
    from harness.registry.observing import RunInfo
    from harness.registry.protocol import Protocol
    from harness.registry.specs import (
        BaselineSpec,
        BenchmarkSpec,
        LauncherSpec,
        MaskPartSpec,
        MaskSourceSpec,
        MetricSpec,
        PluginSpec,
        WeightsSpec,
    )

GROUP = "harness"
CONTRACT = "1.1"
"""What adapters are written for, `major.minor`: a new minor adds, a new major changes. CHANGELOG.md says what, and what
to do. A module of an entry point that says nothing is of 1.0; else it says `HARNESS_CONTRACT = "1.1"`."""
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def harness_baselines() -> Iterable[BaselineSpec]:
    """VFI networks to train and evaluate."""


@hookspec
def harness_plugins() -> Iterable[PluginSpec]:
    """Modules that act at the seam between a baseline's encoder and its decoder."""


@hookspec
def harness_mask_sources() -> Iterable[MaskSourceSpec]:
    """Sources of label maps for a pair of frames."""


@hookspec
def harness_mask_parts() -> Iterable[MaskPartSpec]:
    """Taggers, detectors and segmenters that mask pipelines are made of."""


@hookspec
def harness_weights() -> Iterable[WeightsSpec]:
    """Files of weights that are not trained here, and where to get them."""


@hookspec
def harness_benchmarks() -> Iterable[BenchmarkSpec]:
    """Sets of triplets to train and test on."""


@hookspec
def harness_metrics() -> Iterable[MetricSpec]:
    """What is measured of an interpolated frame."""


@hookspec
def harness_protocols() -> Iterable[Protocol]:
    """Named ways to run a network on test frames; a baseline brings the one that its authors used."""


@hookspec
def harness_tables() -> Iterable[Path]:
    """YAML files of suites: the arms, benchmarks and published numbers of a table."""


@hookspec
def harness_recipes() -> Iterable[Path]:
    """YAML files of recipes, each called as its file is, without `.yaml`."""


@hookspec
def harness_launchers() -> Iterable[LauncherSpec]:
    """Where the jobs of a suite may run: `harness suite NAME --launcher mine:option=value`."""


@hookspec
def harness_costs() -> Mapping[str, Callable[..., int]]:
    """By the name of an operator of yours, `mine::splat`: its flops, as torch.utils.flop_counter takes formulas."""


@hookspec(firstresult=True)
def harness_launch(plan: LaunchPlan) -> Launched | None:
    """Run a suite's jobs elsewhere, where `plan.launcher` is yours; else None. See `harness_launchers`, too."""


@hookspec
def harness_commands(cli: Group) -> None:
    """Add commands to the `harness` command line."""


@hookspec
def harness_run_started(run: str, step: int, steps: int, info: RunInfo) -> None:
    """Training of a run starts, or goes on, at `step` of `steps`. Observers' exceptions are logged, never raised."""


@hookspec
def harness_step_done(run: str, step: int, loss: float, seconds: float, learning_rate: float, info: RunInfo) -> None:
    """The loss of one more curve row is known: its mean over the row's steps, and the seconds a step took."""


@hookspec
def harness_eval_done(
    run: str, done: int, total: int, means: Mapping[str, Mapping[str, float]], info: RunInfo | None
) -> None:
    """`done` of `total` test triplets have their row.

    `means` is empty before the last call, then by test set and level (`clips easy`), and by metric. `info` is None for
    weights that were not trained here."""


@hookspec
def harness_run_finished(run: str, info: RunInfo) -> None:
    """A run is trained and evaluated."""
