"""Launchers: a plan on a cluster, by submitit's local and debug executors and by a Slurm of one machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy
import pytest
import torch

from harness.cli.main import cli, main
from harness.cli.suite import suite as command
from harness.errors import HarnessError
from harness.launch import cluster_job
from harness.launch import slurm as cluster
from harness.launch.cluster_job import ClusterJob
from harness.launch.jobs import Jobs, Record
from harness.launch.launchers import check_launcher, launch
from harness.launch.slurm import minutes, slurm, submit
from harness.pair.comparison import comparison_of
from harness.pair.plan import Plan, settle
from harness.registry import builtins, hookspecs
from harness.registry.catalog import Catalog, catalog
from harness.registry.launching import Job, Launched, LaunchPlan
from harness.registry.options import parse_choice
from harness.registry.plugins import Origin, Plugins
from harness.registry.specs import LauncherSpec
from harness.results.records import Asked, SetRecord
from harness.results.rows import Row
from harness.results.store import Store
from harness.suites.finished import finished
from harness.suites.plan import jobs_of
from tests.stores import fingerprint, pair_record, put_run

FAKE = Path(__file__).parent / "fake_slurm.py"


def job(folder: Path, name: str, script: str, *holds: str) -> Job:
    command = (sys.executable, "-S", "-c", textwrap.dedent(script))
    return Job(name, command, folder / "logs" / f"{name}.log", frozenset(holds))


def never() -> int:
    return 0


def plan(folder: Path, *jobs: Job, said: list[str] | None = None, **how: Any) -> LaunchPlan:
    note = (said if said is not None else []).append
    return LaunchPlan(launcher="slurm", jobs=jobs, results=folder, note=note, stop=how.pop("stop", never), **how)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "POLL", 0.05)


def until(condition: Callable[[], object]) -> None:
    """Raises AssertionError where it does not come true."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# on submitit's local and debug executors


def test_a_failing_job_stops_no_other(tmp_path: Path) -> None:
    said: list[str] = []
    jobs = [
        job(tmp_path, "bad", "import sys; sys.exit('harness: error: no such clip')"),
        job(tmp_path, "good", "import os; print('in', os.getcwd())"),
    ]
    launched = submit(plan(tmp_path, *jobs, said=said, wait=True), "local")
    failure = f"bad failed (exit code 1): no such clip; see {tmp_path / 'logs' / 'bad.log'}"
    assert launched == Launched(failures=(failure,))
    assert "good: done" in said
    assert (tmp_path / "logs" / "good.log").read_text() == f"in {Path.cwd()}\n"
    record = json.loads((tmp_path / "jobs" / "good.json").read_text())
    assert f"good: submitted as job {record['id']}; log: {tmp_path / 'logs' / 'good.log'}" in said


GOES_ON = """
    import os, pathlib, signal, sys, time
    state = pathlib.Path(STATE)
    def save(*_):
        state.write_text(state.read_text() + "saved ")
        time.sleep(0.5)
        sys.exit(143)
    signal.signal(signal.SIGTERM, save)
    if not state.exists():
        state.write_text("")
        print(os.getppid(), flush=True)
        time.sleep(60)
        sys.exit(1)
    state.write_text(state.read_text() + "went on")
"""


def test_a_preempted_job_saves_and_is_queued_again(tmp_path: Path) -> None:
    """As a cluster does it: SIGTERM, then the other signal; the command gets one SIGTERM."""
    state, log = tmp_path / "state", tmp_path / "logs" / "a.log"
    told: list[int] = []

    def preempt() -> int:
        if not told and log.exists() and log.read_text().strip():
            told.append(int(log.read_text()))
            for number in (signal.SIGTERM, cluster_job.AGAIN, cluster_job.AGAIN):
                os.kill(told[0], number)
        return 0

    script = GOES_ON.replace("STATE", repr(str(state)))
    launched = submit(plan(tmp_path, job(tmp_path, "a", script), wait=True, stop=preempt), "local")
    assert launched == Launched()
    assert told
    assert state.read_text() == "saved went on"


def test_waiting_can_be_stopped_without_the_job_noticing(tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)"
    launched = submit(plan(tmp_path, job(tmp_path, "a", script), wait=True, stop=lambda: signal.SIGINT), "local")
    assert launched == Launched(failures=(), pending=("a",))
    go.touch()
    until((tmp_path / "jobs" / "ended" / "a.json").exists)


def test_the_debug_executor_runs_in_this_process(tmp_path: Path) -> None:
    made = tmp_path / "made"
    it = job(tmp_path, "a", f"open({str(made)!r}, 'w')")
    assert submit(plan(tmp_path, it), "debug") == Launched(failures=(), pending=("a",))
    assert not made.exists()
    (tmp_path / "jobs" / "a.json").unlink()
    assert submit(plan(tmp_path, it, wait=True), "debug") == Launched()
    assert made.exists()


def test_after_sigterm_alone_it_waits_and_leaves_no_outcome(tmp_path: Path) -> None:
    """As for a job that its owner cancels: nothing is queued again, and the command is not said to have failed."""
    it = job(tmp_path, "a", GOES_ON.replace("STATE", repr(str(tmp_path / "state"))))
    node = f"""
        import sys
        from pathlib import Path
        from harness.launch import cluster_job
        cluster_job.GRACE = 0.3
        cluster_job.ClusterJob({it.command!r}, Path.cwd(), Path({str(it.log)!r}), Path({str(tmp_path / "out")!r}))()
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(node)])
    until((tmp_path / "state").exists)
    process.terminate()
    assert process.wait(60) == 143
    assert (tmp_path / "state").read_text() == "saved "
    assert not (tmp_path / "out").exists()


def test_signals_are_as_before_once_a_command_has_ended(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, cluster_job.AGAIN)]
    it = job(tmp_path, "a", "import signal; print(signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN)")
    ClusterJob(it.command, tmp_path, it.log, tmp_path / "out")()
    assert it.log.read_text() == "True\n"
    assert [signal.getsignal(number) for number in (signal.SIGTERM, cluster_job.AGAIN)] == before
    assert json.loads((tmp_path / "out").read_text()) == {"code": 0, "reason": "True"}


# on a Slurm of one machine


@pytest.fixture
def slurm_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its state; with a file `runs` in it, jobs are run."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name in ("srun", "sbatch", "sacct", "scontrol", "scancel"):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -S {FAKE} {name} "$@"\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(folder))
    return folder


def test_nothing_is_submitted_twice(slurm_folder: Path, tmp_path: Path) -> None:
    it, said = job(tmp_path, "a", ""), list[str]()
    for _ in range(3):
        assert slurm(plan(tmp_path, it, said=said)) == Launched(failures=(), pending=("a",))
    (state,) = slurm_folder.glob("*.state")
    assert said[1:] == [f"a: job {state.stem} is pending already; log: {it.log}"] * 2
    other = replace(it, command=("harness", "other words"))
    (failure,) = slurm(plan(tmp_path, other)).failures
    assert failure.startswith(f"a: job {state.stem} is another command: ")
    assert failure.endswith(f"; wait for it, or scancel {state.stem}")
    assert len(list(slurm_folder.glob("*.script"))) == 1


def test_a_job_whose_id_was_not_noted_is_found_again(
    slurm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process was killed between sbatch and that; an earlier job of that name, which has ended, is another."""
    it, said = job(tmp_path, "a", "", "x"), list[str]()
    slurm(plan(tmp_path, it))
    (first,) = slurm_folder.glob("*.state")
    first.write_text("CANCELLED by 0")
    add = Jobs.add

    def killed(jobs: Jobs, slug: str, record: Record) -> None:
        if record.id:
            raise KeyboardInterrupt
        add(jobs, slug, record)

    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            slurm(plan(tmp_path, it))
    (second,) = {*slurm_folder.glob("*.state")} - {first}
    for _ in range(2):
        assert slurm(plan(tmp_path, it, job(tmp_path, "b", "", "x"), said=said)).pending == ("a", "b")
    assert said[0] == said[2] == f"a: job {second.stem} is pending already; log: {it.log}"
    assert f" to follow {second.stem}; " in said[1]
    assert len(list(slurm_folder.glob("*.script"))) == 3


def test_what_was_killed_before_sbatch_is_submitted(
    slurm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(executor: object, work: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("submitit.AutoExecutor.submit", killed)
        with pytest.raises(KeyboardInterrupt):
            slurm(plan(tmp_path, job(tmp_path, "a", "")))
    assert json.loads((tmp_path / "jobs" / "a.json").read_text())["id"] == ""
    assert slurm(plan(tmp_path, job(tmp_path, "a", ""))) == Launched(failures=(), pending=("a",))
    (state,) = slurm_folder.glob("*.state")
    assert json.loads((tmp_path / "jobs" / "a.json").read_text())["id"] == state.stem


def test_a_job_that_slurm_says_nothing_of_may_be_queued(slurm_folder: Path, tmp_path: Path) -> None:
    said = list[str]()
    slurm(plan(tmp_path, job(tmp_path, "a", "")))
    (state,) = slurm_folder.glob("*.state")
    state.unlink()
    assert slurm(plan(tmp_path, job(tmp_path, "a", ""), said=said)) == Launched(failures=(), pending=("a",))
    assert f"of which the cluster says nothing (if it is gone, delete {tmp_path / 'jobs' / 'a.json'})" in said[0]
    assert len(list(slurm_folder.glob("*.script"))) == 1


@pytest.mark.parametrize("gone", ["CANCELLED by 0", "OUT_OF_MEMORY"])
def test_a_job_that_is_gone_is_submitted_again(gone: str, slurm_folder: Path, tmp_path: Path) -> None:
    it = job(tmp_path, "a", "")
    slurm(plan(tmp_path, it))
    (state,) = slurm_folder.glob("*.state")
    state.write_text(gone)
    slurm(plan(tmp_path, it))
    assert len(list(slurm_folder.glob("*.script"))) == 2


def test_a_job_that_has_said_how_it_ended_is_submitted_again(slurm_folder: Path, tmp_path: Path) -> None:
    """Slurm forgets; its word is not needed."""
    it = job(tmp_path, "a", "")
    slurm(plan(tmp_path, it))
    (tmp_path / "jobs" / "ended").mkdir()
    (tmp_path / "jobs" / "ended" / "a.json").write_text('{"code": 2, "reason": "no such clip"}')
    assert slurm(plan(tmp_path, it)) == Launched(failures=(), pending=("a",))
    assert len(list(slurm_folder.glob("*.script"))) == 2


def test_where_there_is_no_slurm_what_has_ended_stays_so(
    slurm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the job that Slurm has forgotten is taken for one that is queued."""
    it = job(tmp_path, "a", "")
    slurm(plan(tmp_path, it))
    (state,) = slurm_folder.glob("*.state")
    state.unlink()
    (tmp_path / "jobs" / "ended").mkdir()
    (tmp_path / "jobs" / "ended" / "a.json").write_text('{"code": 2, "reason": "no such clip"}')
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(HarnessError, match="srun"):
            slurm(plan(tmp_path, it))
    assert slurm(plan(tmp_path, it)) == Launched(failures=(), pending=("a",))
    assert len(list(slurm_folder.glob("*.script"))) == 2


def test_slurm_is_told_of_a_failure_and_the_job_can_be_given_again(slurm_folder: Path, tmp_path: Path) -> None:
    (slurm_folder / "runs").touch()
    clip = tmp_path / "clip"
    it = job(tmp_path, "a", f"open({str(clip)!r})")
    (failure,) = slurm(plan(tmp_path, it, wait=True)).failures
    assert "a failed (exit code 1): FileNotFoundError" in failure
    (state,) = slurm_folder.glob("*.state")
    until(lambda: state.read_text() == "FAILED")
    clip.touch()
    assert slurm(plan(tmp_path, it, wait=True)) == Launched()


def test_a_job_that_died_is_a_failure(slurm_folder: Path, tmp_path: Path) -> None:
    def kill() -> int:
        for state in slurm_folder.glob("*.state"):
            state.write_text("OUT_OF_MEMORY")
        return 0

    (failure,) = slurm(plan(tmp_path, job(tmp_path, "a", ""), wait=True, stop=kill)).failures
    assert "ended as out_of_memory; see " in failure


def test_jobs_that_share_a_run_follow_each_other(slurm_folder: Path, tmp_path: Path) -> None:
    """Those submitted earlier, by another command, too."""
    slurm(plan(tmp_path, job(tmp_path, "a", "", "x", "y")))
    slurm(plan(tmp_path, job(tmp_path, "b", "", "y", "z"), job(tmp_path, "c", "", "z"), job(tmp_path, "d", "", "w")))
    scripts = sorted(slurm_folder.glob("*.script"))
    a, b, *_ = (script.stem for script in scripts)
    follows = [[line for line in script.read_text().splitlines() if "--dependency" in line] for script in scripts]
    assert follows == [[], [f"#SBATCH --dependency=afterany:{a}"], [f"#SBATCH --dependency=afterany:{b}"], []]


def test_what_slurm_is_asked_for(slurm_folder: Path, tmp_path: Path) -> None:
    options = {
        "partition": "a100",
        "time": "1-12",
        "gpus": "2",
        "mem-per-cpu": "4G",
        "exclusive": "",
        "setup": "module",
    }
    slurm(plan(tmp_path, job(tmp_path, "ifrnet.s0", ""), options=options, workers=3))
    (script,) = slurm_folder.glob("*.script")
    lines = script.read_text().splitlines()
    for flag in (
        "job-name=ifrnet.s0",
        "partition=a100",
        "time=2160",
        "gpus-per-node=2",
        "cpus-per-task=8",
        "mem-per-cpu=4G",
        "exclusive",
        "requeue",
        f"signal=USR2@{cluster.TO_SAVE}",
    ):
        assert f"#SBATCH --{flag}" in lines
    assert "module" in lines
    assert json.loads((tmp_path / "jobs" / "ifrnet.s0.json").read_text())["command"][-2:] == ["--devices", "2"]


def test_from_sbatch_to_the_end_through_a_preemption(slurm_folder: Path, tmp_path: Path) -> None:
    (slurm_folder / "runs").touch()
    state, log, told = tmp_path / "state", tmp_path / "logs" / "a.log", list[str]()

    def preempt() -> int:
        if not told and log.exists() and log.read_text().strip():
            import submitit

            told.append(json.loads((tmp_path / "jobs" / "a.json").read_text())["id"])
            submitit.SlurmJob(tmp_path / "jobs" / "submitit" / "%j", told[0])._interrupt()
        return 0

    it = job(tmp_path, "a", GOES_ON.replace("STATE", repr(str(state))))
    assert slurm(plan(tmp_path, it, wait=True, stop=preempt)) == Launched()
    assert told
    assert state.read_text() == "saved went on"


def test_what_slurm_refuses_is_one_line(slurm_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"^a: the cluster refused it: sbatch: error: invalid partition specified"):
        slurm(plan(tmp_path, job(tmp_path, "a", ""), options={"partition": "refuse"}))
    assert not list((tmp_path / "jobs").glob("*.json"))


# bad input


def test_without_submitit_or_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match=r'Could not detect "srun".*--launcher local'):
        slurm(plan(tmp_path, job(tmp_path, "a", "")))
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(HarnessError, match=r"pip install 'vfi-harness\[slurm\]'"):
        slurm(plan(tmp_path, job(tmp_path, "a", "")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": "soon"}, "time=soon: expected e.g. 90"),
        ({"time": "0:0"}, "time=0:0: expected"),
        ({"gpus": "all"}, "gpus=all: expected a whole number"),
        ({"ntasks-per-node": "2"}, "--slurm ntasks_per_node: the harness sets that itself"),
    ],
)
def test_options_that_are_wrong(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=message):
        slurm(plan(tmp_path, options=options))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90:01", 91), ("12:00:00", 720), ("2-12", 3600), ("1-00:30", 1470), ("1-00:00:01", 1441)],
)
def test_times_are_slurms(text: str, expected: int) -> None:
    assert minutes(text) == expected


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "a.json").write_text('{"id": ')
    with pytest.raises(HarnessError, match=r"jobs/a\.json: damaged .*delete it once no job"):
        submit(plan(tmp_path, job(tmp_path, "b", "")), "local")


# launchers that distributions bring


class Cloud:
    """A distribution that implements `harness_launch`."""

    def __init__(self, implementation: Callable[[LaunchPlan], Any]) -> None:
        self.implementation = implementation

    @hookspecs.hookimpl
    def harness_launch(self, plan: LaunchPlan) -> Any:
        return self.implementation(plan)


def brought(*hooks: object) -> Catalog:
    """An installation of the core and such a distribution."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager, {builtins: Origin("vfi-harness", "1.0", "builtins.py")})
    for each in (builtins, *hooks):
        manager.register(each)
        plugins.origins.setdefault(each, Origin("vfi-cloud", "1.0", "cloud.py"))
    return Catalog(plugins)


def test_a_launcher_of_a_distribution(tmp_path: Path) -> None:
    mine = replace(plan(tmp_path, job(tmp_path, "a", "")), launcher="cloud")

    def cloud(given: LaunchPlan) -> Launched | None:
        return (
            Launched(failures=(), pending=tuple(job.name for job in given.jobs)) if given.launcher == "cloud" else None
        )

    known = brought(Cloud(cloud))
    check_launcher(parse_choice("cloud:anything=1"), known)
    assert launch(mine, parse_choice("cloud"), known) == Launched(failures=(), pending=("a",))
    for step in (check_launcher, partial(launch, mine)):
        with pytest.raises(HarnessError, match="unknown launcher 'slrum'; did you mean 'slurm'"):
            step(parse_choice("slrum"), brought())
    with pytest.raises(HarnessError, match="unknown launcher 'slrum'; did you mean 'slurm'"):
        launch(replace(mine, launcher="slrum"), parse_choice("slrum"), known)
    with pytest.raises(HarnessError, match=r"launcher 'cloud': vfi-cloud 1\.0 \(cloud\.py\) failed: ZeroDivisionError"):
        launch(mine, parse_choice("cloud"), brought(Cloud(lambda plan: 1 // 0)))
    with pytest.raises(HarnessError, match="returned 3, which is no Launched"):
        launch(mine, parse_choice("cloud"), brought(Cloud(lambda plan: 3)))


def test_a_launcher_that_declares_none_gets_options_as_they_are_written(tmp_path: Path) -> None:
    seen = []

    def cloud(given: LaunchPlan) -> Launched | None:
        seen.append(dict(given.options))
        return Launched()

    mine = replace(plan(tmp_path, options={"time": "9"}), launcher="cloud")
    launch(mine, parse_choice("cloud:zone=north,spot=true"), brought(Cloud(cloud)))
    assert seen == [{"time": "9", "zone": "north", "spot": "true"}]


GIVEN: list[tuple[LaunchPlan, dict[str, object]]] = []


def moon(plan: LaunchPlan, *, crater: Literal["near", "far"] = "near", rovers: int = 1) -> Launched | None:
    """A launcher, by name."""
    GIVEN.append((plan, {"crater": crater, "rovers": rovers}))
    return Launched(failures=("dust",)) if rovers else None


class Moon:
    """A distribution that names it."""

    @hookspecs.hookimpl
    def harness_launchers(self) -> list[LauncherSpec]:
        return [LauncherSpec("moon", f"{__name__}:moon", summary="far away")]


def test_options_of_a_launcher_are_checked_and_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or ModuleType(__name__))
    monkeypatch.setattr(sys.modules[__name__], "moon", moon, raising=False)
    known, it = brought(Moon()), replace(plan(tmp_path), launcher="moon")
    GIVEN.clear()
    assert launch(it, parse_choice("moon:crater=far,rovers=3"), known) == Launched(failures=("dust",))
    assert [(it, {"crater": "far", "rovers": 3})] == GIVEN
    for words, message in (
        ("moon:rover=3", "moon has no option 'rover'; did you mean 'rovers'?"),
        ("moon:rovers=many", "moon: rovers=many: expected int"),
        ("moon:crater=deep", "moon: crater=deep: expected near | far"),
        ("local:partition=a", "local has no option 'partition'; it has: none"),
        ("slurm:partitoin=a", "slurm has no option 'partitoin'; did you mean 'partition'?"),
        ("slurm:gpus=all", "slurm: gpus=all: expected int"),
    ):
        with pytest.raises(HarnessError, match=re.escape(message)):
            check_launcher(parse_choice(words), known)
    with pytest.raises(
        HarnessError, match=r"launcher 'moon': vfi-cloud 1\.0 \(cloud\.py\) failed: TypeError: returned None"
    ):
        launch(it, parse_choice("moon:rovers=0"), known)


def test_slurm_takes_its_options_either_way(slurm_folder: Path, tmp_path: Path) -> None:
    words = "slurm:partition=a100,time=90,gpus=2,account=vfi,mem=4G"
    it = plan(tmp_path, job(tmp_path, "a", ""), options={"exclusive": "", "account": "other"})
    launch(it, parse_choice(words), brought())
    (script,) = slurm_folder.glob("*.script")
    flags = {"partition=a100", "time=90", "gpus-per-node=2", "account=other", "mem=4G", "exclusive"}
    assert {f"#SBATCH --{flag}" for flag in flags} < set(script.read_text().splitlines())


def test_here_is_a_launcher_too(tmp_path: Path) -> None:
    it = replace(plan(tmp_path, job(tmp_path, "a", "import sys; sys.exit('no such clip')")), launcher="local")
    here = parse_choice("local")
    assert launch(it, here, brought()).failures[0].startswith("a failed (exit code 1): no such clip")
    with pytest.raises(HarnessError, match="'partition' is an option of --launcher slurm"):
        launch(replace(it, options={"partition": "a100"}), here, brought())


# what is done already


def settled(asked: Asked) -> Plan:
    return settle(asked, catalog(), torch.device("cpu"))


def put(root: Path, asked: Asked, triplets: tuple[str, ...] = ("a", "b"), code: Mapping[str, str] | None = None) -> str:
    """A pair that was run on another machine, with other data: two test triplets, rows of `triplets`."""
    plan, store = settled(asked), Store(root)
    compared = comparison_of(plan, ("elsewhere",), ("of others",))
    runs = [store.run(f"{arm.slug}.s0.{number}") for number, arm in enumerate(plan.arms)]
    for run in runs:
        keys = {"data": "clips-1", "level": "easy", "clip": "c", "protocol": compared.protocol, "weights": "w"}
        rows = [
            Row(**keys, triplet=triplet, masks="none", regions="none", values={"psnr": 30.0, "ssim": 0.9})
            for triplet in triplets
        ]
        put_run(run, run.name, fingerprint(environment={"device": "H100"}), rows)
    tests = (SetRecord(data="clips-1", levels={"easy": ("a", "b")}),)
    changed = compared.model_copy(update={"code": code}) if code else compared
    store.write_pair("p", pair_record(asked, runs, tests=tests, protocol=compared.protocol, comparison=changed))
    return "p"


PAIR = Asked(baseline="ifrnet-s", plugins="hce,hir", recipe="smoke")


def test_a_finished_pair_is_found(tmp_path: Path) -> None:
    assert finished(settled(PAIR), Store(tmp_path)) == ""
    name = put(tmp_path, PAIR)
    assert finished(settled(PAIR), Store(tmp_path)) == name
    assert finished(settled(PAIR.model_copy(update={"seed": 1})), Store(tmp_path)) == ""
    (tmp_path / "pairs" / "p.json").write_text("{")
    assert finished(settled(PAIR), Store(tmp_path)) == ""


@pytest.mark.parametrize("words", ["hce, hir", "hir,hce", "hce:spatial=true,hir:stages=LS"])
def test_a_finished_pair_is_found_by_other_words_for_the_same(tmp_path: Path, words: str) -> None:
    name = put(tmp_path, PAIR)
    other = settled(PAIR.model_copy(update={"plugins": words, "masks": "supervoxel", "test": "clips"}))
    assert finished(other, Store(tmp_path)) == name
    (job,), (same,) = (jobs_of([plan], tmp_path, ()) for plan in (settled(PAIR), other))
    assert (job.name, job.log, job.holds) == (same.name, same.log, same.holds)


@pytest.mark.parametrize("words", ["hce", "hir,hce:spatial=false"])
def test_other_options_are_another_comparison(tmp_path: Path, words: str) -> None:
    put(tmp_path, PAIR)
    assert finished(settled(PAIR.model_copy(update={"plugins": words})), Store(tmp_path)) == ""


def test_a_pair_of_older_code_is_not_finished(tmp_path: Path) -> None:
    put(tmp_path, PAIR, code={"model": "of last year"})
    assert finished(settled(PAIR), Store(tmp_path)) == ""


def test_a_pair_that_is_tested_in_part_is_not_finished(tmp_path: Path) -> None:
    put(tmp_path, PAIR, triplets=("a",))
    assert finished(settled(PAIR), Store(tmp_path)) == ""


# the command


def test_the_command(
    slurm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*words: str, launcher: str = "slurm") -> tuple[int, str]:
        cli.add_command(command)
        results = ("--results", str(tmp_path / "results"))
        monkeypatch.setattr(sys, "argv", ["harness", "suite", "smoke1", "--launcher", launcher, *words, *results])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        assert out == ""
        return int(exit_.value.code or 0), err

    put(tmp_path / "results", PAIR)
    code, err = call("--partition", "a100", "--slurm", "account=vfi", "--slurm", "exclusive")
    assert code == 0, err
    assert "ifrnet-s+hce+hir, seed 0: done already, as p" in err
    assert "rife+hce+hir, seed 0: submitted as job " in err
    (script,) = slurm_folder.glob("*.script")
    assert {"#SBATCH --account=vfi", "#SBATCH --exclusive", "#SBATCH --partition=a100"} < set(
        script.read_text().split("\n")
    )
    (handed,) = (tmp_path / "results" / "jobs").glob("rife+hce+hir.smoke.s0.*.json")
    record = json.loads(handed.read_text())
    assert record["command"][3:8] == ["harness", "--no-defaults", "run", "--baseline", "rife"]
    code, err = call("--partition", "a100")
    assert code == 0
    assert f"job {script.stem} is pending already" in err
    code, err = call("--slurm", "=3")
    assert code == 2
    assert "'=3' is not of the form KEY=VALUE" in err
    for launcher, message in (
        ("slurm:partitoin=a100", "slurm has no option 'partitoin'; did you mean 'partition'?"),
        ("slrum", "unknown launcher 'slrum'; did you mean 'slurm'?"),
        ("slurm:partition=b", "--launcher slurm:partition=b: partition is given twice"),
        ("slurm,local", "'slurm,local': expected one name"),
    ):
        code, err = call("--partition", "a100", "--dry-run", launcher=launcher)
        assert code == 2
        assert err.startswith(f"harness: error: {message}")
        assert len(err.splitlines()) == 1
    code, err = call(launcher="slurm:partition=a100")
    assert code == 0
    assert f"job {script.stem} is pending already" in err
