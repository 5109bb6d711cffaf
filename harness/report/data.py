"""Results as pandas DataFrames. What is refused in a table is refused here: the reason stands in a column."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import HarnessError

if TYPE_CHECKING:
    import pandas as pd

    from harness.outcome.pairs import ArmOutcome, Outcome, PairOutcome
    from harness.results.store import Store

log = logging.getLogger("harness")

Made = TypeVar("Made")


class Results:
    """A results folder to read from. Every method reads anew, so that a training is followed while it runs.

    Each takes the NAME of a pair, as commands do (`ifrnet-s+hce+hir`, or the whole name); without one it is of all
    pairs in the folder, and one that is damaged or newer is named in a warning and left out. Of a name, and of what
    `harness.run` returned, it raises HarnessError.
    """

    def __init__(self, folder: str | Path, names: Sequence[str] | None = None) -> None:
        """`names` are the pairs that are looked at, None for all. Raises HarnessError where there is no folder."""
        from harness.files import expanded

        self.folder = expanded(folder)
        self.names = None if names is None else tuple(names)
        if not self.folder.is_dir():
            raise HarnessError(f"{self.folder}: there is no such folder of results; harness run makes one")

    def __repr__(self) -> str:
        looked_at = "" if self.names is None else f", {', '.join(self.names)}"
        return f"<results in {self.folder}{looked_at}>"

    def rows(self, name: str | None = None) -> pd.DataFrame:
        """What was measured: a line for each test triplet, arm and pair, as tables are made of. A run that is in
        several pairs has its lines in each. A test set has no lines before all of it is measured.

        pair, seed, protocol, arm, role, run, test, level, triplet, clip, frames, refusal; then a column for each
        metric, missing where it was not measured. NAME may be an evaluation of given weights, and those are in all.
        """
        from harness.report.columns import ROWS, joined

        tables = [*self._of_pairs(_rows, name), *self._of_evaluations(_rows, name)]
        return joined((table for of_outcome in tables for table in of_outcome), ROWS)

    def curves(self, name: str | None = None) -> pd.DataFrame:
        """The training curve of each arm: pair, seed, arm, role, run, step, epoch, loss, total, learning_rate, seconds
        (a step), refusal. Also while it is in training."""
        from harness.report.columns import CURVES, joined

        return joined((table for of_pair in self._of_pairs(_curves, name) for table in of_pair), CURVES)

    def pairs(self, name: str | None = None) -> pd.DataFrame:
        """What each pair is and how far: a line a pair, with what asked for it, `state`, `control`, `refusal`, its runs
        and the command that makes it again."""
        from harness.report.columns import PAIRS, framed

        return framed(list(self._of_pairs(_facts, name)), PAIRS)

    def differences(self, name: str | None = None) -> pd.DataFrame:
        """The means of both arms and their difference: a line for each pair that is evaluated, test, level and metric.
        Where arms are not matched `difference` is missing, and `refusal` says why. How sure they are, and means over
        seeds, is in tables."""
        from harness.report.columns import DIFFERENCES, framed

        return framed([line for lines in self._of_pairs(_differences, name) for line in lines], DIFFERENCES)

    def table(
        self, name: str | None = None, *, mix_protocols: bool = False, show_unmatched: bool = False
    ) -> pd.DataFrame:
        """What `harness table NAME` prints, in long form: table, row, column, value, number, text. NAME is a suite
        (`table1`), a pair, an evaluation or a published table; without it there is a table of every pair.

        Notes are lines of the value `note`, among them why a difference is not given. Raises HarnessError as the
        command does."""
        from harness.report.columns import TABLE, framed
        from harness.report.named import every_table, tables_named

        name = name or next(iter(self.names or ()), None)  # whose table has all seeds of one comparison
        if name is None:
            sheets, left_out = every_table(self._store, show_unmatched)
        else:
            sheets, left_out = tables_named(self._store, name, mix_protocols, show_unmatched), []
        lines: list[dict[str, Any]] = []
        for sheet in sheets:
            for line in sheet.lines:
                for column, cell in zip(sheet.columns, line.cells, strict=True):
                    at = {"table": sheet.title, "row": line.label, "column": column, "text": cell.text}
                    lines += [at | {"value": value, "number": number} for value, number in cell.values]
                    lines += [at | {"value": "text"}] if cell.text and not cell.values else []
            note = {"table": sheet.title, "row": "", "column": "", "value": "note"}
            lines += [note | {"text": text} for text in sheet.notes]
        nothing = {"table": "", "row": "", "column": "", "value": "left out"}
        return framed([*lines, *(nothing | {"text": reason} for reason in left_out)], TABLE)

    @property
    def _store(self) -> Store:
        from harness.results.store import Store

        return Store(self.folder)

    def _of_pairs(self, make: Callable[[PairOutcome], Made], name: str | None) -> Iterator[Made]:
        from harness.outcome.pairs import find_evaluation, find_pair, read_pair

        store = self._store
        if name is not None and find_evaluation(store, name):
            return
        names = [find_pair(store, name)] if name is not None else self.names
        if names is not None:
            for each in names:
                yield make(read_pair(store, each))
            return
        for each, record in store.pair_records().items():
            try:
                made = make(read_pair(store, each, record))
            except HarnessError as error:
                log.warning("%s is left out: %s", each, error)
            else:
                yield made

    def _of_evaluations(self, make: Callable[[Outcome], Made], name: str | None) -> Iterator[Made]:
        from harness.outcome.pairs import find_evaluation, read_evaluation

        store = self._store
        if name is not None or self.names is not None:
            if name is not None and (meant := find_evaluation(store, name)):
                yield make(read_evaluation(store, meant))
            return
        for each in store.evaluations():
            try:
                made = make(read_evaluation(store, each))
            except HarnessError as error:
                log.warning("%s is left out: %s", each, error)
            else:
                yield made


def _arms(outcome: Outcome) -> list[tuple[str, ArmOutcome]]:
    """With the role of each."""
    roles = ("plain", "plugged") if _is_pair(outcome) else ("given",)
    return [("reference", outcome.reference), *zip(roles, outcome.arms, strict=False)]


def _is_pair(outcome: Outcome) -> bool:
    from harness.outcome.pairs import PairOutcome

    return isinstance(outcome, PairOutcome)


def _refusal(outcome: Outcome) -> str:
    from harness.outcome.pairs import PairOutcome
    from harness.outcome.refusals import refusals

    return "; ".join(refusals(outcome)) if isinstance(outcome, PairOutcome) else ""


def _of(outcome: Outcome) -> dict[str, Any]:
    """The columns that all lines of a pair, or of an evaluation, have in common."""
    seed = getattr(outcome.record, "seed", None)
    return {"pair": outcome.name, "seed": seed, "protocol": outcome.record.protocol, "refusal": _refusal(outcome)}


def _of_arm(role: str, arm: ArmOutcome) -> dict[str, Any]:
    return {"arm": arm.label, "role": role, "run": arm.run.name if arm.run else ""}


def _rows(outcome: Outcome) -> list[pd.DataFrame]:
    common, found = _of(outcome), []
    for role, arm in _arms(outcome):
        if arm.evaluated:
            keys = arm.rows[["test", "level", "triplet"]].itertuples(index=False, name=None)
            frames = [arm.frames[key][0] for key in keys]
            found.append(arm.rows.assign(frames=frames, **common, **_of_arm(role, arm)))
    return found


def _curves(pair: PairOutcome) -> list[pd.DataFrame]:
    common = {name: value for name, value in _of(pair).items() if name != "protocol"}
    return [
        arm.curve().assign(**common, **_of_arm(role, arm))
        for role, arm in _arms(pair)
        if arm.run is not None and arm.run.curve.exists()
    ]


def _facts(pair: PairOutcome) -> dict[str, Any]:
    from harness.outcome.control import judged

    record, asked = pair.record, pair.record.asked
    plain, plugged, *_ = (*record.runs, "")
    return _of(pair) | {
        "title": record.title,
        "baseline": asked.baseline,
        "plugins": asked.plugins,
        "recipe": record.recipe,
        "start": record.comparison.start.name if record.comparison.start else "",
        "trained_on": record.train,
        "tested_on": ", ".join(tests.data for tests in record.tests),
        "masks": record.masks or "",
        "test_masks": record.test_masks or "",
        "steps": record.steps,
        "state": _state(pair.arms),
        "tier": record.tier,
        "control": judged(pair),
        "plain_run": plain,
        "plugged_run": plugged,
        "command": record.command,
    }


def _state(arms: Iterable[ArmOutcome]) -> str:
    from harness.report.tables import state_of

    return next((f"{arm.label}: {state_of(arm)}" for arm in arms if not arm.evaluated), "evaluated")


def _differences(pair: PairOutcome) -> list[dict[str, Any]]:
    from harness.outcome.difference import gains

    if len(pair.arms) < 2 or not all(arm.evaluated for arm in pair.arms):
        return []
    common, words = _of(pair), pair.record.asked
    gained = {} if common["refusal"] else gains(pair)
    plain, plugged = (arm.means for arm in pair.arms)
    of_columns = pair.arms[0].rows.groupby(["test", "level"], sort=False)
    sizes, counts = of_columns.size(), of_columns.count()
    return [
        common
        | {"baseline": words.baseline, "plugins": words.plugins, "test": at.test, "level": at.level, "metric": metric}
        | {
            "triplets": counts.loc[at, metric] if metric in counts else sizes[at],
            "plain": value,
            "plugged": plugged[at][metric],
        }
        | {"difference": gained.get(at, {}).get(metric)}
        for at, values in plain.items()
        for metric, value in values.items()
        if metric in plugged.get(at, {})
    ]
