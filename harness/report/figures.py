"""All pictures of a finished pair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch
from numpy.typing import NDArray

from harness.compare.outcome import PairOutcome
from harness.compare.request import Request
from harness.compare.testset import mask_cache
from harness.evaluate.protocol import predictor
from harness.evaluate.runner import to_image
from harness.files import write_text
from harness.model import Composed
from harness.report.curves import draw_curves
from harness.report.formats import as_csv, as_markdown, as_svg
from harness.report.gallery import Exhibit, Image, Maps, draw_gallery, exhibits
from harness.report.tables import pair_sheets
from harness.results.store import Store


def draw_figures(pair: PairOutcome, request: Request, store: Store, note: Callable[[str], None]) -> Path:
    """Write table, curves and gallery, unless they are there and newer than what they show; their folder."""
    folder = store.figures(pair.name)
    table = pair_sheets(pair)
    for name, text in (("table.md", as_markdown(table)), ("table.csv", as_csv(table)), ("table.svg", as_svg(table))):
        write_text(folder / name, text)
    gallery = folder / "gallery.png"
    made_from = [arm.run.metrics for arm in pair.arms if arm.run is not None]
    newest = max(path.stat().st_mtime for path in made_from)
    if any(not path.exists() or path.stat().st_mtime < newest for path in (gallery, folder / "curves.png")):
        note("drawing curves and gallery")
        draw_curves(pair, folder)
        draw_gallery(_exhibits(pair, request), gallery)
    return folder


def _exhibits(pair: PairOutcome, request: Request) -> list[Exhibit]:
    cache = mask_cache(request.masks) if request.masks else None
    models: dict[str, Composed] = {}
    for arm, outcome in zip(request.arms, pair.arms, strict=True):
        assert outcome.run is not None
        model = arm.build(request.asked.seed)
        weights = outcome.run.path / outcome.metrics["weights_file"]
        model.load_state_dict(safetensors.torch.load_file(weights))
        models[arm.label] = model.to(request.device)

    def predict(test: str, frames: NDArray[np.uint8], t: float, maps: Maps | None) -> dict[str, Image]:
        settings = request.protocol.settings_on(test)
        img0, img1 = (to_image(frames[at], request.device) for at in (0, 2))
        made = {label: predictor(model, settings)(img0, img1, t, maps) for label, model in models.items()}
        return {label: frame[0].permute(1, 2, 0).double().cpu().numpy() for label, frame in made.items()}

    label_maps = (lambda frames: cache.maps(frames[0], frames[2])) if cache else None
    return exhibits(pair, {chosen.name: chosen.build() for chosen in request.tests}, predict, label_maps)
