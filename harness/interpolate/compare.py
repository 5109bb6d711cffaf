"""Two networks beside each other on the frames of a video that are left out of it, where the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.data.times import MIDDLE
from harness.errors import HarnessError
from harness.evaluate.runner import to_image
from harness.interpolate.footage import Footage
from harness.interpolate.making import Rows, rows_of
from harness.interpolate.network import Frame, Network, rounded
from harness.interpolate.plan import Wanted, around, time_within
from harness.interpolate.threads import Behind
from harness.interpolate.writing import Output, video_to
from harness.metrics.pixelwise import psnr

SWEEP = Fraction(4)
"""Seconds in which the line of a wipe goes from left to right and back."""


@dataclass(frozen=True)
class Triplet:
    """Frames of a video: the middle one is left out and made anew. `around` are the four that a network of four inputs
    sees."""

    first: int
    middle: int
    last: int
    t: Fraction
    around: tuple[int, int, int, int]


@dataclass(frozen=True)
class Compared:
    """PSNR of each frame that was made, by network, in dB; and how many frames the video has."""

    psnr: tuple[tuple[float, ...], ...]
    frames: int


def triplets(footage: Footage, middle_only: bool) -> Mapping[int, Triplet]:
    """By the frame that is left out: every second one of each shot, of those that are no copies; t goes by time stamps.
    Those that are off the middle are given instead where a network makes the middle alone.

    Raises HarnessError where there is none."""
    rows = [row for row in range(len(footage.shown)) if row not in footage.copies]
    found = {}
    for shot in _shots(rows, footage):
        given = shot[::2]
        for (first, last), middle in zip(pairwise(given), shot[1::2], strict=False):
            t = time_within(*(footage.shown[row] for row in (first, middle, last)))
            if t == MIDDLE or not middle_only:
                four = around(first, last, given, footage.shown, footage.cuts)
                found[middle] = Triplet(first, middle, last, t, four)
    if not found:
        raise HarnessError(
            f"{footage.path}: has no shot of three different frames with one in the middle: none can be left out"
        )
    return found


def compare(
    footage: Footage,
    left_out: Mapping[int, Triplet],
    networks: Sequence[Network],
    output: Output,
    wipe: bool,
    progress: Callable[[int], None],
) -> Compared:
    """Write the video: both networks side by side, or with a line that wipes from one to the other; on frames that were
    left out the PSNR of each, as `harness eval` measures it. Raises as `harness.interpolate.making.interpolate`."""
    rows = [row for row in range(len(footage.shown)) if row not in footage.copies]
    ends = [*(footage.shown[row] for row in rows[1:]), footage.end]
    wanted = [
        Wanted(footage.shown[row], end - footage.shown[row], row, row, Fraction(0))
        for row, end in zip(rows, ends, strict=True)
    ]
    height, width = footage.size
    size = (height, width if wipe else 2 * width)
    scores: list[tuple[float, ...]] = []
    with (
        rows_of(footage, rows) as source,
        video_to(output, wanted, size, footage.look) as put,
        Behind[tuple[Wanted, Frame]](lambda each: put(*each)) as behind,
    ):
        for count, each in enumerate(wanted, start=1):
            source.forget(rows[max(0, count - 4)])  # a triplet begins three frames before its middle at most
            truth = source.read(each.first)
            made, said = [truth, truth], ["given", "given"]
            if triplet := left_out.get(each.first):
                found = [_made(network, triplet, source, truth) for network in networks]
                made, scores = [frame for frame, _ in found], [*scores, tuple(score for _, score in found)]
                said = [f"{score:.2f} dB" for score in scores[-1]]
            labels = [f"{network.name}: {what}" for network, what in zip(networks, said, strict=True)]
            behind.put((each, _wiped(made, labels, each.at) if wipe else _beside(made, labels)))
            progress(count)
    return Compared(tuple(zip(*scores, strict=True)), len(wanted))


def _made(network: Network, triplet: Triplet, source: Rows, truth: Frame) -> tuple[Frame, float]:
    rows = triplet.around if network.arm.inputs == 4 else (triplet.first, triplet.last)
    made = network.between(tuple(source.read(row) for row in rows), float(triplet.t))
    measured = (made * 255).round() / 255 if network.rounding else made
    return rounded(made), float(psnr(measured, to_image(truth, network.device)))


def _shots(rows: Sequence[int], footage: Footage) -> Iterator[list[int]]:
    shot: list[int] = []
    for row in rows:
        if row in footage.cuts and shot:
            yield shot
            shot = []
        shot.append(row)
    yield shot


def _beside(made: Sequence[Frame], labels: Sequence[str]) -> Frame:
    width = made[0].shape[1]
    return _labelled(np.concatenate(made, axis=1), labels, (0, width), width)


def _wiped(made: Sequence[Frame], labels: Sequence[str], at: Fraction) -> Frame:
    """The first network left of the line, the second right of it."""
    width = made[0].shape[1]
    phase = at / SWEEP % 1
    line = int(width * (2 * phase if phase < MIDDLE else 2 - 2 * phase))
    frame = np.concatenate([made[0][:, :line], made[1][:, line:]], axis=1)
    frame[:, max(0, line - 1) : line + 1] = 255
    return _labelled(frame, labels, (0, width // 2), width // 2)


def _labelled(frame: NDArray[np.uint8], labels: Sequence[str], lefts: Sequence[int], room: int) -> Frame:
    """Small white text on black at the top, each label from its left on: as much of its end as `room` pixels hold."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(10, frame.shape[0] // 32))
    for label, left in zip(labels, lefts, strict=True):
        while label and draw.textlength(label, font) > room - 8:
            label = label[1:]
        box = draw.textbbox((left + 4, 2), label, font)
        draw.rectangle((box[0] - 4, box[1] - 2, box[2] + 4, box[3] + 2), fill=(0, 0, 0))
        draw.text((left + 4, 2), label, fill=(255, 255, 255), font=font)
    return np.array(image)
