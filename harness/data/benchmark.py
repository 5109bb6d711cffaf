"""What a benchmark is: triplets to train on, triplets to test on, and their frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # listing benchmarks is to import no numpy
    import numpy as np
    from numpy.typing import NDArray

    from harness.data.leaks import Content
    from harness.data.truth import Truth


@dataclass(frozen=True)
class Triplet:
    """Two input frames and the one between them.

    id      unique in its benchmark and level, the same on every machine
    clip    the scene; triplets of one clip are not independent samples
    level   "train", or the name of a test difficulty
    frames  positions of I0, It, I1 in the clip
    t       position of It between I0 (0) and I1 (1)
    within  what the positions count in, where that is not the clip: each triplet of Vimeo90K has its frames 1 to 3
    around  positions of I-1 and I2, as far before I0 and after I1 as these are apart, in the same shot; None where
            there are none. Networks that take four frames see the triplets alone that have them
    """

    id: str
    _: KW_ONLY
    clip: str
    level: str
    frames: tuple[int, int, int]
    t: float = 0.5
    within: str = ""
    around: tuple[int, int] | None = None


def frames_hash(frames: NDArray[np.uint8], t: float) -> str:
    """16 hexadecimal digits over frames (3 or 5, H, W, 3), their shape, and t: equal where two arms saw the same."""
    digest = sha256(f"{frames.shape} {frames.dtype} {float(t)!r} ".encode())
    digest.update(frames.tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Expected:
    """A file that a benchmark needs. `size` is (width, height), None where any will do."""

    path: Path
    size: tuple[int, int] | None = None


class Benchmark(ABC):
    """Triplets and their frames. An instance can be pickled; reading is safe from several threads and processes.

    `partial` tells what is missing of the whole, in one line, where the user allowed a partial dataset; else "".
    `inputs` is how many frames a network sees of each triplet that `read` gives: 4 of `harness.data.around` alone.
    """

    levels: tuple[str, ...]
    train: Sequence[Triplet]
    test: Sequence[Triplet]
    partial: str = ""
    inputs: int = 2

    @abstractmethod
    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        """I0, It, I1 as RGB (3, H, W, 3). Raises HarnessError naming a file that cannot be used."""

    @abstractmethod
    def digest(self, split: Literal["train", "test"]) -> str:
        """Hash over all that decides the triplets of a split and their frames: content of clips, settings."""

    def read_around(self, triplet: Triplet) -> NDArray[np.uint8]:
        """I-1, I2 as RGB (2, H, W, 3), of a triplet that says in `around` where they are. They are part of the
        digest. Raises HarnessError as `read`."""
        raise NotImplementedError

    def truth(self, triplet: Triplet) -> Truth | None:
        """Labels, motion and occlusion as they are; None, then of every triplet, where nobody knows them, as of all
        footage."""
        return None

    def labels(self, triplet: Triplet) -> NDArray[np.uint16] | None:
        """M0, M1 (2, H, W) of the truth alone, for benchmarks to whom that is cheaper than all of it."""
        known = self.truth(triplet)
        return None if known is None else known.labels[::2]

    def contents(self, split: Literal["train", "test"]) -> Sequence[Content]:
        """What is known of the clips of a split, by which copies of them are found; empty where nothing is."""
        return ()

    def files(self) -> Sequence[Expected]:
        """Every file of the whole dataset, for `harness data verify`; empty where there is nothing to verify."""
        return ()
