"""A Slurm of one machine, under the names srun, sbatch, sacct, scontrol and scancel: what submitit asks of them.

Its jobs are files in the folder FAKE_SLURM: ID.script, ID.state, ID.pid of the task, ID.again once it is to be queued
again. Jobs are run where the file `runs` is there; else they stay queued.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

SLURM = Path(os.environ["FAKE_SLURM"])


def sbatch(script: str) -> None:
    number = str(time.time_ns() // 1000)
    if "refuse" in Path(script).read_text():
        sys.exit("sbatch: error: invalid partition specified: refuse")
    (SLURM / f"{number}.script").write_text(Path(script).read_text())
    (SLURM / f"{number}.state").write_text("PENDING")
    if (SLURM / "runs").exists():
        with (SLURM / "out").open("a") as out:
            node = [sys.executable, __file__, "node", number]
            subprocess.Popen(node, start_new_session=True, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    print(f"Submitted batch job {number}")


def node(number: str) -> None:
    again = SLURM / f"{number}.again"
    while True:
        (SLURM / f"{number}.state").write_text("RUNNING")
        script = SLURM / f"{number}.script"
        code = subprocess.run(["bash", str(script)], env={**os.environ, "SLURM_JOB_ID": number}).returncode
        if not again.exists():
            break
        again.unlink()
    (SLURM / f"{number}.state").write_text("FAILED" if code else "COMPLETED")


def srun(*arguments: str) -> None:
    words, number, files = list(arguments), os.environ["SLURM_JOB_ID"], {}
    while words[0].startswith("--"):
        option = words.pop(0)
        if option in ("--output", "--error"):
            files[option] = words.pop(0).replace("%j", number).replace("%t", "0")
    for handle, option in ((1, "--output"), (2, "--error")):
        os.dup2(os.open(files[option], os.O_WRONLY | os.O_CREAT | os.O_APPEND), handle)
    (SLURM / f"{number}.pid").write_text(str(os.getpid()))
    os.execvp(words[0], words)


def sacct(*arguments: str) -> None:
    print("JobID|State|NodeList")
    for word, number in pairwise(arguments):
        state = SLURM / f"{number}.state"
        if word == "-j" and state.exists():
            print(f"{number}|{state.read_text()}|here")


def scontrol(word: str, number: str) -> None:
    assert word == "requeue"
    (SLURM / f"{number}.again").touch()


def scancel(number: str, option: str, signal: str) -> None:
    assert option == "--signal"
    name = signal.removeprefix("SIG")
    subprocess.run(["kill", f"-{name}", (SLURM / f"{number}.pid").read_text()], check=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
