# mypy: ignore-errors
"""Benchmarks with one mistake each. `RightSet` has none."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from harness.data import Benchmark, Triplet


def triplets(split, clip, times=(0.25, 0.5, 0.75)):
    level = "train" if split == "train" else "easy"
    return tuple(
        Triplet(f"{clip}/{at}-{t:g}", clip=clip, level=level, frames=(at, at + round(4 * t), at + 4), t=t)
        for at in range(3)
        for t in times
    )


class RightSet(Benchmark):
    levels = ("easy",)
    train = triplets("train", "park")
    test = triplets("test", "street")

    def read(self, triplet):
        clip = 0 if triplet.clip == "park" else 1
        return np.stack(
            [np.random.default_rng((clip, at)).integers(0, 256, (32, 48, 3), np.uint8) for at in triplet.frames]
        )

    def digest(self, split):
        return f"right {split}"


class AroundSwapped(RightSet):
    test = tuple(replace(t, around=(t.frames[2] + 4, t.frames[0] - 4)) for t in RightSet.test)

    def read_around(self, triplet):
        return super().read(replace(triplet, frames=triplet.around))


class AroundIsWithin(RightSet):
    test = tuple(replace(t, around=(t.frames[0] - 4, t.frames[2] + 4)) for t in RightSet.test)

    def read_around(self, triplet):
        return super().read(triplet)[::2]


class AlwaysHalf(RightSet):
    test = tuple(Triplet(t.id, clip=t.clip, level=t.level, frames=t.frames, t=0.5) for t in RightSet.test)


class TimeFromTheEnd(RightSet):
    test = tuple(Triplet(t.id, clip=t.clip, level=t.level, frames=t.frames, t=1 - t.t) for t in RightSet.test)


class RandomOrder(RightSet):
    built = 0

    def __init__(self):
        RandomOrder.built += 1
        train = list(RightSet.train)
        random.Random(RandomOrder.built).shuffle(train)
        self.train = tuple(train)


class OrderOfASetOfIds(RightSet):
    def __init__(self):
        known = {triplet.id: triplet for triplet in RightSet.train}
        self.train = tuple(known[name] for name in set(known))


class TestInTrain(RightSet):
    test = tuple(Triplet(t.id, clip="street", level="easy", frames=t.frames, t=t.t) for t in RightSet.train)

    def read(self, triplet):
        return super().read(Triplet(triplet.id, clip="park", level="train", frames=triplet.frames, t=triplet.t))


class SameClips(RightSet):
    test = triplets("test", "park")


class SameIds(RightSet):
    test = (*RightSet.test, RightSet.test[0])


class Floats(RightSet):
    def read(self, triplet):
        return super().read(triplet) / 255


class ChannelsFirst(RightSet):
    def read(self, triplet):
        return super().read(triplet).transpose(0, 3, 1, 2)


class MiddleLast(RightSet):
    test = tuple(
        Triplet(t.id, clip=t.clip, level=t.level, frames=(t.frames[0], t.frames[2], t.frames[1]), t=t.t)
        for t in RightSet.test
    )


class NoisyFrames(RightSet):
    def __init__(self):
        self.reads = 0

    def read(self, triplet):
        self.reads += 1
        return super().read(triplet) ^ np.uint8(self.reads % 256)
