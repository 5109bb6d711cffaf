"""How long one pair of frames takes, and how much memory: measured, on the device at hand."""

from __future__ import annotations

import statistics
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.measure.cost import example
from harness.measure.processor import processor
from harness.model import Composed


@dataclass(frozen=True)
class Speed:
    """latency_ms         median of the runs; `spread_ms`, their interquartile range
    peak_memory_bytes  most that tensors held at once, weights and inputs included
    """

    latency_ms: float
    spread_ms: float
    peak_memory_bytes: int
    device: str


def measure(model: Composed, size: tuple[int, int], runs: int) -> Speed:
    """One forward pass on frames (H, W) after two that do not count, as in every test: where weights lie, too."""
    model.eval().lay_out()
    inputs = example(model, size)
    device = inputs[1].device
    times = []
    with torch.inference_mode():
        for run in range(runs + 2):
            wait(device)
            started = time.perf_counter()
            model(*inputs)
            wait(device)
            if run >= 2:
                times.append((time.perf_counter() - started) * 1e3)
        held = sum(p.nbytes for p in model.parameters()) + inputs[0].img0.nbytes
        peak = held + most_held(lambda: model(*inputs), device)
    quarters = statistics.quantiles(times, n=4) if len(times) > 1 else [times[0]] * 3
    return Speed(statistics.median(times), quarters[2] - quarters[0], peak, device_name(device))


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's, with the vector instructions that torch uses and the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()} with {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def most_held(call: Callable[[], object], device: torch.device) -> int:
    """Most bytes that tensors which `call` makes hold at once."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    live = _Live()
    with live:
        call()
    return live.peak


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the storages that operators make, until they are freed; workspace inside one is not seen."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {id(_storage(x)) for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and id(storage := _storage(tensor)) not in self.seen | given:
                self.seen.add(id(storage))
                self.now += storage.nbytes()
                weakref.finalize(storage, self._freed, id(storage), storage.nbytes())
        self.peak = max(self.peak, self.now)
        return out

    def _freed(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.now -= size


def _storage(tensor: torch.Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
