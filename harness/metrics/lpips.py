"""LPIPS: the distance between two frames as a trained network sees it (Zhang et al., CVPR 2018)."""

from __future__ import annotations

import importlib
import math
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.model.torchvision_ops import import_torchvision
from harness.registry.metrics import ALEXNET, ALEXNET_TRUNK
from harness.weights.places import find, locate
from harness.weights.read import read_state

SMALLEST = 31
"""Pixels: below this side nothing is left after AlexNet's second pooling."""

KNOWN = 0.32189
"""LPIPS of `known_pair`, by the published weights."""


class LPIPS:
    """`(frame, truth) -> (B,)` for RGB frames (B, 3, H, W) in [0, 1]: LPIPS 0.1 with AlexNet; 0 for equal frames.

    weights  file of AlexNet's ImageNet weights; empty: the one that is found by name

    Float32, returned as float64. Frames go through the network one by one, so that a value does not depend on the
    batch. NaN where a side is below 31 pixels. The network moves to the device of the frames that it is given.
    Raises HarnessError where the weights are missing, or give another LPIPS than the published ones.
    """

    def __init__(self, *, weights: str = "") -> None:
        try:
            path = find(ALEXNET_TRUNK, weights) or locate(ALEXNET, weights)
            import_torchvision()
            self._network = _network(path)
        except (HarnessError, ImportError, RuntimeError) as error:
            raise HarnessError(f"LPIPS is not available: {error}") from error
        value = self(*known_pair()).item()
        if not math.isclose(value, KNOWN, abs_tol=1e-4):
            raise HarnessError(
                f"{path}: not the weights of AlexNet that LPIPS was made with: a known pair of frames has an LPIPS of "
                f"{value:.4f} instead of {KNOWN:.4f}; get them from {ALEXNET.source}"
            )

    @torch.no_grad()
    def __call__(self, frame: Tensor, truth: Tensor) -> Tensor:
        if min(frame.shape[-2:]) < SMALLEST:
            return frame.new_full((len(frame),), math.nan, dtype=torch.float64)
        self._network.to(frame.device)
        pairs = zip(frame.float()[:, None], truth.float()[:, None], strict=True)
        # a GPU's convolutions round to 10 bits unless told otherwise
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with exact, torch.autocast(frame.device.type, enabled=False):
            values = [self._network(2 * x - 1, 2 * y - 1) for x, y in pairs]
        return torch.cat(values).flatten().double()


def known_pair() -> tuple[Tensor, Tensor]:
    """Two frames (1, 3, 64, 64) that need no file: waves of growing frequency, and the same upside down."""
    at = torch.linspace(0, 1, 64)
    waves = torch.sin(40 * at * at[:, None] + torch.arange(3)[:, None, None])
    truth = (0.5 + 0.4 * waves)[None]
    return truth.flip(2), truth


def _network(path: Path) -> nn.Module:
    """The `lpips` package's network, with its own linear heads and the trunk in `path`."""
    package = importlib.import_module("lpips")
    with torch.device("meta"), warnings.catch_warnings():
        # Nothing is drawn, downloaded or unpickled: the package would load its weights by itself, less safely.
        warnings.simplefilter("ignore", UserWarning)  # how it asks torchvision for a bare network is out of fashion
        network: nn.Module = package.LPIPS(pretrained=False, pnet_rand=True, net="alex", version="0.1", verbose=False)
    state = read_state(Path(str(package.__file__)).parent / "weights" / "v0.1" / "alex.pth")
    given = read_state(path)
    for name, parameter in network.get_submodule("net").state_dict().items():
        key = f"features.{name.partition('.')[2]}"  # slice2.3.weight is torchvision's features.3.weight
        if key not in given or given[key].shape != parameter.shape:
            raise HarnessError(f"{path}: not weights of AlexNet: {key} is missing or has another shape")
        state[f"net.{name}"] = given[key].float()
    network.load_state_dict(state, strict=False, assign=True)  # not strict: it names its heads twice
    return network.requires_grad_(False)
