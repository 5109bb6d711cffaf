"""The launching of a plan: on this machine, on a cluster, or by a launcher that a distribution brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from harness.errors import HarnessError
from harness.launch.local import run_jobs
from harness.registry.catalog import Catalog
from harness.registry.launching import Launched, LaunchPlan
from harness.registry.options import Choice
from harness.registry.plugins import FAULTS, Origin, in_one_line
from harness.registry.specs import LauncherSpec


def check_launcher(choice: Choice, known: Catalog) -> None:
    """Raises HarnessError where nobody knows the launcher, or where it has no such option. Of one that comes by
    `harness_launch` nothing is known before it is asked."""
    if known.claims(LauncherSpec, choice.name) or not any(known.plugins.implementations("harness_launch")):
        known.choose(LauncherSpec, choice)


def launch(plan: LaunchPlan, choice: Choice, known: Catalog) -> Launched:
    """Raises HarnessError where nobody knows the launcher of that choice, or where it fails."""
    if known.claims(LauncherSpec, choice.name):
        chosen = known.choose(LauncherSpec, choice)
        factory = chosen.entry.factory()
        launched = _launched(choice.name, chosen.entry.origin, partial(factory, plan, **chosen.options))
        if launched is None:
            raise _failed(choice.name, chosen.entry.origin, TypeError("returned None, which is no Launched"))
        return launched
    plan = replace(plan, options={**plan.options, **choice.options})
    for origin, implementation in known.plugins.implementations("harness_launch"):
        launched = _launched(choice.name, origin, partial(implementation, plan))
        if launched is not None:
            return launched
    known.find(LauncherSpec, choice.name)
    raise AssertionError(choice.name)  # for `find` has raised


def _launched(name: str, origin: Origin, call: Callable[[], Any]) -> Launched | None:
    """What somebody's code gives, or whose fault it is that it gives nothing of use."""
    try:
        launched = call()
        if not isinstance(launched, Launched | None):
            raise TypeError(f"returned {launched!r}, which is no Launched")
    except HarnessError:
        raise
    except FAULTS as error:
        raise _failed(name, origin, error) from error
    return launched


def _failed(name: str, origin: Origin, error: BaseException) -> HarnessError:
    return HarnessError(f"launcher '{name}': {origin} failed: {in_one_line(error)}")


def local(plan: LaunchPlan) -> Launched:
    """Run every job on this machine, and wait for all."""
    if plan.options:
        raise HarnessError(f"'{next(iter(plan.options))}' is an option of --launcher slurm")
    return Launched(failures=tuple(map(str, run_jobs(plan.jobs, plan.at_once, plan.gpus, plan.note, plan.stop))))
