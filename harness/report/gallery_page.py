"""A gallery as a picture: of each exhibit, the frames above and the errors below, to read at a paper's full width."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.printable import printable
from harness.report.gallery import Exhibit
from harness.report.picture import PAGE, plain, save, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# all in inches
OVERVIEW, CROP, GAP, MARGIN = 2.34, 1.3, 0.06, 0.06
TITLE, LINE = 0.22, 0.12
SMALL = 6.5  # points
WRAPPED = 28  # characters of that size across a crop


@dataclass(frozen=True)
class Page:
    """A figure on which axes are placed in inches from its upper left corner."""

    figure: Figure
    height: float

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        box = (left / PAGE, 1 - (top + height) / self.height, width / PAGE, height / self.height)
        return self.figure.add_axes(box)

    def text(self, left: float, top: float, text: str, size: float = SMALL, centred: bool = False) -> None:
        self.figure.text(
            left / PAGE, 1 - top / self.height, plain(text), fontsize=size, va="top", ha="center" if centred else "left"
        )


def draw_gallery(shown: Sequence[Exhibit], path: Path) -> Path:
    """Write the picture, in the format that the file's name ends in. Raises HarnessError for one that is unknown."""
    from matplotlib.figure import Figure

    heights = [_height(exhibit) for exhibit in shown]
    note = textwrap.wrap(printable(_note(shown)), 150)
    total = sum(heights) + LINE * len(note) + 2 * MARGIN
    with styled():
        page = Page(Figure(figsize=(PAGE, total)), total)
        page.text(MARGIN, MARGIN, "\n".join(note))
        top = MARGIN + LINE * len(note)
        for exhibit, height in zip(shown, heights, strict=True):
            _draw(page, exhibit, top)
            top += height
        return save(page.figure, path, dpi=200)


def _note(shown: Sequence[Exhibit]) -> str:
    arms = [view.label for view in shown[0].views]
    if len(arms) == 1:
        return (
            f"PSNR of {arms[0]}{shown[0].origin}: whole frame | crop. The crop is where its squared error is largest."
        )
    return (
        f"Differences are in PSNR, {arms[1]} minus {arms[0]}{shown[0].origin}: "
        "of each level the highest, and as many of the lowest. Below an image: PSNR of the whole frame | of the crop, "
        "which is where the squared errors of both differ most."
    )


def _captions(exhibit: Exhibit) -> list[str]:
    return [f"{wrapped(view.label, WRAPPED)}\n{view.psnr:.2f} | {view.crop_psnr:.2f} dB" for view in exhibit.views]


def _caption_height(exhibit: Exhibit) -> float:
    return LINE * max(caption.count("\n") + 1 for caption in _captions(exhibit)) + GAP


def _height(exhibit: Exhibit) -> float:
    return TITLE + 2 * CROP + _caption_height(exhibit) + LINE + 3 * GAP


def _draw(page: Page, exhibit: Exhibit, top: float) -> None:
    page.text(MARGIN, top + GAP, printable(exhibit.title), size=8)
    upper = top + TITLE
    lower = upper + CROP + _caption_height(exhibit)
    _overviews(page, exhibit, upper, lower)
    columns = [MARGIN + OVERVIEW + GAP + at * (CROP + GAP) for at in range(1 + len(exhibit.views))]
    _image(page, columns[0], upper, exhibit.truth, "truth")
    _image(page, columns[0], lower, exhibit.inputs, "inputs overlaid")
    highest = max(float(np.percentile(view.error, 99.5)) for view in exhibit.views) or 1.0
    for left, view, caption in zip(columns[1:], exhibit.views, _captions(exhibit), strict=True):
        _image(page, left, upper, view.crop, caption)
        axis = page.axes(left, lower, CROP, CROP)
        drawn = axis.imshow(view.error, cmap="magma", vmin=0, vmax=highest, interpolation="nearest")
        _bare(axis)
        page.text(left + CROP / 2, lower + CROP + GAP / 2, "absolute error", centred=True)
    bar = page.figure.colorbar(drawn, cax=page.axes(columns[-1] + CROP + GAP, lower, 0.08, CROP), extend="max")
    bar.ax.tick_params(labelsize=SMALL, length=2, pad=1)
    bar.set_label("grey levels of 255", fontsize=SMALL, labelpad=2)
    bar.outline.set_linewidth(0.5)


def _overviews(page: Page, exhibit: Exhibit, upper: float, lower: float) -> None:
    """The whole frame with the place of the crop, and its masks where there are any."""
    whole = [(upper, exhibit.overlay, "inputs overlaid")]
    height = lower + CROP - upper
    if exhibit.masks is not None:
        regions = "1 region" if exhibit.regions == 1 else f"{exhibit.regions} regions"
        whole.append((lower, exhibit.masks, f"masks of the first frame: {regions}"))
        height = CROP
    for top, image, caption in whole:
        axis = page.axes(MARGIN, top, OVERVIEW, height)
        axis.imshow(image, interpolation="antialiased")
        axis.set_anchor("N")
        _bare(axis)
        _mark(axis, exhibit, image.shape[0] / exhibit.size[0])
        drawn = min(height, OVERVIEW * image.shape[0] / image.shape[1])
        page.text(MARGIN + OVERVIEW / 2, top + drawn + GAP / 2, caption, centred=True)


def _mark(axis: Axes, exhibit: Exhibit, scale: float) -> None:
    """White on black, to be seen on anything."""
    from matplotlib.patches import Rectangle

    place = exhibit.place
    corner = (place.left * scale - 0.5, place.top * scale - 0.5)
    for colour, width in (("black", 2.0), ("white", 0.9)):
        box = Rectangle(corner, place.width * scale, place.height * scale, fill=False, edgecolor=colour, lw=width)
        axis.add_patch(box)


def _image(page: Page, left: float, top: float, image: np.ndarray, caption: str) -> None:
    axis = page.axes(left, top, CROP, CROP)
    axis.imshow(image, interpolation="antialiased")
    _bare(axis)
    page.text(left + CROP / 2, top + CROP + GAP / 2, caption, centred=True)


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)
