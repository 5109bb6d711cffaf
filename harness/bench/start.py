"""How long a user waits before anything is done, how sure a difference is, and tables: what needs no network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from harness.bench.pairs import stored
from harness.bench.turns import Timed, in_turn
from harness.results.store import Store
from harness.statistics.estimate import estimate

Tables = Callable[[Store], object]
"""Makes those of every pair."""

CPU = torch.device("cpu")


def start(quick: bool, tables: Tables) -> Iterator[Timed]:
    turns = 3 if quick else 9
    yield Timed(
        "the command line, beside Python itself",
        "harness --help",
        in_turn(lambda: _run("-m", "harness", "--help"), lambda: _run("-c", ""), turns, CPU),
    )
    rows = _rows()
    yield Timed(
        "statistics", "an estimate of 3 seeds and 310 triplets", in_turn(lambda: estimate(rows), None, turns, CPU)
    )
    pairs = 100 if quick else 1000
    with TemporaryDirectory() as folder:
        store = stored(Path(folder), pairs)
        yield Timed("harness table", f"tables of {pairs:,} pairs", in_turn(lambda: tables(store), None, 3, CPU))


def _run(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def _rows() -> pd.DataFrame:
    """Of 31 clips, as `clips` has them."""
    random = np.random.default_rng(0)
    names = [(seed, f"clip{number % 31}", f"{number}") for seed in range(3) for number in range(310)]
    return pd.DataFrame(names, columns=["seed", "clip", "triplet"]).assign(value=random.standard_normal(len(names)))
