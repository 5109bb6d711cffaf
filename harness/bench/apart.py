"""The code of a network's authors in a process of its own, which is as theirs would be: with none of what the harness
sets up for itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.bench.official import official_of
from harness.errors import HarnessError
from harness.measure.speed import most_held, wait
from harness.model import Official
from harness.model.losses import charbonnier
from harness.registry.catalog import catalog
from harness.registry.specs import BaselineSpec

LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""What the command line has asked torch for, and another process would find."""

LEARNING_RATE, WEIGHT_DECAY = 1e-4, 1e-4


class Theirs:
    """What the other process does: one thing prepared at a time, which is then called as often as one likes."""

    def __init__(self, official: Official, device: torch.device) -> None:
        official.network.to(device)
        self.official, self.device = official, device
        self.call: Callable[[], object]

    def state(self) -> Mapping[str, Tensor]:
        return {key: value.cpu() for key, value in self.official.network.state_dict().items()}

    def frame(self, img0: Tensor, img1: Tensor) -> Tensor:
        """Of RGB frames, whatever the network takes."""
        self.frames(img0, img1)
        with torch.inference_mode():
            if self.official.bgr:
                return self.official.predict(img0.flip(1), img1.flip(1)).flip(1).cpu()
            return self.official.predict(img0, img1).cpu()

    def frames(self, img0: Tensor, img1: Tensor) -> None:
        """To be made by each call."""
        self.official.network.eval()
        img0, img1 = img0.to(self.device), img1.to(self.device)
        self.call = torch.inference_mode()(lambda: self.official.predict(img0, img1))

    def training(self, frames: Tensor) -> None:
        """Triplets (B, 3, 3, H, W), bytes, of which each call is a step; AdamW as torch has it by default."""
        network = self.official.network.train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)

        def step() -> object:
            img0, truth, img1 = (frames.to(self.device).float() / 255).unbind(1)
            optimizer.zero_grad()
            loss = charbonnier(self.official.predict(img0, img1) - truth)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return loss.item()

        self.call = step

    def once(self) -> None:
        self.call()
        wait(self.device)

    def held(self) -> int:
        """Most bytes that tensors of a call hold at once."""
        return most_held(self.call, self.device)


Ask = Callable[..., Any]
"""By the name of what of `Theirs` is to be done, and its arguments."""


@contextmanager
def apart(baseline: str, checkout: Path, device: torch.device) -> Iterator[Ask]:
    """Their code of that baseline, with weights drawn anew. What it raises is raised here; HarnessError where it ends
    its process, as AMT's does with frames of which its coarsest level is one cell wide."""
    set_up = os.environ.pop(LARGE_PAGES, None)
    arguments = (baseline, checkout, device, torch.get_num_threads())
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        try:
            _answer(baseline, process.submit(_begin, *arguments))
        finally:
            if set_up is not None:
                os.environ[LARGE_PAGES] = set_up
        yield lambda what, *given: _answer(baseline, process.submit(_do, what, *map(_shared, given)))


def _answer(baseline: str, asked: Future[Any]) -> Any:
    try:
        return asked.result()
    except BrokenProcessPool as error:
        raise HarnessError(f"{baseline}: the code of its authors ended its process") from error


_theirs: Theirs


def _begin(baseline: str, checkout: Path, device: torch.device, threads: int) -> None:
    global _theirs  # of a process that has no other use
    torch.set_num_threads(threads)
    _theirs = Theirs(official_of(catalog().find(BaselineSpec, baseline), checkout), device)


def _shared(given: object) -> object:
    """Copied into shared memory here, and not by the executor's thread: once another thread has used torch's workers,
    OpenMP no longer lets ours wait awake, and what is timed beside theirs takes a fifth longer."""
    return given.share_memory_() if isinstance(given, Tensor) else given  # type: ignore[no-untyped-call]


def _do(what: str, *given: object) -> object:
    return getattr(_theirs, what)(*given)
