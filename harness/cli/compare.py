"""harness compare: a video of two networks beside each other, where the truth is known."""

from __future__ import annotations

import click

from harness.cli.common import say, stoppable
from harness.cli.footage import STOPPING, How, counted, footage_options
from harness.cli.verbosity import note


@click.command()
@click.option("--runs", required=True, metavar="A,B", help="Two of: a run, a file of weights, one of weights list.")
@click.option("-o", "--output", required=True, metavar="OUT", help="A video.")
@click.option("--wipe", is_flag=True, help="One picture, with a line that moves between A and B.")
@click.option("--baseline", "baselines", multiple=True, metavar="NAME",
              help="The network, where weights do not say it; twice where A and B differ.")  # fmt: skip
@click.option("--with", "plugins", multiple=True, metavar="NAMES", help="Plug-ins of files, likewise.")
@footage_options
def compare(
    runs: str,
    output: str,
    wipe: bool,
    baselines: tuple[str, ...],
    plugins: tuple[str, ...],
    codec: str,
    how: How,
) -> None:
    """Leave every second frame of IN out, make it anew by two networks, and show both beside each other.

    In the picture is the PSNR of each frame that was made, and at the end the mean is printed. It says how this clip
    looks: whether one network is better, tables of whole benchmarks say.
    """
    from statistics import fmean

    from harness.interpolate.compare import compare as make
    from harness.interpolate.compare import triplets
    from harness.interpolate.writing import Output

    names = [word.strip() for word in runs.split(",") if word.strip()]
    if len(names) != 2:
        raise click.BadParameter(f"'{runs}': give two, as in A,B", param_hint="--runs")
    target = Output.of(output, codec, images=False)
    networks = how.networks(*zip(names, _for_both(baselines, "--baseline"), _for_both(plugins, "--with"), strict=True))
    with stoppable(STOPPING) as stop:
        footage = how.look_through(stop)
        left_out = triplets(footage, middle_only=any(network.times == "middle" for network in networks))
        for line in footage.notes:
            note(line)
        with counted("frames", stop, len(footage.shown) - len(footage.copies)) as progress:
            compared = make(footage, left_out, networks, target, wipe, progress.at)
    for network, scores in zip(networks, compared.psnr, strict=True):
        say(f"{network.name}: {fmean(scores):.2f} dB, the mean of {len(scores):,} frames")
    say(f"{target.path}: {compared.frames:,} frames")


def _for_both(given: tuple[str, ...], option: str) -> tuple[str, str]:
    if len(given) > 2:
        raise click.BadParameter("give it once for both, or twice, for A and for B", param_hint=option)
    return (given[0], given[-1]) if given else ("", "")
