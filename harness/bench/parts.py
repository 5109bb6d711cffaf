"""What there is to time beside networks, a part a section of the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from harness.bench.attention import attention
from harness.bench.evaluation import evaluation
from harness.bench.guided import guided
from harness.bench.loading import loading
from harness.bench.loop import Shown, loop
from harness.bench.start import Tables, start
from harness.bench.turns import Timed


@dataclass(frozen=True)
class Ground:
    """Where and how much is timed; `shown` is the display of a training, `tables` what makes those of a store."""

    quick: bool
    device: torch.device
    shown: Shown
    tables: Tables


def timed(part: str, ground: Ground) -> Iterator[Timed]:
    """The lines of a part that is in `harness.bench.PARTS`."""
    match part:
        case "loading":
            return loading(ground.quick)
        case "evaluation":
            return evaluation(ground.quick, ground.device)
        case "loop":
            return loop(ground.quick, ground.device, ground.shown)
        case "masks":
            return guided(ground.quick, ground.device)
        case "attention":
            return attention(ground.quick, ground.device)
        case "start":
            return start(ground.quick, ground.tables)
    raise ValueError(part)
