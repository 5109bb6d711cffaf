"""A process that has everything imported and forks a child for each `harness run` that it is asked for.

Asked in lines of JSON on stdin (see attempts.Attempt), it answers with a line each (attempts.End) as they end.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any
from unittest import mock


def main() -> None:
    _import_everything()
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those that watch an attempt end by themselves
    speaking = multiprocessing.Lock()
    for line in sys.stdin:
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            end = json.dumps(_attempt(json.loads(line)))
            with speaking:
                print(end, flush=True)
            os._exit(0)


def _import_everything() -> None:
    """And look up once what is the same in every attempt."""
    import torch

    from harness.arm import Arm
    from harness.cli import run
    from harness.measure.cost import cost
    from harness.pair import run as pair
    from harness.pair.fingerprint import installation
    from harness.registry.catalog import catalog
    from harness.registry.options import parse_choice
    from harness.report import figures, formats, tables

    assert run
    torch.set_num_threads(1)
    model = Arm.of(catalog(), parse_choice("toy")).build(0)
    torch.optim.AdamW(model.parameters(), fused=True)  # imports as much again
    versions, macs = installation(), cost(model)
    mock.patch.multiple(pair, installation=lambda: versions, cost_of=lambda arm, model: macs).start()
    # pictures are made anew from the numbers at any time: only the numbers are at stake
    mock.patch.multiple(figures, draw_figures=lambda pair, *rest: Path(pair.name)).start()
    mock.patch.multiple(tables, pair_sheets=lambda pair, *rest: []).start()
    mock.patch.multiple(formats, draw=lambda *sheets: None).start()


def _attempt(asked: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.close(reading)
        _child(asked, writing)
    os.close(writing)
    delay = asked["kill_after"]
    if delay is not None and not select.select([reading], [], [], delay)[0]:
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    end = {"pid": child, "code": os.waitstatus_to_exitcode(status), "err": "", "calls": []}
    return end | (json.loads(said) if said else {})


def _child(asked: dict[str, Any], pipe: int) -> None:
    """`harness run`, then its exit; what it said and the calls that it made are written to the pipe."""
    from harness.cli.main import main as command_line
    from tests.torture.faults import Faults

    root = Path(asked["root"])
    os.environ["HARNESS_CACHE"] = str(root / "cache")
    faults = Faults(str(root), asked["only"], asked["at"], asked["how"])
    out, err = (os.open(root.with_suffix(end), os.O_CREAT | os.O_WRONLY | os.O_TRUNC) for end in (".out", ".err"))
    os.dup2(out, 1)
    os.dup2(err, 2)
    if asked["beside"]:
        _install(asked["beside"])
    if asked["gate"]:
        _wait_when_training_starts(Path(asked["gate"]))
    faults.install()
    sys.argv = ["harness", "run", *asked["arguments"], "--device", "cpu", "--results", str(root / "results")]
    code = 70
    with contextlib.suppress(BaseException):
        try:
            command_line()
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
    sys.stderr.flush()
    said = {"err": root.with_suffix(".err").read_text(), "calls": faults.calls}
    with os.fdopen(pipe, "w") as file:
        file.write(json.dumps(said))
    os._exit(code)


def _install(folder: str) -> None:
    """One more distribution, whatever is wrong with it."""
    from harness.registry.catalog import catalog
    from harness.registry.plugins import discover

    sys.path.insert(0, folder)
    discover.cache_clear()
    catalog.cache_clear()


def _wait_when_training_starts(gate: Path) -> None:
    """The first training of this process waits until something is written to the gate, a named pipe."""
    from harness.registry.plugins import Plugins

    notify = Plugins.notify
    waited: list[str] = []

    def waiting(self: Plugins, hook: str, **facts: Any) -> None:
        if hook == "harness_run_started" and not waited:
            waited.append(gate.read_text())
        notify(self, hook, **facts)

    Plugins.notify = waiting  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
