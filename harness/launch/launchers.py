"""The launching of a plan: on this machine, on a cluster, or by a launcher that a distribution brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.errors import HarnessError, suggestion
from harness.launch.local import run_jobs
from harness.launch.slurm import slurm
from harness.registry.launching import Launched, LaunchPlan
from harness.registry.plugins import FAULTS, Plugins, in_one_line


def launch(plan: LaunchPlan, plugins: Plugins) -> Launched:
    """Raises HarnessError where nobody knows the launcher, or where it fails."""
    if plan.launcher in BUILT_IN:
        return BUILT_IN[plan.launcher](plan)
    for origin, implementation in plugins.implementations("harness_launch"):
        try:
            launched = implementation(plan)
            if not isinstance(launched, Launched | None):
                raise TypeError(f"returned {launched!r}, which is no Launched")
        except HarnessError:
            raise
        except FAULTS as error:
            raise HarnessError(f"launcher '{plan.launcher}': {origin} failed: {in_one_line(error)}") from error
        if launched is not None:
            return launched
    hint = suggestion(plan.launcher, BUILT_IN) or f"; there are: {', '.join(BUILT_IN)}, and what distributions bring"
    raise HarnessError(f"unknown launcher '{plan.launcher}'{hint}")


def local(plan: LaunchPlan) -> Launched:
    """Run every job on this machine, and wait for all."""
    if plan.options:
        raise HarnessError(f"'{next(iter(plan.options))}' is an option of --launcher slurm")
    return Launched(failures=tuple(map(str, run_jobs(plan.jobs, plan.at_once, plan.gpus, plan.note, plan.stop))))


BUILT_IN: Mapping[str, Callable[[LaunchPlan], Launched]] = {"local": local, "slurm": slurm}
