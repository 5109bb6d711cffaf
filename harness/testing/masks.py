"""A mask source: two label maps that depend on two frames and on nothing else."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.masks.source import Masks
from harness.registry.contract import ContractError
from harness.registry.state import DRAWS, MODES, WEIGHTS
from harness.testing.checks import CheckError, skip
from harness.testing.common import COMMON, Subject, digest, left_alone, pickled
from harness.testing.pictures import photograph

SIZE = (60, 90)


class MaskSubject(Subject):
    """`thing` is the source. Checks are skipped where it cannot be asked here, for want of weights or of files."""

    @cached_property
    def missing(self) -> str:
        """Why it gives no maps of two frames alone; "" where it does."""
        try:
            self.thing.label_maps(*photograph(SIZE))
        except HarnessError as error:
            return "" if isinstance(error, ContractError) else str(error)
        except Exception:
            return ""  # the checks will say so
        return ""

    def maps(self, pair: NDArray[np.uint8]) -> Any:
        if self.missing:
            skip(self.missing)
        given = self.thing.label_maps(*pair)
        return given.maps if isinstance(given, Masks) else given

    def hashes(self) -> dict[str, str]:
        return {"label maps": digest(self.maps(photograph(SIZE)))}


def _look_right(maps: Any, size: tuple[int, int]) -> None:
    where = f"frames of {size[0]}x{size[1]}"
    if not isinstance(maps, np.ndarray):
        raise CheckError(f"{where} give {type(maps).__name__}, no array of label maps")
    if maps.shape != (2, *size):
        raise CheckError(f"{where} give label maps of shape {maps.shape}, where {(2, *size)} is needed")
    if maps.dtype != np.uint16:
        raise CheckError(f"{where} give label maps of {maps.dtype}, where uint16 is needed")


# --- checks ---


def check_two_maps(subject: MaskSubject) -> None:
    """Two maps (2, H, W) of uint16, for frames of any size."""
    for size in (SIZE, (37, 53), (16, 16), (64, 40)):
        _look_right(subject.maps(photograph(size)), size)


def check_flat_frames(subject: MaskSubject) -> None:
    """A single colour is a picture too."""
    for level in (0, 255):
        _look_right(subject.maps(np.full((2, *SIZE, 3), level, np.uint8)), SIZE)


def check_looks_at_both_frames(subject: MaskSubject) -> None:
    """Where something moves, the second map is not the first one again."""
    maps = subject.maps(photograph(SIZE))
    if len(np.unique(maps)) == 1:
        skip("everything is one region")
    if np.array_equal(maps[0], maps[1]):
        raise CheckError("a square that moves has the same label map in both frames: the second frame is not looked at")


def check_same_frame_same_map(subject: MaskSubject) -> None:
    """Two equal frames have equal maps: labels name the same target in both."""
    frame = photograph(SIZE)[0]
    maps = subject.maps(np.stack([frame, frame]))
    share = float((maps[0] != maps[1]).mean())
    if share > 0.05:
        raise CheckError(f"of two equal frames {share:.0%} of the pixels have another label in the second one")


def check_same_twice(subject: MaskSubject) -> None:
    """The same frames have the same maps again, with others in between."""
    first = subject.maps(photograph(SIZE))
    subject.maps(photograph(SIZE, seed=4))
    share = float((subject.maps(photograph(SIZE)) != first).mean())
    if share:
        raise CheckError(f"the same frames have other labels in {share:.1%} of their pixels the second time")


def check_inputs_unchanged(subject: MaskSubject) -> None:
    """Frames are as they were."""
    pair = photograph(SIZE)
    before = pair.copy()
    subject.maps(pair)
    if not np.array_equal(pair, before):
        raise CheckError("changes the frames in place")


def check_leaves_the_process_alone(subject: MaskSubject) -> None:
    """It moves no random generator and no mode that the whole process has."""
    subject.maps(photograph(SIZE))  # what is loaded at the first pair may
    left_alone(MODES + DRAWS + WEIGHTS, lambda: subject.maps(photograph(SIZE)))


def check_pickles(subject: MaskSubject) -> None:
    """It can be sent to another process, before its first pair."""
    pickled(subject.build())


MASK_SOURCE = (
    *COMMON,
    check_two_maps,
    check_flat_frames,
    check_looks_at_both_frames,
    check_same_frame_same_map,
    check_same_twice,
    check_inputs_unchanged,
    check_leaves_the_process_alone,
    check_pickles,
)
