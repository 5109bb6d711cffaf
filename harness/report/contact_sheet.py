"""Contact sheets: of each shot of a video the first, the middle and the last frame, and where copies are; of triplets
their middle frames."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from harness.data.benchmark import Benchmark, Triplet
from harness.data.framecache import Decoded
from harness.data.frames import frames_of
from harness.errors import HarnessError
from harness.files import write_bytes
from harness.printable import printable

WIDE, GAP, LINE, BAR = 240, 6, 14, 8  # pixels of the sheet
ACROSS = 3  # pictures side by side
STRIPS = 40
"""Lines of a sheet of triplets, at most."""
SHOT, COPY, DISSOLVE = (90, 140, 200), (240, 160, 40), (200, 60, 60)


@dataclass(frozen=True)
class Passage:
    """Rows of a video, first and last, that are one shot, or between two; `copies` are those that show nothing new."""

    number: int | None
    first: int
    last: int
    copies: tuple[int, ...]

    def line(self) -> str:
        """In words; what is in no shot has no number."""
        what = "dissolve, in no shot" if self.number is None else f"shot {self.number}"
        frames = f"frames {self.first} to {self.last}, {self.last - self.first + 1 - len(self.copies)} distinct"
        named = ", ".join(map(str, self.copies[:12])) + (", ..." if len(self.copies) > 12 else "")
        return f"{what}: {frames}" + (f", copies: {named}" if self.copies else "")


def passages(decoded: Decoded) -> list[Passage]:
    """Shots and what is between them, in order: every row is in one."""
    found: list[Passage] = []
    at = 0
    for number, (first, last) in enumerate(decoded.shots, 1):
        if _distinct(decoded, at, first - 1):
            found.append(_passage(decoded, None, at, first - 1))
            at = first
        end = decoded.shots[number][0] - 1 if number < len(decoded.shots) else decoded.rows - 1
        stop = end if not _distinct(decoded, last + 1, end) else last
        found.append(_passage(decoded, number, at, stop))
        at = stop + 1
    if at < decoded.rows:
        found.append(_passage(decoded, None, at, decoded.rows - 1))
    return found


def _distinct(decoded: Decoded, first: int, last: int) -> int:
    """Rows, from first to last, that are no copies."""
    return max(0, last - first + 1) - sum(first <= row <= last for row in decoded.repeats)


def _passage(decoded: Decoded, number: int | None, first: int, last: int) -> Passage:
    return Passage(number, first, last, tuple(row for row in decoded.repeats if first <= row <= last))


def check_png(path: Path) -> None:
    """Raises HarnessError for a sheet that is to be another kind of file."""
    if path.suffix.lower() != ".png":
        raise HarnessError(f"{path}: a contact sheet is written as png; end the name in .png")


def draw_shots(decoded: Decoded, shown: Sequence[Passage], path: Path) -> Path:
    """Write the sheet, a PNG file, one passage below the other."""
    frames = decoded.open()

    def strips() -> Iterator[_Strip]:
        for passage in shown:
            colour = DISSOLVE if passage.number is None else SHOT
            places = (passage.first, (passage.first + passage.last) // 2, passage.last)
            marks = (f"{at}, a copy" if at in passage.copies else str(at) for at in places)
            pictures = [(_small(frames.read(at)), mark) for at, mark in zip(places, marks, strict=True)]
            yield _Strip(passage.line(), colour, pictures, _bar(passage, ACROSS * (WIDE + GAP) - GAP))

    return _draw(strips(), path)


def draw_triplets(benchmark: Benchmark, triplets: Sequence[Triplet], path: Path) -> str:
    """Write a sheet, a PNG file, with the middle frames of the first three triplets of each clip on each level; of more
    than `STRIPS` such threes those of some, evenly spread. What is drawn, in words."""
    threes: dict[tuple[str, str], list[Triplet]] = {}
    for triplet in triplets:
        threes.setdefault((triplet.level, triplet.clip), []).append(triplet)
    groups = list(threes.items())
    count = min(len(groups), STRIPS)
    chosen = [groups[i * len(groups) // count] for i in range(count)]

    def strips() -> Iterator[_Strip]:
        for (level, clip), group in chosen:
            pictures = [
                (_small(frames_of(benchmark, each)[1]), f"{each.frames[1]}, t {each.t:.6g}") for each in group[:ACROSS]
            ]
            yield _Strip(printable(f"{level}, {clip}: {len(group)} triplets"), SHOT, pictures)

    _draw(strips(), path)
    drawn = sum(len(group[:ACROSS]) for _, group in chosen)
    return (
        f"{path}: the middle frames of {drawn} of {len(triplets)} triplets, the first {ACROSS} of a clip on a level"
        + (f", of {count} of {len(groups)} clips and levels" if count < len(groups) else "")
    )


@dataclass(frozen=True)
class _Strip:
    """A line of the sheet: its words, up to `ACROSS` pictures with what is written into each, and a bar below."""

    caption: str
    colour: tuple[int, int, int]
    pictures: Sequence[tuple[Image.Image, str]]
    bar: Image.Image | None = None


def _small(frame: NDArray[np.uint8]) -> Image.Image:
    """Of an RGB frame (H, W, 3)."""
    high = max(1, round(WIDE * frame.shape[0] / frame.shape[1]))
    return Image.fromarray(frame).resize((WIDE, high), Image.Resampling.BOX)


def _draw(strips: Iterable[_Strip], path: Path) -> Path:
    rows = list(strips)
    tall = [LINE + max(small.height for small, _ in row.pictures) + BAR + 2 * GAP for row in rows]
    sheet = Image.new("RGB", (ACROSS * (WIDE + GAP) + GAP, sum(tall) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for row, height in zip(rows, tall, strict=True):
        draw.text((GAP, top), row.caption, fill=row.colour)
        for column, (small, mark) in enumerate(row.pictures):
            left = GAP + column * (WIDE + GAP)
            sheet.paste(small, (left, top + LINE))
            draw.rectangle((left, top + LINE, left + WIDE - 1, top + LINE + small.height - 1), outline=row.colour)
            draw.text((left + 4, top + LINE + 2), mark, fill="white", stroke_width=2, stroke_fill="black")
        if row.bar:
            sheet.paste(row.bar, (GAP, top + height - BAR - 2 * GAP + 2))
        top += height
    content = io.BytesIO()
    sheet.save(content, "png")
    write_bytes(path, content.getvalue())
    return path


def _bar(passage: Passage, width: int) -> Image.Image:
    """A strip of its frames, from left to right, with its copies in their own colour."""
    colours = np.full((passage.last - passage.first + 1, 3), SHOT if passage.number else DISSOLVE, np.uint8)
    colours[np.array(passage.copies, int) - passage.first] = COPY
    return Image.fromarray(colours[None]).resize((width, BAR), Image.Resampling.NEAREST)
