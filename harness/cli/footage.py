"""What the commands that make frames of a video have in common: options, networks, reading, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.common import find_device, results_option, warn_broken
from harness.cli.verbosity import note

if TYPE_CHECKING:
    from harness.cli.progress import Counted
    from harness.interpolate.footage import Footage
    from harness.interpolate.network import Network
    from harness.train.engine import Precision

SMALLEST_TILE = 32  # pixels a side
STOPPING = "stopping; nothing is left of what was written"


@dataclass(frozen=True)
class How:
    """The words of `footage_options`."""

    source: Path
    masks: str | None
    protocol: str
    source_fps: Fraction | None
    deinterlace: str
    tile: int
    scale: str | None
    precision: Precision
    compiled: bool
    device: str | None
    results: Path

    def networks(self, *asked: tuple[str, str, str], halve: bool = False) -> list[Network]:
        """One for each: weights, the baseline or "", plug-ins or "". `halve` as of `Given`. Raises HarnessError as
        `harness.interpolate.network.Network.of`."""
        from harness.interpolate.network import Given, Network
        from harness.registry.catalog import catalog
        from harness.results.store import Store
        from harness.train.engine import Engine

        known, store = catalog(), Store(self.results)
        warn_broken(known)
        if self.compiled:
            note("--compile: the first frame takes minutes on a CPU; the others gain a tenth there, more on a GPU")
        engine = Engine(find_device(self.device), self.precision, compiled=self.compiled)
        scale = float(self.scale) if self.scale else None
        given = [Given(*each, self.masks, self.protocol, scale, self.tile, halve) for each in asked]
        found = [Network.of(each, known, store, engine) for each in given]
        if self.masks and not any(network.masks for network in found):
            for network in found:
                note(f"--masks {self.masks} changes nothing: {network.name} takes none")
        return found

    def look_through(self, stop: Sequence[int]) -> Footage:
        """The video. Raises HarnessError as `harness.interpolate.footage.look_through`, and for frames that are too
        large to be made at once."""
        from harness.files import expanded
        from harness.interpolate.footage import look_through
        from harness.interpolate.network import check_size

        with counted("frames read", stop) as read:
            return look_through(
                expanded(self.source),
                self.deinterlace,
                self.source_fps,
                read.at,
                lambda size: check_size(size, self.tile),
            )


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


def _side_of_tile(context: click.Context, option: click.Parameter, value: int) -> int:
    """In pixels: who takes it for a number of tiles would wait for a million passes a frame."""
    if 0 < value < SMALLEST_TILE:
        raise click.BadParameter(f"{value}: a side in pixels, of {SMALLEST_TILE} or more, as 1024", context, option)
    return value


def footage_options(command: Callable[..., None]) -> Callable[..., None]:
    """The video, and how networks are run on it, as one argument `how`; and `codec`."""
    options = (
        click.argument("source", metavar="IN", type=click.Path(path_type=Path)),
        click.option("--masks", default=None, metavar="NAME",
                     help="Mask source.  [default: that of the run, else the best]"),
        click.option("--protocol", default="unified", show_default=True, metavar="NAME",
                     help="How frames are given to a network."),
        click.option("--source-fps", callback=parse_rate, default=None, metavar="FPS",
                     help="Of images and raw streams, which state none.  [default: 25]"),
        click.option("--deinterlace", type=click.Choice(["no", "yadif"]), default="no", show_default=True,
                     help="Make whole frames of interlaced ones."),
        click.option("--codec", default="", metavar="NAME", help="Encoder and its options, e.g. libx265:crf=20."),
        click.option("--tile", default=0, type=click.IntRange(0, 4096), callback=_side_of_tile, metavar="N",
                     help="Make frames in squares of N x N pixels, for large ones."),
        click.option("--scale", type=click.Choice(["1", "0.5", "0.25"]), default=None,
                     help="Estimate motion on smaller frames.  [default: that of the protocol]"),
        click.option("--precision", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32",
                     show_default=True, help="Of a network's convolutions."),
        click.option("--compile", "compiled", is_flag=True, help="Compile a network first."),
        click.option("--device", default=None, metavar="NAME",
                     help="cpu, cuda, cuda:1.  [default: cuda if there is one]"),
        results_option,
    )  # fmt: skip

    @wraps(command)
    def with_how(**given: Any) -> None:
        how = How(**{field.name: given.pop(field.name) for field in fields(How)})
        command(**given, how=how)

    for option in reversed(options):
        with_how = option(with_how)
    return with_how


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
