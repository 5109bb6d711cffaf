"""Scenes that are drawn: textured shapes that move rigidly over a moving background, and all that is true of them.

Pillow does what goes over pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from harness.data.textures import DENSITY
from harness.data.truth import Truth

EDGE = 2
"""How many times finer than texels an outline is drawn before it is averaged."""
SOLID = 127.5
"""Of 0 to 255: where a shape covers at least half of a place, the place is the shape's."""

TABLES = np.array([0, 256, 512], np.uint16)
"""Where each colour's table begins."""

Floats = NDArray[np.float64]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""


@dataclass(frozen=True)
class Motion:
    """Of a rigid thing, at a constant speed. At time 1/2 its own origin is at `centre` (x, y), in pixels, turned by
    `angle`; from time 0 to 1 it moves by `shift`, turns by `turn` radians and grows by the factor 1 + `growth`."""

    centre: tuple[float, float]
    shift: tuple[float, float]
    angle: float = 0.0
    turn: float = 0.0
    growth: float = 0.0

    def at(self, time: float) -> Pose:
        since = time - 0.5
        angle, size = self.angle + self.turn * since, 1 + self.growth * since
        return Pose(
            self.centre[0] + self.shift[0] * since,
            self.centre[1] + self.shift[1] * since,
            size * math.cos(angle),
            size * math.sin(angle),
        )


@dataclass(frozen=True)
class Pose:
    """Where a thing is at one time: a place q of its own is at (x, y) + [[c, -s], [s, c]] q in the frame."""

    x: float
    y: float
    c: float
    s: float

    def inward(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Places of the frame as the thing's own; broadcast against each other."""
        scale = self.c**2 + self.s**2
        dx, dy = x - self.x, y - self.y
        return (self.c / scale) * dx + (self.s / scale) * dy, (self.c / scale) * dy - (self.s / scale) * dx

    def outward(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """The thing's own places in the frame."""
        return self.x + self.c * x - self.s * y, self.y + self.s * x + self.c * y


@dataclass(frozen=True)
class Layer:
    """A thing with its looks: what `texture` shows around the texel `origin`, mapped there by `mirror` (2, 2), which
    turns and mirrors, then by `colours` (3, 256), a table each.

    outline  corners (k, 2) in pixels from the thing's origin; None where it is everywhere
    cover    image (n, n) of how far each texel is covered, the origin in its middle; None likewise
    """

    motion: Motion
    texture: Image.Image
    origin: tuple[float, float]
    mirror: tuple[tuple[int, int], tuple[int, int]]
    colours: NDArray[np.uint8]
    outline: Floats | None = None
    cover: Image.Image | None = None

    def box(self, pose: Pose, size: int) -> Box:
        """The part of a frame outside of which there is nothing of it; it may be empty."""
        if self.outline is None:
            return 0, 0, size, size
        x, y = pose.outward(*self.outline.T)
        left, top = max(math.floor(x.min()) - 1, 0), max(math.floor(y.min()) - 1, 0)
        return left, top, min(math.ceil(x.max()) + 2, size), min(math.ceil(y.max()) + 2, size)

    def paint(self, pose: Pose, box: Box, mirrored: bool = False) -> Image.Image:
        """RGB of the pixels in a box, bilinear. Beyond a texture's edge there is nothing, or it goes on `mirrored`."""
        shown = np.asarray(_read(self.texture, pose, box, self.origin, self.mirror, mirrored))
        return Image.fromarray(self.colours.ravel().take(shown + TABLES))

    def covers(self, pose: Pose, box: Box) -> Image.Image:
        """How far each pixel of a box is covered, 0 to 255, bilinear. Raises ValueError for a background."""
        if self.cover is None:
            raise ValueError("a background is everywhere")
        middle = (self.cover.width - 1) / 2
        return _read(self.cover, pose, box, (middle, middle), ((1, 0), (0, 1)))

    def covers_places(self, pose: Pose, x: Floats, y: Floats) -> Floats:
        """The same of any places of the frame."""
        cover = np.asarray(self.cover, np.float64)
        side = len(cover)
        u, v = ((DENSITY * at + (side - 1) / 2).clip(0, side - 1.001) for at in pose.inward(x, y))
        column, row = u.astype(np.int64), v.astype(np.int64)
        right, below = u - column, v - row
        above = cover[row, column] * (1 - right) + cover[row, column + 1] * right
        under = cover[row + 1, column] * (1 - right) + cover[row + 1, column + 1] * right
        found: Floats = above * (1 - below) + under * below
        return found


def _read(
    image: Image.Image,
    pose: Pose,
    box: Box,
    origin: tuple[float, float],
    mirror: tuple[tuple[int, int], tuple[int, int]],
    goes_on: bool = False,
) -> Image.Image:
    """What `image` shows at each pixel of a box: its own place there, times DENSITY, mirrored, from `origin` on. Beyond
    its edge that is nothing, unless it `goes_on`, mirrored there."""
    scale = DENSITY / (pose.c**2 + pose.s**2)
    inverse = ((scale * pose.c, scale * pose.s), (-scale * pose.s, scale * pose.c))
    (a, b), (d, e) = (
        tuple(row[0] * inverse[0][k] + row[1] * inverse[1][k] for k in (0, 1)) for row in mirror
    )  # texels for each pixel to the right, and down
    left, top = box[0] - pose.x, box[1] - pose.y
    # Pillow reckons from the corner of a pixel to the corner of a texel, here it is from middle to middle
    c, f = (
        along * (left - 0.5) + down * (top - 0.5) + at + 0.5
        for along, down, at in zip((a, d), (b, e), origin, strict=True)
    )
    size = box[2] - box[0], box[3] - box[1]
    if goes_on:
        corners = [(x, y) for x in (0, size[0]) for y in (0, size[1])]
        columns = _going_on([a * x + b * y + c for x, y in corners])
        rows = _going_on([d * x + e * y + f for x, y in corners])
        texels = np.asarray(image)
        c, f = c - columns[0], f - rows[0]
        image = Image.fromarray(texels[_folded(rows, len(texels))][:, _folded(columns, texels.shape[1])])
    return image.transform(size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR)


def _going_on(places: Sequence[float]) -> NDArray[np.int64]:
    """All texels from the first to the last of these places, with two more at either end for the bilinear reading."""
    return np.arange(math.floor(min(places)) - 2, math.ceil(max(places)) + 2)


def _folded(texels: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Of texels of an image that goes on mirrored, again and again, those of the image itself."""
    within = texels % (2 * length)
    folded: NDArray[np.int64] = np.minimum(within, 2 * length - 1 - within)
    return folded


def cover_of(outline: Floats) -> Image.Image:
    """Of a polygon (k, 2), in pixels from its origin: read bilinearly, its edge is as soft as a pixel is wide."""
    side = 2 * math.ceil(DENSITY * float(np.abs(outline).max())) + 4
    drawn = Image.new("L", (EDGE * side, EDGE * side))
    places = EDGE * (DENSITY * outline + side / 2) - 0.5
    ImageDraw.Draw(drawn).polygon([(round(x), round(y)) for x, y in places.tolist()], fill=255)
    return drawn.reduce(EDGE)


@dataclass(frozen=True)
class Scene:
    """`layers` from the background, which is everywhere, to the front; frames are `size` pixels a side.

    Places and flows are in pixels, x first; the label of a layer is its number, 0 the background.
    """

    layers: Sequence[Layer]
    size: int

    def frame(self, time: float) -> NDArray[np.uint8]:
        """RGB (size, size, 3), at any time: what is further away than a texture goes is a mirror image of it."""
        image = Image.new("RGB", (self.size, self.size))
        for _, layer, pose, box in self._shown(time):
            # between the input frames no texture ends inside of a frame
            painted = layer.paint(pose, box) if 0 <= time <= 1 else layer.paint(pose, box, mirrored=True)
            image.paste(painted, box, None if layer.cover is None else layer.covers(pose, box))
        return np.asarray(image)

    def labels(self, time: float) -> NDArray[np.uint16]:
        """(size, size): the number of the foremost layer."""
        labels = np.zeros((self.size, self.size), np.uint16)
        for number, layer, pose, box in self._shown(time):
            if number:
                here = np.asarray(layer.covers(pose, box)) >= SOLID
                labels[box[1] : box[3], box[0] : box[2]][here] = number
        return labels

    def truth(self, t: float) -> Truth:
        """Of I0, It, I1 at the times 0, `t` and 1."""
        labels = {time: self.labels(time) for time in (0.0, t, 1.0)}
        flow01, visible01 = self._motion(labels[0.0], 0, 1)
        flow10, visible10 = self._motion(labels[1.0], 1, 0)
        flow_t0, visible_t0 = self._motion(labels[t], t, 0)
        flow_t1, visible_t1 = self._motion(labels[t], t, 1)
        return Truth(
            labels=np.stack([labels[0.0], labels[t], labels[1.0]]),
            flow01=flow01,
            flow10=flow10,
            flow_t0=flow_t0,
            flow_t1=flow_t1,
            visible01=visible01,
            visible10=visible10,
            visible_t0=visible_t0,
            visible_t1=visible_t1,
        )

    def _shown(self, time: float) -> Iterator[tuple[int, Layer, Pose, Box]]:
        """Number of each layer that is in the frame, the layer, where, and in which part of it."""
        for number, layer in enumerate(self.layers):
            pose = layer.motion.at(time)
            left, top, right, bottom = box = layer.box(pose, self.size)
            if left < right and top < bottom:
                yield number, layer, pose, box

    def _motion(
        self, labels: NDArray[np.uint16], start: float, end: float
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Flow (2, size, size) from the frame at `start`, which has these labels, to that at `end`, and what is seen
        there."""
        flow = np.empty((2, self.size, self.size), np.float32)
        visible = np.empty((self.size, self.size), np.bool_)
        for number, layer in enumerate(self.layers):
            here = labels == number
            y, x = (each.astype(np.float64) for each in np.nonzero(here))
            there_x, there_y = layer.motion.at(end).outward(*layer.motion.at(start).inward(x, y))
            flow[:, here] = there_x - x, there_y - y
            inside = (there_x.clip(0, self.size - 1) == there_x) & (there_y.clip(0, self.size - 1) == there_y)
            for above in self.layers[number + 1 :]:
                inside &= above.covers_places(above.motion.at(end), there_x, there_y) < SOLID
            visible[here] = inside
        return flow, visible
