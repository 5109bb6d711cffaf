"""How much memory a frame takes, of any size: the most bytes that tensors hold at once, by shapes, without computing
it; or of a frame that is made, the most that the process had resident.

    python tests/measure_memory.py WIDTH HEIGHT NETWORK... [FOLDER]
    python tests/measure_memory.py made WIDTH HEIGHT NETWORK

FOLDER has checkouts of the authors' repositories, as for `harness bench --official`; then theirs, too.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from harness.arm import Arm
from harness.bench.official import checkout_of, official_of
from harness.measure.speed import most_held
from harness.model import Frames, correlation
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice

CPU = torch.device("cpu")


def main(width: int, height: int, *words: str) -> None:
    correlation.BLOCK = 2**27  # so many blocks as there are otherwise take minutes to walk through
    folders = [Path(word) for word in words if Path(word).is_dir()]
    for name in words[: len(words) - len(folders)]:
        arm = Arm.of(catalog(), parse_choice(name))
        model = arm.build(seed=0).eval().lay_out()
        theirs = [official_of(arm.baseline.entry, checkout_of(arm.baseline.entry, folder)) for folder in folders]
        held = []
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
            img = torch.zeros(1, 3, height, width)
            half = torch.full((1, 1, 1, 1), 0.5)
            held.append(most_held(lambda m=model, i=img, t=half: m(Frames(img0=i, img1=i), t, None), CPU))
            for official in theirs:
                official.network.eval()
                held.append(most_held(lambda o=official, i=img: o.predict(i, i), CPU))
        print(name, *(f"{each / 2**30:.2f} GiB" for each in held), flush=True)


def made(width: int, height: int, name: str) -> None:
    """Of smooth frames, by weights drawn anew."""
    model = Arm.of(catalog(), parse_choice(name)).build(seed=0).eval().lay_out()
    coarse = torch.rand(2, 3, 9, 16, generator=torch.Generator().manual_seed(0))
    frames = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    before, started = _resident(), time.perf_counter()
    frame = model.interpolate(frames[:1], frames[1:]).frame
    seconds = time.perf_counter() - started
    print(f"{name}: {tuple(frame.shape)} in {seconds:.0f} s, resident {_resident():.2f} GiB, {before:.2f} before")


def _resident() -> float:
    """GiB, the most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    if sys.argv[1] == "made":
        made(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
