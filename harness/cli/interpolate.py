"""harness interpolate: more frames a second, or a slower video, by any network that there are weights of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.common import find_device, one_list, results_option, say, stoppable, warn_broken
from harness.cli.verbosity import note

if TYPE_CHECKING:
    from harness.cli.progress import Counted
    from harness.train.engine import Precision


def parse_rate(context: click.Context, option: click.Parameter, value: str | None) -> Fraction | None:
    """Frames a second, exact: 60, 59.94, 60000/1001."""
    if value is None:
        return None
    try:
        rate = Fraction(value) if len(value) < 40 else Fraction(0)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 10_000 or rate.denominator > 1_000_000:
        raise click.BadParameter(f"'{value[:40]}' is no rate such as 60, 59.94 or 60000/1001", context, option)
    return rate


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How a network is run, of every command that makes frames of a video."""
    options = (
        click.option("--masks", default=None, metavar="NAME",
                     help="Mask source.  [default: that of the run, else the best]"),
        click.option("--protocol", default="unified", show_default=True, metavar="NAME",
                     help="How frames are given to a network."),
        click.option("--source-fps", callback=parse_rate, default=None, metavar="FPS",
                     help="Of images and raw streams, which state none.  [default: 25]"),
        click.option("--deinterlace", type=click.Choice(["no", "yadif"]), default="no", show_default=True,
                     help="Make whole frames of interlaced ones."),
        click.option("--codec", default="", metavar="NAME", help="Encoder and its options, e.g. libx265:crf=20."),
        click.option("--tile", default=0, type=click.IntRange(0, 4096), metavar="N",
                     help="Make frames in squares of N pixels, for large ones."),
        click.option("--scale", type=click.Choice(["1", "0.5", "0.25"]), default=None,
                     help="Estimate motion on smaller frames.  [default: that of the protocol]"),
        click.option("--precision", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32",
                     show_default=True, help="Of a network's convolutions."),
        click.option("--compile", "compiled", is_flag=True, help="Compile a network first."),
        click.option("--device", default=None, metavar="NAME",
                     help="cpu, cuda, cuda:1.  [default: cuda if there is one]"),
        results_option,
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@contextmanager
def counted(what: str, stop: Sequence[int], total: int | None = None) -> Iterator[Counted]:
    """Progress that ends the command when it was asked to stop."""
    from harness.cli.progress import Counted

    with Counted(what, total, lambda: bool(stop)) as progress:
        try:
            yield progress
        except KeyboardInterrupt:
            if not stop:
                raise
            raise SystemExit(128 + stop[0]) from None


STOPPING = "stopping; nothing is left of what was written"


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, metavar="OUT", help="A video, or a folder of images: OUT/.")
@click.option("--times", type=click.Choice(["2", "4", "8"]), default=None, help="Frames for each one.  [default: 2]")
@click.option(
    "--fps", callback=parse_rate, default=None, metavar="FPS", help="So many frames a second instead, e.g. 60."
)
@click.option("--slow", type=click.Choice(["2", "4", "8"]), default=None, help="So many times as long, without sound.")
@click.option("--weights", default="ifrnet-s-own", show_default=True, metavar="NAME",
              help="A checkpoint's FILE or FILE:SET, a run, or of weights list.")  # fmt: skip
@click.option("--baseline", default="", metavar="NAME", help="The network, e.g. ifrnet; a run's is known.")
@click.option(
    "--with",
    "plugins",
    multiple=True,
    callback=one_list,
    metavar="NAMES",
    help="Plug-ins whose weights a file has too.",
)
@click.option("--copies", type=click.Choice(["replace", "keep"]), default="replace", show_default=True,
              help="Frames that show nothing new.")  # fmt: skip
@click.option("--cuts", type=click.Choice(["hold", "ignore"]), default="hold", show_default=True,
              help="Before a cut the last frame is held, or not.")  # fmt: skip
@network_options
def interpolate(
    source: Path,
    output: str,
    times: str | None,
    fps: Fraction | None,
    slow: str | None,
    weights: str,
    baseline: str,
    plugins: str,
    masks: str | None,
    protocol: str,
    copies: str,
    cuts: str,
    source_fps: Fraction | None,
    deinterlace: str,
    codec: str,
    tile: int,
    scale: str | None,
    precision: Precision,
    compiled: bool,
    device: str | None,
    results: Path,
) -> None:
    """Make new frames between those of IN, a video or a folder of numbered images, and write OUT.

    Twice as many unless --times, --fps or --slow says otherwise. OUT is there when it is whole.
    """
    from harness.errors import HarnessError
    from harness.files import expanded
    from harness.interpolate.footage import look_through
    from harness.interpolate.making import Asked, plan
    from harness.interpolate.making import interpolate as make
    from harness.interpolate.network import Given, Network, check_size
    from harness.interpolate.writing import Output
    from harness.registry.catalog import catalog
    from harness.results.store import Store
    from harness.train.engine import Engine

    if times and fps:
        raise HarnessError("--times and --fps both say how many frames there are: give one")
    known = catalog()
    warn_broken(known)
    target = Output.of(output, codec)
    engine = Engine(find_device(device), precision, compiled=compiled)
    given = Given(weights, baseline, plugins, masks, protocol, float(scale) if scale else None, tile)
    network = Network.of(given, known, Store(results), engine)
    asked = Asked(int(times or slow or 2), fps, int(slow or 1), copies == "replace", cuts == "hold")
    with stoppable(STOPPING) as stop:
        with counted("frames read", stop) as read:
            footage = look_through(
                expanded(source), deinterlace, source_fps, read.at, lambda size: check_size(size, given)
            )
        planned = plan(footage, asked, network, target.as_images)
        for line in (*footage.notes, *planned.notes):
            note(line)
        with counted("frames", stop, len(planned.wanted)) as progress:
            make(footage, planned, network, target, progress.at, progress.note)
    say(f"{target.path}: {len(planned.wanted):,} frames, {planned.made:,} of them new, by {network.name}")
