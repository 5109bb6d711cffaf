"""harness masks: label maps of a whole benchmark, what is in them, and pictures of them."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from harness.cli.common import find_device, say, stoppable, warn_broken
from harness.cli.verbosity import is_quiet, note

if TYPE_CHECKING:
    from harness.data.benchmark import Benchmark, Triplet
    from harness.masks.build import Made, Pair
    from harness.registry.catalog import ChosenMasks

PLAIN_EVERY = 20.0  # seconds between lines where there is no terminal
VIMEO90K = 51_313  # triplets of its training split
LISTED = 20  # of the most frequent tags

T = TypeVar("T")

source_option = click.option("--source", default=None, metavar="NAME", help="Mask source.  [default: the best one]")
split_option = click.option("--split", type=click.Choice(["train", "test", "all"]), default="all", show_default=True)


@click.group()
def masks() -> None:
    """Make the label maps of a benchmark, count what is in them, look at them."""


@masks.command()
@click.argument("benchmark")
@source_option
@split_option
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes to share the work.")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@click.option("--shard", default="1/1", metavar="I/N", help="The I-th of N parts of the pairs: one for each machine.")
@click.option(
    "--triplets", type=click.IntRange(1), default=None, metavar="N", help="Only N, spread evenly, as a trial."
)
def build(
    benchmark: str, source: str | None, split: str, workers: int, device: str | None, shard: str, triplets: int | None
) -> None:
    """Make every label map of BENCHMARK that is missing.

    Give the same command again to go on after a stop, or at the same time elsewhere to share the work.
    """
    from harness.masks.build import pairs_of
    from harness.masks.chosen import cache_of
    from harness.masks.workers import share
    from harness.registry.mask_choice import TRUTH

    data, chosen = _opened(benchmark, source)
    if chosen.name == TRUTH:
        say(f"{benchmark} knows its label maps: there is nothing to make")
        return
    whole = pairs_of(_triplets(data, split))
    pairs = _spread(_shard(whole, shard), triplets)
    cache = cache_of(chosen)
    place = str(find_device(device))
    with stoppable() as stop:
        made = _watched(share(cache, pairs, data.read, lambda: bool(stop), workers, place), len(pairs), workers)
    _summary(made, len(pairs), len(whole), workers)
    say(f"in {cache.folder}")
    if stop:
        note("stopped; the same command goes on from there")
        raise SystemExit(128 + stop[0])


@masks.command()
@click.argument("benchmark")
@source_option
@split_option
def stats(benchmark: str, source: str | None, split: str) -> None:
    """Count regions, uncovered area, tags and dropped tags in the maps that have been made."""
    from statistics import mean

    from harness.data.known import masks_of
    from harness.masks.build import pairs_of
    from harness.masks.chosen import cache_of
    from harness.masks.stats import Stats
    from harness.registry.mask_choice import TRUTH

    data, chosen = _opened(benchmark, source)
    cache, found = cache_of(chosen), Stats()
    pairs = pairs_of(_triplets(data, split))
    for pair in pairs:
        frames = data.read(pair.triplet)
        kept = masks_of(cache, data, pair.triplet, frames) if chosen.name == TRUTH else cache.read(*frames[[0, -1]])
        if kept is not None:
            found.add(kept)
    say(f"{found.pairs:,} of {len(pairs):,} pairs have label maps of {chosen.written}")
    if found.pairs:
        regions, uncovered = found.regions, found.uncovered
        say(f"masks a pair: {mean(regions):.1f} on average, {min(regions)} to {max(regions)}")
        say(f"uncovered area: {mean(uncovered):.1%} on average, {min(uncovered):.1%} to {max(uncovered):.1%}")
    for title, counts in (("tags, by pairs", found.tags), ("dropped, by pairs", found.dropped)):
        if counts:
            say(f"{title}:")
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:LISTED]:
            say(f"  {count:>7,}  {name}")
    if found.pairs < len(pairs):
        part = [] if split == "all" else ["--split", split]
        say("the rest: " + shlex.join(["harness", "masks", "build", benchmark, "--source", chosen.written, *part]))


@masks.command()
@click.argument("benchmark")
@source_option
@split_option
@click.option("--triplet", "wanted", default=None, metavar="ID", help="The one with this id.")
@click.option("--count", type=click.IntRange(1), default=4, show_default=True, help="How many, spread evenly.")
@click.option("--output", "path", type=click.Path(path_type=Path, dir_okay=False), default=Path("masks.png"),
              show_default=True, help="The picture, a PNG.")  # fmt: skip
def show(benchmark: str, source: str | None, split: str, wanted: str | None, count: int, path: Path) -> None:
    """Draw frames under their masks, with the names."""
    from harness.data.known import masks_of
    from harness.errors import HarnessError, suggestion
    from harness.masks.chosen import cache_of
    from harness.report.overlay import Masked, draw_overlays

    if path.suffix.lower() != ".png":
        raise HarnessError(f"{path}: the picture is written as png; end the name in .png")
    data, chosen = _opened(benchmark, source)
    cache, triplets = cache_of(chosen), _triplets(data, split)
    named = [each for each in triplets if each.id == wanted][:1]
    if wanted is not None and not named:
        hint = suggestion(wanted, [each.id for each in triplets])
        raise HarnessError(f"{benchmark} has no triplet '{wanted}'{hint}")
    shown = []
    for triplet in named or _spread(triplets, count):
        frames = data.read(triplet)[[0, -1]]
        shown.append(Masked(f"{triplet.level}: {triplet.id}", frames, masks_of(cache, data, triplet, frames)))
    say(draw_overlays(shown, path))


def _opened(benchmark: str, source: str | None) -> tuple[Benchmark, ChosenMasks]:
    from harness.data.known import refuse_footage
    from harness.registry.catalog import catalog
    from harness.registry.options import parse_choice
    from harness.registry.specs import BenchmarkSpec

    known = catalog()
    warn_broken(known)
    chosen = known.mask_source(source, needed=True)
    assert chosen is not None
    wanted = known.choose(BenchmarkSpec, parse_choice(benchmark))
    data: Benchmark = wanted.build()
    for triplet in [*data.train[:1], *data.test[:1]][:1]:
        refuse_footage(chosen.name, wanted.name, data, triplet, "--source")
    return data, chosen


def _triplets(data: Benchmark, split: str) -> list[Triplet]:
    from harness.errors import HarnessError

    triplets = [*(data.train if split != "test" else ()), *(data.test if split != "train" else ())]
    if not triplets:
        raise HarnessError(f"no triplets in the split '{split}'")
    return triplets


def _spread(items: Sequence[T], count: int | None) -> list[T]:
    count = min(count or len(items), len(items))
    return [items[(2 * i + 1) * len(items) // (2 * count)] for i in range(count)]


def _shard(pairs: Sequence[Pair], text: str) -> list[Pair]:
    """A run of neighbours, for they share frames."""
    from harness.errors import HarnessError

    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    number, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= of:
        raise HarnessError(f"--shard {text[:40]}: give I/N with I from 1 to N, as 2/4")
    return list(pairs[len(pairs) * (number - 1) // of : len(pairs) * number // of])


def _watched(made: Iterable[Made], total: int, workers: int) -> list[Made]:
    """Collect with a bar on a terminal, with a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    plain = not sys.stderr.isatty()
    columns = (TextColumn("label maps"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    collected: list[Made] = []
    said = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), disable=plain or is_quiet()) as bar:
        task = bar.add_task("", total=total, left="")
        for each in made:
            collected.append(each)
            left = _left(collected, total, workers)
            bar.update(task, advance=1, left=left)
            if plain and time.monotonic() - said > PLAIN_EVERY:
                said = time.monotonic()
                note(f"label maps of {len(collected):,} of {total:,} pairs, {left}")
    return collected


def _left(collected: Sequence[Made], total: int, workers: int) -> str:
    """From the pairs that took time: those that were there tell nothing of the rest."""
    took = [each.seconds for each in collected[-100:] if each.size]
    if not took:
        return "all there so far"
    return f"about {_duration((total - len(collected)) * sum(took) / len(took) / workers)} left"


def _summary(made: Sequence[Made], total: int, whole: int, workers: int) -> None:
    new = [each for each in made if each.size]
    there = len(made) - len(new)
    say(f"made {len(new):,} pairs, {there:,} were there, {total - len(made):,} are left")
    if not new:
        return
    seconds, size = sum(each.seconds for each in new) / len(new), sum(each.size for each in new) / len(new)
    say(f"a pair: {seconds:.2f} s and {size / 1e3:.1f} kB")
    shared = f", {workers} processes" if workers > 1 else ""
    for name, count in (("all pairs here", whole), ("pairs of Vimeo90K", VIMEO90K)):
        say(f"{count:,} {name}: {_duration(count * seconds / workers)}{shared}, {_bytes(count * size)}")


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _bytes(size: float) -> str:
    for unit, one in (("GB", 1e9), ("MB", 1e6)):
        if size >= one:
            return f"{size / one:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"
