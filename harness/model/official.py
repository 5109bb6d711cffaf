"""A network in the code of its authors, run beside ours from a checkout of it: is ours as fast, its frame the same?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Official:
    """`predict` makes the middle frame (B, 3, H, W) in [0, 1] of two, by `network`, in whatever mode that is; of BGR
    frames where `bgr`. The state of `network` is what the baseline's `translate` takes."""

    network: nn.Module
    predict: Callable[[Tensor, Tensor], Tensor]
    bgr: bool = False


@contextmanager
def importing(checkout: Path) -> Iterator[None]:
    """Inside it the modules of a checkout are imported by their names there. Afterwards those names, `model` and
    `utils` in most, are free for the next."""
    known, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(checkout))
    try:
        yield
    finally:
        sys.path[:] = path
        inside = checkout.resolve()
        for name in set(sys.modules) - known:
            if _within(sys.modules[name], inside):
                del sys.modules[name]


def _within(module: object, folder: Path) -> bool:
    """A package without `__init__.py` has places, and no file."""
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
    return any(place and folder in Path(place).resolve().parents for place in places)
