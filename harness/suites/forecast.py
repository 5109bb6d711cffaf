"""What a suite still has to do, run by run, and how long that takes about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from harness.pair.plan import settle
from harness.pair.start import Start
from harness.registry.catalog import Catalog
from harness.results.records import Asked
from harness.results.store import Store
from harness.suites.estimate import Estimate, estimate
from harness.suites.plan import check_columns, check_levels, name_of, runs_of
from harness.suites.reading import keeping_up, seconds_a_sample
from harness.suites.schedule import Work
from harness.suites.state import ArmState, states
from harness.suites.suite import Suite
from harness.train.recipe import Recipe


@dataclass(frozen=True)
class RunForecast:
    """steps, triplets  still to do; seconds  for them
    state            "done", "new", "resumable at step N", or "trained" for one that is still to be tested
    memory, disk     bytes: the most that training holds, and the checkpoints
    """

    label: str
    state: str
    steps: int
    triplets: int
    seconds_per_step: float
    seconds: float
    memory: int
    disk: int


@dataclass(frozen=True)
class Forecast:
    """runs     every run of the pairs once
    jobs     the pairs that are not done, in their order; of a run that several share the first has the time
    remarks  how the figures were come by
    """

    runs: tuple[RunForecast, ...]
    jobs: tuple[Work, ...]
    remarks: tuple[str, ...]


def forecast(
    suite: Suite,
    pairs: Sequence[Asked],
    known: Catalog,
    store: Store,
    device: torch.device,
    note: Callable[[str], None],
) -> Forecast:
    """What the pairs still have to do, measured on the device."""
    runs: dict[tuple[str, Start | None], RunForecast] = {}
    jobs: list[Work] = []
    reading, batch = None, 0  # seconds a sample, and samples: pairs of a suite have one recipe and train on one data
    estimates: dict[str, Estimate] = {}
    remarks: dict[str, None] = {}
    counted: set[tuple[str, Start | None]] = set()  # whose training is in the figures
    for asked in pairs:
        plan = settle(asked, known, device, store=store)
        check_columns(suite, plan)
        arms, guessed = states(plan, store, suite.expected)
        if not guessed and not runs:  # all pairs have the same test sets
            check_levels(suite, plan)
        if guessed:
            remarks[f"Not all data is here, so counts and sizes are those of the suite's file. {guessed}."] = None
        if reading is None and not guessed and any(state.step < state.steps for state in arms):
            reading, batch = seconds_a_sample(plan), plan.training.recipe.batch
        before = len(runs)
        for state in arms:
            label, trained = state.arm.label, f"{state.arm.label}, seed {asked.seed}{plan.origin}"
            if label not in estimates and not state.tested:
                note(f"measures {label}")
                sizes = {name: expected.size for name, expected in state.tests.items()}
                estimates[label] = estimate(state.arm, plan, sizes)
                if (count := estimates[label].measured) < plan.training.recipe.batch:
                    remarks[f"{label}: a step was measured with {count} of {plan.training.recipe.batch} samples."] = (
                        None
                    )
            other = plan.test_masks.label if plan.test_masks and state.arm.plugins else ""
            name = f"{trained}, tested with masks {other}" if other else trained
            if (name, plan.start) not in runs:  # two files may have one name
                cost = NOTHING if state.tested else estimates[label]
                held = _held(state, plan.training.recipe)
                runs[name, plan.start] = _forecast(name, state, cost, (trained, plan.start) in counted, held)
                counted.add((trained, plan.start))
        if not all(state.tested for state in arms):
            seconds = sum(run.seconds for run in list(runs.values())[before:])
            jobs.append(Work(name_of(plan), seconds, runs_of(plan)))
    if reading is not None and (steps := [run.seconds_per_step for run in runs.values() if run.steps]):
        remarks[keeping_up(reading, batch, min(steps))] = None
    return Forecast(tuple(runs.values()), tuple(jobs), tuple(remarks))


NOTHING = Estimate(0.0, {}, 0, 0, 0)
"""Of a run that is done."""


def _held(state: ArmState, recipe: Recipe) -> int:
    """Of the steps still to do those in which the baseline is frozen, which take less."""
    last = state.steps if recipe.freeze_steps is None else min(recipe.freeze_steps, state.steps)
    return max(last - state.step, 0) if recipe.freeze else 0


def _forecast(name: str, state: ArmState, cost: Estimate, trained: bool, held: int) -> RunForecast:
    steps = 0 if trained else state.steps - state.step
    per_step = cost.step + (cost.frozen - cost.step) * held / max(state.steps - state.step, 1)
    counts = {benchmark: 0 if state.tested else tests.triplets for benchmark, tests in state.tests.items()}
    seconds = steps * per_step + sum(count * cost.triplet[at] for at, count in counts.items() if count)
    word = "done" if state.tested else "trained" if state.step == state.steps else f"resumable at step {state.step}"
    return RunForecast(
        name,
        word if state.step else "new",
        steps,
        sum(counts.values()),
        per_step,
        seconds,
        cost.memory,
        0 if trained else cost.disk,
    )
