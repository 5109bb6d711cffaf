"""How many cuts and dissolves are found, and how many are made up: tables in Markdown.

    python tests/measure_shots.py FOLDER [every n-th pair, 1 by default]
    python tests/measure_shots.py cost

FOLDER holds the clips and `sources.json`, which states their shots. Each clip is decoded once, scaled to 320x180, and
darkened in 8 bits; thumbnails are kept in the folder of temporary files. Each ordered pair is joined: the last 40
frames of the longest shot of the one, the first 40 of the other's, by a hard cut or a dissolve of so many mixed frames.

A cut is found where exactly the two frames beside it are parted. A dissolve is found where no shot holds a frame of it
in which both pictures have more than a tenth, and none frames of both sides. Every other border between two shots that
touch is a false cut, and every other gap between shots a false dissolve; a row's precision is that of its own kind. So
is every border in the clips as they are which is no cut that `sources.json` states. perception_v2 goes on where
perception_v1 ends, so that this pair has no cut.

`cost` decodes the bundled clips and prints what finding shots and copies, and hashes and prints, take beside that, in
seconds of CPU: part of `make bench`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from harness.data.framecache import VERSION
from harness.data.holdings import find
from harness.data.picture import reduced
from harness.data.prints import told, waves_of
from harness.data.sets.clips import BUNDLED
from harness.data.shots import Cells, cells_of, change, find_repeats, find_shots, thumbnail
from harness.data.video import images

FACTORS = (1.0, 0.5, 0.25, 0.15)
LENGTHS = (0, 1, 4, 8, 12, 16, 24)  # mixed frames; 0 is a cut
SIDE = 40  # frames of each clip in a pair
NO_CUT = ("perception_v1.m4v", "perception_v2.m4v")

Thumbs = NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """`thumbs` by factor; `shots` as positions in them."""

    name: str
    thumbs: dict[float, Thumbs]
    shots: list[tuple[int, int]]

    def end(self, factor: float, first: bool) -> Thumbs:
        """The first frames of its longest shot, or the last."""
        start, last = max(self.shots, key=lambda shot: shot[1] - shot[0])
        frames = self.thumbs[factor][start : last + 1]
        return frames[:SIDE] if first else frames[-SIDE:]


def small_frames(path: Path, step: int) -> Iterator[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(container.decode(video=0)):
            if number % step == 0:
                yield frame.reformat(320, 180, "rgb24").to_ndarray()


def darkened(frame: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(np.arange(256) * factor).astype(np.uint8)
    return levels[frame]


def thumbs_of(frames: Iterator[NDArray[np.uint8]]) -> dict[str, Thumbs]:
    made: dict[str, list[Thumbs]] = {str(factor): [] for factor in FACTORS}
    for frame in frames:
        for factor in FACTORS:
            made[str(factor)].append(thumbnail(cells_of(darkened(frame, factor))))
    return {factor: np.stack(each) for factor, each in made.items()}


def read(folder: Path) -> list[Clip]:
    clips = []
    for entry in json.loads((folder / "sources.json").read_text()):
        name, step = entry["file"], entry["frame_step"]
        kept = Path(tempfile.gettempdir()) / f"measure_shots-{VERSION}" / f"{name}.npz"
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            np.savez(kept, **thumbs_of(small_frames(folder / name, step)))
        with np.load(kept) as file:
            thumbs = {factor: file[str(factor)] for factor in FACTORS}
        clips.append(Clip(name, thumbs, [(first // step, last // step) for first, last in entry["shots"]]))
    return sorted(clips, key=lambda clip: clip.name)


def joined(before: Thumbs, after: Thumbs, length: int) -> Thumbs:
    if not length:
        return np.concatenate([before, after])
    share = (np.arange(1, length + 1, dtype=np.float32) / (length + 1))[:, None, None]
    mixed = (1 - share) * before[-length:] + share * after[:length]
    return np.concatenate([before[:-length], mixed, after[length:]])


@dataclass
class Count:
    """Of transitions: `there`, `found`, false cuts and dissolves beside them; pure frames that are in no shot."""

    there: int = 0
    found: int = 0
    cuts: int = 0
    dissolves: int = 0
    lost: int = 0

    def add(self, frames: Thumbs, start: int, length: int) -> bool:
        """Whether the one transition is found, whose first mixed frame, or first frame after the cut, is `start`."""
        shots = find_shots(list(frames))
        spared = (length + 1) // 10
        first, last = start + spared, start + length - 1 - spared
        found = all(b < first or a > last for a, b in shots) if length else start in [a for a, _ in shots]
        if not length:
            found = found and start - 1 in [b for _, b in shots]
        false = [(b, a) for b, a in _borders(shots, len(frames)) if not (b <= start + length and a >= start - 1)]
        self.there += 1
        self.found += found
        self.cuts += sum(a == b + 1 for b, a in false)
        self.dissolves += sum(a > b + 1 for b, a in false)
        self.lost += len(frames) - length - sum(b - a + 1 for a, b in shots) if found else 0
        return found

    def row(self, kind: str, factor: str) -> str:
        false = self.cuts if kind == "cut" else self.dissolves
        recall, precision = self.found / self.there, self.found / max(1, self.found + false)
        cells = (kind, factor, self.there, self.found, f"{recall:.1%}", self.cuts, self.dissolves, f"{precision:.1%}")
        return f"| {' | '.join(map(str, cells))} | {self.lost / max(1, self.found):.1f} |"


def main(folder: Path, every: int) -> None:
    clips = read(folder)
    counts: dict[tuple[str, float], Count] = {}
    missed: list[str] = []
    pairs = [(a, b) for a in clips for b in clips if a is not b and (a.name, b.name) != NO_CUT][::every]
    for before, after in pairs:
        for factor in FACTORS:
            for length in LENGTHS:
                kind = _kind(length)
                a, b = before.end(factor, first=False), after.end(factor, first=True)
                count = counts.setdefault((kind, factor), Count())
                if not count.add(joined(a, b, length), len(a) - length, length) and factor == 1:
                    missed.append(f"{kind} {before.name} {after.name}")
    print(f"{len(pairs)} pairs of {len(clips)} clips\n")
    print(
        "| joined by | brightness | there | found | recall | false cuts | false dissolves | precision | frames lost |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for length in LENGTHS:
        for factor in FACTORS:
            kind = _kind(length)
            print(counts[kind, factor].row(kind, f"x{factor:g}"))
    print("\n| clip as it is | brightness | frames | cuts | found | false, as last and next frame of shots |")
    print("|---|---|---|---|---|---|")
    for clip in clips:
        for factor in FACTORS:
            shots = find_shots(list(clip.thumbs[factor]))
            count = len(clip.thumbs[factor])
            true = {last for last, first in _borders(clip.shots, count) if first == last + 1 < count}
            found = [(last, first) for last, first in _borders(shots, count)]
            false = [each for each in found if each[0] not in true]
            if factor in (FACTORS[0], FACTORS[-1]):
                row = (clip.name, f"x{factor:g}", count, len(true), len(found) - len(false))
                print(f"| {' | '.join(map(str, row))} | {', '.join(map(str, false)) or 'none'} |")
    print("\nMissed at x1: " + (", ".join(missed) or "none"))


def _borders(shots: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """Last frame of each shot and first of the next; also where the first or the last frames are in none."""
    if not shots:
        return [(-1, count)]
    within = [(last, first) for (_, last), (first, _) in pairwise(shots)]
    return [
        *([(-1, shots[0][0])] if shots[0][0] else []),
        *within,
        *([(shots[-1][1], count)] if shots[-1][1] < count - 1 else []),
    ]


def _kind(length: int) -> str:
    return f"dissolve of {length}" if length else "cut"


def cost() -> None:
    print("| clip | decoding, ms a frame | shots and copies | hashes and prints | on top |\n|---|---|---|---|---|")
    total = np.zeros(3)
    for path in find(BUNDLED).values():
        spent = np.zeros(3)
        cells: list[Cells] = []
        changes, thumbs, waves = [], [], []
        begun = time.process_time()
        for shown in images(path, 1, 1, "", "no"):
            frame = reduced(shown.image, None)
            spent[0] += (looked := time.process_time()) - begun
            cells = [*cells[-1:], cells_of(frame)]
            changes += [change(cells[1], cells[0])] if len(cells) > 1 else []
            thumbs.append(thumbnail(cells[-1]))
            spent[1] += (hashed := time.process_time()) - looked
            sha256(frame.data)
            waves.append(waves_of(cells[-1]))
            spent[2] += (begun := time.process_time()) - hashed
        spent[0] += (looked := time.process_time()) - begun
        find_repeats(changes)
        find_shots(thumbs)
        spent[1] += (hashed := time.process_time()) - looked
        told(waves)
        spent[2] += time.process_time() - hashed
        total += spent
        each = spent / len(thumbs) * 1e3
        print("| {} | {:.2f} | {:.2f} | {:.2f} | {:.0%} |".format(path.name, *each, each[1:].sum() / each[0]))
    print("| all, in seconds | {:.1f} | {:.1f} | {:.1f} | {:.0%} |".format(*total, total[1:].sum() / total[0]))


if __name__ == "__main__" and sys.argv[1:] == ["cost"]:
    cost()
elif __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
