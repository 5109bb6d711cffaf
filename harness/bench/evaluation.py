"""Evaluation end to end, beside a loop as the authors of networks write it: three PNG files, the network, PSNR, and
SSIM by a convolution with the whole window of 11x11x11.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.arm import Arm
from harness.bench.footage import Triplets, written
from harness.bench.loading import Read, usual_reader
from harness.bench.turns import Timed, in_turn
from harness.data.benchmark import Triplet
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.plan import EvalPlan
from harness.evaluate.protocol import Predict, mean_of_frames, predictor
from harness.evaluate.runner import Evaluation, evaluate
from harness.evaluate.testset import TripletSet
from harness.metrics.pixelwise import psnr
from harness.metrics.ssim import ssim
from harness.model import Frames
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.protocol import UNIFIED
from harness.results.rows import read_rows

NETWORK = "ifrnet-s"
EQUAL = {"psnr": 1e-3, "ssim": 1e-4}
"""By which both may differ: theirs is in float32."""


def evaluation(quick: bool, device: torch.device) -> Iterator[Timed]:
    """Raises HarnessError where both do not give the same numbers."""
    size, triplets, turns = ((448, 256), 2, 2) if quick else ((1280, 720), 2, 3)
    name, read = usual_reader()
    whose = f"{size[0]}x{size[1]}, beside {name} and conv3d"
    model = Arm.of(catalog(), parse_choice(NETWORK)).build(0).to(device)
    with TemporaryDirectory() as folder:
        root = written(Path(folder) / "frames", size, triplets)
        benchmark = Triplets(root=str(root))
        for predict, what in (
            (predictor(model, UNIFIED.settings_on("")), f"a triplet with {NETWORK}"),
            (mean_of_frames, "a triplet without a network"),
        ):
            job = _Job(benchmark, predict, read, Path(folder), device)
            job.check()
            yield Timed(whose, what, in_turn(job.ours, job.theirs, turns, device).per(triplets))
        frame, truth = (torch.rand(1, 3, size[1], size[0], device=device) for _ in range(2))
        with torch.inference_mode():
            measured = in_turn(lambda: ssim(frame, truth).cpu(), lambda: ssim_by_conv3d(frame, truth), turns, device)
        yield Timed(whose, "SSIM of a frame", measured)


class _Job:
    def __init__(self, benchmark: Triplets, predict: Predict, read: Read, folder: Path, device: torch.device) -> None:
        self.benchmark, self.predict, self.read, self.device = benchmark, predict, read, device
        plan = EvalPlan(UNIFIED, {"psnr": psnr, "ssim": ssim}, {})
        tests = TripletSet(benchmark, f"bench-{id(self)}", list(benchmark.test))
        self.evaluation = Evaluation(plan, tests, (), None, "none", "none", World(0, 1, device))
        self.files = (folder / f"rows-{id(self)}-{number}.csv" for number in count())

    def ours(self) -> list[dict[str, float]]:
        path = next(self.files)
        evaluate(self.evaluation, self.predict, path, lambda: False, lambda done, total: None)
        return [dict(row.values) for row in read_rows(path, "")]

    def theirs(self) -> list[dict[str, float]]:
        return [self._triplet(triplet) for triplet in self.benchmark.test]

    @torch.inference_mode()
    def _triplet(self, triplet: Triplet) -> dict[str, float]:
        files = [self.benchmark.root / "sequences" / triplet.id / f"im{number}.png" for number in (1, 2, 3)]
        img0, truth, img1 = (
            torch.tensor(self.read(file)[:, :, ::-1].transpose(2, 0, 1) / 255.0).to(self.device).float()[None]
            for file in files
        )
        frame = self.predict(Frames(img0=img0, img1=img1), 0.5, None).frame
        error = frame[0].cpu().numpy() - truth[0].cpu().numpy()
        return {"psnr": -10 * math.log10(float(np.square(error).mean())), "ssim": ssim_by_conv3d(frame, truth)}

    def check(self) -> None:
        for ours, theirs in zip(self.ours(), self.theirs(), strict=True):
            for name, most in EQUAL.items():
                if not abs(ours[name] - theirs[name]) <= most:
                    raise HarnessError(
                        f"{name} is {ours[name]:.6f} here and {theirs[name]:.6f} by the usual loop: not timed"
                    )


def ssim_by_conv3d(frame: Tensor, truth: Tensor) -> float:
    """SSIM of (1, 3, H, W) as VFI papers report it, in float32: colours, rows and columns are a volume."""
    at = torch.arange(11.0, device=frame.device) - 5
    line = torch.exp(-(at**2) / (2 * 1.5**2))
    line = line / line.sum()
    window = (line[:, None, None] * line[:, None] * line)[None, None]

    def blurred(volume: Tensor) -> Tensor:
        return F.conv3d(F.pad(volume, (5,) * 6, mode="replicate"), window)

    x, y = frame[None], truth[None]
    mean_x, mean_y = blurred(x), blurred(y)
    xx, yy, xy = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2, blurred(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + 0.01**2) * (2 * xy + 0.03**2)
    return float((likeness / ((mean_x**2 + mean_y**2 + 0.01**2) * (xx + yy + 0.03**2))).mean())
