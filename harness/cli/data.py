"""harness data: which data sets there are, their triplets, whether the user's own are whole, their images decoded;
shots of a video."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.common import data_root_option, output, say, stoppable, warn_broken
from harness.cli.verbosity import is_quiet, note

if TYPE_CHECKING:
    from harness.data import Benchmark
    from harness.registry.catalog import Catalog, Entry
    from harness.registry.specs import BenchmarkSpec

PLAIN_EVERY = 20.0  # seconds between lines where there is no terminal


@click.group()
def data() -> None:
    """List data sets and their triplets; verify that yours are whole; decode them once; see the shots of a video."""


@data.command("list")
@click.argument("name", required=False)
@click.option("--split", type=click.Choice(["train", "test"]), help="Lists the triplets of NAME for that.")
@click.option(
    "--contact-sheet",
    "sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="With --split: draws the middle frames of the first triplets of each clip on each level, 120 at most.",
)
@data_root_option
def list_(name: str | None, split: Literal["train", "test"] | None, sheet: Path | None) -> None:
    """List the benchmarks, and where they were found; of NAME, where to get it and how its files lie, too.

    With --split, NAME may have options, as in clips:root=FOLDER. Printed are its levels, its clips with their shots,
    its triplets with t, one a line, and what was left out, and why.
    """
    if split and name:
        _list_triplets(name, split, sheet)
        return
    if split or sheet:
        raise click.UsageError("--split needs the NAME of a benchmark, and --contact-sheet needs --split")
    from rich.table import Table

    from harness.registry.catalog import catalog
    from harness.registry.specs import BenchmarkSpec

    known = catalog()
    if name:
        _describe(known.find(BenchmarkSpec, name))
        return
    table = Table("name", "what it is", "licence", "found", box=None, pad_edge=False)
    table.columns[-1].no_wrap, table.columns[-1].overflow = True, "ignore"  # a path is of use whole
    for entry in known.entries(BenchmarkSpec):
        table.add_row(f"[bold]{entry.spec.name}", entry.spec.summary, entry.spec.licence, _where(entry))
    output().print(table)
    warn_broken(known)


@data.command()
@click.argument("name")
@click.option("--root", default="", help="The data set's folder; else where HARNESS_DATA or the config file say.")
@click.option("--partial", is_flag=True, help="Files may be missing; those that are there must be sound.")
@data_root_option
def verify(name: str, root: str, partial: bool) -> None:
    """Decode and hash every file of the benchmark NAME, and name each that is missing or not as it should be.

    Stopped, the same command goes on; files that have not changed since are not looked at again.
    """
    from harness.data.verify import Stopped
    from harness.data.verify import verify as look_at
    from harness.errors import HarnessError
    from harness.registry.catalog import catalog

    benchmark = _built(catalog(), name, root)
    files = benchmark.files()
    if not files:
        say(f"{name}: has no files of its own to verify")
        return
    with _progress(f"verifies {name}") as progress, stoppable() as stop:
        try:
            report = look_at(name.partition(":")[0], files, lambda: bool(stop), progress)
        except Stopped:
            note("stopped; the same command goes on from here")
            raise SystemExit(128 + stop[0]) from None
    wrong = [*report.bad, *([] if partial else report.missing)]
    for line in wrong:
        say(line)
    there = report.files - len(report.missing)
    say(f"{name}: sha256 {report.sha256} over {there} files, {report.looked_at} of them looked at now")
    short = f"only {benchmark.partial}" if benchmark.partial else ""
    if wrong or (short and not partial):
        raise HarnessError(f"{name}: {len(wrong)} of {report.files} files are missing or bad{short and '; ' + short}")
    say(f"{name}: {there} files are sound{short and ', but ' + short}")


@data.command("decode")
@click.argument("name")
@click.option("--split", type=click.Choice(["train", "test"]), default="train", show_default=True)
@click.option("--root", default="", help="The data set's folder; else where HARNESS_DATA or the config file say.")
@data_root_option
def decode_(name: str, split: Literal["train", "test"], root: str) -> None:
    """Decode the PNG images of the benchmark NAME once, into HARNESS_CACHE: trainings then read them from there, in an
    eighth of the time, as long as the files are those that were decoded.

    Vimeo90K takes 53 GB for training. The file may be removed whenever nothing runs.
    """
    from harness.data.imageset import ImageSet
    from harness.data.verify import Stopped
    from harness.errors import HarnessError
    from harness.registry.catalog import catalog

    benchmark = _built(catalog(), name, root)
    if not isinstance(benchmark, ImageSet):
        raise HarnessError(f"{name}: its frames are no image files; what is decoded of videos is kept as it is")
    if not (benchmark.train if split == "train" else benchmark.test):
        raise HarnessError(f"{name} has no {split} triplets")
    with _progress(f"decodes {name}") as progress, stoppable() as stop:
        try:
            file = benchmark.decode(split, lambda: bool(stop), progress)
        except Stopped:
            note("stopped; nothing is kept")
            raise SystemExit(128 + stop[0]) from None
    say(f"{name}: {file.stat().st_size / 1e9:.2f} GB in {file}")


@data.command()
@click.argument("clip", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--output",
    "-o",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="Draws a contact sheet: of each shot the first, the middle and the last frame.",
)
@click.option("--deinterlace", type=click.Choice(["no", "yadif"]), default="no", show_default=True,
              help="Make whole frames of interlaced ones.")  # fmt: skip
def shots(clip: Path, file: Path | None, deinterlace: str) -> None:
    """Find the shots of the video CLIP, its dissolves, and the frames in it that are copies. CLIP may be a folder of
    numbered images, too.

    Where they are wrong, state them in the clips.yaml of the folder that CLIP is in, which counts frames as this does.
    What it says of CLIP already is not looked at: the shots in use are those of data list clips:root=FOLDER --split.
    """
    from harness.data import numbered
    from harness.data.framecache import content_of, decode
    from harness.errors import HarnessError
    from harness.files import check_no_device
    from harness.report.contact_sheet import check_png, draw_shots, passages

    if file:
        check_png(file)
    if clip.is_dir() and len(numbered.frames_of(clip)) < numbered.FEWEST:
        raise HarnessError(f"{clip}: holds no numbered images that are one video; give a video, or a folder of those")
    check_no_device(clip)
    try:
        decoded = decode(clip, content_of(clip), deinterlace=deinterlace)
    except HarnessError as error:
        raise HarnessError(str(error).replace("clips:deinterlace=yadif", "--deinterlace yadif")) from error
    shown = passages(decoded)
    for passage in shown:
        say(passage.line())
    if file:
        say(draw_shots(decoded, shown, file))


def _list_triplets(name: str, split: Literal["train", "test"], sheet: Path | None) -> None:
    from harness.errors import HarnessError
    from harness.registry.catalog import catalog
    from harness.report.contact_sheet import check_png, draw_triplets
    from harness.report.triplet_list import lines, triplets_of

    if sheet:
        check_png(sheet)
    with _warnings() as left_out:
        benchmark = _built(catalog(), name, "")
    if not triplets_of(benchmark, split):
        raise HarnessError(f"{name} has no {split} triplets")
    for line in lines(benchmark, split):
        say(line)
    for line in [*dict.fromkeys(left_out), *([f"only {benchmark.partial}"] if benchmark.partial else [])]:
        say(f"note: {line}")
    if sheet:
        say(draw_triplets(benchmark, triplets_of(benchmark, split), sheet))


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What is logged of data meanwhile: it is said elsewhere only where an error ends that."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    log, handler = logging.getLogger("harness.data"), Kept(logging.WARNING)
    log.addHandler(handler)
    log.propagate, whole = False, False
    try:
        yield lines
        whole = True
    finally:
        log.propagate = True
        log.removeHandler(handler)
        if not whole:  # nobody prints them then
            for line in lines:
                log.warning("%s", line)


def _built(known: Catalog, name: str, root: str) -> Benchmark:
    """The benchmark, with whatever is there of it."""
    from harness.registry.options import Choice, parse_choice
    from harness.registry.specs import BenchmarkSpec

    given = parse_choice(name)
    entry = known.find(BenchmarkSpec, given.name)
    options = {**given.options, **({"root": root} if root else {})}
    if "partial" in entry.options():
        options["partial"] = "true"
    benchmark: Benchmark = known.choose(BenchmarkSpec, Choice(given.name, options)).build()
    return benchmark


def _where(entry: Entry[BenchmarkSpec]) -> str:
    from harness.data.roots import look

    if not entry.spec.source:
        return f"comes with {entry.origin.distribution}"
    return str(look(entry.spec.name) or "not found")


def _describe(entry: Entry[BenchmarkSpec]) -> None:
    spec = entry.spec
    facts = {
        "from": str(entry.origin),
        "licence": spec.licence,
        "reference": spec.reference,
        "source": spec.source,
        "found": _where(entry),
        "layout": spec.layout,
    }
    say(f"{spec.name}: {spec.summary}")
    for key, value in facts.items():
        for number, line in enumerate(value.splitlines()):
            say(f"  {key if number == 0 else '':<10} {line}")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a line now and then elsewhere; both on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    plain = not sys.stderr.isatty()
    said = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), disable=plain or is_quiet()) as bars:
        task = bars.add_task(what, total=None)

        def progress(done: int, total: int) -> None:
            nonlocal said
            bars.update(task, completed=done, total=total)
            if plain and time.monotonic() - said > PLAIN_EVERY:
                said = time.monotonic()
                note(f"{what}: {done} of {total} files")

        yield progress
