"""A gallery as a picture, to read at a paper's full width.

Of each exhibit whole frames stand on the left; of the crop a column an arm, with frame, error and flow below each
other, between what is known of it and what is neither arm's.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import HarnessError
from harness.printable import printable
from harness.report.exhibit import Exhibit
from harness.report.flow_picture import draw_flow, full_length, wheel
from harness.report.picture import GAP, LINE, MARGIN, PAGE, SMALL, Page, bare, save, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# all in inches
OVERVIEW, CROP = 2.0, 1.2
TITLE = 0.16  # a line
KEY = 0.42  # a colour bar with its words
WRAPPED = 26  # characters of small text across a crop
FITS = 50  # triplets: what draws them takes no picture that is 65,536 pixels high


def check_count(count: int) -> None:
    """Raises HarnessError for more triplets than fit on a page: networks are not to run for a picture that cannot be
    written."""
    if count > FITS:
        raise HarnessError(f"{count} triplets do not fit on a page, {FITS} do: give a lower --count, or a --level")


def draw_gallery(shown: Sequence[Exhibit], path: Path) -> Path:
    """Write the picture, in the format that the file's name ends in. Raises HarnessError for one that is unknown."""
    with styled():
        return save(gallery_figure(shown), path, dpi=200)


def gallery_figure(shown: Sequence[Exhibit]) -> Figure:
    """The picture, to be made and written where matplotlib is `styled`. Raises HarnessError as `check_count`."""
    from matplotlib.figure import Figure

    check_count(len(shown))
    heights = [_tops(exhibit)[-1] + GAP for exhibit in shown]
    note = textwrap.wrap(printable(_note(shown)), 128)
    total = sum(heights) + LINE * len(note) + 2 * MARGIN
    page = Page(Figure(figsize=(PAGE, total)), total)
    page.text(MARGIN, MARGIN, "\n".join(note))
    top = MARGIN + LINE * len(note)
    for exhibit, height in zip(shown, heights, strict=True):
        _draw(page, exhibit, top)
        top += height
    return page.figure


def _note(shown: Sequence[Exhibit]) -> str:
    arms, origin = [view.label for view in shown[0].views], shown[0].origin
    if len(arms) == 1:
        note = f"PSNR of {arms[0]}{origin}: whole frame | crop. The crop is where its squared error is largest."
    else:
        note = (
            f"Differences are in PSNR, {arms[1]} minus {arms[0]}{origin}: of each level the highest, and as many of "
            "the lowest. Below an image: PSNR of the whole frame | of the crop, which is where most of the frame's "
            "gain comes from, or of its loss. Errors are means over the colours, in grey levels of 255, on one scale "
            f"for both arms; their difference is blue where {arms[1]} is nearer to the truth, red where it is farther."
        )
    if any(exhibit.flows for exhibit in shown):
        note += (
            " Flows are in pixels, from the frame to be made to the first input: the colour is the direction, its "
            "strength the length, full at the rim of the wheel and beyond. Arrows are means of squares, as long as a "
            "square is wide where the colour is full."
        )
    return note


def _title(exhibit: Exhibit) -> list[str]:
    gain = exhibit.crop_gain
    of_crop = "" if gain is None else f"; in the crop {gain:+z.2f} dB"
    return textwrap.wrap(f"{printable(exhibit.title)}{of_crop}", 105)


def _captions(exhibit: Exhibit) -> list[str]:
    return [f"{wrapped(view.label, WRAPPED)}\n{view.psnr:.2f} | {view.crop_psnr:.2f} dB" for view in exhibit.views]


def _tops(exhibit: Exhibit) -> list[float]:
    """Where its rows begin, from its own top, and where it ends. The third is of flows and the last frame's masks."""
    captions = LINE * max(caption.count("\n") + 1 for caption in _captions(exhibit))
    rows = [CROP + captions + GAP, CROP + LINE + 2 * GAP]
    if exhibit.flows or exhibit.masks:
        rows.append(CROP + LINE + 2 * GAP)
    title = GAP + TITLE * len(_title(exhibit))
    return [title + sum(rows[:at]) for at in range(len(rows) + 1)]


def _draw(page: Page, exhibit: Exhibit, top: float) -> None:
    for at, line in enumerate(_title(exhibit)):
        page.text(MARGIN, top + GAP + at * TITLE, line, size=8)
    tops = [top + each for each in _tops(exhibit)]
    columns = [MARGIN + OVERVIEW + GAP + at * (CROP + GAP) for at in range(2 + len(exhibit.views))]
    _overviews(page, exhibit, tops)
    crops = [exhibit.truth, *(view.crop for view in exhibit.views), exhibit.inputs]
    for left, crop, caption in zip(columns, crops, ["truth", *_captions(exhibit), "inputs overlaid"], strict=True):
        _image(page, left, tops[0], crop, caption)
    _errors(page, exhibit, columns, tops[1])
    if exhibit.flows:
        _flows(page, exhibit, columns, tops[2])


def _errors(page: Page, exhibit: Exhibit, columns: Sequence[float], top: float) -> None:
    """Of all arms on one scale, and by how much the second's is larger; their keys in the first column."""
    errors = [view.error for view in exhibit.views]
    highest = max(float(np.percentile(error, 99.5)) for error in errors) or 1.0
    for left, error in zip(columns[1:], errors, strict=False):
        axis = _axes(page, left, top, "absolute error")
        drawn = axis.imshow(error, cmap="magma", vmin=0, vmax=highest, interpolation="nearest")
    _key(page, columns[0], top, drawn, "absolute error, grey levels", "max")
    if len(errors) > 1:
        gap = errors[1] - errors[0]
        widest = float(np.percentile(np.abs(gap), 99.5)) or 1.0
        axis = _framed(_axes(page, columns[-1], top, "difference of errors"))
        drawn = axis.imshow(gap, cmap="RdBu_r", vmin=-widest, vmax=widest, interpolation="nearest")
        _key(page, columns[0], top + KEY, drawn, "difference of errors", "both")


def _key(page: Page, left: float, top: float, drawn: AxesImage, words: str, extend: str) -> None:
    from matplotlib.ticker import MaxNLocator

    page.text(left + CROP / 2, top, words, centred=True)
    place = page.axes(left + 0.1, top + LINE, CROP - 0.2, 0.07)
    bar = page.figure.colorbar(drawn, cax=place, orientation="horizontal", extend=extend)
    bar.ax.tick_params(labelsize=SMALL, length=2, pad=1)
    bar.ax.xaxis.set_major_locator(MaxNLocator(4))
    bar.outline.set_linewidth(0.5)


def _flows(page: Page, exhibit: Exhibit, columns: Sequence[float], top: float) -> None:
    """Below each crop its own; the wheel in the first column, which the true flow takes where it is known."""
    full = full_length(exhibit.flows)
    flows = [
        (exhibit.true_flow, "true flow"),
        *((view.flow, "flow to the first input") for view in exhibit.views),
        (exhibit.attended, "attended flow"),
    ]
    for left, (flow, caption) in zip(columns, flows, strict=True):
        if flow is not None:
            draw_flow(_framed(_axes(page, left, top, caption)), flow, full)
    side, high = (CROP, top) if exhibit.true_flow is None else (0.32, top - GAP - LINE - 0.32)
    _wheel(page, columns[0], high, side, f"{full:g} px")


def _wheel(page: Page, left: float, top: float, side: float, length: str) -> None:
    """As large as the place, or, small, with its words beside it."""
    small = side < CROP
    drawn = side if small else side - 0.4
    axis = page.axes(left + (0.1 if small else 0.2), top + (0 if small else 0.2), drawn, drawn)
    axis.imshow(wheel(200), interpolation="antialiased")
    axis.patch.set_alpha(0)
    bare(axis)
    if small:
        page.text(left + 0.1 + drawn + GAP, top + drawn / 2 - LINE / 2, f"rim: {length}")
    else:
        page.text(left + CROP / 2, top + CROP + GAP / 2, f"rim of the wheel: {length}", centred=True)


def _overviews(page: Page, exhibit: Exhibit, tops: Sequence[float]) -> None:
    """The whole frame with the place of the crop, and the masks of both frames where there are any."""
    whole = [(exhibit.overlay, "inputs overlaid")]
    height = tops[-1] - tops[0] - LINE - 2 * GAP
    if exhibit.masks is not None:
        regions = "1 region" if exhibit.regions == 1 else f"{exhibit.regions} regions"
        first, last = exhibit.masks
        whole += [
            (first, f"masks of the first frame: {regions}"),
            (last, "masks of the last frame, same colours"),
        ]
        height = CROP
    for top, (image, caption) in zip(tops, whole, strict=False):
        axis = page.axes(MARGIN, top, OVERVIEW, height)
        axis.imshow(image, interpolation="antialiased")
        axis.set_anchor("N")
        bare(axis)
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
    _axes(page, left, top, caption).imshow(image, interpolation="antialiased")


def _axes(page: Page, left: float, top: float, caption: str) -> Axes:
    """Of the size of a crop, with words below."""
    axis = page.axes(left, top, CROP, CROP)
    bare(axis)
    page.text(left + CROP / 2, top + CROP + GAP / 2, caption, centred=True)
    return axis


def _framed(axis: Axes) -> Axes:
    """For pictures that are white at their edges."""
    for side in axis.spines.values():
        side.set(visible=True, color="0.7", linewidth=0.4)
    return axis
