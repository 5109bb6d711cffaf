"""What a file of weights holds, with nothing executed: a pickle of torch's, safetensors, or shards that an index names.

Some classes that trainers save beside their weights are let in by name. Not one of them is ever called: each stands for
an object that holds nothing.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.files import small_file
from harness.weights.places import INDEX

TIED = 4  # how often a checkpoint's tensors may show the same bytes, on average
LONGEST_INDEX = 1 << 24  # bytes


class _Beside:
    """What stands beside weights and is not looked at: a best score of numpy's, the arguments of a command."""

    def __init__(self, *anything: Any) -> None:
        pass

    def __setstate__(self, anything: Any) -> None:
        pass


BESIDE = (
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *("numpy.dtype", "numpy.ndarray", "argparse.Namespace"),
    *(f"{module}.{kind}Path" for module in ("pathlib", "pathlib._local") for kind in ("Posix", "PurePosix", "Windows")),
)
"""By their full names, as pickles have them."""

AS_DICT = (
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
)
"""Dicts by another name."""

STAND_INS: tuple[tuple[Callable[..., Any], str], ...] = (
    *((_Beside, name) for name in BESIDE),
    *((dict, name) for name in AS_DICT),
)


@dataclass(frozen=True)
class Content:
    """`tree` is what was saved, tensors on the CPU, `size` how many bytes it takes on the disk."""

    tree: Any
    size: int


def content_of(path: Path) -> Content:
    """Of a file, an index of shards, or a folder with one. Raises HarnessError where it is none, or more than data."""
    if path.is_dir():
        path = _index_in(path)
    if not path.is_file():
        raise HarnessError(f"{path}: there is no such file")
    return _of_shards(path) if path.name.endswith(INDEX[1:]) else Content(_of_file(path), path.stat().st_size)


def unpickled(path: Path) -> Any:
    """What torch.save wrote, data alone. Raises nearly anything where it wrote something else.

    torch packs the parts of a file without compressing them, so that none can unfold to more than the file.
    """
    with path.open("rb") as file:
        packed = file.read(4) == b"PK\x03\x04"
    if packed:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
        if any(part.filename.endswith("/constants.pkl") for part in parts):
            raise ValueError("it is a TorchScript program; where it runs, save its state_dict() alone")
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise ValueError("its parts are compressed, which torch.save does not do; save it anew")
        if sum(part.file_size for part in parts) > path.stat().st_size:
            raise ValueError("its parts lie over each other; save it anew")
    return torch.load(path, map_location="cpu", weights_only=True)


def problem_of(tensors: Mapping[str, Tensor], size: int) -> str:
    """Why tensors of a file of `size` bytes are not to be computed with, in words; "" where they may."""
    for key, tensor in tensors.items():
        if problem := _no_plain_tensor(tensor):
            return f"{key[:100]} {problem}; save it as a plain tensor"
    needed = sum(map(_bytes, tensors.values()))
    if needed > TIED * size + (1 << 20):
        return f"its tensors show {needed:,} bytes, and the file has {size:,}; save copies of them"
    return ""


def _of_file(path: Path) -> Any:
    try:
        if _is_safetensors(path):
            return safetensors.torch.load_file(path)
        with torch.serialization.safe_globals([*STAND_INS]):
            return unpickled(path)
    except Exception as error:  # a damaged file makes the readers raise nearly anything
        raise HarnessError(f"{path}: not a checkpoint that can be loaded safely: {_reason(error)}") from error


def _is_safetensors(path: Path) -> bool:
    """By its name, or by the length and the beginning of its header."""
    with path.open("rb") as file:
        head = file.read(9)
    fits = int.from_bytes(head[:8], "little") <= path.stat().st_size - 8
    return path.suffix == ".safetensors" or (head[8:] == b"{" and fits)


def _reason(error: Exception) -> str:
    """Without torch's advice to load it all the same."""
    text = str(error)
    if found := re.search(r"GLOBAL (\S+) (?:was not|whose module)", text):
        return (
            f"it holds {found[1][:100]}, which is code and no data, and nothing here runs it: a whole network, or "
            "settings beside its weights; with the program that wrote it, save model.state_dict() alone"
        )
    return text.rpartition("WeightsUnpickler error: ")[2].strip().partition("\n")[0]


def _index_in(folder: Path) -> Path:
    found = sorted(folder.glob(INDEX))
    if not found:
        raise HarnessError(f"{folder}: a folder without an index of shards ({INDEX}); give a file of weights")
    if len(found) > 1:
        raise HarnessError(f"{folder}: has {len(found)} indexes: give one, {' or '.join(each.name for each in found)}")
    return found[0]


def _of_shards(index: Path) -> Content:
    """Raises HarnessError too where a shard has less or more than the index says."""
    try:
        listed = json.loads(small_file(index, LONGEST_INDEX))["weight_map"]
        places = {str(key): Path(name) for key, name in listed.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise HarnessError(f"{index}: no index of shards: it has no weight_map from tensors to files") from error
    state: dict[str, Tensor] = {}
    size = 0
    for name in sorted(set(places.values())):
        if name.name != str(name):
            raise HarnessError(f"{index}: names {name}, which is no file beside it")
        shard = index.parent / name
        if not shard.is_file():
            raise HarnessError(f"{shard}: there is no such file, and {index.name} names it: get all shards")
        tensors = _of_file(shard)
        if not isinstance(tensors, dict):
            raise HarnessError(f"{shard}: holds no state dict of tensors")
        expected = {key for key, place in places.items() if place == name}
        if differing := sorted(map(str, expected ^ tensors.keys())):
            raise HarnessError(f"{shard}: not the shard that {index.name} names: it differs in {differing[0][:100]}")
        state |= tensors
        size += shard.stat().st_size
    return Content(state, size)


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
