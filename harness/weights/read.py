"""Reading and writing weights: safetensors, or pickles of nothing but tensors."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import Tensor, nn

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.model.compose import Composed

TIED = 4  # how often a checkpoint's tensors may show the same bytes, on average


def load_weights(model: Composed, path: Path, label: str) -> None:
    """Load an official checkpoint into the baseline, or a file of the harness into the whole model, strictly.

    Raises HarnessError naming the expected architecture and the first keys that differ, or the first tensor that holds
    no numbers to compute with.
    """
    state = read_state(path)
    if any(key.startswith("baseline.") for key in state):
        _strict(model, state, path, label)
    else:
        plain = {key.removeprefix("module."): value for key, value in state.items()}
        _strict(model.baseline, model.baseline.translate(plain), path, label)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file by name, plain ones on the CPU; nothing in it is ever executed.

    Raises HarnessError where the file is none, or would take more memory than it is long.
    """
    if not path.is_file():
        raise HarnessError(f"{path}: there is no such file")
    try:
        state: Any = safetensors.torch.load_file(path) if path.suffix == ".safetensors" else unpickled(path)
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
    for key, tensor in state.items():
        if problem := _no_plain_tensor(tensor):
            raise HarnessError(f"{path}: {key[:100]} {problem}; save it as a plain tensor")
    needed, there = sum(map(_bytes, state.values())), path.stat().st_size
    if needed > TIED * there + (1 << 20):
        raise HarnessError(
            f"{path}: its tensors show {needed:,} bytes, and the file has {there:,}; save copies of them"
        )
    return state


def unpickled(path: Path) -> Any:
    """What torch.save wrote, data alone. Raises nearly anything where it wrote something else.

    torch packs the parts of a file without compressing them, so that none can unfold to more than the file.
    """
    with path.open("rb") as file:
        packed = file.read(4) == b"PK\x03\x04"
    if packed:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise ValueError("its parts are compressed, which torch.save does not do; save it anew")
        if sum(part.file_size for part in parts) > path.stat().st_size:
            raise ValueError("its parts lie over each other; save it anew")
    return torch.load(path, map_location="cpu", weights_only=True)


def _no_plain_tensor(tensor: Tensor) -> str:
    """What makes a tensor another than an array of numbers in memory; "" where it is one."""
    if tensor.layout is not torch.strided or tensor.is_nested:
        return "is sparse"
    if tensor.is_quantized:
        return "is quantised"
    if tensor.device.type != "cpu":
        return f"has no values: it is a tensor of the device '{tensor.device.type}'"
    if _bytes(tensor) > (held := tensor.untyped_storage().nbytes()):
        return f"is {'x'.join(map(str, tensor.shape))}, of which the file holds {held:,} bytes"
    return ""


def _bytes(tensor: Tensor) -> int:
    """That a copy takes."""
    return tensor.numel() * tensor.element_size()


def _of_tensors(state: dict[Any, Any]) -> bool:
    return all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items())


def _strict(module: nn.Module, state: dict[str, Tensor], path: Path, label: str) -> None:
    own = module.state_dict()
    differing = sorted(own.keys() ^ state.keys()) or [k for k in own if own[k].shape != state[k].shape]
    if differing:
        listed = ", ".join(
            f"{key[:100]} ({'missing' if key not in state else 'unexpected' if key not in own else 'another shape'})"
            for key in differing[:3]
        )
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise HarnessError(f"{path}: not weights of {label}: {listed}{more}")
    for key, value in state.items():
        wanted = own[key]
        if wanted.is_floating_point() != value.is_floating_point() or wanted.is_complex() != value.is_complex():
            raise HarnessError(f"{path}: {key}: is {_name(value)}, not {_name(wanted)} as in {label}")
        if not value.to(wanted.dtype).isfinite().all() and wanted.isfinite().all():
            raise HarnessError(f"{path}: {key}: holds values that are no number or infinite in {_name(wanted)}")
    module.load_state_dict(state)


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
