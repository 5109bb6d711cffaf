"""Checkpoints that ask for more memory than they are long, or hold no numbers to compute with: one line each."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.weights.content import unpickled
from harness.weights.read import load_weights, read_state

GIGABYTE = 1 << 30


class Net(nn.Module):
    """As much of a composed model as loading asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4))
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("steps", torch.tensor(3))

    @property
    def baseline(self) -> Net:
        return self

    def translate(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return state


def saved(state: Any, path: Path, **how: Any) -> Path:
    torch.save(state, path, **how)
    return path


def packed(path: Path, parts: dict[str, bytes], compression: int) -> Path:
    with zipfile.ZipFile(path, "w", compression, compresslevel=9) as archive:
        for name, content in parts.items():
            archive.writestr(f"archive/{name}", content)
    return path


def parts_of(state: Any) -> dict[str, bytes]:
    file = io.BytesIO()
    torch.save(state, file)
    with zipfile.ZipFile(file) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def claims(content: bytes, count: int) -> bytes:
    """A pickle of a tensor of 4 numbers that says that there are `count`: of its storage, and of itself."""
    large = b"J" + struct.pack("<i", count)
    changed = content.replace(b"K\x04t", large + b"t", 1).replace(b"K\x04Nt", large + b"Nt", 1)
    changed = changed.replace(b"K\x04\x85", large + b"\x85", 1)
    assert changed.count(large) == 2
    return changed


def deflated(path: Path) -> Path:
    """64 MB of zeros in 64 kB."""
    return packed(path, parts_of({"weight": torch.zeros(1 << 24)}), zipfile.ZIP_DEFLATED)


def claiming(path: Path) -> Path:
    parts = parts_of({"weight": torch.zeros(4)})
    return packed(path, {**parts, "data.pkl": claims(parts["data.pkl"], GIGABYTE)}, zipfile.ZIP_STORED)


def claiming_legacy(path: Path) -> Path:
    saved({"weight": torch.zeros(4)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(claims(path.read_bytes(), GIGABYTE))
    return path


def overlapping(path: Path) -> Path:
    """Two entries of the directory for one part."""
    whole = packed(path, parts_of({"weight": torch.zeros(1 << 16)}), zipfile.ZIP_STORED).read_bytes()
    end = whole.rindex(b"PK\5\6")
    count, size, start = struct.unpack("<HII", whole[end + 10 : end + 20])
    directory = whole[start : start + size]
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 9 * count, 9 * count, 9 * size, start, 0)
    path.write_bytes(whole[:start] + 9 * directory + tail)
    return path


ONE = torch.ones(1)
BOMBS = {
    "compressed": (deflated, "its parts are compressed"),
    "one part many times": (overlapping, "its parts lie over each other"),
    "a storage larger than its part": (claiming, "not a checkpoint that can be loaded safely"),
    "a storage larger than its file": (claiming_legacy, "not a checkpoint that can be loaded safely"),
    "one number, a thousand million times": (
        lambda path: saved({"weight": ONE.expand(1 << 15, 1 << 15)}, path),
        "weight is 32768x32768, of which the file holds 4 bytes",
    ),
    "the same, of old": (
        lambda path: saved({"weight": ONE.expand(1 << 15, 1 << 15)}, path, _use_new_zipfile_serialization=False),
        "weight is 32768x32768, of which the file holds 4 bytes",
    ),
    "one tensor by many names": (
        lambda path: saved(dict.fromkeys(map(str, range(2000)), torch.zeros(1 << 12)), path),
        r"its tensors show 32,768,000 bytes, and the file has [0-9,]+; save copies",
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_file_unfolds_in_memory(bomb: str, tmp_path: Path) -> None:
    make, reason = BOMBS[bomb]
    path = make(tmp_path / "w.pth")
    assert path.stat().st_size < 1 << 20
    with pytest.raises(HarnessError, match=rf"^{path}: .*{reason}") as error:
        read_state(path)
    assert "\n" not in str(error.value)


def test_all_of_them_fit_into_little_memory(tmp_path: Path) -> None:
    """In a process that may have 48 MB more than it has once torch is there."""
    for number, (make, _) in enumerate(BOMBS.values()):
        make(tmp_path / f"{number}.pth")
    script = (
        "import resource, sys; from pathlib import Path; from harness.errors import HarnessError\n"
        "from harness.weights.read import read_state\n"
        "has = 4096 * int(Path('/proc/self/statm').read_text().split()[0]) + (48 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (has, has))\n"
        "for file in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: read_state(file)\n"
        "    except HarnessError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["refused"] * len(BOMBS)), done.stderr


NO_ARRAYS: dict[str, Callable[[], Tensor]] = {
    "sparse": lambda: torch.eye(4).to_sparse(),
    "sparse rows": lambda: torch.eye(4).to_sparse_csr(),
    "quantised": lambda: torch.quantize_per_tensor(torch.eye(4), 0.1, 0, torch.qint8),
    "no values": lambda: torch.zeros(4, 4, device="meta"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", NO_ARRAYS)
def test_what_is_no_plain_tensor_is_named(kind: str, tmp_path: Path) -> None:
    path = saved({"weight": NO_ARRAYS[kind]()}, tmp_path / "w.pth")
    with pytest.raises(
        HarnessError, match=rf"^{path}: weight (is {kind.split()[0]}|has no values).*; save it as a plain"
    ):
        read_state(path)


def write(state: dict[str, Tensor], path: Path) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
        return path
    return saved(state, path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("weight", torch.ones(4, 4, dtype=torch.int64), "is int64, not float32 as in net"),
        ("weight", torch.ones(4, 4, dtype=torch.bool), "is bool, not float32 as in net"),
        ("weight", torch.ones(4, 4, dtype=torch.complex64), "is complex64, not float32 as in net"),
        ("steps", torch.tensor(3.5), "is float32, not int64 as in net"),
        ("weight", torch.full((4, 4), torch.nan), "holds values that are no number or infinite in float32"),
        ("weight", torch.full((4, 4), -torch.inf), "holds values that are no number or infinite in float32"),
        ("weight", torch.full((4, 4), 1e300, dtype=torch.float64), "no number or infinite in float32"),
    ],
)
def test_weights_that_cannot_be_computed_with(
    key: str, value: Tensor, reason: str, suffix: str, tmp_path: Path
) -> None:
    net, before = Net(), Net().state_dict()
    path = write({**before, key: value}, tmp_path / f"w{suffix}")
    with pytest.raises(HarnessError, match=rf"^{path}: {key}: .*{reason}"):
        load_weights(net, path, "net")  # type: ignore[arg-type]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_sound_weights_load_in_any_precision(dtype: torch.dtype, suffix: str, tmp_path: Path) -> None:
    """An infinity where the network has one too is no fault."""
    state = {**Net().state_dict(), "weight": torch.full((4, 4), 0.5, dtype=dtype)}
    net = Net()
    load_weights(net, write(state, tmp_path / f"w{suffix}"), "net")  # type: ignore[arg-type]
    assert torch.equal(net.weight.data, torch.full((4, 4), 0.5))


def test_views_and_tied_weights_load(tmp_path: Path) -> None:
    whole = torch.arange(32.0).reshape(8, 4)
    state = {
        "weight": whole[4:],
        "tied": whole[4:],
        "turned": whole.T,
        "empty": torch.zeros(0),
        "one": torch.tensor(1.0),
    }
    for how in ({}, {"_use_new_zipfile_serialization": False}):
        found = read_state(saved(state, tmp_path / "w.pth", **how))
        assert all(torch.equal(found[name], value) for name, value in state.items())


def test_the_state_of_an_optimiser_is_read_as_carefully(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="compressed"):
        unpickled(deflated(tmp_path / "state.pt"))
