"""harness runs: look after what has been run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import output, results_option, say
from harness.cli.verbosity import warn

if TYPE_CHECKING:
    from harness.outcome.compared import Beside
    from harness.results.store import RunFolder, Store

log = logging.getLogger("harness")

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def runs() -> None:
    """List, look at, thin, remove, compare, export and import what has been run."""


@runs.command("list")
@results_option
def list_runs(results: Path) -> None:
    """List the runs: how far each is, how large, and what refers to it."""
    from rich.table import Table

    from harness.printable import printable
    from harness.results.store import Store
    from harness.results.upkeep import Uses, size_of, sized
    from harness.suites.uses import suites_of

    store, total = _store(results), 0
    records = store.pair_records()
    suites = suites_of(records)
    table = Table("run", "state", "size", "checkpoints", "pairs", "in suites", box=None, pad_edge=False)
    for column in (2, 3, 4):
        table.columns[column].justify = "right"
    table.columns[0].no_wrap = True  # a name is there to be copied
    for run in store.runs():
        uses, size = Uses.of(run, records), size_of(run.path)
        shown = dict.fromkeys(suite for pair in uses.pairs for suite in suites[pair])
        counts = f"{len(uses.pairs)}" + (f", starts {len(uses.starts)}" if uses.starts else "")
        cells = (run.name, _state(run), sized(size), sized(size_of(run.checkpoints)), counts, ", ".join(shown))
        table.add_row(*map(printable, cells))
        total += size
    output().print(table, markup=False)
    others = size_of(Store(results).root) - total
    say(f"{len(store.runs())} runs, {sized(total)}; all else in {results}, {sized(others)}")


@runs.command()
@click.argument("name", metavar="RUN")
@results_option
def show(name: str, results: Path) -> None:
    """Show what RUN is: how far, on what machine, how large; which pairs and suites show it, what starts from it."""
    from harness.results.names import find_run
    from harness.results.upkeep import Uses, size_of, sized
    from harness.suites.uses import suites_of

    store = _store(results)
    run = find_run(store, name)
    record, records = run.record(), store.pair_records()
    uses, made = Uses.of(run, records), record.fingerprint
    data = made.data.get("name") or ", ".join(str(each["name"]) for each in _listed(made.data.get("sets")))
    suites = suites_of({pair: records[pair] for pair in uses.pairs})
    facts: list[tuple[str, object]] = [
        ("is", record.label),
        ("state", _state(run)),
        ("trained on", data),
        ("seed", made.seed),
        ("machine", made.environment.get("device", "")),
        ("recipe", run.recipe if run.recipe.exists() else ""),
        ("rows", len(run.read_rows()) if run.rows.exists() else 0),
        ("size", sized(size_of(run.path))),
        *((f"  {path.name}", sized(size_of(path))) for path in sorted(run.checkpoints.glob("step-*"))),
        *(("pair", f"{pair}{_in(suites[pair])}: {records[pair].command}") for pair in uses.pairs),
        *(("starts", f"{pair}: {records[pair].command}") for pair in uses.starts),
    ]
    say(run.name)
    for key, value in facts:
        if value not in ("", None):
            say(f"  {key:<15} {value}")


@runs.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN...")
@yes_option
@results_option
def rm(names: tuple[str, ...], yes: bool, results: Path) -> None:
    """Remove each RUN, with the pairs of which it is an arm. Says what is lost, and asks first."""
    from harness.results.names import find_run
    from harness.results.upkeep import Uses, held, remove, size_of, sized
    from harness.suites.uses import suites_of

    store = _store(results)
    found = [find_run(store, name) for name in dict.fromkeys(names)]
    with held(found):  # what is in use is said before anything is asked
        pass
    records, pairs, total = store.pair_records(), list[str](), 0
    for run in found:
        uses, size = Uses.of(run, records), size_of(run.path)
        suites = suites_of({pair: records[pair] for pair in uses.pairs})
        say(f"{run.name}: {sized(size)}, {_state(run)}")
        for pair in uses.pairs:
            say(f"  is an arm of the pair {pair}{_in(suites[pair])}, which is removed with its figures")
        for pair in uses.starts:
            say(f"  the pair {pair} started from it, and stays: it cannot be made again")
        pairs += uses.pairs
        total += size
    pairs = list(dict.fromkeys(pairs))
    what = f"{_count(len(found), 'run')} and {_count(len(pairs), 'pair')}" if pairs else _count(len(found), "run")
    if _agreed(f"Remove {what}, {sized(total)}?", yes):
        remove(store, found, pairs)
        say(f"removed {what}, {sized(total)}")


@runs.command()
@click.argument("names", nargs=-1, metavar="[RUN]...")
@yes_option
@results_option
def prune(names: tuple[str, ...], yes: bool, results: Path) -> None:
    """Thin the checkpoints of each finished RUN, or of all: the weights of the last one stay, which --start, eval and
    interpolate take; older ones and the state of the optimiser go. Says what that frees, and asks first."""
    from harness.errors import HarnessError
    from harness.results.names import find_run
    from harness.results.upkeep import held, orphans, size_of, sized
    from harness.train.thin import thin, thinning

    store = _store(results)
    found = [find_run(store, name) for name in dict.fromkeys(names)] or store.runs()
    total, thinned = 0, []
    for run in found:
        try:
            with held([run]):
                frees = thinning(run).frees
        except HarnessError as error:
            if names:
                raise
            say(f"left alone: {error}")
            continue
        if frees:
            thinned.append(run)
            total += frees
            say(f"{run.name}: {sized(frees)} of {sized(size_of(run.checkpoints))}")
    unused = [] if names or len(found) != len(store.runs()) else orphans(store)
    if unused:
        size = sum(map(size_of, unused))
        total += size
        say(f"initial weights that no run began with: {sized(size)}")
    if not total:
        say("nothing to free")
    elif _agreed(f"Free {sized(total)}?", yes):
        freed = sum(map(thin, thinned)) + sum(map(size_of, unused))
        for path in unused:
            path.unlink()
        say(f"freed {sized(freed)}")


@runs.command()
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option("--triplets", is_flag=True, help="Every triplet, not means over each level.")
@click.option("--metric", default="psnr", show_default=True, metavar="NAME", help="What is shown of the rows.")
@results_option
def compare(one: str, other: str, triplets: bool, metric: str, results: Path) -> None:
    """Say in what the runs A and B were made differently, and print what was measured of both side by side; the
    difference only where all but the plug-ins is the same. How sure that is, harness table says, of a pair."""
    from harness.outcome.compared import are_matched, beside, changes
    from harness.results.names import find_run

    store = _store(results)
    a, b = find_run(store, one), find_run(store, other)
    say(f"A  {a.name}, {_state(a)}")
    say(f"B  {b.name}, {_state(b)}")
    found = changes(a, b)
    for kind, lines in found.items():
        for line in lines:
            say(f"{kind + ':':<9} {line}")
    if not found:
        say("made alike: network, start, recipe, seed, data, masks, code and machine are the same")
    if not (matched := are_matched(a, b)):
        warn("A and B are no matched pair: more than the plug-ins differs, and no difference is given")
    _side_by_side(list(beside(a, b)), metric, triplets, matched)


@runs.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--output", "file", required=True, type=click.Path(path_type=Path), metavar="FILE", help="E.g. mine.zip.")
@click.option("--no-checkpoints", is_flag=True, help="Rows, curves and records alone.")
@results_option
def export(names: tuple[str, ...], file: Path, no_checkpoints: bool, results: Path) -> None:
    """Pack each NAME, a run or a pair with its runs, into one file with checksums, which harness runs import takes in
    elsewhere. Without NAME everything, with what harness eval measured."""
    from harness.results import archive
    from harness.results.names import find_run
    from harness.results.records import slug_of
    from harness.results.upkeep import held, size_of, sized

    store = _store(results, evaluated=not names)
    records = store.pair_records()
    found: dict[str, RunFolder] = {}
    for name in names:
        pairs = [pair for pair in records if name in (pair, slug_of(pair))]
        of_pairs = [store.run(run) for pair in pairs for run in records[pair].runs]
        found |= {run.name: run for run in (of_pairs or [find_run(store, name)])}
    chosen = list(found.values()) if names else store.runs()
    packed = [pair for pair, record in records.items() if {*record.runs} <= {run.name for run in chosen}]
    with held(chosen):
        count = archive.export(store, chosen, packed, file, not no_checkpoints, everything=not names)
    what = f"{_count(len(chosen), 'run')} and {_count(len(packed), 'pair')}"
    if not names and (evaluations := store.evaluations()):
        what = f"{what}, {_count(len(evaluations), 'evaluation')}"
    say(f"{file}: {what}, {_count(count, 'file')}, {sized(size_of(file))}")


@runs.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@results_option
def import_runs(file: Path, results: Path) -> None:
    """Take the results in FILE, of harness runs export, into the results folder. What is the same stays, new rows of a
    known run are added to it; where something is another here, it is named and nothing is taken over."""
    from harness.results.merge import take_in
    from harness.results.store import Store

    taken = take_in(file, Store(results))
    what = [_count(len(taken.runs), "run"), _count(len(taken.pairs), "pair"), _count(taken.rows, "further row")]
    say(f"{file}: {', '.join(what)} taken into {results}")


def _side_by_side(rows: Sequence[Beside], metric: str, triplets: bool, matched: bool) -> None:
    from statistics import fmean

    from rich.table import Table

    from harness.errors import HarnessError, suggestion
    from harness.printable import printable
    from harness.results.records import benchmark_of

    known = dict.fromkeys(name for row in rows for name in row.metrics)
    if rows and metric not in known:
        hint = suggestion(metric, known) or f"; there are: {', '.join(known)}"
        raise HarnessError(f"no metric '{metric}' in the rows of both{hint}")
    groups: dict[tuple[str, ...], list[Beside]] = {}
    for row in rows:
        shown = (row.one.data, row.one.level, row.one.triplet if triplets else "")
        groups.setdefault((*shown, row.one.protocol, row.one.masks, row.other.masks, row.one.regions), []).append(row)
    what_else = {3: "protocol", 4: "A given masks", 5: "B given masks", 6: "regions by masks"}
    told = {place: name for place, name in what_else.items() if len({at[place] for at in groups}) > 1}
    if not groups:
        say("no triplet was measured of both under one protocol")
        return
    table = Table("test", "level", "triplet" if triplets else "triplets", f"A {metric}", f"B {metric}", "B - A", "")
    table.box, table.pad_edge = None, False
    for column in (3, 4, 5):
        table.columns[column].justify = "right"
    for at, of_level in groups.items():
        values = [(row.one.values[metric], row.other.values[metric]) for row in of_level if metric in row.metrics]
        values = [(x, y) for x, y in values if x == x and y == y]
        if not values:
            continue
        x, y = fmean(x for x, _ in values), fmean(y for _, y in values)
        other = sum(not row.same for row in of_level)
        notes = [f"other frames at {other} of {len(of_level)}"] if other else []
        note = ", ".join(notes + [f"{name} {at[place]}" for place, name in told.items()])
        gap = "" if other or not matched else f"{round(y - x, 4) + 0.0:+.4f}"
        what = at[2] if triplets else str(len(values))
        table.add_row(*map(printable, (benchmark_of(at[0]), at[1], what, f"{x:.4f}", f"{y:.4f}", gap, note)))
    output().print(table, markup=False)


def _store(results: Path, evaluated: bool = False) -> Store:
    """Raises HarnessError where there is nothing: no run, nor what harness eval measured where that does as well."""
    from harness.errors import HarnessError
    from harness.results.store import Store

    store = Store(results)
    if not store.runs() and not (evaluated and store.evaluations()):
        raise HarnessError(f"no run in {results} yet: harness run makes one")
    return store


def _state(run: RunFolder) -> str:
    from harness.errors import HarnessError

    try:
        status = run.status()
    except HarnessError as error:
        return str(error)
    if status is None:
        return "not started"
    return f"{status.state}, step {status.step} of {status.steps}"


def _listed(value: object) -> Sequence[dict[str, object]]:
    return value if isinstance(value, list) else []


def _in(suites: Sequence[str]) -> str:
    return f" (in {', '.join(suites)})" if suites else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _agreed(question: str, yes: bool) -> bool:
    """Whether the user says yes. Raises HarnessError where nobody is there to be asked."""
    from harness.errors import HarnessError

    if yes:
        return True
    try:
        agreed = click.confirm(question)
    except click.Abort:
        click.echo()
        raise HarnessError("nobody answered, and nothing is changed: give --yes to do it without a question") from None
    if not agreed:
        say("nothing is changed")
    return agreed
