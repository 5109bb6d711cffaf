"""A process of any interpreter that has the libraries loaded, and forks for each command that it is given.

A command is then as good as one that is started anew, in a process of its own, but for the seconds that torch and the
like take to load. What is about the start of a process is not for this.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

LOADED = (
    *("matplotlib.pyplot", "matplotlib.backends.backend_pdf", "matplotlib.backends.backend_svg", "scipy.stats"),
    *("skimage.data", "skimage.segmentation", "torch._dynamo", "torch.utils.flop_counter", "torch._decomp"),
    *("harness.pair.run", "harness.report.figures", "harness.statistics.estimate", "harness.testing"),
)
"""What most commands import."""

PATIENCE = 600
"""Seconds after which a command is killed."""


class Forks:
    """Runs commands of `python`, ("-c", CODE, ...) or ("-m", MODULE, ...), with `folder` for what they print.

    Found is what is installed as this begins: install first.
    """

    def __init__(self, python: Path, folder: Path, env: Mapping[str, str]) -> None:
        self.printed = folder / "stdout", folder / "stderr"
        self.process = subprocess.Popen(
            [str(python), __file__], env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], beside: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """In that folder and environment; `beside` is a folder that is looked into first, as one of PYTHONPATH."""
        assert self.process.stdin
        assert self.process.stdout
        asked = {"command": list(command), "cwd": str(cwd), "env": dict(env), "printed": list(map(str, self.printed))}
        self.process.stdin.write(json.dumps(asked | {"path": [str(beside)] if beside else []}) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return subprocess.CompletedProcess(list(command), code, *(path.read_text("utf-8") for path in self.printed))

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    sys.path.pop(0)  # the folder of this file
    for module in LOADED:
        importlib.import_module(module)
    import torch

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # or each fork would have a copy of all that is loaded as soon as it looks for garbage
    for line in sys.stdin:
        if not (child := os.fork()):
            _become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(asked: Mapping[str, Any]) -> NoReturn:
    code = 1
    try:
        signal.alarm(PATIENCE)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in enumerate(asked["printed"], 1):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdin, sys.stdout, sys.stderr = (open(number, mode, closefd=False) for number, mode in enumerate("rww"))  # noqa: SIM115
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["env"])
        sys.path[:0] = ["", *asked["path"]]
        option, what, *arguments = asked["command"]
        sys.argv = [option, *arguments]
        if option == "-c":
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
