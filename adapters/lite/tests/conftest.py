"""Real weights where there are some, and one real frame."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).parents[3]
BUNDLED = ROOT / "harness/data/bundled"

Frames = Callable[[str, int], list[NDArray[np.uint8]]]


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips where the weights are not."""
    shared = Path(os.environ.get("HARNESS_SHARED", ROOT.parent / "shared"))
    folder = shared / "weights"
    if "HARNESS_WEIGHTS" not in os.environ:
        monkeypatch.setenv("HARNESS_WEIGHTS", str(folder))
    from vfi_lite.weights import MOBILE_SAM, YOLO

    from harness.weights import find

    missing = [spec.file for spec in (MOBILE_SAM, YOLO) if find(spec) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: set HARNESS_WEIGHTS")


@pytest.fixture(scope="session")
def cockatoo() -> NDArray[np.uint8]:
    """The first frame of a bundled clip at half size (360, 640, 3)."""
    with av.open(BUNDLED / "cockatoo.mp4") as clip:
        frame = next(clip.decode(video=0)).to_ndarray(format="rgb24")
    if frame.shape[0] > 360:
        frame = frame.reshape(360, frame.shape[0] // 360, 640, frame.shape[1] // 640, 3).mean((1, 3)).round()
    return frame.astype(np.uint8)


@pytest.fixture(scope="session")
def frames() -> Frames:
    """Every so many frames (H, W, 3) of a bundled clip."""

    def decoded(clip: str, every: int) -> list[NDArray[np.uint8]]:
        with av.open(BUNDLED / clip) as video:
            return [f.to_ndarray(format="rgb24") for at, f in enumerate(video.decode(video=0)) if at % every == 0]

    return decoded
