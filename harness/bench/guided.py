"""What masks and plug-ins take: a frame with both, beside the same network without, and the label maps themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from harness.arm import Arm
from harness.bench.footage import Triplets, written
from harness.bench.turns import Timed, in_turn
from harness.evaluate.protocol import predictor
from harness.evaluate.runner import to_image
from harness.masks.chosen import cache_of
from harness.masks.source import Masks
from harness.model import Frames
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice, parse_choices
from harness.registry.protocol import UNIFIED

NETWORK, PLUGINS, SOURCE = "ifrnet-s", "hce,hir", "supervoxel"


def guided(quick: bool, device: torch.device) -> Iterator[Timed]:
    size, turns = ((256, 144), 3) if quick else ((448, 256), 7)
    known = catalog()
    source = cache_of(known.masks(parse_choice(SOURCE))).source
    with TemporaryDirectory() as folder:
        benchmark = Triplets(root=str(written(Path(folder), size, 1)))
        img0, _, img1 = benchmark.read(benchmark.test[0])
    made = source.label_maps(img0, img1)
    maps = made.maps if isinstance(made, Masks) else made
    frames = Frames(img0=to_image(img0, device), img1=to_image(img1, device))
    plain, with_plugins = (
        predictor(
            Arm.of(known, parse_choice(NETWORK), parse_choices(words)).build(0).to(device), UNIFIED.settings_on("")
        )
        for words in ("", PLUGINS)
    )
    shown = f"{size[0]}x{size[1]}"
    yield Timed(
        f"{NETWORK} with {PLUGINS}, beside it alone",
        f"a frame of {shown}",
        in_turn(lambda: with_plugins(frames, 0.5, maps), lambda: plain(frames, 0.5, None), turns, device),
    )
    masks = in_turn(lambda: source.label_maps(img0, img1), None, turns, device)
    yield Timed(f"masks of {SOURCE}", f"a pair of frames of {shown}", masks)
