"""How the arithmetic of a training is done: device, precision, memory format, compilation. The same for both arms."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from harness.errors import HarnessError
from harness.model import Composed
from harness.train.recipe import Recipe

Precision = Literal["float32", "bfloat16", "float16"]
Tier = Literal["CPU, bit-exact", "CUDA, deterministic", "CUDA, fast"]

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
WORKSPACES = (":4096:8", ":16:8")  # those with which cuBLAS gives the same bits each time


@dataclass(frozen=True)
class Engine:
    """`precision` is that of autocast; weights, losses and the optimiser stay float32. `compiled` applies torch.compile
    to the baseline's two halves; plug-ins, whose sizes follow the masks, run as they are. `deterministic` has a
    meaning on CUDA alone."""

    device: torch.device
    precision: Precision = "float32"
    channels_last: bool = False
    compiled: bool = False
    deterministic: bool = False

    @classmethod
    def of(cls, recipe: Recipe, device: torch.device) -> Engine:
        return cls(device, recipe.precision, recipe.channels_last, recipe.compile, recipe.deterministic)

    @property
    def tier(self) -> Tier:
        """What two trainings of the same run have in common: all bits, or on CUDA in fast mode all but rounding."""
        if self.device.type == "cpu":
            return "CPU, bit-exact"
        return "CUDA, deterministic" if self.deterministic else "CUDA, fast"

    @contextmanager
    def settings(self) -> Iterator[None]:
        """Training and evaluation run inside this. It holds torch, for the whole process, to deterministic
        operations where the tier asks for them, and puts everything back afterwards.

        To be entered before the first matrix product on CUDA: cuBLAS reads its workspace from the environment once.
        Raises HarnessError where the user has set one that it is not deterministic with.
        """
        if self.tier != "CUDA, deterministic":
            yield
            return
        workspace = os.environ.get(WORKSPACE)
        if workspace not in (None, *WORKSPACES):
            raise HarnessError(
                f"{WORKSPACE}={workspace} is not deterministic: unset it, or set it to {' or '.join(WORKSPACES)}"
            )
        enabled, benchmark = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
        warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        os.environ[WORKSPACE] = workspace or WORKSPACES[0]
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
            torch.backends.cudnn.benchmark = benchmark
            if workspace is None:
                del os.environ[WORKSPACE]

    @property
    def loss_scale(self) -> float:
        """What a float16 loss is multiplied by before the backward pass, so that small gradients do not vanish.

        Constant: a scaler that skips steps would skip other steps in either arm. An overflow ends the arm instead.
        """
        return 2.0**10 if self.precision == "float16" else 1.0

    def place(self, model: Composed) -> Composed:
        """The model on the device, ready to train."""
        model.to(self.device).train().lay_out()
        if self.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compiled:
            model.baseline.encode = torch.compile(model.baseline.encode)  # type: ignore[method-assign]
            model.baseline.decode = torch.compile(model.baseline.decode)  # type: ignore[method-assign]
        return model

    def autocast(self) -> torch.autocast:
        """For the forward pass."""
        return torch.autocast(self.device.type, getattr(torch, self.precision), enabled=self.precision != "float32")
