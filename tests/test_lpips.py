"""LPIPS: its definition, its weights, and what is said where they are missing."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.errors import HarnessError
from harness.metrics.lpips import LPIPS
from harness.model import import_torchvision
from harness.registry.metrics import ALEXNET, ALEXNET_TRUNK
from harness.weights.read import read_state

Change = Callable[[dict[str, Tensor]], dict[str, Tensor]]


@pytest.fixture(scope="module")
def trunk(shared: Path) -> Path:
    path = shared / "weights" / "lpips-backbones" / ALEXNET_TRUNK.file
    if not path.is_file():
        pytest.skip("no weights of AlexNet")
    return path


@pytest.fixture(scope="module")
def lpips(trunk: Path) -> LPIPS:
    return LPIPS(weights=str(trunk))


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and no other place where weights are looked for."""
    monkeypatch.delenv("HARNESS_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path


def heads_file() -> Path:
    import_torchvision()
    package = importlib.import_module("lpips")
    return Path(str(package.__file__)).parent / "weights" / "v0.1" / "alex.pth"


def pair(height: int = 72, width: int = 88) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    truth = F.interpolate(torch.rand(2, 3, 9, 11, generator=generator), (height, width), mode="bicubic").clamp(0, 1)
    return (truth.roll(3, 3) + 0.05 * torch.randn(truth.shape, generator=generator)).clamp(0, 1), truth


def by_definition(frame: Tensor, truth: Tensor, trunk: dict[str, Tensor], heads: dict[str, Tensor]) -> list[float]:
    """Zhang et al., Eq. 1, in float64: squared distances of unit features, weighted and averaged, layer by layer."""
    shift, scale = (torch.tensor(v).double()[:, None, None] for v in ([-0.03, -0.088, -0.188], [0.458, 0.448, 0.45]))
    x = (torch.cat([frame, truth]).double() * 2 - 1 - shift) / scale
    total = torch.zeros(len(frame), dtype=torch.float64)
    for layer, (at, stride, padding) in enumerate([(0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)]):
        if layer in (1, 2):
            x = F.max_pool2d(x, 3, 2)
        x = F.conv2d(x, trunk[f"features.{at}.weight"].double(), trunk[f"features.{at}.bias"].double(), stride, padding)
        x = x.relu()
        unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
        one, other = unit.chunk(2)
        weights = heads[f"lin{layer}.model.1.weight"].double()
        total += ((one - other).square() * weights.view(1, -1, 1, 1)).sum(1).mean((1, 2))
    return total.tolist()  # type: ignore[no-any-return]


def test_it_is_its_definition(lpips: LPIPS, trunk: Path) -> None:
    frame, truth = pair()
    expected = by_definition(frame, truth, load_file(trunk), read_state(heads_file()))
    assert lpips(frame, truth).tolist() == pytest.approx(expected, abs=1e-6)
    assert min(expected) > 0.01


@pytest.mark.parametrize(("name", "published"), [("ex_p0.png", 0.722), ("ex_p1.png", 0.138)])
def test_the_authors_example_images(shared: Path, lpips: LPIPS, name: str, published: float) -> None:
    """The images of the authors' repository, which their package does not contain."""
    files = [shared / "data" / "lpips" / file for file in ("ex_ref.png", name)]
    if not all(file.is_file() for file in files):
        pytest.skip("no example images")
    frames = (
        torch.from_numpy(np.array(Image.open(file).convert("RGB"))).permute(2, 0, 1)[None] / 255 for file in files
    )
    assert round(lpips(*frames).item(), 3) == published


def test_the_packages_heads_are_the_published_ones() -> None:
    expected = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
    assert hashlib.sha256(heads_file().read_bytes()).hexdigest() == expected


def test_the_trunk_is_the_file_that_the_catalogue_knows(trunk: Path) -> None:
    content = trunk.read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (ALEXNET_TRUNK.size, ALEXNET_TRUNK.sha256)


def test_without_weights_it_says_what_is_missing_and_where_to_get_it(nowhere: Path) -> None:
    with pytest.raises(HarnessError, match=r"^LPIPS is not available: .*get them from https://download.pytorch.org/"):
        LPIPS()
    with pytest.raises(HarnessError, match=r"^LPIPS is not available: .*absent.pth: no such file"):
        LPIPS(weights=str(nowhere / "absent.pth"))


def test_the_torch_hub_file_is_found_and_its_classifier_ignored(lpips: LPIPS, trunk: Path, nowhere: Path) -> None:
    cached = nowhere / "hub" / "checkpoints" / ALEXNET.file
    cached.parent.mkdir(parents=True)
    torch.save({**load_file(trunk), "classifier.1.weight": torch.zeros(2, 2)}, cached)
    frame, truth = pair()
    assert LPIPS()(frame, truth).tolist() == lpips(frame, truth).tolist()


def test_a_folder_of_weights_is_searched(trunk: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_WEIGHTS", str(trunk.parent.parent))
    LPIPS()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state | {"features.0.weight": state["features.0.weight"].flip(1).contiguous()},
            "instead of 0.3219",
        ),
        (lambda state: state | {"features.8.weight": state["features.8.weight"].relu()}, "instead of 0.3219"),
        (lambda state: {k: v for k, v in state.items() if "10" not in k}, "features.10.weight is missing"),
        (lambda state: state | {"features.0.weight": torch.zeros(64, 3, 3, 3)}, "features.0.weight is missing or has"),
    ],
)
def test_other_weights_give_no_number(trunk: Path, tmp_path: Path, change: Change, message: str) -> None:
    other = tmp_path / "other.safetensors"
    save_file(change(load_file(trunk)), other)
    with pytest.raises(HarnessError, match=message):
        LPIPS(weights=str(other))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(b"no weights")
    with pytest.raises(HarnessError, match=r"LPIPS is not available: .*damaged.pth: not a checkpoint"):
        LPIPS(weights=str(damaged))


def test_building_it_draws_no_random_numbers_and_prints_nothing(trunk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = torch.get_rng_state()
    LPIPS(weights=str(trunk))
    assert torch.equal(torch.get_rng_state(), before)
    assert capfd.readouterr() == ("", "")


def test_frames_that_alexnet_does_not_take_have_none(lpips: LPIPS) -> None:
    assert lpips(*pair(30, 64)).isnan().tolist() == [True, True]
    assert lpips(*pair(31, 31)).isfinite().tolist() == [True, True]


def test_it_keeps_no_gradient(lpips: LPIPS) -> None:
    frame, truth = pair()
    assert not lpips(frame.requires_grad_(), truth).requires_grad


@pytest.mark.gpu
def test_a_gpu_gives_the_same_without_rounding(lpips: LPIPS) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    frame, truth = pair()
    expected = lpips(frame, truth).tolist()
    with torch.autocast("cuda", torch.bfloat16):
        on_gpu = lpips(frame.cuda(), truth.cuda())
    assert on_gpu.device.type == "cuda"
    assert on_gpu.tolist() == pytest.approx(expected, abs=1e-6)


OPERATORS = """
import sys, types
from harness.model import torchvision_ops as ops
sys.modules["torchvision"] = types.ModuleType("torchvision")
ops.import_torchvision()
alone = len(ops._declared)
del sys.modules["torchvision"]
ops.import_torchvision()
ops.import_torchvision()
import torchvision
print(alone, len(ops._declared), torchvision.extension._has_ops())
"""


def test_operators_are_declared_only_where_they_are_missing() -> None:
    """A torchvision that imports as it is, here an empty module, is left alone."""
    result = subprocess.run([sys.executable, "-c", OPERATORS], capture_output=True, text=True, check=True)
    assert result.stdout.split() in (["0", "1", "False"], ["0", "0", "True"])


def test_another_fault_of_torchvision_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError("compiled for another CUDA")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="another CUDA"):
        import_torchvision()
