"""A plan on Ray: one task a job. Ray says where each runs, and runs it again where it was killed."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness import HarnessError, Job, Launched, LaunchPlan
from vfi_ray.connection import check_room, connected
from vfi_ray.work import KILLED, Ended, KilledError, Work

POLL = 0.5  # seconds


def launch(plan: LaunchPlan, *, address: str = "local", gpus: int = 1, cpus: int = 0, retries: int = 10) -> Launched:
    """Run every job as a task of Ray, and wait for all; of jobs that share one of `holds`, one runs at a time.

    address  auto or HOST:PORT: the cluster that this machine is a node of; local: a Ray of this machine alone, which
             ends with the suite
    gpus     of a job, which train together; 0 to 64, and 0 for training on CPUs
    cpus     of a job, 0 to 1024; 0: one for each process that trains or reads data
    retries  how often a job goes on that was killed, or whose machine was lost; 0 to 1000

    What fails stops no other job. Nodes need this environment at the same path, and the results folder.
    Raises HarnessError where there is no Ray, or no machine of it that could run a job.
    """
    for name, value, most in (("gpus", gpus, 64), ("cpus", cpus, 1024), ("retries", retries, 1000)):
        if not 0 <= value <= most:
            raise HarnessError(f"ray: {name}={value}: expected 0 to {most}")
    if plan.options:
        given = next(iter(plan.options))
        raise HarnessError(f"'{given}' is an option of --launcher slurm; those of ray follow its name: ray:gpus=2")
    if not plan.jobs:
        return Launched()
    cpus = cpus or (plan.workers + 1) * max(gpus, 1)
    with connected(address) as ray:
        check_room(ray.nodes(), gpus, cpus)
        task = ray.remote(Work.run).options(
            num_gpus=gpus, num_cpus=cpus, max_retries=retries, retry_exceptions=[KilledError]
        )
        return _run(plan, ray, lambda job: task.remote(_work(job, gpus)))


def _work(job: Job, gpus: int) -> Work:
    """As it runs on any node: in this folder, with this environment's words to the harness."""
    words = {name: value for name, value in os.environ.items() if name.startswith("HARNESS_")}
    if not gpus:
        words["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves those of others to be seen
    together = ("--devices", str(gpus)) if gpus > 1 else ()
    return Work((*job.command, *together), Path.cwd(), job.log.absolute(), words)


def _run(plan: LaunchPlan, ray: Any, submit: Callable[[Job], Any]) -> Launched:
    """Until every job has ended, or those that run have saved because the user wants to stop."""
    waiting, running = deque(plan.jobs), dict[Any, Job]()  # by Ray's reference to what it will have given
    failures, stopped, told = list[str](), list[str](), False
    while running or (waiting and not told):
        while not told and (job := _next(waiting, running.values())):
            running[submit(job)] = job
            plan.note(f"{job.name}: handed to Ray; log: {job.log}")
        for reference in ray.wait(list(running), timeout=POLL)[0]:
            job, ended = running.pop(reference), _ended(ray, reference)
            if ended.code == 0:
                plan.note(f"{job.name}: done after {ended.seconds:.0f} s")
            elif told and ended.code in KILLED:
                plan.note(f"{job.name}: stopped")
                stopped.append(job.name)
            else:
                failures.append(
                    f"{job.name} failed ({_how(ended)}): {ended.reason or 'it said nothing'}; see {job.log}"
                )
                plan.note(failures[-1])
        if not told and plan.stop():
            told = True
            for reference in running:
                ray.cancel(reference)
    return Launched(failures=tuple(failures), pending=(*stopped, *(job.name for job in waiting)))


def _next(waiting: deque[Job], running: Iterable[Job]) -> Job | None:
    """The first job that shares nothing with those that Ray has, taken from the queue."""
    held = {key for job in running for key in job.holds}
    job = next((job for job in waiting if not job.holds & held), None)
    if job:
        waiting.remove(job)
    return job


def _ended(ray: Any, reference: Any) -> Ended:
    """Also where Ray has no result, for what was killed more often than it is to be run again."""
    try:
        ended: Ended = ray.get(reference)
    except KilledError as error:
        return Ended(error.code, error.reason, 0.0)
    except ray.exceptions.RayError as error:  # its worker is gone, or it was cancelled before it began
        return Ended(-signal.SIGKILL, f"Ray says: {' '.join(str(error).split())}"[:200], 0.0)
    return ended


def _how(ended: Ended) -> str:
    return f"killed by {signal.Signals(-ended.code).name}" if ended.code < 0 else f"exit code {ended.code}"
