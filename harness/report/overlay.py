"""Frames under their label maps, with the names of the labels (paper, Figs. 3, 8 and 9)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.files import write_bytes
from harness.masks import Masks
from harness.printable import printable
from harness.report.gallery import tinted
from harness.report.picture import plain


@dataclass(frozen=True)
class Masked:
    """A pair of RGB frames (2, H, W, 3), uint8, and its masks."""

    title: str
    frames: NDArray[np.uint8]
    masks: Masks


def draw_overlays(shown: Sequence[Masked], path: Path) -> Path:
    """Write the picture, a PNG: a row a pair, both frames side by side, and a legend."""
    from matplotlib.figure import Figure

    heights = [4.4 * each.frames.shape[1] / each.frames.shape[2] + 0.4 for each in shown]
    figure = Figure(figsize=(11, sum(heights)), layout="constrained")
    axes = figure.subplots(len(shown), 2, squeeze=False, height_ratios=heights)
    for row, each in zip(axes, shown, strict=True):
        for axis, image, labels in zip(row, each.frames, each.masks.maps, strict=True):
            covered = tinted(image / 255, labels)
            axis.imshow(np.where(labels[..., None] > 0, covered, image / 255))
            axis.set_xticks([])
            axis.set_yticks([])
            _name_regions(axis, labels, each.masks.tags)
        row[0].set_title(plain(printable(each.title)), fontsize="small", loc="left")
        row[1].set_title(plain(printable(_caption(each.masks))), fontsize="small", loc="left")
        _legend(row[1], each.masks)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    write_bytes(path, content.getvalue())
    return path


def _caption(masks: Masks) -> str:
    count = np.count_nonzero(np.unique(masks.maps))
    dropped = f"; dropped: {', '.join(masks.dropped)}" if masks.dropped else ""
    return f"{count} {'mask' if count == 1 else 'masks'} and the rest{dropped}"


def _name_regions(axis: Any, labels: NDArray[np.uint16], tags: Sequence[str]) -> None:
    """The name at the pixel of the region that is nearest to its middle."""
    for label, tag in enumerate(tags, 1):
        places = np.argwhere(labels == label)
        if len(places):
            row, column = places[np.abs(places - places.mean(0)).sum(1).argmin()]
            box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1.5}
            axis.text(column, row, plain(printable(tag)), fontsize="small", ha="center", va="center", bbox=box)


def _legend(axis: Any, masks: Masks) -> None:
    from matplotlib.patches import Patch

    if masks.tags:
        numbers = np.arange(1, len(masks.tags) + 1)[None]
        colours = 2 * tinted(np.zeros((*numbers.shape, 3)), numbers)[0]
        tags = [plain(printable(tag)) for tag in masks.tags]
        handles = [Patch(color=colour.clip(0, 1), label=tag) for colour, tag in zip(colours, tags, strict=True)]
        axis.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize="small", frameon=False)
