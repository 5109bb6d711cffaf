"""One cache of decoded clips for the whole session, away from the user's; one thread a test process; no terminal, and
no waiting for the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Shared by all of a run's test processes."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["HARNESS_CACHE"] = str(shared / "cache")
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["MALLOC_MMAP_MAX_"] = "65536"  # as it is: a test process lives too long to keep what it got
    os.environ.pop("COLUMNS", None)  # what is printed is as wide as tests say, not as this terminal is
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def no_waiting() -> None:
    """For the disk, of which every write of a record does: no test cuts the power, and together it is a minute. Where
    the disk is full or fails, tests put something of their own in this place."""
    os.fsync = lambda handle: None


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures of a pair, which take longer than a training of four steps: for what is not about them."""
    monkeypatch.setattr("harness.report.figures.draw_figures", lambda pair, *_: Path("undrawn"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the tree."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared(root: Path) -> Path:
    """Reference data beside the tree; a test that needs it is skipped where it is not."""
    folder = Path(os.environ.get("HARNESS_SHARED", root.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("no reference data: set HARNESS_SHARED")
    return folder
