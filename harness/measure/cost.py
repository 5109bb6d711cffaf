"""What a network costs: parameters and multiply-accumulates, counted by torch's flop counter without any data."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import torch
from torch import Size
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from harness.model.compose import Composed
from harness.model.contracts import Frames
from harness.model.regions import Regions
from harness.results.records import Cost

SIZE = (720, 1280)  # the size of every cost in the paper


def cost(model: Composed, size: tuple[int, int] = SIZE) -> Cost:
    """Count for frames of `size` (H, W), padded to the network's size multiple, with one region (the dearest case)."""
    aten = torch.ops.aten
    true = _flops(model, size, {aten.grid_sampler_2d: _sampling})
    thop = _flops(model, size, {aten.convolution: _thop_convolution})
    sampling = true.pop(aten.grid_sampler_2d, 0)
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        parameters_plugins=sum(p.numel() for p in model.plugin.parameters()),
        macs=sum(true.values()) // 2,
        macs_thop=sum(thop.get(layer, 0) for layer in (aten.convolution, aten.addmm, aten.mm)) // 2,
        macs_warp=sampling // 2,
    )


def example(model: Composed, size: tuple[int, int]) -> tuple[Frames, torch.Tensor, Regions | None]:
    """Arguments of a forward pass on grey frames of `size`, padded as the network needs, on its device; one region."""
    multiple = model.baseline.size_multiple
    height, width = (-(-side // multiple) * multiple for side in size)
    device = next(model.parameters()).device
    image = torch.full((1, 3, height, width), 0.5, device=device)
    maps = np.zeros((1, 2, height, width), np.uint8) if len(model.plugin) else None
    return (
        Frames(img0=image, img1=image),
        torch.full((1, 1, 1, 1), 0.5, device=device),
        model.regions(maps, (height, width)),
    )


def _flops(model: Composed, size: tuple[int, int], formulas: dict[Any, Any]) -> dict[Any, int]:
    """Flops, twice the multiply-accumulates, by operator."""
    frames, t, regions = example(model, size)
    with (
        # as matrix products: the counter does not know the fused kernel that a CPU would run
        sdpa_kernel(SDPBackend.MATH),
        FakeTensorMode(allow_non_fake_inputs=True) as fake,
        FlopCounterMode(display=False, custom_mapping=formulas) as counter,
        torch.no_grad(),
    ):
        img0, img1, time = (fake.from_tensor(x) for x in (frames.img0, frames.img1, t))
        model(Frames(img0=img0, img1=img1), time, regions)
    return dict(counter.get_flop_counts()["Global"])


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


def _sampling(*_: Any, out_shape: Size) -> int:
    """Flops of bilinear sampling, from shapes."""
    return 2 * 4 * prod(out_shape)
