"""harness compare: a video of two networks beside each other, where the truth is known."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.common import find_device, say, stoppable, warn_broken
from harness.cli.interpolate import STOPPING, counted, network_options
from harness.cli.verbosity import note

if TYPE_CHECKING:
    from harness.train.engine import Precision


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.option("--runs", required=True, metavar="A,B", help="Two of: a run, a file of weights, one of weights list.")
@click.option("-o", "--output", required=True, metavar="OUT", help="A video.")
@click.option("--wipe", is_flag=True, help="One picture, with a line that moves between A and B.")
@click.option("--baseline", "baselines", multiple=True, metavar="NAME",
              help="The network, where weights do not say it; twice where A and B differ.")  # fmt: skip
@click.option("--with", "plugins", multiple=True, metavar="NAMES", help="Plug-ins of files, likewise.")
@network_options
def compare(
    source: Path,
    runs: str,
    output: str,
    wipe: bool,
    baselines: tuple[str, ...],
    plugins: tuple[str, ...],
    masks: str | None,
    protocol: str,
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
    """Leave every second frame of IN out, make it anew by two networks, and show both beside each other.

    In the picture is the PSNR of each frame that was made, and at the end the mean is printed. It says how this clip
    looks: whether one network is better, tables of whole benchmarks say.
    """
    from statistics import fmean

    from harness.files import expanded
    from harness.interpolate.compare import compare as make
    from harness.interpolate.compare import triplets
    from harness.interpolate.footage import look_through
    from harness.interpolate.network import Given, Network, check_size
    from harness.interpolate.writing import Output
    from harness.registry.catalog import catalog
    from harness.results.store import Store
    from harness.train.engine import Engine

    names = [word.strip() for word in runs.split(",") if word.strip()]
    if len(names) != 2:
        raise click.BadParameter(f"'{runs}': give two, as in A,B", param_hint="--runs")
    known = catalog()
    warn_broken(known)
    target = Output.of(output, codec, images=False)
    engine = Engine(find_device(device), precision, compiled=compiled)
    both = zip(names, _for_both(baselines, "--baseline"), _for_both(plugins, "--with"), strict=True)
    given = [Given(*each, masks, protocol, float(scale) if scale else None, tile) for each in both]
    networks = [Network.of(each, known, Store(results), engine) for each in given]
    with stoppable(STOPPING) as stop:
        with counted("frames read", stop) as read:
            footage = look_through(
                expanded(source), deinterlace, source_fps, read.at, lambda size: check_size(size, given[0])
            )
        left_out = triplets(footage, middle_only=any(network.arm.middle_only for network in networks))
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
