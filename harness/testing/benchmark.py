"""A benchmark: triplets that are what they say, the same in every process, and none of the test in training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.benchmark import Benchmark, Triplet, frames_hash
from harness.model.warping import warp
from harness.registry.state import DRAWS, MODES, WEIGHTS
from harness.testing.checks import CheckError, skip
from harness.testing.common import COMMON, Subject, digest, left_alone, pickled, several

READ = 4
"""Triplets of each split that are read, evenly spread; of all, what is written down is looked at."""

UNSTEADY = 0.1
"""Share of triplets whose t may be another than their frame numbers say, as in a clip with doubled frames."""

LISTED = 2000
"""Triplets of a split that are listed: a set that draws its own has as many as one asks for."""


class BenchmarkSubject(Subject):
    thing: Benchmark

    def split(self, name: str) -> Sequence[Triplet]:
        return self.thing.train if name == "train" else self.thing.test

    @cached_property
    def frames(self) -> dict[tuple[str, str], NDArray[np.uint8]]:
        """Of READ triplets a split, by split and id."""
        return {(split, t.id): self.thing.read(t) for split, t in self.chosen_triplets()}

    def chosen_triplets(self) -> Iterator[tuple[str, Triplet]]:
        for split in ("train", "test"):
            triplets = self.split(split)
            for at in range(0, len(triplets), max(-(-len(triplets) // READ), 1)):
                yield split, triplets[at]

    def listing(self, split: str) -> list[Triplet]:
        triplets = self.split(split)
        return [triplets[at] for at in range(min(len(triplets), LISTED))]

    def hashes(self) -> dict[str, str]:
        found = {f"order of {split}": digest(self.listing(split)) for split in ("train", "test")}
        found |= {f"digest of {split}": self.thing.digest(split) for split in ("train", "test")}
        return found | {"frames": digest(*self.frames.values())}


# --- checks ---


def check_triplets(subject: BenchmarkSubject) -> None:
    """There are some to train on or to test on, in order of time, and none lists another's frames as its own. Those
    around a triplet are before and after it."""
    if not len(subject.split("train")) + len(subject.split("test")):
        raise CheckError("has no triplet to train on and none to test on")
    for split in ("train", "test"):
        for triplet in subject.listing(split):
            first, middle, last = triplet.frames
            if not _in_order(first, middle, last):
                raise CheckError(f"{split} triplet {triplet.id} has the frames {triplet.frames}: not in order of time")
            if triplet.around is not None and not _in_order(triplet.around[0], first, last, triplet.around[1]):
                where = f"{triplet.around} around the frames {triplet.frames}"
                raise CheckError(f"{split} triplet {triplet.id} has {where}: not in order of time")


def _in_order(*positions: int) -> bool:
    return all(a < b for a, b in pairwise(positions)) or all(a > b for a, b in pairwise(positions))


def check_times(subject: BenchmarkSubject) -> None:
    """t is where the middle frame is between the others, but for a few in footage that is not steady."""
    for split in ("train", "test"):
        triplets = subject.listing(split)
        off = [triplet for triplet in triplets if abs(triplet.t - _position(triplet)) > 0.01]
        if len(off) > UNSTEADY * len(triplets):
            first = off[0]
            raise CheckError(
                f"{len(off)} of {len(triplets)} triplets in '{split}' say another t than their frames do: {first.id} "
                f"of frames {first.frames} says {first.t:.4g}, and frame {first.frames[1]} is at {_position(first):.4g}"
            )


def _position(triplet: Triplet) -> float:
    first, middle, last = triplet.frames
    return (middle - first) / (last - first)


def check_ids(subject: BenchmarkSubject) -> None:
    """Ids are unique in a split and level, and test levels are those of the benchmark."""
    for split in ("train", "test"):
        keys = [(triplet.level, triplet.id) for triplet in subject.listing(split)]
        if len(set(keys)) < len(keys):
            twice = sorted({f"{level} {name}" for level, name in keys if keys.count((level, name)) > 1}, key=str)
            raise CheckError(f"{several(twice)} is twice in '{split}'")
    filled = {triplet.level for triplet in subject.listing("test")}
    empty = [level for level in subject.thing.levels if level not in filled]
    if empty and len(subject.listing("test")) < LISTED:
        raise CheckError(f"the level {several(empty)} has no test triplet")


def check_order(subject: BenchmarkSubject) -> None:
    """Built again, it lists the same triplets in the same order, with the same digest."""
    other = BenchmarkSubject(subject.chosen)
    for split in ("train", "test"):
        one, two = subject.listing(split), other.listing(split)
        if one != two:
            at = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
            raise CheckError(f"built again, '{split}' differs from triplet {at} on")
        if subject.thing.digest(split) != other.thing.digest(split):
            raise CheckError(f"built again, it has another digest of '{split}'")


def check_frames(subject: BenchmarkSubject) -> None:
    """Frames are RGB (3, H, W, 3) of uint8, and no two of a triplet are the same."""
    for (split, name), frames in subject.frames.items():
        where = f"{split} triplet {name}"
        if not isinstance(frames, np.ndarray):
            raise CheckError(f"{where} is {type(frames).__name__}, no array of frames")
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[0] != 3 or frames.shape[3] != 3:
            raise CheckError(f"{where} is {frames.dtype} {frames.shape}, where uint8 (3, H, W, 3) is needed")
        if np.array_equal(frames[0], frames[2]):
            raise CheckError(f"{where} has the same frame at both ends")
    for split, triplet in subject.chosen_triplets():
        if triplet.around is None:
            continue
        where, around = f"{split} triplet {triplet.id}", subject.thing.read_around(triplet)
        needed = (2, *subject.frames[split, triplet.id].shape[1:])
        if around.dtype != np.uint8 or around.shape != needed:
            raise CheckError(f"what is around {where} is {around.dtype} {around.shape}, where uint8 {needed} is needed")
        for at in (0, 1):
            if np.array_equal(around[at], subject.frames[split, triplet.id][2 * at]):
                raise CheckError(f"what is around {where} is the same frame as its own")


def check_frames_again(subject: BenchmarkSubject) -> None:
    """Read again, and by a copy in another process, frames are the same bytes."""
    copy = pickled(subject.thing)
    for split, triplet in subject.chosen_triplets():
        first = frames_hash(subject.frames[split, triplet.id], triplet.t)
        for who, read in (("read again", subject.thing.read), ("read by a copy that was sent on", copy.read)):
            if frames_hash(read(triplet), triplet.t) != first:
                raise CheckError(f"{split} triplet {triplet.id}, {who}, has other frames")


def check_no_leak(subject: BenchmarkSubject) -> None:
    """No clip of the test is one of training, and no frame that is read is in both."""
    clips = {triplet.clip for triplet in subject.listing("train")} & {t.clip for t in subject.listing("test")}
    if clips:
        raise CheckError(f"{several(sorted(clips))} is in training and in the test")
    seen: dict[str, str] = {}
    for (split, name), frames in subject.frames.items():
        for frame in frames if isinstance(frames, np.ndarray) else ():
            if split == "train":
                seen[digest(frame)] = name
            elif found := seen.get(digest(frame)):
                raise CheckError(f"a frame of test triplet {name} is one of training triplet {found}")


def check_truth(subject: BenchmarkSubject) -> None:
    """What is known of the motion leads from the middle frame to the others, and its mirror image does not."""
    known = [(split, t) for split, t in subject.chosen_triplets() if subject.thing.truth(t) is not None]
    if not known:
        skip("nobody knows its motion")
    for split, triplet in known:
        truth: Any = subject.thing.truth(triplet)
        frames = torch.from_numpy(subject.frames[split, triplet.id]).permute(0, 3, 1, 2).float() / 255
        for source, which in ((frames[:1], "t0"), (frames[2:], "t1")):
            flow = torch.from_numpy(np.asarray(getattr(truth, f"flow_{which}")))
            seen = torch.from_numpy(np.asarray(getattr(truth, f"visible_{which}")))
            right, wrong = (_error(frames[1:2], source, sign * flow.float()[None], seen) for sign in (1, -1))
            if flow.abs().mean() > 0.5 and right > 0.5 * wrong:
                raise CheckError(
                    f"{split} triplet {triplet.id}: by flow_{which} the frame is {right:.3f} off in the mean where it "
                    f"is visible, by its mirror image {wrong:.3f}"
                )


def _error(frame: Tensor, source: Tensor, flow: Tensor, seen: Tensor) -> float:
    return (frame - warp(source, flow)).abs().mean(1)[0][seen].mean().item()


def check_leaves_the_process_alone(subject: BenchmarkSubject) -> None:
    """Reading moves no random generator and no mode that the whole process has."""
    for _, triplet in subject.chosen_triplets():
        left_alone(MODES + DRAWS + WEIGHTS, lambda triplet=triplet: subject.thing.read(triplet))  # type: ignore[misc]


BENCHMARK = (
    *COMMON,
    check_triplets,
    check_times,
    check_ids,
    check_order,
    check_frames,
    check_frames_again,
    check_no_leak,
    check_truth,
    check_leaves_the_process_alone,
)
