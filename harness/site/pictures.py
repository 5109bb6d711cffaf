"""The pictures of a pair's viewer: what both arms made of a few triplets, errors, flows, masks. Runs the networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from harness.outcome.pairs import PairOutcome
from harness.pair.plan import settle
from harness.registry.catalog import Catalog
from harness.report.flow_picture import flow_colours, full_length, wheel
from harness.report.gallery import Flows, Pixels, Shown, covered, picks, pixels, shown

LONGEST = 1280  # pixels of the longer side: what a screen shows
KEY = "key.png"
KEY_SIDE = 128  # pixels


def write_pictures(
    pair: PairOutcome, folder: Path, count: int, known: Catalog, device: torch.device
) -> list[dict[str, Any]]:
    """PNG files of the `count` triplets of each level that gain most, and of as many that lose most; of each its
    title, a note, and its pictures by label, the arms first. Those of flows name the file of their key.

    Raises HarnessError where networks or data are not there, or no longer what was measured.
    """
    chosen = picks(pair, count)
    asked = pair.record.asked.model_copy(update={"start": ""})  # it shows what was trained, wherever that started
    plan = settle(asked, known, device)
    found = []
    for at, each in enumerate(shown(pair, plan, chosen)):
        pictures = []
        for number, (label, image, key) in enumerate(_pictures(each)):
            file = f"{at}-{number}.png"
            _small(image).save(folder / file)
            pictures.append({"label": label, "file": file} | ({"key": key} if key else {}))
        found.append({"title": each.title, "note": _note(each), "pictures": pictures})
    Image.fromarray(wheel(KEY_SIDE)).save(folder / KEY)
    return found


def _pictures(of: Shown) -> list[tuple[str, Pixels, str]]:
    """Label, picture, and the file of its key."""
    found = [(f"{made.label}, {made.psnr:.2f} dB", pixels(made.frame), "") for made in of.made]
    found += [("truth", of.truth, ""), ("first input", of.first, ""), ("last input", of.last, "")]
    errors = [np.abs(made.frame * 255 - of.truth).mean(-1) for made in of.made]
    highest = max(float(np.percentile(error, 99.5)) for error in errors) or 1.0
    found += [
        (f"error of {made.label}", _coloured(error / highest), "") for made, error in zip(of.made, errors, strict=True)
    ]
    full = _full(of)
    found += [
        (f"{name} to the {which} input", flow_colours(flow, full), KEY)
        for name, flows in _flows(of)
        for which, flow in zip(("first", "last"), flows, strict=True)
    ]
    if of.maps is not None:
        found += [("masks of the first input", covered(of.first, of.maps[0]), "")]
        found += [("masks of the last input", covered(of.last, of.maps[1]), "")]
    return found


def _note(of: Shown) -> str:
    note = "Errors: mean of the colours, the brighter the larger, on one scale for both arms."
    if _flows(of):
        note += (
            f" Flows, from the middle to an input: the colour is the direction, white where nothing moves, "
            f"full from {_full(of):g} px on."
        )
    return note


def _flows(of: Shown) -> list[tuple[str, Flows]]:
    """By name: of each arm, what its plug-in attended to, and the true ones."""
    found = [(f"flow of {made.label}", made.flows) for made in of.made]
    found += [(f"attended motion of {made.label}", made.attended) for made in of.made]
    found += [("true flow", of.true_flows)]
    return [(name, flows) for name, flows in found if flows is not None]


def _full(of: Shown) -> float:
    """One scale for all, so that they can be held against each other: that of the arms' flows and of the true ones.
    What was attended to may be far longer, and would leave these pale."""
    return full_length(flow for flows in (*(made.flows for made in of.made), of.true_flows) if flows for flow in flows)


def _coloured(error: NDArray[Any]) -> Pixels:
    return pixels(colormaps["magma"](error.clip(0, 1))[..., :3])


def _small(image: Pixels) -> Image.Image:
    small = Image.fromarray(image)
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    return small
