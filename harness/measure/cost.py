"""What a network costs: parameters and multiply-accumulates, counted by torch's flop counter without any data.

A cost that cannot be counted is told as such, with the reason: no run ends for want of it.
"""

from __future__ import annotations

import copy
import gc
import json
import logging
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Size
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from harness.arm import Arm
from harness.model.compose import Composed
from harness.model.contracts import Frames
from harness.model.regions import Regions
from harness.registry.plugins import FAULTS, discover, in_one_line
from harness.results.records import Cost

log = logging.getLogger("harness")

SIZE = (720, 1280)  # the size of every cost in the paper

OWN = ("aten", "prim", "prims", "profiler")
"""Namespaces of torch's own operators."""

PRODUCTS = {
    *("mv", "addmv", "dot", "vdot", "addr", "addbmm", "_int_mm", "_trilinear"),
    *("_cdist_forward", "_euclidean_dist", "_pdist_forward", "grid_sampler_3d"),
    *("mkldnn_rnn_layer", "_cudnn_rnn", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell"),
}
"""Of torch's operators those that are matrix products and the like, and that its counter may have no formula for."""

NO_PRODUCTS = {"linalg_vector_norm", "linalg_cross", "_linalg_check_errors"}
"""Nobody in the field counts what is done value by value."""


_COUNTED: dict[str, Cost] = {}  # by what decides it of an arm


def cost(model: Composed, size: tuple[int, int] = SIZE) -> Cost:
    """Count for frames of `size` (H, W), padded to the network's size multiple, with one region (the dearest case)."""
    parameters = sum(p.numel() for p in model.parameters())
    of_plugins = sum(p.numel() for p in model.plugin.parameters())
    aten, fake = torch.ops.aten, FakeTensorMode(allow_non_fake_inputs=True)
    try:
        # a copy: what a network keeps of its last frames would have no values in it
        counted = copy.deepcopy(model)
        formulas = {aten.grid_sampler_2d: _sampling, **_brought()}
        true, convolutions, unseen = _flops(counted, size, formulas, fake)
    except FAULTS as error:
        return Cost(
            parameters=parameters,
            parameters_plugins=of_plugins,
            macs=None,
            macs_thop=None,
            macs_warp=None,
            not_counted=_reason(error),
        )
    finally:
        _forget(fake)
    sampling = true.pop(aten.grid_sampler_2d, 0)
    return Cost(
        parameters=parameters,
        parameters_plugins=of_plugins,
        macs=sum(true.values()) // 2,
        macs_thop=(convolutions + true.get(aten.addmm, 0) + true.get(aten.mm, 0)) // 2,
        macs_warp=sampling // 2,
        unseen=tuple(sorted(unseen)),
    )


def cost_of(arm: Arm, model: Composed) -> Cost:
    """The cost of `model`, which is that of `arm`. It takes seconds, and is counted once in a process: seeds, runs and
    weights of an arm do not change it."""
    known = json.dumps([each.record() for each in (arm.baseline, *arm.plugins)], sort_keys=True)
    if known not in _COUNTED:
        _COUNTED[known] = cost(model)
    return _COUNTED[known]


def example(model: Composed, size: tuple[int, int]) -> tuple[Frames, torch.Tensor, Regions | None]:
    """Arguments of a forward pass on grey frames of `size`, padded as the network needs, on its device; one region."""
    multiple = model.baseline.size_multiple
    height, width = (-(-side // multiple) * multiple for side in size)
    device = next(model.parameters()).device
    image = torch.full((1, 3, height, width), 0.5, device=device)
    maps = np.zeros((1, 2, height, width), np.uint8) if len(model.plugin) else None
    around = image if model.inputs == 4 else None
    return (
        Frames(img0=image, img1=image, before=around, after=around),
        torch.full((1, 1, 1, 1), 0.5, device=device),
        model.regions(maps, (height, width)),
    )


def _flops(
    model: Composed, size: tuple[int, int], formulas: Mapping[Any, Callable[..., int]], fake: FakeTensorMode
) -> tuple[dict[Any, int], int, set[str]]:
    """Flops, twice the multiply-accumulates, by operator; those of convolutions as thop counts them; and the names of
    operators that may multiply, and have no formula."""
    by_thop = 0

    def convolution(
        x: Size,
        weight: Size,
        bias: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        transposed: bool,
        output_padding: Any,
        groups: int,
        *,
        out_shape: Size,
    ) -> int:
        nonlocal by_thop
        # over the output, from shapes; weights are (out, in of a group, ..), or (in, out of a group, ..)
        by_thop += 2 * prod(out_shape) * (weight[0] // groups if transposed else weight[1]) * prod(weight[2:])
        return conv_flop_count(list(x), list(weight), list(out_shape), transposed)

    frames, t, regions = example(model, size)
    counter = FlopCounterMode(display=False, custom_mapping={**formulas, torch.ops.aten.convolution: convolution})
    with (
        # as matrix products: the counter does not know the fused kernel that a CPU would run
        sdpa_kernel(SDPBackend.MATH),
        fake,
        _Seen() as seen,
        counter,
        torch.no_grad(),
    ):
        model(frames.changed(fake.from_tensor), fake.from_tensor(t), regions)
    unknown = {name for packet, name in seen.operators.items() if packet not in counter.flop_registry}
    return dict(counter.get_flop_counts()["Global"]), by_thop, {name for name in unknown if _multiplies(name)}


def _forget(fake: FakeTensorMode) -> None:
    """Networks keep grids and the like in a dict of their module, by size: there, those of a count have no values."""
    for tensor in [each for each in gc.get_objects() if type(each) is FakeTensor and each.fake_mode is fake]:
        for holder in gc.get_referrers(tensor):
            if type(holder) is dict:
                for key in [key for key, value in holder.items() if value is tensor]:
                    del holder[key]


class _Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator that runs, with its name, `aten::mm`."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operators: dict[Any, str] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        schema = getattr(func, "_schema", None)
        self.operators[getattr(func, "_overloadpacket", func)] = schema.name if schema else f"higher_order::{func}"
        return func(*args, **(kwargs or {}))


def _multiplies(operator: str) -> bool:
    """Whether it may do as much as a layer does: whatever is not torch's own, since nobody knows."""
    namespace, _, name = operator.partition("::")
    if namespace not in OWN:
        return True
    return name in PRODUCTS or (name.startswith(("_fft_", "linalg_", "_linalg_")) and name not in NO_PRODUCTS)


def _brought() -> dict[Any, Callable[..., int]]:
    """The formulas that distributions bring, by operator, of those operators that are here. Torch's own stay as they
    are: costs of different networks would not compare."""
    found: dict[Any, Callable[..., int]] = {}
    for origin, formulas in discover().brought("harness_costs", dict):
        for name, formula in formulas.items():
            namespace, _, operator = str(name).partition("::")
            if namespace in OWN or not operator:
                log.warning("left out: %s: harness_costs: '%s' is no operator of its own, as mine::splat", origin, name)
            elif packet := getattr(getattr(torch.ops, namespace), operator, None):
                found.setdefault(packet, _whole(name, formula))
    return found


def _whole(name: str, formula: Callable[..., int]) -> Callable[..., int]:
    """The same, whose failures name it."""

    def flops(*given: Any, **named: Any) -> int:
        try:
            found = formula(*given, **named)
            if not isinstance(found, int) or found < 0:
                raise TypeError(f"it gives {found!r}, where a whole number is needed")
        except FAULTS as error:
            raise ValueError(f"the formula of {name}: {in_one_line(error)}") from error
        return found

    return flops


def _reason(error: BaseException) -> str:
    """Why nothing is counted, in one line."""
    if isinstance(error, DataDependentOutputException | DynamicOutputShapeException):
        return f"its code asks for values ({error.func}, as .item() and masks do), and a count has shapes alone"
    if ".numpy()" in str(error):
        return "its code leaves torch by .numpy(), where nothing is counted"
    return in_one_line(error)


def _sampling(*_: Any, out_shape: Size) -> int:
    """Flops of bilinear sampling, from shapes."""
    return 2 * 4 * prod(out_shape)
