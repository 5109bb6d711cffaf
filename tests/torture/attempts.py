"""`harness run` in a process of its own, as often as it takes: disturbed, gone on with, and compared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

HERE = Path(__file__).parent
RECIPE = "steps: 8\nbatch: 2\naugment: {crop: 16}\ncurve_every: 1\naudit_every: 1\ncheckpoint_every: 2\n"
PAIR = ("--baseline", "toy", "--with", "toy-mean", "--masks", "toy-halves", "--data", "noise")


@dataclass(frozen=True)
class Attempt:
    """A `harness run` with results and cache in `root`.

    at, only, how   the call that goes wrong: see faults.Faults
    kill_after      seconds until SIGKILL
    gate            a named pipe that the first training waits for
    beside          a folder with one more distribution
    """

    root: str
    arguments: tuple[str, ...]
    at: int = 0
    only: str = ""
    how: str = "kill"
    kill_after: float | None = None
    gate: str = ""
    beside: str = ""


@dataclass(frozen=True)
class End:
    """Of an attempt: `code` is -9 where it was killed, `err` what it said, `calls` those that changed the disk."""

    pid: int
    code: int
    err: str
    calls: list[str]

    @property
    def killed(self) -> bool:
        return self.code == -9

    @property
    def line(self) -> str:
        """The one line of its error."""
        assert self.code == 2, self
        assert "Traceback" not in self.err, self.err
        [line] = [line for line in self.err.splitlines() if line.startswith("harness: error: ")]
        return line.removeprefix("harness: error: ")


class Server:
    """Starts attempts, and hears of their ends; see server.py."""

    def __init__(self, folder: Path) -> None:
        self.recipe = folder / "torture.yaml"
        self.recipe.write_text(RECIPE)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.server"],
            cwd=HERE.parents[1],
            env=_environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._lines: Queue[str] = Queue()
        Thread(target=self._listen, daemon=True).start()
        assert self._hear() == "ready\n"

    def ask(self, root: Path, *arguments: str, **disturbance: Any) -> None:
        """Start an attempt; without arguments at the pair of the toy."""
        assert self._process.stdin is not None
        root.mkdir(exist_ok=True)
        attempt = Attempt(str(root), (*(arguments or PAIR), "--recipe", str(self.recipe)), **disturbance)
        print(json.dumps(asdict(attempt)), file=self._process.stdin, flush=True)

    def answer(self) -> End:
        """How the next attempt to end has ended."""
        return End(**json.loads(self._hear()))

    def attempt(self, root: Path, *arguments: str, **disturbance: Any) -> End:
        self.ask(root, *arguments, **disturbance)
        return self.answer()

    def close(self) -> None:
        """The server, and attempts that have not ended."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)

    def _hear(self) -> str:
        """Raises queue.Empty after a silence of two minutes."""
        return self._lines.get(timeout=120)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server that has toyvfi and the noise installed."""
    for module in ("toyvfi", "noise_benchmark"):
        installed(folder, module)
    server = Server(folder)
    try:
        yield server
    finally:
        server.close()


def installed(folder: Path, module: str, source: str | None = None) -> Path:
    """What an installation leaves behind, of a distribution of one module; the module too where its source is given."""
    info = folder / f"{module}-0.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 0.9\n")
    (info / "entry_points.txt").write_text(f"[harness]\n{module} = {module}\n")
    if source is not None:
        (folder / f"{module}.py").write_text(source)
    return folder


def _environment(folder: Path) -> dict[str, str]:
    """No GPU: a process that has seen one cannot be forked."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HARNESS_"))}
    paths = (folder, HERE / "plugin", HERE.parent / "third_party" / "toyvfi")
    return kept | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def outcome(root: Path) -> dict[str, bytes]:
    """Every file that a run's numbers are in, or that decides how it goes on: all but what tells times and machines.

    Of a curve without its seconds and the checksums over them; of checkpoints the newest two, since an older one may
    have stayed where the disk was full, or the process killed, when it was to go.
    """
    results = root / "results"
    older = {path for run in results.glob("runs/*") for path in sorted(run.glob("checkpoints/step-*"))[:-2]}
    told = {}
    for path in sorted(results.rglob("*")):
        ours = path.name not in ("env.json", ".lock") and path.suffix not in (".lock", ".tmp")
        if path.is_dir() or path.parent in older or not ours:
            continue
        content = path.read_bytes()
        if path.name == "curve.csv":
            content = b"\n".join(line.rsplit(b",", 2)[0] for line in content.split(b"\n"))
        told[str(path.relative_to(results))] = content
    return told
