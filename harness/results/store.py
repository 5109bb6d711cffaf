"""Where results live: one folder a run, one file a pair, one a set of initial weights.

    runs/<arm>.s<seed>.<fingerprint8>/  config.yaml env.json status.json curve.csv audit.csv samples.csv metrics.json
                                                checkpoints/
    pairs/<arm>.s<seed>.<fingerprint8>.json     the runs of a pair and its test triplets, named before they run
    reference/mean-of-frames.csv                rows of what is no network
    init/<baseline>.s<seed>.<hash8>.safetensors initial weights, shared by all arms
    evaluations/<arm>.<weights12>.csv           rows of weights that were given, not trained
    figures/<pair>/                             table, curves and gallery; figures/curves/ for those of several pairs

No date in any name: running the same thing again finds it.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from harness import files
from harness.errors import HarnessError


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def curve(self) -> Path:
        return self.path / "curve.csv"

    @property
    def audit(self) -> Path:
        return self.path / "audit.csv"

    @property
    def samples(self) -> Path:
        return self.path / "samples.csv"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def status(self) -> dict[str, Any]:
        """`state` (training, trained, evaluated; paused by a full disk), `step`, `steps`; empty before it started."""
        try:
            return dict(json.loads((self.path / "status.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return {}

    def read_metrics(self) -> dict[str, Any]:
        """metrics.json; empty before evaluation."""
        try:
            return dict(json.loads(self.metrics.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return {}

    def set_status(self, **facts: Any) -> None:
        before = self.status()
        if before | facts != before:
            files.write_json(self.path / "status.json", before | facts)

    def settings(self) -> dict[str, Any]:
        """What config.yaml records. Raises HarnessError where it is gone or damaged."""
        return read_record(self.config)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run. Raises HarnessError naming the process that already does."""
        self.path.mkdir(parents=True, exist_ok=True)
        holder = self.path / ".holder"
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0.2)  # by then its holder has written its name
        except Timeout:
            who = holder.read_text().strip() if holder.exists() else "another process"
            raise HarnessError(f"run {self.name} is in use by {who}; wait for it or stop it") from None
        try:
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
            yield
        except (OSError, HarnessError) as error:
            if files.disk_is_full(error) and self.status():
                with suppress(OSError):
                    self.set_status(state="paused")
            raise
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def claim(self, fingerprint: Mapping[str, Any], environment: Mapping[str, Any], label: str) -> None:
        """Write config.yaml, or check that the one there says the same.

        Raises HarnessError naming the first setting that differs: nothing in the folder is touched then.
        """
        if self.config.exists():
            recorded = self.settings().get("fingerprint", {})
            differing = differences(recorded, json.loads(json.dumps(fingerprint)))
            if differing:
                raise HarnessError(
                    f"{self.path} was made under other settings: {differing[0]}; move it away or use --results DIR"
                )
            return
        files.write_json(self.path / "env.json", environment)
        record = {"label": label, "fingerprint": json.loads(json.dumps(fingerprint))}
        files.write_text(self.config, yaml.safe_dump(record, sort_keys=False))


@dataclass(frozen=True)
class Store:
    """A results folder."""

    root: Path

    def run(self, name: str) -> RunFolder:
        return RunFolder(self.root / "runs" / name)

    def runs(self) -> list[RunFolder]:
        return [RunFolder(path.parent) for path in sorted(self.root.glob("runs/*/config.yaml"))]

    def initial_weights(self, name: str) -> Path:
        return self.root / "init" / f"{name}.safetensors"

    def pair_file(self, name: str) -> Path:
        return self.root / "pairs" / f"{name}.json"

    def evaluation(self, name: str) -> Path:
        """Rows of weights that were not trained here."""
        return self.root / "evaluations" / f"{name}.csv"

    @property
    def reference(self) -> Path:
        """Rows of the mean of the two frames, of whatever was tested in this store."""
        return self.root / "reference" / "mean-of-frames.csv"

    def pairs(self) -> list[str]:
        """Names of all pairs, the most recently written last."""
        return [path.stem for path in sorted(self.root.glob("pairs/*.json"), key=lambda p: (p.stat().st_mtime, p.name))]

    def figures(self, pair: str) -> Path:
        """Raises HarnessError where it is a link that leads out of the results."""
        return files.inside(self.root / "figures" / pair, self.root)


def slug_of(run: str) -> str:
    """The arm of a run or pair: `ifrnet-s+hce` of `ifrnet-s+hce.s0.1a2b3c4d`."""
    return run.rsplit(".", 2)[0]


def read_record(path: Path) -> dict[str, Any]:
    """A YAML record of the store. Raises HarnessError where it is damaged or absent."""
    try:
        record = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise HarnessError(f"{path}: there is no such record") from None
    except yaml.YAMLError as error:
        raise HarnessError(f"{path}: damaged: {' '.join(str(error).split())}") from error
    if not isinstance(record, dict):
        raise HarnessError(f"{path}: damaged: no record in it")
    return record


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """The settings in which two nested records differ, as `recipe.batch: 4 -> 8`."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in sorted(one.keys() | other.keys())
            for line in differences(one.get(key), other.get(key), f"{at}.{key}" if at else key)
        ]
    return [] if one == other else [f"{at}: {_brief(one)} -> {_brief(other)}"]


def _brief(value: Any) -> str:
    """The value, a hash by its first digits."""
    text = str(value)
    return f"{text[:8]}..." if len(text) == 64 and " " not in text else text
