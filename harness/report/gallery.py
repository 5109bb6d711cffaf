"""Visual comparison of a pair (paper Fig. 6): inputs overlaid, truth, each arm, masks; PSNR under each.

Of every level the triplet with the highest difference and the one with the lowest: never gains alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.compare.outcome import PairOutcome
from harness.data.benchmark import Benchmark
from harness.files import write_bytes

Image = NDArray[np.float64]  # (H, W, 3) in [0, 1]
Maps = NDArray[np.integer]


@dataclass(frozen=True)
class Exhibit:
    """One triplet: uint8 frames (3, H, W, 3), each arm's frame by label, label maps (2, H, W) or None."""

    title: str
    frames: NDArray[np.uint8]
    predictions: dict[str, Image]
    maps: Maps | None
    psnr: dict[str, float]


def extremes(pair: PairOutcome) -> pd.DataFrame:
    """(test, level, triplet, kind) of the rows to show: of each level the highest and the lowest difference in PSNR,
    or the highest and lowest PSNR where there is one arm."""
    difference = pair.difference()
    rows, sign, what = (pair.arms[0].rows, "", "PSNR") if difference is None else (difference, "+", "difference")
    chosen = []
    for (test, level), of_level in rows.sort_values(["psnr", "triplet"]).groupby(["test", "level"], sort=False):
        for kind, row in (("highest", of_level.iloc[-1]), ("lowest", of_level.iloc[0])):
            title = f"{kind} {what}, {row['psnr']:{sign}.2f} dB"
            chosen.append({"test": test, "level": level, "triplet": row["triplet"], "kind": title})
    return pd.DataFrame(chosen).drop_duplicates(["test", "level", "triplet"])


def exhibits(
    pair: PairOutcome,
    benchmarks: Mapping[str, Benchmark],
    predict: Callable[[str, NDArray[np.uint8], float, Maps | None], dict[str, Image]],
    label_maps: Callable[[NDArray[np.uint8]], Maps] | None,
) -> list[Exhibit]:
    """Read, mask and predict what `extremes` chose."""
    triplets = {(test, each.level, each.id): each for test, data in benchmarks.items() for each in data.test}
    result = []
    for test, level, name, kind in extremes(pair).itertuples(index=False):
        triplet = triplets[test, level, name]
        frames = benchmarks[test].read(triplet)
        maps = label_maps(frames) if label_maps else None
        psnr = {
            arm.label: float(arm.rows.set_index(["test", "level", "triplet"]).loc[(test, level, name), "psnr"])
            for arm in (pair.reference, *pair.arms)
        }
        title = f"{level}: {kind}\n{name}"
        result.append(Exhibit(title, frames, predict(test, frames, triplet.t, maps), maps, psnr))
    return result


def draw_gallery(shown: list[Exhibit], path: Path) -> Path:
    """Write the picture; one row an exhibit."""
    from matplotlib.figure import Figure

    labels = list(shown[0].predictions)
    columns = 2 + len(labels) + (shown[0].maps is not None)
    ratio = max(e.frames.shape[1] / e.frames.shape[2] for e in shown)
    figure = Figure(figsize=(3.2 * columns, (3.2 * ratio + 0.6) * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), columns, squeeze=False)
    for row, exhibit in zip(axes, shown, strict=True):
        overlay = exhibit.frames[[0, 2]].mean(0) / 255
        reference = next(iter(exhibit.psnr))
        panels = [(overlay, f"inputs overlaid, {exhibit.psnr[reference]:.2f} dB"), (exhibit.frames[1] / 255, "truth")]
        panels += [(exhibit.predictions[label], f"{label}\n{exhibit.psnr[label]:.2f} dB") for label in labels]
        if exhibit.maps is not None:
            panels.append(
                (tinted(exhibit.frames[0] / 255, exhibit.maps[0]), f"masks of frame 0: {regions(exhibit.maps)}")
            )
        for axis, (image, caption) in zip(row, panels, strict=True):
            axis.imshow(image.clip(0, 1))
            axis.set_xlabel(caption, fontsize="small")
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(exhibit.title, fontsize="x-small")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    write_bytes(path, content.getvalue())
    return path


def regions(maps: Maps) -> str:
    count = len(np.unique(maps[0]))
    return f"{count} region" if count == 1 else f"{count} regions"


def tinted(image: Image, labels: Maps) -> Image:
    """The image under one colour a label, the same colour for the same label everywhere."""
    golden = (np.sqrt(5) - 1) / 2
    hue = (labels.astype(np.float64) * golden) % 1
    channels = (5 + np.array([0.0, 4.0, 2.0])) % 6
    wheel = np.abs((hue[..., None] * 6 + channels) % 6 - 3) - 1
    tinted: Image = 0.5 * image + 0.5 * wheel.clip(0, 1)
    return tinted
