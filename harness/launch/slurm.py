"""A plan on a Slurm cluster: one job a pair, through submitit. Nothing is submitted twice."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.launch.jobs import Jobs, Record, slug_of
from harness.launch.local import Failure
from harness.registry.launching import Job, Launched, LaunchPlan

if TYPE_CHECKING:
    import submitit

    Running = submitit.Job[Any]

POLL = 2.0  # seconds
TO_SAVE = 180  # seconds from the cluster's warning to the time limit
TIMEOUTS = 1000  # time limits that a job may run into, and be queued again
TIME = "24:00:00"
OWN = ("array", "dependency", "error", "job_name", "nodes", "ntasks", "ntasks_per_node", "output", "signal")
DURATION = re.compile(r"(?:([0-9]{1,9})-)?([0-9]{1,9})(?::([0-9]{1,9}))?(?::([0-9]{1,9}))?")


def slurm(
    plan: LaunchPlan,
    *,
    partition: str = "",
    time: str = TIME,
    gpus: int = 1,
    account: str = "",
    qos: str = "",
    constraint: str = "",
    mem: str = "",
    setup: str = "",
) -> Launched:
    """Submit every job that is not queued or running already; jobs that share one of `holds` follow each other.

    partition, account, qos, constraint, mem  as sbatch takes them
    time                                      limit of a job, e.g. 90 (minutes), 12:00:00 or 2-00; it then queues again
    gpus                                      of a job, which train together
    setup                                     a line of shell before the job

    `plan.options` are any further ones of sbatch, and overrule these.
    Raises HarnessError where submitit or Slurm is missing, or where Slurm refuses a job.
    """
    own = {"account": account, "qos": qos, "constraint": constraint, "mem": mem, "setup": setup, "partition": partition}
    given = {key: value for key, value in own.items() if value}
    return submit(replace(plan, options={"time": time, "gpus": str(gpus), **given, **plan.options}), "slurm")


def submit(plan: LaunchPlan, cluster: str) -> Launched:
    """The same with all options in the plan, on a cluster by submitit's name."""
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise HarnessError("--launcher slurm needs submitit: pip install 'vfi-harness[slurm]'") from None
    parameters, gpus = _parameters(plan)
    together = ("--devices", str(gpus)) if gpus > 1 else ()
    wanted = [replace(job, command=(*job.command, *together)) for job in plan.jobs]
    jobs = Jobs(plan.results / "jobs")
    with jobs.locked():
        handed, failures = _hand_over(wanted, jobs, cluster, parameters, plan)
    if not plan.wait:
        return Launched(failures=tuple(failures), pending=tuple(job.name for job, _ in handed))
    return _wait(plan, jobs, handed, failures)


def _hand_over(
    wanted: Sequence[Job], jobs: Jobs, cluster: str, parameters: dict[str, Any], plan: LaunchPlan
) -> tuple[list[tuple[Job, Running]], list[str]]:
    """Each job as the cluster knows it; and a line for each that cannot be handed over yet."""
    live = _live(jobs)
    holding = {running.job_id: set(record.holds) for record, running in live.values()}
    handed, failures = [], []
    for job in wanted:
        if slug_of(job) in live:
            record, running = live[slug_of(job)]
            plan.note(f"{job.name}: {_where(jobs, job, running)}; log: {job.log}")
            if record.command != job.command:
                failures.append(
                    f"{job.name}: job {running.job_id} is another command: {shlex.join(record.command)}; wait for it, "
                    f"or scancel {running.job_id}"
                )
                continue
        else:
            after = [number for number, holds in holding.items() if holds & job.holds]
            running = _submit(job, jobs, cluster, parameters, after)
            holding[running.job_id] = set(job.holds)
            follows = f" to follow {', '.join(after)}" if after else ""
            plan.note(f"{job.name}: submitted as job {running.job_id}{follows}; log: {job.log}")
        handed.append((job, running))
    return handed, failures


def _live(jobs: Jobs) -> dict[str, tuple[Record, Running]]:
    """The jobs that are queued or running, by slug. One that the cluster says nothing of may be queued."""
    from submitit.core.plugins import get_executors

    known = {
        slug: (record, get_executors()[record.cluster].job_class(jobs.folder / "submitit" / "%j", number))
        for slug, record in jobs.read().items()
        if jobs.ended(slug) is None and (number := record.id or jobs.unnoted(slug))
    }
    return {slug: each for slug, each in known.items() if not each[1].done()}


def _where(jobs: Jobs, job: Job, running: Running) -> str:
    if running.state == "UNKNOWN":
        remedy = f"if it is gone, delete {jobs.folder / slug_of(job)}.json"
        return f"submitted as job {running.job_id}, of which the cluster says nothing ({remedy})"
    return f"job {running.job_id} is {running.state.lower()} already"


def _submit(job: Job, jobs: Jobs, cluster: str, parameters: dict[str, Any], after: Sequence[str]) -> Running:
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    from harness.launch.cluster_job import ClusterJob

    outcome = jobs.outcome(slug_of(job))
    work = ClusterJob(job.command, Path.cwd(), job.log.absolute(), outcome.absolute())
    follow = {"slurm_dependency": f"afterany:{':'.join(after)}"} if after else {}
    try:
        executor = submitit.AutoExecutor(
            jobs.folder / "submitit" / "%j", cluster=cluster, slurm_max_num_timeout=TIMEOUTS
        )
    except RuntimeError as error:  # there is no srun
        raise HarnessError(f"{error} --launcher local runs the suite on this machine") from error
    executor.update_parameters(**parameters, **follow, name=slug_of(job))
    record = Record("", cluster, job.command, tuple(sorted(job.holds)))
    jobs.add(slug_of(job), record)  # by which it is found again where this process is killed before it knows the id
    outcome.unlink(missing_ok=True)  # of the job before; only now, or that one would seem to be queued
    try:
        running = executor.submit(work)
    except (FailedJobError, FailedSubmissionError) as error:
        jobs.remove(slug_of(job))
        raise HarnessError(f"{job.name}: the cluster refused it: {' '.join(str(error).split())}") from error
    jobs.add(slug_of(job), replace(record, id=running.job_id))
    return running


def _wait(plan: LaunchPlan, jobs: Jobs, handed: Sequence[tuple[Job, Running]], failures: Sequence[str]) -> Launched:
    """Until every job has ended, or the user wants to stop, which the jobs do not notice."""
    failed, waiting = list(failures), list(handed)
    while waiting and not plan.stop():
        time.sleep(POLL)
        for job, running in [each for each in waiting if _has_ended(jobs, *each)]:
            waiting.remove((job, running))
            failure = _failure(jobs, job, running)
            plan.note(failure or f"{job.name}: done")
            failed += [failure] if failure else []
    return Launched(failures=tuple(failed), pending=tuple(job.name for job, _ in waiting))


def _has_ended(jobs: Jobs, job: Job, running: Running) -> bool:
    return jobs.ended(slug_of(job)) is not None or running.done()


def _failure(jobs: Jobs, job: Job, running: Running) -> str:
    """How a job failed; "" where it did not."""
    ended = jobs.ended(slug_of(job))
    if ended:
        return str(Failure(job, int(ended["code"]), str(ended["reason"]))) if ended["code"] else ""
    if running.state == "COMPLETED":  # it has said so in a file that a shared disk does not show yet
        return ""
    return f"{job.name}: job {running.job_id} ended as {running.state.lower()}; see {running.paths.stderr}"


def _parameters(plan: LaunchPlan) -> tuple[dict[str, Any], int]:
    """The options in submitit's words, those that it has no word for as sbatch knows them; and the GPUs of a job."""
    options = {key.replace("-", "_"): value for key, value in plan.options.items()}
    for key in OWN:
        if key in options:
            raise HarnessError(f"--slurm {key}: the harness sets that itself, and runs each pair as one task")
    gpus = _count(options, "gpus", 1)
    parameters = {
        "timeout_min": minutes(options.pop("time", TIME)),
        "gpus_per_node": gpus or None,
        "cpus_per_task": _count(options, "cpus_per_task", (plan.workers + 1) * max(gpus, 1)),
        "slurm_signal_delay_s": _count(options, "signal_delay_s", TO_SAVE),
        "slurm_setup": [options.pop("setup")] if "setup" in options else None,
        # without `requeue` some clusters queue nothing again
        "slurm_additional_parameters": {"requeue": True, **{key: value or True for key, value in options.items()}},
    }
    return parameters, gpus


def _count(options: dict[str, str], key: str, default: int) -> int:
    value = options.pop(key, str(default))
    if not re.fullmatch("[0-9]{1,9}", value):
        raise HarnessError(f"{key}={value[:40]}: expected a whole number")
    return int(value)


def minutes(duration: str) -> int:
    """Of a time as Slurm writes it: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]].

    Rounded up. Raises HarnessError for anything else, and for no time at all.
    """
    found = DURATION.fullmatch(duration.strip())
    days, *parts = found.groups() if found else [None] * 4
    if days is None and parts[2] is None:
        parts = [None, *parts[:2]]
    seconds = sum(int(part or 0) * each for part, each in zip((days, *parts), (86400, 3600, 60, 1), strict=True))
    if not seconds:
        raise HarnessError(f"time={duration}: expected e.g. 90 (minutes), 12:00:00 or 2-00 (days-hours)")
    return -(-seconds // 60)
