"""What arms are tested on: a benchmark's triplets under a protocol, and the row that is no network."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock

from harness.catalog import Chosen, package_hash
from harness.compare.session import Session
from harness.data.benchmark import Benchmark, Triplet
from harness.evaluate.protocol import UNIFIED
from harness.evaluate.runner import Evaluation, evaluate, mean_of_frames
from harness.masks.cache import MaskCache
from harness.train.loop import Interrupted


@dataclass(frozen=True)
class TestSet:
    """`data_id` names benchmark and content for every row; `triplets` are those that are asked for."""

    benchmark: Benchmark
    data_id: str
    triplets: list[Triplet]

    @classmethod
    def of(cls, chosen: Chosen, per_level: int | None) -> TestSet:
        """Build the benchmark, and take at most `per_level` triplets of each level."""
        benchmark: Benchmark = chosen.build()
        content = benchmark.digest("test") + package_hash("harness.data")
        data_id = f"{chosen.name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
        return cls(benchmark, data_id, spread(benchmark.test, per_level))

    @property
    def levels(self) -> dict[str, list[str]]:
        """Ids of the triplets, by level."""
        levels: dict[str, list[str]] = defaultdict(list)
        for triplet in self.triplets:
            levels[triplet.level].append(triplet.id)
        return dict(levels)

    def evaluation(self, masks: MaskCache | None, weights: Path | None, device: torch.device) -> Evaluation:
        """Of the weights in a file; None for what has no weights."""
        sha = file_hash(weights)[:12] if weights else "none"
        return Evaluation(self.benchmark, self.data_id, self.triplets, masks, UNIFIED, sha, device)

    def evaluate_reference(self, device: torch.device, session: Session) -> None:
        """Bring the rows of the mean of the two frames up to date. Raises Interrupted when asked to stop."""
        path = session.store.reference
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            evaluation = self.evaluation(None, None, device)
            if not evaluate(evaluation, mean_of_frames, path, session.stop, lambda done, total: None):
                raise Interrupted("stopped while measuring the mean of the two frames")


def spread(triplets: Sequence[Triplet], per_level: int | None) -> list[Triplet]:
    """At most `per_level` triplets of each level, evenly spread over the level's own order."""
    levels: dict[str, list[Triplet]] = defaultdict(list)
    for triplet in triplets:
        levels[triplet.level].append(triplet)
    chosen: list[Triplet] = []
    for of_level in levels.values():
        count = min(per_level or len(of_level), len(of_level))
        chosen += [of_level[(2 * i + 1) * len(of_level) // (2 * count)] for i in range(count)]
    return chosen


def mask_cache(masks: Chosen) -> MaskCache:
    """The cache of a source: another version, option or code never reads its maps."""
    version = getattr(masks.entry.spec, "version", 1)
    return MaskCache(masks.build(), masks.record() | {"version": version})


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
