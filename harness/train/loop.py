"""The training loop of one arm. It does not know that there is another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import torch
from torch import nn

from harness.arm import stream
from harness.data.loader import Batch, Samples, batches
from harness.distributed import World, hashes
from harness.files import sync
from harness.model import Composed
from harness.results import lines
from harness.results.records import Status
from harness.results.store import RunFolder
from harness.results.trail import Point
from harness.train import checkpoint, diverged, freeze, silence, trail
from harness.train.engine import Engine
from harness.train.plan import TrainPlan
from harness.train.step import training_step


class Interrupted(Exception):  # noqa: N818 - no error: the user asked
    """The user asked to stop; the state is saved."""


@dataclass(frozen=True)
class Training:
    """What a training needs besides its model. `stop` is asked after each step, `notify` told of each curve row.

    Where several processes train, each has a `world`; `stop` in any of them stops all, and rank 0 tells and writes.
    """

    plan: TrainPlan
    samples: Samples
    steps: int
    stop: Callable[[], bool]
    notify: Callable[..., None]
    world: World


def train(model: Composed, training: Training, run: RunFolder) -> checkpoint.Checkpoint:
    """Train to the last step, from the newest good checkpoint if there is one, and return the last checkpoint.

    Raises Interrupted after saving when asked to stop, HarnessError at a loss that is not finite, or where the arm has
    died in silence.
    """
    world = training.world
    engine = Engine.of(training.plan.recipe, world.device)
    with engine.settings(), torch.random.fork_rng([world.device] if world.device.type == "cuda" else []):
        return _train(engine.place(model), training, run, engine)


def _train(model: Composed, training: Training, run: RunFolder, engine: Engine) -> checkpoint.Checkpoint:
    recipe, steps, world = training.plan.recipe, training.steps, training.world
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    last = world.from_first(lambda: checkpoint.latest(run.checkpoints))
    pending = [given.to(world.device) for given in last.restore(model, optimizer)] if last else []
    first = last.step if last else 0
    still = 0  # steps without a gradient up to the last row of the curve; after a restart they are counted anew
    _begin(model, optimizer, training, run, first, world)
    hold = freeze.holder(model, recipe)
    started, timed = time.perf_counter(), 0  # `pending` may hold losses of before a restart
    shares = batches(training.samples, first, steps, training.plan.workers, world.rank, world.size)
    for step, batch in enumerate(shares, start=first):
        # whatever a network draws (dropout, drop path) depends on step and rank, so a resumed run draws the same
        torch.manual_seed(stream(training.plan.seed, "step", step * world.size + world.rank))
        learning_rate = recipe.learning_rate_at(step, steps)
        hold(step)
        try:
            parts = batch.parts(recipe.accumulate)
            pending.append(training_step(model, optimizer, parts, learning_rate, engine, world, recipe.clip_norm))
        except FloatingPointError as error:
            raise _diverged(run, training, step + 1, error.args[0].tolist(), world) from None
        done, timed = step + 1, timed + 1
        if done % recipe.audit_every == 0 or done == steps:
            _audit(run, done, batch, learning_rate, optimizer, float(pending[-1][2]), world)
        if done % recipe.curve_every == 0 or done == steps:
            given = _sound(run, training, done, pending, still, world)  # waits for the device, so that its time counts
            still = silence.length(given, still)
            if world.writes:
                _write_row(run, training, done, given, learning_rate, (time.perf_counter() - started) / timed)
            pending, started, timed = [], time.perf_counter(), 0
        stopping = any(world.any_of([training.stop()]))
        if done % recipe.checkpoint_every == 0 or done == steps or stopping:
            _sound(run, training, done, pending, still, world)  # or what is saved would be lost already
            _check_weights(model, world)
            last = world.from_first(partial(_save, run, done, steps, model, optimizer, pending))
        if stopping and done < steps:
            raise Interrupted(f"{run.name} stopped at step {done} of {steps}")
    assert last is not None
    return last


def _begin(
    model: Composed, optimizer: torch.optim.Optimizer, training: Training, run: RunFolder, first: int, world: World
) -> None:
    """See that all processes start from the same, and make the run's files fit the step that it goes on from."""
    recipe, steps, order = training.plan.recipe, training.steps, training.samples.order
    if world.size > order.batch:
        raise world.error(f"{world.size} devices cannot share a batch of {order.batch}: some would have no sample")
    in_parts = world.size > 1 or recipe.accumulate > 1
    if in_parts and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        raise world.error(
            f"{run.name}: batch normalisation looks at a whole batch, so its numbers would change with the parts that "
            "the batch is taken in; train it on one device, with accumulate: 1"
        )
    world.check_same({"recipe": recipe.training(), "seed": training.plan.seed, "steps": (first, steps), "order": order})
    _check_weights(model, world)
    if world.writes:
        _cut_curve(run, first)
        trail.begin(run, first, trail.batch_hash(hashes(model.baseline.state_dict()).values()), optimizer)
        training.notify("harness_run_started", run=run.name, step=first, steps=steps)
        run.set_status(Status(state="training", step=first, steps=steps))


def _check_weights(model: Composed, world: World) -> None:
    """Raises HarnessError where they are not the same in all processes, bit for bit."""
    if world.size > 1:
        world.check_same({f"the weights {name}": value for name, value in hashes(model.state_dict()).items()})


def _save(
    run: RunFolder,
    done: int,
    steps: int,
    model: Composed,
    optimizer: torch.optim.Optimizer,
    pending: list[torch.Tensor],
) -> checkpoint.Checkpoint:
    sync(run.curve)
    sync(run.audit)
    saved = checkpoint.save(run.checkpoints, done, model, optimizer, pending)
    run.set_status(Status(state="trained" if done == steps else "training", step=done, steps=steps))
    return saved


def _audit(
    run: RunFolder,
    done: int,
    batch: Batch,
    learning_rate: float,
    optimizer: torch.optim.Optimizer,
    norm: float,
    world: World,
) -> None:
    """One row of the trail: what the step that was done was given."""
    samples = world.gather([trail.sample_hashes(batch)])
    if world.writes:
        trail.append(run, done, trail.batch_hash(chain.from_iterable(samples)), learning_rate, optimizer, norm)


def _write_row(
    run: RunFolder, training: Training, done: int, given: torch.Tensor, learning_rate: float, seconds: float
) -> None:
    """One row of the curve: means over the steps since the row before, the last step's learning rate."""
    loss, total = given[:, :2].mean(0).tolist()
    order = training.samples.order
    epoch = order.at((done - 1) * order.batch).epoch
    # not synced: rows after the last checkpoint are made again anyway
    point = Point(done, epoch, loss, total, learning_rate, round(seconds, 4))
    lines.append(run.curve, Point._fields, _line(point), durable=False)
    training.notify("harness_step_done", run=run.name, step=done, loss=loss, seconds=seconds)


def _sound(
    run: RunFolder, training: Training, done: int, pending: list[torch.Tensor], still: int, world: World
) -> torch.Tensor:
    """What the last steps up to `done` gave, (steps, 3) float64 on the host: losses and gradient norm. `still` steps
    before them had no gradient.

    Raises where a loss or its gradient is not finite, or where nothing is learnt any more.
    """
    given = torch.stack(pending).cpu() if pending else torch.empty(0, 3, dtype=torch.float64)
    losses = given[:, :2]
    bad = (~losses.isfinite().all(1)).nonzero()
    if len(bad):
        at = int(bad[0])
        raise _diverged(run, training, done - len(losses) + at + 1, losses[at].tolist(), world)
    if line := silence.line(given, still, done):
        raise world.error(f"{run.name}: {line}")
    return given


def _diverged(run: RunFolder, training: Training, step: int, losses: Sequence[float], world: World) -> BaseException:
    """The error to raise; what the step was given is written down first."""
    if world.writes:
        rate = training.plan.recipe.learning_rate_at(step - 1, training.steps)
        diverged.record(run, step, training.samples, losses, rate)
    return world.error(
        f"{run.name}: the loss of step {step} is not finite, or its gradient: nan-{step}.json in its folder names the "
        "samples; "
        "the checkpoint before it is kept. "
        "A lower learning_rate in the recipe is the usual cure, and float32 where it overflowed in half precision"
    )


def _cut_curve(run: RunFolder, step: int) -> None:
    """Keep the rows up to the step that training goes on from."""
    kept = [point for point in run.points() if point.step <= step]
    lines.write(run.curve, Point._fields, map(_line, kept))


def _line(point: Point) -> dict[str, str]:
    return {name: repr(value) for name, value in point._asdict().items()}
