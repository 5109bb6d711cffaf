"""What is drawn of a finished pair: its table, curves and gallery."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from harness.errors import HarnessError
from harness.files import small_file, write_text
from harness.outcome.pairs import PairOutcome
from harness.pair.plan import Plan
from harness.registry.code import core
from harness.report.curves import Curves, curves_of, draw_curves
from harness.report.exhibit import exhibits
from harness.report.formats import as_csv, as_markdown, as_svg
from harness.report.gallery import picks
from harness.report.gallery_page import draw_gallery
from harness.report.tables import sheets_of
from harness.results.store import Store

PICTURES = ("curves.png", "gallery.png")


def draw_figures(pair: PairOutcome, plan: Plan, store: Store, note: Callable[[str], None]) -> Path:
    """Write table, curves and gallery into the pair's folder, which is returned.

    Pictures are left alone while all that they show is the same. What cannot be drawn is told to `note`: the numbers
    are there without it.
    """
    folder = store.figures(pair.name)
    table = sheets_of(store, pair, store.pair_records())
    for name, text in (("table.md", as_markdown(table)), ("table.csv", as_csv(table)), ("table.svg", as_svg(table))):
        write_text(folder / name, text)
    try:
        curves = curves_of(pair, store)
        shown, record = _digest(pair, curves), folder / "drawn-from.txt"
        if _read(record) == shown and all((folder / name).exists() for name in PICTURES):
            return folder
        note("drawing curves and gallery")
        draw_curves([curves], folder)
        draw_gallery(exhibits(pair, plan, picks(pair)), folder / "gallery.png")
        write_text(record, shown)
    except HarnessError as error:
        note(f"not all figures can be drawn: {error}")
    return folder


def _digest(pair: PairOutcome, curves: Curves) -> str:
    """Of all that the pictures show, and of the code that draws them."""
    parts = [curves.title, curves.caption, curves.losses.to_csv(index=False), str(core("figures"))]
    parts += [f"{arm.measured and arm.measured.weights}\n{arm.rows.to_csv(index=False)}" for arm in pair.arms]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest() + "\n"


def _read(path: Path) -> str:
    try:
        return small_file(path).decode("utf-8", "replace")
    except HarnessError:  # not there, or no file of ours: drawn anew
        return ""
