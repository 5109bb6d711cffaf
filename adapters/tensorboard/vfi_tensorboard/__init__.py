"""TensorBoard for vfi-harness: loss, learning rate and scores of every run, in the folder `tensorboard` of each.

It writes where the environment variable HARNESS_TENSORBOARD is 1, and else nothing: event files are no part of a
result. `tensorboard --logdir results/runs` then shows all runs. Importing this imports no torch.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness import RunInfo, hookimpl

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

HARNESS_CONTRACT = "1.1"

FOLDER = "tensorboard"
SWITCH = "HARNESS_TENSORBOARD"

_open: dict[str, SummaryWriter] = {}
"""By the name of the run."""


@hookimpl
def harness_run_started(info: RunInfo, step: int) -> None:
    """What an earlier process wrote after `step` is shown no more: the run does it again."""
    if _is_on():
        _close(info)
        writer = _open[info.name] = _writer(info, step + 1 if step else None)
        writer.add_text("record", f"```json\n{json.dumps(info.record, indent=2)}\n```", step)


@hookimpl
def harness_step_done(info: RunInfo, step: int, loss: float, learning_rate: float, seconds: float) -> None:
    """A point of each curve."""
    if _is_on():
        writer = _of(info)
        for name, value in (("loss", loss), ("learning_rate", learning_rate), ("seconds_per_step", seconds)):
            writer.add_scalar(f"train/{name}", value, step)


@hookimpl
def harness_eval_done(info: RunInfo | None, means: Mapping[str, Mapping[str, float]]) -> None:
    """Every mean, at the last step: `clips easy/psnr`."""
    if _is_on() and info and means:
        for at, values in means.items():
            for metric, value in values.items():
                _of(info).add_scalar(f"{at}/{metric}", value, info.steps)


@hookimpl
def harness_run_finished(info: RunInfo) -> None:
    """All is on disk."""
    _close(info)


def _is_on() -> bool:
    return os.environ.get(SWITCH, "") not in ("", "0")


def _of(info: RunInfo) -> SummaryWriter:
    """Opened now for a run that was trained before, and is only tested."""
    if info.name not in _open:
        _open[info.name] = _writer(info, None)
    return _open[info.name]


def _writer(info: RunInfo, purge_step: int | None) -> SummaryWriter:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(info.folder / FOLDER), purge_step=purge_step, flush_secs=10)


def _close(info: RunInfo) -> None:
    if writer := _open.pop(info.name, None):
        writer.close()


@atexit.register
def _close_all() -> None:
    """Of a run that was stopped: what it wrote last."""
    while _open:
        _open.popitem()[1].close()
