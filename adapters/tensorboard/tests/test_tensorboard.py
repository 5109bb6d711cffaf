"""What a run leaves for TensorBoard, read back as TensorBoard reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import RunInfo

pytest.importorskip("tensorboard")
vfi_tensorboard = pytest.importorskip("vfi_tensorboard")


@pytest.fixture(autouse=True)
def _on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_TENSORBOARD", "1")


def info_of(folder: Path) -> RunInfo:
    return RunInfo(name="net.s0.12345678", folder=folder, record={"label": "net"}, steps=4)


def read(folder: Path) -> Any:
    """Everything in the event files of a run's folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return found


def scalars(found: Any, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in found.Scalars(tag)]


def trained(info: RunInfo, first: int, last: int, loss: float) -> None:
    vfi_tensorboard.harness_run_started(info=info, step=first)
    for step in range(first + 1, last + 1):
        vfi_tensorboard.harness_step_done(info=info, step=step, loss=loss, learning_rate=step / 8, seconds=0.5)


def test_curves_scores_and_the_record(tmp_path: Path) -> None:
    info = info_of(tmp_path)
    trained(info, 0, 4, 0.25)
    vfi_tensorboard.harness_eval_done(info=info, means={})
    vfi_tensorboard.harness_eval_done(info=info, means={"clips easy": {"psnr": 31.5}, "clips hard": {"psnr": 20.5}})
    vfi_tensorboard.harness_run_finished(info=info)
    found = read(tmp_path)
    assert scalars(found, "train/loss") == [(step, 0.25) for step in (1, 2, 3, 4)]
    assert scalars(found, "train/learning_rate") == [(step, step / 8) for step in (1, 2, 3, 4)]
    assert scalars(found, "train/seconds_per_step") == [(step, 0.5) for step in (1, 2, 3, 4)]
    assert scalars(found, "clips easy/psnr") == [(4, 31.5)]
    assert scalars(found, "clips hard/psnr") == [(4, 20.5)]
    (text,) = found.Tensors("record/text_summary")
    assert b'"label": "net"' in text.tensor_proto.string_val[0]


def test_what_is_done_again_after_a_stop_is_shown_once(tmp_path: Path) -> None:
    info = info_of(tmp_path)
    trained(info, 0, 3, 0.5)
    trained(info, 2, 4, 0.25)  # the checkpoint was of step 2
    vfi_tensorboard.harness_run_finished(info=info)
    assert scalars(read(tmp_path), "train/loss") == [(1, 0.5), (2, 0.5), (3, 0.25), (4, 0.25)]


@pytest.mark.parametrize("value", ["", "0", None])
def test_it_writes_nothing_unasked(value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv("HARNESS_TENSORBOARD")
    else:
        monkeypatch.setenv("HARNESS_TENSORBOARD", value)
    info = info_of(tmp_path)
    trained(info, 0, 2, 0.5)
    vfi_tensorboard.harness_eval_done(info=info, means={"clips easy": {"psnr": 31.5}})
    vfi_tensorboard.harness_run_finished(info=info)
    assert not list(tmp_path.iterdir())


def test_weights_that_were_not_trained_here_have_no_folder() -> None:
    vfi_tensorboard.harness_eval_done(info=None, means={"clips easy": {"psnr": 31.5}})
    assert not vfi_tensorboard._open


def test_importing_it_imports_no_torch() -> None:
    code = "import sys, vfi_tensorboard; print({'torch', 'tensorboard'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
