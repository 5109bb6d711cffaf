"""What a pair measured so far, read from the store: rows, aggregates, and whether its arms are matched."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.errors import HarnessError, suggestion
from harness.results.rows import read_rows
from harness.results.store import RunFolder, Store, differences, slug_of

log = logging.getLogger("harness")

OWN_TO_AN_ARM = ("arm", "masks")  # of a fingerprint; two arms are matched when all else is equal


class Scores(NamedTuple):
    """PSNR in dB, SSIM; or a difference of them."""

    psnr: float
    ssim: float


def by_level(rows: pd.DataFrame) -> dict[str, Scores]:
    """Mean over the triplets of each level."""
    means = rows.groupby("level")[["psnr", "ssim"]].mean()
    return {str(level): Scores(float(psnr), float(ssim)) for level, psnr, ssim in means.itertuples()}


@dataclass(frozen=True)
class ArmOutcome:
    """One arm. `rows` has a line per test triplet (level, triplet, clip, psnr, ssim), empty before evaluation;
    `metrics` is metrics.json, `status` status.json; both empty for what is not there yet."""

    label: str
    run: RunFolder | None
    rows: pd.DataFrame
    metrics: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def evaluated(self) -> bool:
        return not self.rows.empty

    def means(self) -> dict[str, Scores]:
        """Mean PSNR and SSIM of each level."""
        return by_level(self.rows)

    def curve(self) -> pd.DataFrame:
        """step, epoch, loss, total, learning_rate, seconds."""
        if self.run is None or not self.run.curve.exists():
            raise HarnessError(f"{self.label} has no curve yet")
        exact = dict.fromkeys(("loss", "total", "learning_rate"), float)
        return pd.read_csv(self.run.curve, converters=exact)

    @property
    def seconds_per_step(self) -> float | None:
        """Median over the curve."""
        return None if self.run is None or not self.run.curve.exists() else float(self.curve()["seconds"].median())


@dataclass(frozen=True)
class PairOutcome:
    """A pair: the reference that is no network, then the arms, the plain one first."""

    name: str
    record: Mapping[str, Any]
    reference: ArmOutcome
    arms: tuple[ArmOutcome, ...]

    @property
    def levels(self) -> list[str]:
        return list(self.record["triplets"])

    def unmatched(self) -> list[str]:
        """Settings that the arms should share and do not. Empty for a pair made by `harness run`."""
        if len(self.arms) < 2:
            return []
        shared = []
        for arm in self.arms:
            assert arm.run is not None
            fingerprint = arm.run.settings().get("fingerprint", {})
            shared.append({key: value for key, value in fingerprint.items() if key not in OWN_TO_AN_ARM})
        return differences(shared[0], shared[1])

    def difference(self) -> pd.DataFrame | None:
        """Second arm minus first, triplet by triplet (level, triplet, clip, psnr, ssim).

        None until both are evaluated. Raises HarnessError where the arms are not matched.
        """
        if len(self.arms) < 2 or not all(arm.evaluated for arm in self.arms):
            return None
        unmatched = self.unmatched()
        if unmatched:
            raise HarnessError(f"{self.name}: no difference between unmatched runs: {'; '.join(unmatched)}")
        keys = ["level", "triplet", "clip"]
        one, other = (arm.rows.set_index(keys)[["psnr", "ssim"]] for arm in self.arms)
        return (other - one).reset_index()

    @property
    def bit_equal(self) -> bool:
        """Whether training gave both arms the same baseline weights, bit for bit, as a control must."""
        hashes = [arm.metrics.get("baseline_sha256") for arm in self.arms]
        return len(hashes) == 2 and hashes[0] is not None and hashes[0] == hashes[1]


def find_pair(store: Store, name: str) -> str:
    """The pair of that name, or the one last run of that arm; says which where there are several.

    Raises HarnessError with the nearest name.
    """
    pairs = store.pairs()
    matching = [pair for pair in pairs if name in (pair, slug_of(pair))]
    if len(matching) > 1:
        log.warning("%s is any of %s; taking the one last run", name, ", ".join(matching))
    if matching:
        return matching[-1]
    known = sorted({slug_of(pair) for pair in pairs})
    hint = suggestion(name, known) or (f"; there are: {', '.join(known)}" if known else "")
    raise HarnessError(f"no pair '{name}' in {store.root}{hint or '; harness run makes one'}")


def read_pair(store: Store, name: str) -> PairOutcome:
    """Everything that is known of a pair."""
    path = store.pair_file(name)
    try:
        record = json.loads(path.read_text())
        arms = [store.run(run) for run in record["runs"]]
        for key in ("title", "labels", "triplets", "data", "protocol", "masks", "recipe", "steps", "seed"):
            _ = record[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"{path}: damaged ({error}); the command that made the pair writes it again") from error
    reference = ArmOutcome("mean of the two frames", None, rows_of(store.reference, record, "none"), {}, {})
    return PairOutcome(
        name,
        record,
        reference,
        tuple(_arm(run, label, record) for run, label in zip(arms, record["labels"], strict=True)),
    )


def _arm(run: RunFolder, label: str, record: Mapping[str, Any]) -> ArmOutcome:
    metrics = run.read_metrics()
    return ArmOutcome(label, run, rows_of(run.samples, record, metrics.get("weights")), metrics, run.status())


def rows_of(path: Path, record: Mapping[str, Any], weights: str | None) -> pd.DataFrame:
    """The rows of a pair's own triplets under its own protocol, or none at all while some are missing."""
    wanted = [(level, triplet) for level, ids in record["triplets"].items() for triplet in ids]
    found: dict[tuple[str, str], tuple[str, float, float]] = {}
    for data, level, triplet, clip, protocol, of_weights, psnr, ssim in read_rows(path):
        if (data, protocol, of_weights) == (record["data"], record["protocol"], weights):
            found[level, triplet] = (clip, float(psnr), float(ssim))
    rows = [(*key, *found[key]) for key in wanted if key in found]
    columns = ["level", "triplet", "clip", "psnr", "ssim"]
    return pd.DataFrame(rows if len(rows) == len(wanted) else [], columns=columns)
