"""The device that a command computes on."""

from __future__ import annotations

import torch

from harness.errors import HarnessError
from harness.pair.arithmetic import check_float32


def find_device(name: str | None) -> torch.device:
    """The device of that name, else a GPU if there is one. Raises HarnessError where it cannot be used, or where this
    process's variables make its float32 less than that: whatever computes asks here first."""
    check_float32()
    wanted = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("give cpu, cuda or cuda:N")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise HarnessError(f"device '{wanted}' cannot be used: {str(error).partition(chr(10))[0]}") from error
    return device
