"""The loading of training triplets, beside a loader as the authors of networks write it: whole PNG files by OpenCV,
then numpy arrays that are cut, mirrored, turned and copied.

What is timed is CPU time of one thread: triplets a second and core.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from harness.bench.footage import Triplets, written
from harness.bench.turns import Timed, in_turn
from harness.data.augment import Augment
from harness.data.images import decode
from harness.data.loader import Samples, batches
from harness.data.order import Order
from harness.errors import HarnessError

SIZE, BATCH = (448, 256), 8
CPU = torch.device("cpu")

Read = Callable[[Path], NDArray[np.uint8]]


def loading(quick: bool) -> Iterator[Timed]:
    """Raises HarnessError where both do not read the same frames."""
    name, read = usual_reader()
    batches_, turns = (2, 3) if quick else (6, 9)
    count = BATCH * batches_
    with TemporaryDirectory() as folder, _one_thread():
        root = written(Path(folder), SIZE, count)
        files = sorted(root.glob("sequences/*/*/*.png"))
        usual = _Usual(files, read)
        png, mapped = (Triplets(root=str(root)) for _ in range(2))
        mapped.decode("train", lambda: False, lambda done, total: None)
        for at, triplet in enumerate(png.train):
            for ours in (png, mapped):
                if not np.array_equal(ours.read(triplet), usual.frames(at)):
                    raise HarnessError(f"{root}: {name} reads other frames of {triplet.id}: not timed")

        def theirs() -> None:
            for _ in DataLoader(usual, BATCH, shuffle=True, drop_last=True):
                pass

        def ours_of(benchmark: Triplets) -> Callable[[], None]:
            samples = Samples({"": benchmark}, Order(count, BATCH, 0), Augment(), None)

            def ours() -> None:
                for _ in batches(samples, 0, batches_, 0):
                    pass

            return ours

        whose = f"{SIZE[0]}x{SIZE[1]}, beside {name}"
        for what, ours in (("a triplet of PNG files", png), ("a triplet that was decoded before", mapped)):
            yield Timed(whose, what, in_turn(ours_of(ours), theirs, turns, CPU, time.process_time).per(count))
        contents = [(file.read_bytes(), file) for file in files[:BATCH]]
        decoding = in_turn(
            lambda: [decode(*each) for each in contents],
            lambda: [read(file) for _, file in contents],
            turns,
            CPU,
            time.process_time,
        )
        yield Timed(whose, "decoding of a frame", decoding.per(len(contents)))


class _Usual(Dataset[tuple[Tensor, float]]):
    """As the loaders of RIFE, EMA-VFI and others do it: crop of 224, colours, both axes and time reversed, turned."""

    def __init__(self, files: list[Path], read: Read) -> None:
        self.files, self.read = files, read
        self.random = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.files) // 3

    def frames(self, index: int) -> NDArray[np.uint8]:
        """RGB; OpenCV gives BGR."""
        return np.stack([self.read(file)[:, :, ::-1] for file in self.files[3 * index : 3 * index + 3]])

    def __getitem__(self, index: int) -> tuple[Tensor, float]:
        three = [self.read(file) for file in self.files[3 * index : 3 * index + 3]]
        height, width, _ = three[0].shape
        top, left = self.random.integers(0, height - 223), self.random.integers(0, width - 223)
        three = [image[top : top + 224, left : left + 224] for image in three]
        colours, rows, columns, reverse, turn = self.random.random(5)
        if colours < 0.5:
            three = [image[:, :, ::-1] for image in three]
        if rows < 0.5:
            three = [image[::-1] for image in three]
        if columns < 0.5:
            three = [image[:, ::-1] for image in three]
        if reverse < 0.5:
            three = three[::-1]
        three = [np.ascontiguousarray(np.rot90(image, int(turn * 4))) for image in three]
        return torch.cat([torch.from_numpy(image).permute(2, 0, 1) for image in three]), 0.5


def usual_reader() -> tuple[str, Read]:
    """OpenCV's decoder, or Pillow's where that is not installed, which takes about as long."""
    try:
        import cv2
    except ImportError:
        from PIL import Image

        return "Pillow (no OpenCV is installed)", lambda file: np.asarray(Image.open(file))[:, :, ::-1]
    cv2.setNumThreads(1)
    return f"OpenCV {cv2.__version__}", lambda file: np.asarray(cv2.imread(str(file)))


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
