"""Reading and writing weights: safetensors, or pickles of nothing but tensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import Tensor, nn

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.model.compose import Composed


def load_weights(model: Composed, path: Path, label: str) -> None:
    """Load an official checkpoint into the baseline, or a file of the harness into the whole model, strictly.

    Raises HarnessError naming the expected architecture and the first keys that differ.
    """
    state = read_state(path)
    if any(key.startswith("baseline.") for key in state):
        _strict(model, state, path, label)
    else:
        plain = {key.removeprefix("module."): value for key, value in state.items()}
        _strict(model.baseline, model.baseline.translate(plain), path, label)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file by name; nothing in it is ever executed."""
    if not path.is_file():
        raise HarnessError(f"{path}: there is no such file")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the readers raise nearly anything
        reason = str(error).partition("\n")[0]
        raise HarnessError(f"{path}: not a checkpoint that can be loaded safely: {reason}") from error
    while isinstance(state, dict) and not any(isinstance(value, Tensor) for value in state.values()):
        nested = [state[key] for key in ("state_dict", "model") if isinstance(state.get(key), dict)]
        if not nested:
            break
        state = nested[0]
    if not isinstance(state, dict) or not state or not _of_tensors(state):
        raise HarnessError(f"{path}: holds no state dict of tensors")
    return state


def _of_tensors(state: dict[Any, Any]) -> bool:
    return all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items())


def _strict(module: nn.Module, state: dict[str, Tensor], path: Path, label: str) -> None:
    own = module.state_dict()
    differing = sorted(own.keys() ^ state.keys()) or [k for k in own if own[k].shape != state[k].shape]
    if differing:
        listed = ", ".join(
            f"{key} ({'missing' if key not in state else 'unexpected' if key not in own else 'another shape'})"
            for key in differing[:3]
        )
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise HarnessError(f"{path}: not weights of {label}: {listed}{more}")
    module.load_state_dict(state)
