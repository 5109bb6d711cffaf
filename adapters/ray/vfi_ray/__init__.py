"""Ray for vfi-harness: `harness suite table1 --launcher ray:address=auto` runs each job as a task of a Ray cluster.

Importing this imports neither torch nor Ray; launching imports Ray.
"""

from __future__ import annotations

from harness import LauncherSpec, hookimpl

HARNESS_CONTRACT = "1.1"


@hookimpl
def harness_launchers() -> list[LauncherSpec]:
    return [
        LauncherSpec(
            "ray",
            "vfi_ray.launcher:launch",
            summary="a Ray cluster; what is killed there goes on",
            licence="Apache-2.0 (Ray)",
        )
    ]
