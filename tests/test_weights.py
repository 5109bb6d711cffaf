"""Checkpoints: official layouts load strictly, and nothing in a file is ever executed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import harness
from harness.errors import HarnessError


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Weights of an IFRNet-S that are not its initial ones."""
    generator = torch.Generator().manual_seed(1)
    own = harness.load("ifrnet-s").baseline.state_dict()
    return {name: torch.randn(value.shape, generator=generator) * 0.01 for name, value in own.items()}


def same(model: Any, state: dict[str, torch.Tensor]) -> bool:
    own = model.baseline.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[name], state[name]) for name in own)


@pytest.mark.parametrize("layout", ["plain", "prefixed", "nested", "safetensors"])
def test_official_layouts(layout: str, state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / ("w.safetensors" if layout == "safetensors" else "w.pth")
    content: Any = {f"module.{name}": value for name, value in state.items()} if layout == "prefixed" else state
    if layout == "safetensors":
        safetensors.torch.save_file(content, path)
    else:
        torch.save({"epoch": 3, "state_dict": content} if layout == "nested" else content, path)
    assert same(harness.load("ifrnet-s", weights=str(path)), state)


def test_a_runs_own_file_brings_the_plugins_too(tmp_path: Path) -> None:
    model = harness.load("ifrnet-s", plugins=["hce", "hir"])
    for parameter in model.parameters():
        parameter.data += 0.5
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    loaded = harness.load("ifrnet-s", weights=str(tmp_path / "model.safetensors"), plugins=["hce", "hir"])
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())
    with pytest.raises(HarnessError, match=r"not weights of ifrnet-s\+hce: plugin\.hir\..* \(unexpected\)"):
        harness.load("ifrnet-s", weights=str(tmp_path / "model.safetensors"), plugins=["hce"])


def test_weights_of_another_variant_are_named(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(HarnessError, match=r"w\.pth: not weights of ifrnet-l: .*\(another shape\)"):
        harness.load("ifrnet-l", weights=str(tmp_path / "w.pth"))
    torch.save({"encoder": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(HarnessError, match=r"\(missing\).* and \d+ more"):
        harness.load("ifrnet-s", weights=str(tmp_path / "w.pth"))


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize("inside", [False, True])
def test_a_hostile_pickle_is_refused_and_not_executed(
    inside: bool, state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    canary = tmp_path / "executed"
    torch.save({**state, "extra": Payload(canary)} if inside else Payload(canary), tmp_path / "w.pth")
    with pytest.raises(HarnessError, match=r"w\.pth: not a checkpoint that can be loaded safely"):
        harness.load("ifrnet-s", weights=str(tmp_path / "w.pth"))
    assert not canary.exists()


@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_truncated_files_are_refused(suffix: str, keep: float, state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / f"w{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else int(keep)])
    with pytest.raises(HarnessError, match=r"cannot be read|not a checkpoint|no state dict"):
        harness.load("ifrnet-s", weights=str(path))


def test_what_is_no_state_dict_and_what_is_not_there(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(HarnessError, match="holds no state dict"):
        harness.load("ifrnet-s", weights=str(tmp_path / "list.pth"))
    with pytest.raises(HarnessError, match="there is no such file"):
        harness.load("ifrnet-s", weights=str(tmp_path / "nothing.pth"))
