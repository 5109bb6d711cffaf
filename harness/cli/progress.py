"""Live progress of both arms: an observer like any other."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pluggy
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from harness.cli.common import say
from harness.cli.verbosity import is_quiet, note
from harness.printable import printable
from harness.registry.hookspecs import hookimpl
from harness.results.records import slug_of

PLAIN_EVERY = 20.0  # seconds between lines where there is no terminal


class Progress:
    """One bar an arm on a terminal; a line now and then elsewhere; nothing at all where it is not to be `shown`, nor
    with -q."""

    def __init__(self, arms: Sequence[str], shown: bool = True) -> None:
        self.shown = shown = shown and not is_quiet()
        self.bars = Bars(
            TextColumn("{task.fields[arm]}"),
            TextColumn("[dim]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=Console(stderr=True),
            disable=not (shown and sys.stderr.isatty()),
        )
        self.tasks = {arm: self.bars.add_task("waits", arm=arm, loss="", total=None, start=False) for arm in arms}
        self.started: dict[str, tuple[int, int, float]] = {}  # run -> first step, steps, when
        self.said = 0.0

    @contextmanager
    def watching(self, manager: pluggy.PluginManager) -> Iterator[Progress]:
        """Observe until the block ends."""
        manager.register(self, "progress")
        try:
            with self.bars:
                yield self
        finally:
            manager.unregister(self)

    def note(self, text: str) -> None:
        """A line that stays."""
        if not self.shown:
            return
        if self.bars.disable:
            say(f"harness: {text}", err=True)
        else:
            self.bars.console.print(printable(f"harness: {text}"), highlight=False, markup=False, emoji=False)

    @hookimpl
    def harness_run_started(self, run: str, step: int, steps: int) -> None:
        self.started[run] = (step, steps, time.monotonic())
        self._update(run, description="trains", completed=step, total=steps, restart=True)

    @hookimpl
    def harness_step_done(self, run: str, step: int, loss: float, seconds: float) -> None:
        self._update(run, completed=step, loss=f"loss {loss:.4f}")
        first, steps, when = self.started[run]
        left = (steps - step) * (time.monotonic() - when) / (step - first)
        self._say(f"{run}: step {step} of {steps}, loss {loss:.4f}, about {left:.0f} s left in this arm")

    @hookimpl
    def harness_eval_done(self, run: str, done: int, total: int) -> None:
        self._update(run, description="is tested", completed=done, total=total, restart=done == 0)
        if done < total:
            self._say(f"{run}: tested on {done} of {total} triplets")

    @hookimpl
    def harness_run_finished(self, run: str) -> None:
        self._update(run, description="done")

    def _update(self, run: str, restart: bool = False, **changes: object) -> None:
        task = self.tasks[slug_of(run)]
        if restart:
            self.bars.reset(task, start=True)
        self.bars.update(task, **changes)  # type: ignore[arg-type]

    def _say(self, line: str) -> None:
        if self.shown and self.bars.disable and time.monotonic() - self.said > PLAIN_EVERY:
            self.said = time.monotonic()
            say(f"harness: {line}", err=True)


class Counted:
    """What is done, with the time that is left: a bar on a terminal, else a line now and then. Without a `total` it is
    only counted. Once `stop` says so, the next count raises KeyboardInterrupt."""

    def __init__(self, what: str, total: int | None, stop: Callable[[], bool]) -> None:
        self.what, self.total, self.stop = what, total, stop
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
        self.bars = Bars(
            *columns, console=Console(stderr=True), disable=is_quiet() or not sys.stderr.isatty(), transient=True
        )
        self.task = self.bars.add_task(what, total=total)
        self.began = self.said = time.monotonic()

    def __enter__(self) -> Counted:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def note(self, text: str) -> None:
        """A line that stays."""
        if self.bars.disable:
            note(text)
        else:
            self.bars.console.print(printable(f"harness: {text}"), highlight=False, markup=False, emoji=False)

    def at(self, done: int) -> None:
        if self.stop():
            raise KeyboardInterrupt
        self.bars.update(self.task, completed=done)
        now = time.monotonic()
        if self.bars.disable and now - self.said > PLAIN_EVERY:
            self.said = now
            line = f"{done:,} {self.what}"
            if self.total:
                line = f"{done:,} of {self.total:,} {self.what}, about {self._left(done, now):.0f} s left"
            note(line)

    def _left(self, done: int, now: float) -> float:
        return ((self.total or done) - done) * (now - self.began) / done
