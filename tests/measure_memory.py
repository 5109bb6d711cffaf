"""How much memory a frame takes, of any size, without computing it: most bytes that tensors hold at once, by shapes.

    python tests/measure_memory.py WIDTH HEIGHT NETWORK... [FOLDER]

FOLDER has checkouts of the authors' repositories, as for `harness bench --official`; then theirs, too.
"""

from __future__ import annotations

import sys
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
        model = arm.build(seed=0).lay_out().eval()
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


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
