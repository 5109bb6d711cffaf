"""The benchmarks `layers` and `layers-fast`: drawn scenes, of which motion, labels and occlusion are known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data.benchmark import Benchmark, Triplet, frames_hash
from harness.data.scene import Layer, Motion, Scene, cover_of
from harness.data.textures import DENSITY, Split, Textures
from harness.data.truth import Truth
from harness.errors import HarnessError

TRAIN = 100_000
"""Triplets to train on. They are drawn when they are read, so that there might be any number."""
CORNERS = 64  # of an outline
MIRRORS = tuple(
    ((a, b), (c, d))
    for a in (-1, 0, 1)
    for b in (-1, 0, 1)
    for c in (-1, 0, 1)
    for d in (-1, 0, 1)
    if a * c + b * d == 0 and a * a + b * b == c * c + d * d == 1
)
"""The eight ways to turn and mirror a square, as matrices (x, y)."""
_PURPOSE: dict[Split, int] = {"train": 1, "test": 2}  # keeps the two streams of random numbers apart


class Layers(Benchmark):
    """Textured shapes that move rigidly over a moving background. Each triplet is a function of (seed, index) alone.

    size      side of the frames, in pixels, 32 to 1024
    motion    of a shape between the input frames: its centre moves by up to so many pixels, 0 to `size`, all lengths
              being as likely. The background moves by up to half of that
    shapes    in a scene, 0 to 50; the nearer ones hide the farther ones
    rotation  between the input frames, up to so many degrees either way, 0 to 45; the background turns by up to a
              quarter of that
    scale     growth between the input frames, as a fraction, 0 to 0.5, likewise
    textures  a folder of images. Empty: photographs that come with scikit-image
    t         of the middle frame; 0 for one of 1/8 to 7/8, drawn for each triplet
    tests     how many test triplets there are, 1 or more
    seed      of everything that is drawn, 0 or more

    Training has ellipses and polygons, tests have rounded and star-shaped blobs with photographs that training never
    sees. Each triplet is a scene of its own. Raises HarnessError for an option that makes no scenes.
    """

    levels = ("test",)

    def __init__(
        self,
        *,
        size: int = 96,
        motion: float = 24.0,
        shapes: int = 5,
        rotation: float = 6.0,
        scale: float = 0.06,
        textures: str = "",
        t: float = 0.5,
        tests: int = 100,
        seed: int = 0,
    ) -> None:
        bounds = (
            ("size", size, 32, 1024),
            ("motion", motion, 0, size),
            ("shapes", shapes, 0, 50),
            ("rotation", rotation, 0, 45),
            ("scale", scale, 0, 0.5),
            ("tests", tests, 1, TRAIN),
            ("seed", seed, 0, 2**63 - 1),
        )
        for name, value, low, high in bounds:
            if not low <= value <= high:
                more = ": further than the frame is wide" if name == "motion" and value > high else ""
                raise HarnessError(f"{name}={value:g}{more}; give {low:g} to {high:g}")
        if not 0 <= t < 1:
            raise HarnessError(f"t={t:g}: give a time between 0 and 1, or 0 for one drawn for each triplet")
        self.size, self.motion, self.shapes = size, motion, shapes
        self.turn, self.growth, self.t, self.seed = math.radians(rotation), scale, t, seed
        self._textures = Textures(textures, size)
        self.train = _Drawn(self, "train", TRAIN)
        self.test = _Drawn(self, "test", tests)

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        """I0, It, I1 as RGB (3, size, size, 3), drawn."""
        scene = self.scene(triplet)
        return np.stack([scene.frame(time) for time in (0.0, triplet.t, 1.0)])

    def read_around(self, triplet: Triplet) -> NDArray[np.uint8]:
        """I-1, I2 (2, size, size, 3): things went, and go on, as they do between I0 and I1."""
        scene = self.scene(triplet)
        return np.stack([scene.frame(time) for time in (-1.0, 2.0)])

    def labels(self, triplet: Triplet) -> NDArray[np.uint16]:
        scene = self.scene(triplet)
        return np.stack([scene.labels(time) for time in (0.0, 1.0)])

    def truth(self, triplet: Triplet) -> Truth:
        return self.scene(triplet).truth(triplet.t)

    def digest(self, split: Literal["train", "test"]) -> str:
        """Over the options, every texel, and the first frames: another Pillow may round otherwise."""
        settings = [self.size, self.motion, self.shapes, self.turn, self.growth, self.t, self.seed]
        triplets = self.train if split == "train" else self.test
        drawn = [frames_hash(self.read(triplet), triplet.t) for triplet in triplets[:4]]
        facts = [split, settings, len(triplets), self._textures.digest(split), drawn]
        return sha256(json.dumps(facts).encode()).hexdigest()

    def scene(self, triplet: Triplet) -> Scene:
        """What the triplet's frames are taken of."""
        split: Split = "train" if triplet.level == "train" else "test"
        rng = self._rng(split, int(triplet.id.rpartition("/")[2]))
        outlines = TRAIN_OUTLINES if split == "train" else TEST_OUTLINES
        layers = [self._background(split, rng)]
        for _ in range(self.shapes):
            outline = outlines[rng.integers(len(outlines))](rng) * (self.size * rng.uniform(0.1, 0.26))
            layers.append(self._shape(split, outline, rng))
        return Scene(layers, self.size)

    def _background(self, split: Split, rng: np.random.Generator) -> Layer:
        middle = (self.size - 1) / 2
        motion = Motion(
            (middle, middle),
            _shift(self.motion / 2, rng),
            turn=self.turn / 4 * rng.uniform(-1, 1),
            growth=self.growth / 4 * rng.uniform(-1, 1),
        )
        # a frame that is turned and moved to the end of its way, as seen by the background
        angle = abs(motion.turn) / 2
        turned = middle * (math.cos(angle) + math.sin(angle)) + math.hypot(*motion.shift) / 2
        reach = turned / (1 - abs(motion.growth) / 2) + 1
        return Layer(motion, *self._texture(split, reach, rng))

    def _shape(self, split: Split, outline: NDArray[np.float64], rng: np.random.Generator) -> Layer:
        x, y = rng.uniform(0, self.size - 1, 2).tolist()
        motion = Motion(
            (x, y),
            _shift(self.motion, rng),
            angle=rng.uniform(0, 2 * math.pi),
            turn=self.turn * rng.uniform(-1, 1),
            growth=self.growth * rng.uniform(-1, 1),
        )
        reach = float(np.hypot(*outline.T).max()) + 1
        return Layer(motion, *self._texture(split, reach, rng), outline=outline, cover=cover_of(outline))

    def _texture(
        self, split: Split, reach: float, rng: np.random.Generator
    ) -> tuple[Image.Image, tuple[float, float], tuple[tuple[int, int], tuple[int, int]], NDArray[np.uint8]]:
        """Texture, origin, mirror and colours of a `Layer`: of any photograph, at any place, turned and mirrored, each
        of its colours with another contrast and brightness."""
        texture = self._textures(split, int(rng.integers(self._textures.count(split))))
        needed = DENSITY * reach
        x, y = (needed + rng.random() * (length - 1 - 2 * needed) for length in texture.size)
        contrast, brightness = rng.uniform(0.5, 1.2, (3, 1)), rng.uniform(-40, 40, (3, 1))
        colours = np.rint((np.arange(256) - 128) * contrast + 128 + brightness).clip(0, 255).astype(np.uint8)
        return texture, (x, y), MIRRORS[rng.integers(len(MIRRORS))], colours

    def triplet(self, split: Split, index: int) -> Triplet:
        """The one with that number, whether or not the benchmark has so many."""
        name = f"{split}/{index:06d}"
        t = self.t or float(self._rng(split, index).integers(1, 8)) / 8
        return Triplet(name, clip=name, level=split, frames=(0, 1, 2), t=t, around=(-2, 4))

    def _rng(self, split: Split, index: int) -> np.random.Generator:
        key, counter = np.array([self.seed, index], np.uint64), np.array([0, 0, 0, _PURPOSE[split]], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=counter))


class _Drawn(Sequence[Triplet]):
    """The triplets of a split, made when they are asked for."""

    def __init__(self, layers: Layers, split: Split, count: int) -> None:
        self._layers, self._split, self._count = layers, split, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Triplet: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Triplet]: ...
    def __getitem__(self, index: int | slice) -> Triplet | Sequence[Triplet]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._count))]
        return self._layers.triplet(self._split, range(self._count)[index])


Outline = Callable[[np.random.Generator], NDArray[np.float64]]
"""Corners (k, 2) of a polygon that goes about 1 from its middle."""


def _round(radius: NDArray[np.float64], aspect: float = 1.0) -> NDArray[np.float64]:
    """Corners at equal angles, at these distances."""
    angle = np.linspace(0, 2 * math.pi, len(radius), endpoint=False)
    return np.stack([radius * np.cos(angle) * aspect, radius * np.sin(angle) / aspect], 1)


def _ellipse(rng: np.random.Generator) -> NDArray[np.float64]:
    return _round(np.ones(CORNERS), rng.uniform(0.7, 1.4))


def _polygon(rng: np.random.Generator) -> NDArray[np.float64]:
    return _round(rng.uniform(0.7, 1.3, int(rng.integers(3, 8))))


def _blob(rng: np.random.Generator) -> NDArray[np.float64]:
    angle, waves = np.linspace(0, 2 * math.pi, CORNERS, endpoint=False)[:, None], np.arange(2, 6)
    return _round(1 + (rng.uniform(0, 0.15, 4) * np.cos(waves * angle + rng.uniform(0, 2 * math.pi, 4))).sum(1))


def _star(rng: np.random.Generator) -> NDArray[np.float64]:
    points = int(rng.integers(4, 8))
    return _round(np.tile([1.25, rng.uniform(0.6, 0.8)], points))


TRAIN_OUTLINES: tuple[Outline, ...] = (_ellipse, _polygon)
TEST_OUTLINES: tuple[Outline, ...] = (_blob, _star)


def _shift(longest: float, rng: np.random.Generator) -> tuple[float, float]:
    """Any length up to that, in any direction."""
    length, angle = rng.uniform(0, longest), rng.uniform(0, 2 * math.pi)
    return length * math.cos(angle), length * math.sin(angle)


class LayersFast(Layers):
    """`layers` with frames and motion that ask more: 256 pixels a side and up to 72 pixels of motion. The options are
    those of `layers`."""

    def __init__(
        self,
        *,
        size: int = 256,
        motion: float = 72.0,
        shapes: int = 5,
        rotation: float = 6.0,
        scale: float = 0.06,
        textures: str = "",
        t: float = 0.5,
        tests: int = 100,
        seed: int = 0,
    ) -> None:
        super().__init__(
            size=size,
            motion=motion,
            shapes=shapes,
            rotation=rotation,
            scale=scale,
            textures=textures,
            t=t,
            tests=tests,
            seed=seed,
        )
