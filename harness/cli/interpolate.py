"""harness interpolate: more frames a second, or a slower video, by any network that there are weights of."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import click

from harness.cli.common import find_device, results_option, say, stoppable, warn_broken


class Rate(click.ParamType):
    """Frames a second, exact: 60, 59.94, 60000/1001."""

    name = "fps"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        try:
            rate = Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            rate = Fraction(0)
        if not 0 < rate <= 10_000 or rate.denominator > 1_000_000:
            self.fail(
                f"'{str(value)[:40]}' is no number of frames a second such as 60, 59.94 or 60000/1001", param, ctx
            )
        return rate


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, metavar="OUT", help="A video, or a folder of images: OUT/.")
@click.option("--times", type=click.Choice(["2", "4", "8"]), default=None, help="Frames for each one.  [default: 2]")
@click.option("--fps", type=Rate(), default=None, metavar="FPS", help="So many frames a second instead, e.g. 60.")
@click.option("--slow", type=click.Choice(["2", "4", "8"]), default=None, help="So many times as long, without sound.")
@click.option("--weights", default="ifrnet-s-own", show_default=True, metavar="NAME",
              help="A checkpoint's FILE or FILE:SET, a run, or of weights list.")  # fmt: skip
@click.option("--baseline", default="", metavar="NAME", help="The network, e.g. ifrnet; a run's is known.")
@click.option("--with", "plugins", default="", metavar="NAMES", help="Plug-ins whose weights a file has too.")
@click.option("--masks", default=None, metavar="NAME", help="Mask source.  [default: that of the run, else the best]")
@click.option("--protocol", default="unified", show_default=True, metavar="NAME", help="How frames are given to it.")
@click.option("--copies", type=click.Choice(["replace", "keep"]), default="replace", show_default=True,
              help="Frames that show nothing new.")  # fmt: skip
@click.option("--source-fps", type=Rate(), default=None, metavar="FPS",
              help="Of images and raw streams, which state none.  [default: 25]")  # fmt: skip
@click.option("--deinterlace", type=click.Choice(["no", "yadif"]), default="no", show_default=True,
              help="Make whole frames of interlaced ones.")  # fmt: skip
@click.option("--codec", default="", metavar="NAME", help="Encoder and its options, e.g. libx265:crf=20.")
@click.option("--tile", default=0, type=click.IntRange(0, 4096), metavar="N",
              help="Make frames in squares of N pixels, for large ones.")  # fmt: skip
@click.option("--scale", type=click.Choice(["1", "0.5", "0.25"]), default=None,
              help="Estimate motion on smaller frames.  [default: that of the protocol]")  # fmt: skip
@click.option("--precision", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32",
              show_default=True, help="Of the network's convolutions.")  # fmt: skip
@click.option("--compile", "compiled", is_flag=True, help="Compile the network first: faster in long videos.")
@click.option("--device", default=None, metavar="NAME", help="cpu, cuda, cuda:1.  [default: cuda if there is one]")
@results_option
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
    source_fps: Fraction | None,
    deinterlace: str,
    codec: str,
    tile: int,
    scale: str | None,
    precision: str,
    compiled: bool,
    device: str | None,
    results: Path,
) -> None:
    """Make new frames between those of IN, a video or a folder of numbered images, and write OUT.

    Twice as many unless --times, --fps or --slow says otherwise. OUT is there when it is whole.
    """
    from harness.cli.progress import Counted
    from harness.errors import HarnessError
    from harness.files import expanded
    from harness.interpolate.footage import look_through
    from harness.interpolate.making import Asked, Stopped, plan
    from harness.interpolate.making import interpolate as make
    from harness.interpolate.network import Given, Network, check_size
    from harness.interpolate.writing import Codec, check_output
    from harness.registry.catalog import catalog
    from harness.registry.options import parse_choice
    from harness.results.store import Store
    from harness.train.engine import Engine

    if times and fps:
        raise HarnessError("--times and --fps say both how many frames there are: give one")
    known = catalog()
    warn_broken(known)
    chosen = parse_choice(codec) if codec else None
    encoder = Codec(chosen.name, chosen.options) if chosen else Codec()
    path = expanded(output)
    as_images = output.endswith("/") or not path.suffix
    check_output(path, encoder, as_images)
    engine = Engine(find_device(device), precision, compiled=compiled)  # type: ignore[arg-type]
    given = Given(weights, baseline, plugins, masks, protocol, float(scale) if scale else None, tile)
    network = Network.of(given, known, Store(results), engine)
    asked = Asked(int(times or slow or 2), fps, int(slow or 1), copies == "replace")
    with stoppable("harness: stopping; nothing is left of what was written") as stop:
        with Counted("frames read") as read:
            footage = look_through(expanded(source), deinterlace, source_fps, read.at, lambda: bool(stop))
        if footage is None:
            raise SystemExit(128 + stop[0])
        check_size(footage.size, given)
        planned = plan(footage, asked, network, as_images)
        for line in (*footage.notes, *planned.notes):
            say(f"harness: {line}", err=True)
        with Counted("frames", len(planned.wanted)) as progress:
            try:
                make(footage, planned, network, path, encoder, as_images, not slow, progress.note, progress.at,
                     lambda: bool(stop))  # fmt: skip
            except Stopped:
                raise SystemExit(128 + stop[0]) from None
    say(f"{path}: {len(planned.wanted):,} frames, {planned.made:,} of them new, by {network.name}")
