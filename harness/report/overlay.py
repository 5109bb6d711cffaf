"""Frames under their label maps, with the names of the labels (paper, Figs. 3, 8 and 9)."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.files import write_bytes
from harness.masks import Masks
from harness.printable import printable
from harness.report.gallery import covered, label_colours
from harness.report.picture import GAP, LINE, MARGIN, PAGE, SMALL, Page, bare, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 200
HIGHEST = 65_000 / DPI  # inches: what draws it takes no picture of 65,536 pixels
# all in inches
FRAME = (PAGE - 2 * MARGIN - GAP) / 2
PATCH = 0.14  # of a colour in a legend, with its gap
LETTER = 0.055  # at most, of small text
TITLE = 0.16  # a line


@dataclass(frozen=True)
class Masked:
    """A pair of RGB frames (2, H, W, 3), uint8, and its masks."""

    title: str
    frames: NDArray[np.uint8]
    masks: Masks


def draw_overlays(shown: Sequence[Masked], path: Path) -> Path:
    """Write the picture, a PNG: a row a pair, both frames side by side. Labels that have names have their numbers in
    the frames, and what these mean stands below, where nothing is hidden. Raises HarnessError as `overlay_figure`."""
    content = io.BytesIO()
    with styled():
        overlay_figure(shown).savefig(content, format="png", dpi=DPI)
    write_bytes(path, content.getvalue())
    return path


def overlay_figure(shown: Sequence[Masked]) -> Figure:
    """The picture, to be made and written where matplotlib is `styled`. Raises HarnessError for one too high to be
    written."""
    from matplotlib.figure import Figure

    heights = [_height(each) for each in shown]
    total = sum(heights) + MARGIN
    if total > HIGHEST:
        fit = int(HIGHEST / max(heights))
        raise HarnessError(f"{len(shown)} pairs of frames do not fit on a page: give --count {fit} or less")
    page = Page(Figure(figsize=(PAGE, total)), total)
    top = MARGIN
    for each, height in zip(shown, heights, strict=True):
        _draw(page, each, top)
        top += height
    return page.figure


def _height(of: Masked) -> float:
    title, (columns, names) = _title(of), _legend(of.masks)
    legend = LINE * -(-len(names) // columns)
    return TITLE * len(title) + _frame(of) + LINE + legend + 4 * GAP


def _frame(of: Masked) -> float:
    """The height of one."""
    _, height, width, _ = of.frames.shape
    return float(FRAME * height / width)


def _draw(page: Page, of: Masked, top: float) -> None:
    for line in _title(of):
        page.text(MARGIN, top, line, size=8)
        top += TITLE
    below = top + _frame(of)
    sides = ("first frame", "last frame: what has the same label has the same colour")
    for at, (frame, labels, caption) in enumerate(zip(of.frames, of.masks.maps, sides, strict=True)):
        left = MARGIN + at * (FRAME + GAP)
        axis = page.axes(left, top, FRAME, _frame(of))
        axis.imshow(covered(frame, labels), interpolation="antialiased")
        bare(axis)
        _number_regions(axis, labels, len(of.masks.tags))
        page.text(left + FRAME / 2, below + GAP / 2, caption, centred=True)
    columns, names = _legend(of.masks)
    wide, colours = (PAGE - 2 * MARGIN) / columns, label_colours(len(names) + 1)
    for at, name in enumerate(names):
        left, high = MARGIN + at % columns * wide, below + LINE + GAP + at // columns * LINE
        patch = page.axes(left, high + 0.01, PATCH - 0.04, LINE - 0.03)
        patch.set_facecolor(tuple(colours[at + 1]))
        bare(patch)
        page.text(left + PATCH, high, name)


def _title(of: Masked) -> list[str]:
    masks = of.masks
    count = np.count_nonzero(np.unique(masks.maps))
    dropped = f"; dropped: {', '.join(masks.dropped)}" if masks.dropped else ""
    words = f"{of.title}: {count} {'mask' if count == 1 else 'masks'} and the rest{dropped}"
    return textwrap.wrap(printable(words), 115)


def _legend(masks: Masks) -> tuple[int, list[str]]:
    """In how many columns, and a line a label."""
    longest = int((PAGE - 2 * MARGIN - PATCH) / LETTER)
    names = [
        name if len(name) <= longest else f"{name[: longest - 3]}..."
        for name in (printable(f"{label} {tag}") for label, tag in enumerate(masks.tags, 1))
    ]
    widest = PATCH + LETTER * (2 + max(map(len, names), default=0))
    return max(1, min(6, int((PAGE - 2 * MARGIN) / widest))), names


def _number_regions(axis: Axes, labels: NDArray[np.uint16], named: int) -> None:
    """The number of each label that has a name, at the pixel of its region that is nearest to the middle."""
    from matplotlib.patheffects import withStroke

    for label in range(1, named + 1):
        places = np.argwhere(labels == label)
        if len(places):
            row, column = places[np.abs(places - places.mean(0)).sum(1).argmin()]
            around = [withStroke(linewidth=1.5, foreground="black")]
            axis.text(
                column, row, str(label), fontsize=SMALL, color="white", ha="center", va="center", path_effects=around
            )
