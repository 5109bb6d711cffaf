"""Masks are told apart, and their names hide neither frames nor each other."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from skimage.color import rgb2lab

from harness.errors import HarnessError
from harness.masks import Masks
from harness.report.gallery import covered, label_colours
from harness.report.overlay import Masked, draw_overlays, overlay_figure
from harness.report.picture import styled


def moving(tags: tuple[str, ...], labels: int = 8, title: str = "easy: clip/1") -> Masked:
    """Grey frames with so many squares in a row, which move to the right."""
    maps = np.zeros((2, 48, 12 * labels + 24), np.uint16)
    for label in range(1, labels + 1):
        for frame in range(2):
            maps[frame, 10:20, 12 * label + 5 * frame : 12 * label + 5 * frame + 10] = label
    return Masked(title, np.full((*maps.shape, 3), 128, np.uint8), Masks(maps, tags=tags))


@pytest.mark.parametrize(("labels", "apart"), [(6, 25), (20, 11), (28, 10), (40, 8)])
def test_colours_of_labels_are_apart(labels: int, apart: float) -> None:
    """As they are seen, over grey: the distance of the nearest two in CIELAB, of which 2 can just be seen."""
    seen = rgb2lab(0.5 * label_colours(labels + 1)[None, 1:] + 0.25)[0]
    gaps = [float(np.linalg.norm(one - other)) for one, other in itertools.combinations(seen, 2)]
    assert min(gaps) > apart


def test_the_rest_is_left_as_it_is_and_a_label_looks_alike_in_both_frames() -> None:
    of = moving(())
    first, last = (covered(frame, labels) for frame, labels in zip(of.frames, of.masks.maps, strict=True))
    assert (first[of.masks.maps[0] == 0] == 128).all()
    for label in range(1, 9):
        (one,), (other,) = (
            np.unique(picture[labels == label], axis=0)
            for picture, labels in zip((first, last), of.masks.maps, strict=True)
        )
        assert one.tolist() == other.tolist() != [128, 128, 128]


def boxes(figure: Figure) -> tuple[list[Axes], list[tuple[str, np.ndarray]]]:
    """The frames, and every text of the page with its place in pixels: left, bottom, right, top."""
    FigureCanvasAgg(figure).draw()
    frames = [axis for axis in figure.axes if axis.images]
    return frames, [(text.get_text(), text.get_window_extent().extents) for text in figure.texts]


@pytest.mark.parametrize("letters", [1, 30, 400])
def test_names_hide_nothing(letters: int) -> None:
    """However many and long they are: below their frames, beside each other, and on the page."""
    tags = tuple("x" * letters for _ in range(8))
    with styled():
        figure = overlay_figure([moving(tags), moving(tags[:3], title="t" * 300), moving(())])
        frames, texts = boxes(figure)
    assert len(frames) == 6
    names = [text for text, _ in texts if "x" in text]
    assert [name.split()[0] for name in names] == [*"12345678", *"123"]
    for text, (left, bottom, right, top) in texts:
        assert left >= 0, text
        assert right <= figure.bbox.width, text
        assert bottom >= 0, text
        for axis in frames:
            x0, y0, x1, y1 = axis.get_window_extent().extents
            assert right <= x0 or left >= x1 or top <= y0 + 1 or bottom >= y1 - 1, text
    for (one, a), (other, b) in itertools.combinations(texts, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] + 1 or b[3] <= a[1] + 1, (one, other)


def test_numbers_stand_in_their_regions() -> None:
    """Those that names explain; without names there are none."""
    of = moving(("one", "two", "three"))
    with styled():
        frames, _ = boxes(overlay_figure([of, moving(())]))
    for axis, labels in zip(frames[:2], of.masks.maps, strict=True):
        assert [text.get_text() for text in axis.texts] == ["1", "2", "3"]
        for text in axis.texts:
            column, row = text.get_position()
            assert labels[int(row), int(column)] == int(text.get_text())
    assert not any(axis.texts for axis in frames[2:])


def test_what_cannot_be_written_is_one_line() -> None:
    of = moving(tuple("abc"))
    with (
        styled(),
        pytest.raises(HarnessError, match=r"^2000 pairs of frames do not fit on a page: give --count (\d+) or"),
    ):
        overlay_figure([of] * 2000)


def test_frames_of_a_page_are_as_wide_as_it_is(tmp_path: Path) -> None:
    draw_overlays([moving(("one",))], tmp_path / "masks.png")
    with Image.open(tmp_path / "masks.png") as picture:
        assert picture.width == 1432
        tint = np.asarray(picture.convert("RGB"))[picture.height // 3]
    assert (tint != 255).any(1)[15:-15].mean() > 0.95
