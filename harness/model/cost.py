"""What a network costs: parameters and multiply-accumulates, counted by torch's flop counter without any data."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Size
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from harness.model.compose import Composed
from harness.model.contracts import Frames

SIZE = (720, 1280)  # the size of every cost in the paper


@dataclass(frozen=True)
class Cost:
    """parameters         of the whole network, of its plug-ins
    macs               multiply-accumulates of one pair of frames: convolutions, matrix products, attention
    macs_thop          the convention behind the paper's cost column: transposed convolutions counted over their
                       output, which is 4 times too much at stride 2; attention not counted
    Warps and resizes are in neither, as everywhere in the field.
    """

    parameters: int
    parameters_plugins: int
    macs: int
    macs_thop: int


def cost(model: Composed, size: tuple[int, int] = SIZE) -> Cost:
    """Count for frames of `size` (H, W), padded to the network's size multiple, with one region (the dearest case)."""
    parameters = sum(p.numel() for p in model.parameters())
    plugins = sum(p.numel() for p in model.plugin.parameters())
    multiple = model.baseline.size_multiple
    height, width = (-(-side // multiple) * multiple for side in size)
    regions = model.regions(np.zeros((1, 2, height, width), np.uint8), (height, width)) if len(model.plugin) else None
    device = next(model.parameters()).device
    aten = torch.ops.aten
    counted: dict[str, int] = {}
    for convention in ("true", "thop"):
        mapping: dict[Any, Any] = {aten.convolution: _thop_convolution} if convention == "thop" else {}
        with (
            FakeTensorMode(allow_non_fake_inputs=True),
            FlopCounterMode(display=False, custom_mapping=mapping) as counter,
            torch.no_grad(),
        ):
            image, t = torch.empty(1, 3, height, width, device=device), torch.empty(1, 1, 1, 1, device=device)
            model(Frames(image, image), t, regions)
        counts = counter.get_flop_counts()["Global"]
        layers = (aten.convolution, aten.addmm, aten.mm)
        flops = counts.values() if convention == "true" else (counts.get(layer, 0) for layer in layers)
        counted[convention] = sum(flops) // 2
    return Cost(parameters, plugins, counted["true"], counted["thop"])


def _thop_convolution(
    x: Size,
    weight: Size,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    *_: Any,
    out_shape: Size,
) -> int:
    """Flops of a (transposed) convolution over its output, from shapes; weights are (out, in, ..), or (in, out, ..)."""
    return 2 * prod(out_shape) * (weight[0] if transposed else weight[1]) * prod(weight[2:])
