"""The shots of a video as a picture: of each passage the first, the middle and the last frame, and where copies are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from harness.data.framecache import Decoded
from harness.errors import HarnessError
from harness.files import write_bytes

WIDE, GAP, LINE, BAR = 240, 6, 14, 8  # pixels of the sheet
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
    high = max(1, round(WIDE * decoded.height / decoded.width))
    row = LINE + high + BAR + 2 * GAP
    sheet = Image.new("RGB", (3 * WIDE + 4 * GAP, row * len(shown) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    frames = decoded.open()
    for number, passage in enumerate(shown):
        top = GAP + number * row
        colour = DISSOLVE if passage.number is None else SHOT
        draw.text((GAP, top), passage.line(), fill=colour)
        places = (passage.first, (passage.first + passage.last) // 2, passage.last)
        for column, at in enumerate(places):
            left = GAP + column * (WIDE + GAP)
            small = Image.fromarray(frames.read(at)).resize((WIDE, high), Image.Resampling.BOX)
            sheet.paste(small, (left, top + LINE))
            draw.rectangle((left, top + LINE, left + WIDE - 1, top + LINE + high - 1), outline=colour)
            mark = f"{at}, a copy" if at in passage.copies else str(at)
            draw.text((left + 4, top + LINE + 2), mark, fill="white", stroke_width=2, stroke_fill="black")
        sheet.paste(_bar(passage, 3 * WIDE + 2 * GAP), (GAP, top + LINE + high + 2))
    content = io.BytesIO()
    sheet.save(content, "png")
    write_bytes(path, content.getvalue())
    return path


def _bar(passage: Passage, width: int) -> Image.Image:
    """A strip of its frames, from left to right, with its copies in their own colour."""
    colours = np.full((passage.last - passage.first + 1, 3), SHOT if passage.number else DISSOLVE, np.uint8)
    colours[np.array(passage.copies, int) - passage.first] = COPY
    return Image.fromarray(colours[None]).resize((width, BAR), Image.Resampling.NEAREST)
