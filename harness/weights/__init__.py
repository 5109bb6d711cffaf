"""Files of weights that are not trained here: where they are, what they are, and reading them safely.

Importing this imports no torch; `read_state` does, when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.weights.places import find, locate

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["find", "locate", "read_state"]


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: safetensors, a pickle of tensors, or shards. Nothing is executed.

    Where they lie under `state_dict` or `model`, they are taken from there. Raises HarnessError naming the file.
    """
    from harness.weights import read

    return read.read_state(path)
