"""What a benchmark knows of its frames, as it enters: label maps for networks, the truth for measuring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.data.benchmark import Benchmark, Triplet
from harness.errors import HarnessError
from harness.masks.cache import MaskCache
from harness.masks.source import Known, Masks
from harness.registry.blame import breach_of
from harness.registry.mask_choice import TRUTH

if TYPE_CHECKING:
    from harness.data.truth import Truth


def masks_of(cache: MaskCache, benchmark: Benchmark, triplet: Triplet, frames: NDArray[np.uint8]) -> Masks:
    """M0, M1 of a triplet, whoever knows them: the benchmark, or a source that looks at I0 and I1. `frames` are these
    two, with It or without, or five. Raises HarnessError where nobody does."""
    if not isinstance(cache.source, Known):
        middle = len(frames) // 2
        return cache.masks(frames[middle - 1], frames[-middle])
    labels = benchmark.labels(triplet)
    if labels is None:
        raise _footage(f"{triplet.level} {triplet.id}", "another source")
    return cache.checked(labels, (2, *frames.shape[1:3]))


def refuse_footage(source: str, name: str, benchmark: Benchmark, triplet: Triplet, option: str) -> None:
    """Raises HarnessError where the masks are the truth and the benchmark of that name does not know it. `option` is
    that by which the user names another source."""
    if source == TRUTH and benchmark.labels(triplet) is None:
        raise _footage(name, f"another source with {option}")


def _footage(what: str, remedy: str) -> HarnessError:
    return HarnessError(f"masks {TRUTH}: {what} is footage, whose truth nobody knows; name {remedy}")


def truth_of(benchmark: Benchmark, triplet: Triplet, size: tuple[int, ...]) -> Truth | None:
    """The truth of frames of `size` (H, W), None where nobody knows it. Raises HarnessError naming the benchmark's
    distribution for anything else."""
    truth = benchmark.truth(triplet)
    if truth is None:
        return None
    for name, kind, shape in FIELDS:
        array: object = getattr(truth, name, None)
        found = (array.dtype, array.shape) if isinstance(array, np.ndarray) else (type(array).__name__, ())
        if found != (np.dtype(kind), (*shape, *size)):
            what = f"of the truth of {triplet.level} {triplet.id}, {name} is {found[0]} {found[1]}"
            needed = f"{np.dtype(kind)} {(*shape, *size)}"
            raise breach_of("benchmark", benchmark, f"{what}, where {needed} is needed")
    return truth


FIELDS: tuple[tuple[str, type, tuple[int, ...]], ...] = (
    ("labels", np.uint16, (3,)),
    *((f"flow{way}", np.float32, (2,)) for way in ("01", "10", "_t0", "_t1")),
    *((f"visible{way}", np.bool_, ()) for way in ("01", "10", "_t0", "_t1")),
)
"""Of a Truth: type, and what of its shape is before (H, W)."""
