"""How the arithmetic of a training is done: device, precision, memory format, compilation. The same for both arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from harness.model import Composed

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Engine:
    """`precision` is that of autocast; weights, losses and the optimiser stay float32. `compiled` applies torch.compile
    to the baseline's two halves; plug-ins, whose sizes follow the masks, run as they are."""

    device: torch.device
    precision: Precision = "float32"
    channels_last: bool = False
    compiled: bool = False

    @property
    def loss_scale(self) -> float:
        """What a float16 loss is multiplied by before the backward pass, so that small gradients do not vanish.

        Constant: a scaler that skips steps would skip other steps in either arm. An overflow ends the arm instead.
        """
        return 2.0**10 if self.precision == "float16" else 1.0

    def place(self, model: Composed) -> Composed:
        """The model on the device, ready to train."""
        model.to(self.device).train()
        if self.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compiled:
            model.baseline.encode = torch.compile(model.baseline.encode)  # type: ignore[method-assign]
            model.baseline.decode = torch.compile(model.baseline.decode)  # type: ignore[method-assign]
        return model

    def autocast(self) -> torch.autocast:
        """For the forward pass."""
        return torch.autocast(self.device.type, getattr(torch, self.precision), enabled=self.precision != "float32")
