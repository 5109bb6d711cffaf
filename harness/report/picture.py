"""How every figure looks, and how it is written: the same bytes for the same data, whatever a user's matplotlibrc."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.files import write_bytes
from harness.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.5, 7.16  # inches: a column, and the whole width, of a two-column paper
GAP, MARGIN, LINE = 0.06, 0.06, 0.12  # inches: between pictures, around them, of a line of small text
SMALL = 6.5  # points
PLAIN, PLUGGED, DIFFERENCE = "#0072B2", "#D55E00", "#009E73"  # of Okabe and Ito: colour-blind readers tell them apart
FORMATS = ("png", "pdf", "svg", "jpg")
UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.linewidth": 0.6,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "lines.solid_capstyle": "butt",
    "grid.linewidth": 0.4,
    "grid.alpha": 0.5,
    "pdf.fonttype": 42,  # fonts that printers and editors of papers take
    "svg.hashsalt": "vfi-harness",
}


@dataclass(frozen=True)
class Page:
    """A figure as wide as PAGE on which axes are placed in inches from its upper left corner."""

    figure: Figure
    height: float

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        box = (left / PAGE, 1 - (top + height) / self.height, width / PAGE, height / self.height)
        return self.figure.add_axes(box)

    def text(self, left: float, top: float, text: str, size: float = SMALL, centred: bool = False) -> None:
        self.figure.text(
            left / PAGE, 1 - top / self.height, plain(text), fontsize=size, va="top", ha="center" if centred else "left"
        )


@contextmanager
def styled() -> Iterator[None]:
    """matplotlib's defaults and STYLE, for what is drawn and written inside."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def save(figure: Figure, path: Path, dpi: int) -> Path:
    """Write the figure in the format that the file's name ends in. Raises HarnessError for another than FORMATS."""
    form = check_format(path)
    content = io.BytesIO()
    figure.savefig(content, format=form, dpi=dpi, metadata=UNDATED.get(form))
    write_bytes(path, content.getvalue())
    return path


def laid_out(figure: Figure) -> Figure:
    """The figure with everything in its place, once for all formats in which it is written."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def check_format(path: Path) -> str:
    """The format that a file's name asks for. Raises HarnessError for another than FORMATS."""
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise HarnessError(f"{path}: figures are written as {', '.join(FORMATS)}; end the name in one of them")
    return form


def plain(text: str) -> str:
    """The text as it is to be seen: matplotlib sets what stands between two $ as a formula, or fails to."""
    return "\n".join(printable(line).replace("$", r"\$") for line in text.split("\n"))


def wrapped(label: str, width: int) -> str:
    """An arm's label in lines of so many characters, broken before a plug-in or after an option."""
    label = printable(label)
    if len(label) <= width:
        return label
    return textwrap.fill(label.replace("+", " +").replace(",", ", "), width, break_on_hyphens=False)


def bare(axis: Axes) -> None:
    """A picture, and nothing of an axis."""
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)
