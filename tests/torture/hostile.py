"""Files that run somebody's code when they are read without care, and others that are made to break a reader.

The code that they would run makes a file, the canary.
"""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


class _Call:
    """Pickled as a call, which is made when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def _code(canary: Path) -> str:
    return f"open({str(canary)!r}, 'w').close()"


def _touch(canary: Path) -> _Call:
    return _Call(exec, _code(canary))


def _saved(content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def _deep(canary: Path) -> bytes:
    inside: Any = _touch(canary)
    for _ in range(50):
        inside = OrderedDict(state_dict=[(inside,)])
    return _saved({"weight": torch.zeros(2), "state_dict": inside})


def _tar(canary: Path) -> bytes:
    """As torch wrote its files before 0.1.10, its members named to land elsewhere as well."""
    file = io.BytesIO()
    parts = {"sys_info": b"\x80\x02}q\x00.", "storages": pickle.dumps(0) + pickle.dumps([]), "tensors": pickle.dumps(0)}
    with tarfile.open(fileobj=file, mode="w:") as tar:
        for name, content in {**parts, "pickle": pickle.dumps(_touch(canary)), f"../{canary.name}": b""}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _traversal(canary: Path) -> bytes:
    """A sound torch file but for members whose names lead out of any folder that they are unpacked into."""
    file = io.BytesIO(_saved({"weight": _touch(canary)}))
    with zipfile.ZipFile(file, "a") as archive:
        for name in (f"archive/../{canary.name}", f"archive/data/../../../{canary.name}"):
            archive.writestr(name, b"")
    return file.getvalue()


PICKLES: dict[str, Callable[[Path], bytes]] = {
    "protocol 0": lambda canary: pickle.dumps(_touch(canary), 0),
    "protocol 5": lambda canary: pickle.dumps(_touch(canary), 5),
    "beside tensors": lambda canary: _saved({"weight": torch.zeros(2), "more": _touch(canary)}),
    "deep inside": _deep,
    "torch's legacy format": lambda canary: _saved(
        {"weight": torch.zeros(2), "more": _touch(canary)}, _use_new_zipfile_serialization=False
    ),
    "torch's oldest format, a tar": _tar,
    "names that lead out of a zip": _traversal,
    "bytes that torch itself unpickles": lambda canary: _saved(
        {"weight": _Call(torch.storage._load_from_bytes, _saved(_touch(canary)))}
    ),
    "a chain of getattr": lambda canary: (
        f"cbuiltins\ngetattr\n(cpathlib\nPath\nS'touch'\ntR(cpathlib\nPath\n(S'{canary}'\ntRtR.".encode()
    ),
    "the opcode INST": lambda canary: f"(S{_code(canary)!r}\nibuiltins\nexec\n.".encode(),
    "the opcode OBJ": lambda canary: f"(cbuiltins\nexec\nS{_code(canary)!r}\no.".encode(),
}
"""All run their code when they are read without care."""


def _header(header: bytes, claimed: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if claimed is None else claimed) + header


SAFETENSORS: dict[str, bytes] = {
    "a header longer than memory": _header(b"{}", 1 << 62),
    "a header nested too deeply": _header(b'{"a":' * 100_000 + b"}" * 100_000),
    "a tensor larger than memory": _header(
        b'{"baseline.a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,16]}}'
    ),
    "a tensor that lies outside": _header(b'{"baseline.a":{"dtype":"F32","shape":[4],"data_offsets":[4096,4112]}}'),
    "a pickle by another name": PICKLES["beside tensors"](Path("/nowhere/canary")),
}
"""Safetensors run nothing; these ask for what there is not."""
