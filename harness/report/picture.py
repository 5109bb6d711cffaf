"""How every figure looks, and how it is written: the same bytes for the same data, whatever a user's matplotlibrc."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.files import write_bytes
from harness.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.5, 7.16  # inches: a column, and the whole width, of a two-column paper
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
