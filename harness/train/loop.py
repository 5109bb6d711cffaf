"""The training loop of one arm. It does not know that there is another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from harness.arm import stream
from harness.data.loader import Samples, batches
from harness.errors import HarnessError
from harness.files import append_line, sync, whole_lines, write_text
from harness.model import Composed
from harness.results.store import RunFolder
from harness.train import checkpoint
from harness.train.engine import Engine
from harness.train.recipe import Recipe
from harness.train.step import training_step

HEADER = "step,epoch,loss,total,learning_rate,seconds"


class Interrupted(Exception):  # noqa: N818 - no error: the user asked
    """The user asked to stop; the state is saved."""


@dataclass(frozen=True)
class Training:
    """What a training needs besides its model. `stop` is asked after each step, `notify` told of each curve row."""

    samples: Samples
    recipe: Recipe
    steps: int
    seed: int
    device: torch.device
    workers: int
    stop: Callable[[], bool]
    notify: Callable[..., None]


def train(model: Composed, training: Training, run: RunFolder) -> checkpoint.Checkpoint:
    """Train to the last step, from the newest good checkpoint if there is one, and return the last checkpoint.

    Raises Interrupted after saving when asked to stop, HarnessError at a loss that is not finite.
    """
    recipe, steps = training.recipe, training.steps
    engine = Engine(training.device, recipe.precision, recipe.channels_last, recipe.compile)
    engine.place(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    last = checkpoint.latest(run.checkpoints)
    pending = [loss.to(training.device) for loss in last.restore(model, optimizer)] if last else []
    first = last.step if last else 0
    _cut_curve(run, first)
    training.notify("harness_run_started", run=run.name, step=first, steps=steps)
    run.set_status(state="training", step=first, steps=steps)
    with torch.random.fork_rng():
        started, timed = time.perf_counter(), 0  # `pending` may hold losses of before a restart
        for step, batch in enumerate(batches(training.samples, first, steps, training.workers), start=first):
            # whatever a network draws (dropout, drop path) depends on the step alone, so a resumed run draws the same
            torch.manual_seed(stream(training.seed, "step", step))
            learning_rate = recipe.learning_rate_at(step, steps)
            try:
                pending.append(training_step(model, optimizer, batch, learning_rate, engine))
            except FloatingPointError:
                raise _diverged(run, step + 1) from None
            done, timed = step + 1, timed + 1
            if done % recipe.curve_every == 0 or done == steps:
                losses = _finite(run, done, pending)  # waits for the device, so that its time counts
                seconds = (time.perf_counter() - started) / timed
                _write_row(run, training, done, losses, learning_rate, seconds)
                pending, started, timed = [], time.perf_counter(), 0
            stopping = training.stop()
            if done % recipe.checkpoint_every == 0 or done == steps or stopping:
                _finite(run, done, pending)  # or what is saved would be lost already
                sync(run.curve)
                last = checkpoint.save(run.checkpoints, done, model, optimizer, pending)
                run.set_status(state="trained" if done == steps else "training", step=done, steps=steps)
            if stopping and done < steps:
                raise Interrupted(f"{run.name} stopped at step {done} of {steps}")
    assert last is not None
    return last


def _write_row(
    run: RunFolder, training: Training, done: int, losses: torch.Tensor, learning_rate: float, seconds: float
) -> None:
    """One row of the curve: means over the steps since the row before, the last step's learning rate."""
    loss, total = losses.mean(0).tolist()
    epoch = (done - 1) // training.samples.order.steps_per_epoch
    # not synced: rows after the last checkpoint are made again anyway
    append_line(run.curve, f"{done},{epoch},{loss!r},{total!r},{learning_rate!r},{seconds:.4f}", durable=False)
    training.notify("harness_step_done", run=run.name, step=done, loss=loss, seconds=seconds)


def _finite(run: RunFolder, done: int, pending: list[torch.Tensor]) -> torch.Tensor:
    """The losses of the last steps up to `done`, (steps, 2) float64 on the host; raises if one is not finite."""
    losses = torch.stack(pending).double().cpu() if pending else torch.empty(0, 2)
    bad = (~losses.isfinite().all(1)).nonzero()
    if len(bad):
        raise _diverged(run, done - len(losses) + int(bad[0]) + 1)
    return losses


def _diverged(run: RunFolder, step: int) -> HarnessError:
    return HarnessError(
        f"{run.name}: the loss of step {step} is not finite; the checkpoint before it is kept. "
        "A lower learning_rate in the recipe is the usual cure, and float32 where it overflowed in half precision"
    )


def _cut_curve(run: RunFolder, step: int) -> None:
    """Keep the rows up to the step that training goes on from."""
    rows = whole_lines(run.curve)[1:]
    kept = [row for row in rows if int(row.partition(",")[0]) <= step]
    write_text(run.curve, "\n".join([HEADER, *kept]) + "\n")
