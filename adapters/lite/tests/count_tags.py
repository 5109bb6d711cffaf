"""In how many frames of a clip each tag is found: `python adapters/lite/tests/count_tags.py EVERY CLIP...`, where every
EVERY-th frame counts. Prints Markdown; the weights must be where `harness weights list` looks."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import av
from tabulate import tabulate
from vfi_lite.animals import NamedYolo
from vfi_lite.yolo import TinyYolo


def counted(clip: Path, every: int, detector: TinyYolo) -> tuple[str, float]:
    """Tags with their numbers of frames, the most frequent first; CPU seconds a frame."""
    with av.open(clip) as video:
        frames = [f.to_ndarray(format="rgb24") for at, f in enumerate(video.decode(video=0)) if at % every == 0]
    began = time.process_time()
    tags = Counter(tag for frame in frames for tag in {box.tag for box in detector.detect(frame, None)})
    seconds = (time.process_time() - began) / len(frames)
    return f"{len(frames)} frames: " + ", ".join(f"{tag} {count}" for tag, count in tags.most_common()), seconds


def main(every: int, clips: list[Path]) -> None:
    rows = []
    for clip in clips:
        plain, fast = counted(clip, every, TinyYolo())
        named, slow = counted(clip, every, NamedYolo())
        rows.append([clip.name, plain, f"{fast:.2f}", named, f"{slow:.2f}"])
    print(tabulate(rows, ["clip", "tiny-yolov3", "s a frame", "named-yolov3", "s a frame"], tablefmt="github"))


if __name__ == "__main__":
    main(int(sys.argv[1]), [Path(clip) for clip in sys.argv[2:]])
