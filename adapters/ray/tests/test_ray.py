"""Jobs on a Ray of this machine: what is killed goes on, what shares a run takes turns, what is stopped saves."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness import HarnessError, Job, Launched, LaunchPlan

ray = pytest.importorskip("ray")
pytest.importorskip("vfi_ray")
from vfi_ray import connection, launcher, work  # noqa: E402
from vfi_ray.launcher import launch  # noqa: E402
from vfi_ray.work import Work  # noqa: E402

HANDLERS: dict[str, list[Any]] = {}


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray with two CPUs, started once, since that takes longer than all else here: as a shell starts
    it in the background, without SIGINT."""
    handled = signal.signal(signal.SIGINT, signal.SIG_IGN)
    HANDLERS["before"] = handlers()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("HARNESS_")]:
            patch.delenv(name)
        patch.setattr(ray, "init", partial(ray.init, num_cpus=2, num_gpus=0))
        with connection.connected("local"):
            HANDLERS["after"] = handlers()
            signal.signal(signal.SIGINT, handled)
            yield ray.get_runtime_context().gcs_address


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "POLL", 0.05)


def never() -> int:
    return 0


def job(folder: Path, name: str, script: str, *holds: str) -> Job:
    command = (sys.executable, "-S", "-c", textwrap.dedent(script))
    return Job(name, command, folder / "logs" / f"{name}.log", frozenset(holds))


def plan(folder: Path, *jobs: Job, said: list[str] | None = None, stop: Callable[[], int] = never) -> LaunchPlan:
    note = (said if said is not None else []).append
    return LaunchPlan(launcher="ray", jobs=jobs, results=folder, note=note, stop=stop)


def launched(folder: Path, *jobs: Job, retries: int = 2, cpus: int = 1, **how: Any) -> Launched:
    return launch(plan(folder, *jobs, **how), gpus=0, cpus=cpus, retries=retries)


def said_by(it: Job) -> list[str]:
    """Every line of a job's log but where it runs."""
    lines = it.log.read_text().splitlines() if it.log.exists() else []
    return [line for line in lines if not line.startswith("runs on ")]


@pytest.mark.usefixtures("cluster")
def test_a_failing_job_is_a_line_and_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", "/frames")
    monkeypatch.chdir(tmp_path)
    it = "import os, signal; print(os.getcwd(), *map(os.environ.get, ('HARNESS_DATA', 'CUDA_VISIBLE_DEVICES')), "
    jobs = [
        job(tmp_path, "bad", "import sys; print('reads'); sys.exit('harness: error: no such clip')"),
        job(tmp_path, "silent", "import sys; sys.exit(3)"),
        job(tmp_path, "good", it + "signal.pthread_sigmask(signal.SIG_BLOCK, []), sep='|')"),
    ]
    said: list[str] = []
    logs = tmp_path / "logs"
    failures = (
        f"bad failed (exit code 1): no such clip; see {logs / 'bad.log'}",
        f"silent failed (exit code 3): it said nothing; see {logs / 'silent.log'}",
    )
    result = launched(tmp_path, *jobs, said=said)
    assert (sorted(result.failures), result.pending) == (sorted(failures), ())
    assert set(failures) < set(said)
    assert any(re.fullmatch("good: done after [0-9]+ s", line) for line in said)
    assert said_by(jobs[2]) == [f"{tmp_path}|/frames||set()"]


MEETS = """
    import pathlib, time
    def wait(path, until=time.monotonic() + 60):
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)
    here = pathlib.Path(HERE)
"""


@pytest.mark.usefixtures("cluster")
def test_jobs_that_share_a_run_take_turns_and_others_do_not(tmp_path: Path) -> None:
    """`a` ends only once `c` has begun; `b`, which shares a run with `a`, fails where `a` has not ended."""
    meets = MEETS.replace("HERE", repr(str(tmp_path)))
    jobs = [
        job(tmp_path, "a", f"{meets}    wait(here / 'c')\n    time.sleep(0.5)\n    (here / 'a').touch()", "x"),
        job(tmp_path, "b", f"{meets}    assert (here / 'a').exists()", "x"),
        job(tmp_path, "c", f"{meets}    (here / 'c').touch()", "y"),
    ]
    assert launched(tmp_path, *jobs) == Launched()
    assert (tmp_path / "c").exists()


GOES_ON = """
    import os, pathlib, signal, sys, time
    state = pathlib.Path(STATE)
    def save(*_):
        time.sleep(0.5)
        state.write_text(state.read_text() + "saved ")
        sys.exit(143)
    signal.signal(signal.SIGTERM, save)
    if not state.exists():
        state.write_text("")
        print(f"{os.getppid()} {os.getpid()}\\n", end="", flush=True)  # at one stroke: somebody reads meanwhile
        time.sleep(60)
        sys.exit(1)
    state.write_text(state.read_text() + "went on")
"""


def killing(it: Job, which: int, number: int) -> Callable[[], int]:
    """Asked all the time: kills the worker of a job (0) or its command (1), once."""
    told: list[int] = []

    def stop() -> int:
        if not told and (lines := said_by(it)):
            told.append(int(lines[0].split()[which]))
            os.kill(told[0], number)
        return 0

    return stop


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("which", "number", "saved"),
    [(0, signal.SIGKILL, "saved "), (1, signal.SIGKILL, ""), (1, signal.SIGTERM, "saved ")],
    ids=["worker", "command", "told"],
)
def test_what_is_killed_goes_on(which: int, number: int, saved: str, tmp_path: Path) -> None:
    """The command of a worker that is gone saves, and only then does its next one begin."""
    it = job(tmp_path, "a", GOES_ON.replace("STATE", repr(str(tmp_path / "state"))))
    assert launched(tmp_path, it, stop=killing(it, which, number)) == Launched()
    assert (tmp_path / "state").read_text() == f"{saved}went on"
    assert it.log.read_text().count("runs on ") == 2


def test_a_command_that_cannot_be_started_is_not_one_that_runs_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work.subprocess, "Popen", no_process)
    ended = Work(("true",), tmp_path, tmp_path / "a.log", {}).run()
    assert (ended.code, ended.reason) == (2, "cannot be started: Resource temporarily unavailable")


def no_process(*words: object, **more: object) -> None:
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def test_a_log_belongs_to_one_command_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To one that saves, though the worker that started it is gone: the next one waits for it, but not for ever."""
    it = Work((sys.executable, "-S", "-c", "print('began')"), tmp_path, tmp_path / "a.log", {})
    with work._own(it.log) as log:
        saves = subprocess.Popen((sys.executable, "-S", "-c", "input()"), stdin=subprocess.PIPE, stdout=log)
    with monkeypatch.context() as patch:
        patch.setattr(work, "GRACE", 0.2)
        ended = it.run()
    assert (ended.code, ended.reason) == (2, "another harness suite runs it now; wait for that one")
    assert it.log.read_text() == ""
    assert saves.stdin
    threading.Timer(0.3, saves.stdin.close).start()
    ended = it.run()
    assert (ended.code, ended.reason) == (0, "began")
    saves.wait()


@pytest.mark.usefixtures("cluster")
def test_what_is_killed_too_often_fails(tmp_path: Path) -> None:
    often = job(tmp_path, "often", "import os; print('begins', flush=True); os.kill(os.getpid(), 9)")
    result = launched(tmp_path, often, retries=1)
    assert result.failures == (f"often failed (killed by SIGKILL): begins; see {often.log}",)
    assert said_by(often) == ["begins"] * 2
    lost = job(tmp_path, "lost", GOES_ON.replace("STATE", repr(str(tmp_path / "state"))))
    (failure,) = launched(tmp_path, lost, retries=0, stop=killing(lost, 0, signal.SIGKILL)).failures
    assert failure.startswith("lost failed (killed by SIGKILL): Ray says: ")
    assert failure.endswith(f"; see {lost.log}")
    assert "\n" not in failure


@pytest.mark.usefixtures("cluster")
def test_what_runs_saves_where_the_user_stops_and_nothing_else_begins(tmp_path: Path) -> None:
    """Neither what Ray has queued, nor what waits for its turn."""
    a = job(tmp_path, "a", GOES_ON.replace("STATE", repr(str(tmp_path / "state"))), "x")
    jobs = [a, *(job(tmp_path, name, "print('began')", held) for name, held in (("b", "y"), ("c", "y")))]
    said: list[str] = []
    stopped = launched(tmp_path, *jobs, cpus=2, said=said, stop=lambda: signal.SIGINT if said_by(a) else 0)
    assert (stopped.failures, sorted(stopped.pending)) == ((), ["a", "b", "c"])
    assert (tmp_path / "state").read_text() == "saved "
    assert {"a: stopped", "b: stopped"} < set(said)
    assert not any(said_by(each) for each in jobs[1:])
    assert launched(tmp_path, *jobs) == Launched()
    assert (tmp_path / "state").read_text() == "saved went on"


def test_stopping_stays_with_the_harness(cluster: str) -> None:
    assert HANDLERS["after"] == HANDLERS["before"]


SUITE = """
title: "One pair"
summary: none
recipe: smoke
data: vimeo90k
columns:
  - {test: vimeo90k, level: test, label: test}
rows:
  - {label: plain, baseline: ifrnet-s}
  - {label: more, baseline: ifrnet-s, with: "hce", against: plain}
"""


def test_the_command_on_a_cluster_that_runs(cluster: str, tmp_path: Path) -> None:
    """Its data is not there: that is for the node to say."""
    (tmp_path / "one.yaml").write_text(SUITE)
    words = ("suite", "one.yaml", "--results", "results", "--launcher", f"ray:address={cluster},gpus=0,cpus=1")
    environment = {name: value for name, value in os.environ.items() if name != "HARNESS_DATA"}
    command = (sys.executable, "-m", "harness", *words)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    name, log = "ifrnet-s+hce, seed 0", r"results/logs/ifrnet-s\+hce\.smoke\.s0\.[0-9a-f]{8}\.log"
    assert done.returncode == 2
    assert re.search(f"^harness: {re.escape(name)}: handed to Ray; log: {log}$", done.stderr, re.MULTILINE)
    (failure,) = (line for line in done.stderr.splitlines() if line.startswith("harness: error: "))
    assert failure.startswith(f"harness: error: {name} failed (exit code 2): vimeo90k: no folder of it in HARNESS_DATA")
    assert re.search(f"; see {log}$", failure)


# bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpus": -1}, "ray: gpus=-1: expected 0 to 64"),
        ({"cpus": 1025}, "ray: cpus=1025: expected 0 to 1024"),
        ({"retries": 1001}, "ray: retries=1001: expected 0 to 1000"),
        ({"address": "ray://head:10001"}, "ray: address=ray://head:10001: expected auto, local or HOST:PORT"),
        ({"address": "head:99999"}, "nobody answers there"),
        ({"address": "127.0.0.1:9"}, r"ray: address=127\.0\.0\.1:9: nobody answers there \(.*refused"),
        ({"gpus": 3, "cpus": 1}, "no machine of it has 3 GPUs and 1 CPUs for a job, but at most 0 GPUs and 2 CPUs"),
        ({"gpus": 0, "cpus": 3}, "no machine of it has 0 GPUs and 3 CPUs for a job"),
    ],
)
def test_one_line_for_what_is_wrong(
    options: dict[str, Any],
    message: str,
    cluster: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "address" in options:  # as in a process that has no connection yet
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(HarnessError, match=message) as error:
        launch(plan(tmp_path, job(tmp_path, "a", "")), **options)
    assert "\n" not in str(error.value)


def test_options_of_slurm_are_not_rays(tmp_path: Path) -> None:
    it = LaunchPlan(launcher="ray", jobs=(), results=tmp_path, note=print, stop=never, options={"gpus": "2"})
    with pytest.raises(HarnessError, match="'gpus' is an option of --launcher slurm; those of ray follow its name"):
        launch(it)


def test_several_gpus_of_a_job_train_together(tmp_path: Path) -> None:
    it = job(tmp_path, "a", "")
    assert launcher._work(it, 2).command == (*it.command, "--devices", "2")
    assert launcher._work(it, 1).command == it.command
    assert "CUDA_VISIBLE_DEVICES" not in launcher._work(it, 1).environment


def test_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(HarnessError, match=r"^--launcher ray needs Ray \(.*\): pip install vfi-ray$"):
        launch(plan(tmp_path, job(tmp_path, "a", "")))


def test_nothing_imports_ray_before_it_is_asked_to_launch() -> None:
    code = "import sys, vfi_ray, vfi_ray.launcher; print({'torch', 'ray'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_log_that_is_taken_away_fails_no_job(tmp_path: Path) -> None:
    tidy = f"import os; os.unlink({str(tmp_path / 'a.log')!r})"
    ended = Work((sys.executable, "-S", "-c", tidy), tmp_path, tmp_path / "a.log", {}).run()
    assert (ended.code, ended.reason) == (0, "")
