"""The pictures of a pair's viewer: what both arms made of a few triplets, errors, flows, masks. Runs the networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.colors import hsv_to_rgb
from numpy.typing import NDArray
from PIL import Image

from harness.outcome.pairs import PairOutcome
from harness.pair.plan import settle
from harness.registry.catalog import Catalog
from harness.report.gallery import Pixels, Shown, covered, picks, pixels, shown

LONGEST = 1280  # pixels of the longer side: what a screen shows


def write_pictures(
    pair: PairOutcome, folder: Path, count: int, known: Catalog, device: torch.device
) -> list[dict[str, Any]]:
    """PNG files of the `count` triplets of each level that gain most, and of as many that lose most; of each its
    title, a note, and its pictures by label, the arms first.

    Raises HarnessError where networks or data are not there, or no longer what was measured.
    """
    chosen = picks(pair, count)
    asked = pair.record.asked.model_copy(update={"start": ""})  # it shows what was trained, wherever that started
    plan = settle(asked, known, device)
    found = []
    for at, each in enumerate(shown(pair, plan, chosen)):
        files = []
        for number, (label, image) in enumerate(_pictures(each)):
            file = f"{at}-{number}.png"
            _small(image).save(folder / file)
            files.append({"label": label, "file": file})
        found.append({"title": each.title, "note": _note(each), "pictures": files})
    return found


def _pictures(of: Shown) -> list[tuple[str, Pixels]]:
    found = [(f"{made.label}, {made.psnr:.2f} dB", pixels(made.frame)) for made in of.made]
    found += [("truth", of.truth), ("first input", of.first), ("last input", of.last)]
    errors = [np.abs(made.frame * 255 - of.truth).mean(-1) for made in of.made]
    highest = max(float(np.percentile(error, 99.5)) for error in errors) or 1.0
    found += [
        (f"error of {made.label}", _coloured(error / highest)) for made, error in zip(of.made, errors, strict=True)
    ]
    flows = [(made.label, made.flows) for made in of.made if made.flows is not None]
    longest = _longest([flow for _, both in flows for flow in both])
    for label, both in flows:
        found += [
            (f"flow of {label} to the {which} input", _wheel(flow / longest))
            for which, flow in zip(("first", "last"), both, strict=True)
        ]
    if of.maps is not None:
        found += [("masks of the first input", covered(of.first, of.maps[0]))]
        found += [("masks of the last input", covered(of.last, of.maps[1]))]
    return found


def _note(of: Shown) -> str:
    flows = [flow for made in of.made if made.flows is not None for flow in made.flows]
    note = "Errors: mean of the colours, the brighter the larger, on one scale for both arms."
    if flows:
        note += (
            f" Flows: the colour is the direction (red right, green-yellow down, cyan left, violet up), "
            f"its strength the length, full at {_longest(flows):.1f} pixels."
        )
    return note


def _longest(flows: Sequence[NDArray[np.float32]]) -> float:
    """What almost all vectors are shorter than, in pixels."""
    lengths = [float(np.percentile(np.hypot(*flow), 99)) for flow in flows]
    return max(lengths, default=1.0) or 1.0


def _wheel(flow: NDArray[np.float32]) -> Pixels:
    """A flow (2, H, W) of lengths up to 1 as an image: white where nothing moves."""
    hue = np.arctan2(flow[1], flow[0]) / (2 * np.pi) % 1
    strength = np.hypot(*flow).clip(0, 1)
    return pixels(hsv_to_rgb(np.stack([hue, strength, np.ones_like(hue)], axis=-1)))


def _coloured(error: NDArray[Any]) -> Pixels:
    return pixels(colormaps["magma"](error.clip(0, 1))[..., :3])


def _small(image: Pixels) -> Image.Image:
    small = Image.fromarray(image)
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    return small
