"""harness interpolate: more frames a second, or a slower video, by any network that there are weights of."""

from __future__ import annotations

from fractions import Fraction

import click

from harness.cli.common import one_list, say, stoppable
from harness.cli.footage import STOPPING, How, counted, footage_options, parse_rate
from harness.cli.verbosity import note


@click.command()
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
@click.option("--halve", is_flag=True,
              help="The weights were trained at the middle alone: halve a gap again and again.")  # fmt: skip
@click.option("--copies", type=click.Choice(["replace", "keep"]), default="replace", show_default=True,
              help="Frames that show nothing new.")  # fmt: skip
@click.option("--cuts", type=click.Choice(["hold", "ignore"]), default="hold", show_default=True,
              help="Before a cut the last frame is held, or not.")  # fmt: skip
@footage_options
def interpolate(
    output: str,
    times: str | None,
    fps: Fraction | None,
    slow: str | None,
    weights: str,
    baseline: str,
    plugins: str,
    halve: bool,
    copies: str,
    cuts: str,
    codec: str,
    how: How,
) -> None:
    """Make new frames between those of IN, a video or a folder of numbered images, and write OUT.

    Twice as many unless --times, --fps or --slow says otherwise. OUT is there when it is whole.
    """
    from harness.errors import HarnessError
    from harness.interpolate.making import Asked, plan
    from harness.interpolate.making import interpolate as make
    from harness.interpolate.writing import Output

    if times and fps:
        raise HarnessError("--times and --fps both say how many frames there are: give one")
    target = Output.of(output, codec)
    (network,) = how.networks((weights, baseline, plugins), halve=halve)
    asked = Asked(int(times or slow or 2), fps, int(slow or 1), copies == "replace", cuts == "hold")
    with stoppable(STOPPING) as stop:
        footage = how.look_through(stop)
        planned = plan(footage, asked, network, target.as_images)
        for line in (*footage.notes, *planned.notes):
            note(line)
        with counted("frames", stop, len(planned.wanted)) as progress:
            make(footage, planned, network, target, progress.at, progress.note)
    say(f"{target.path}: {len(planned.wanted):,} frames, {planned.made:,} of them new, by {network.name}")
