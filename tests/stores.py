"""Stores of results made by hand, and the numbers of the tables that are made of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import chain, product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import yaml

from harness.pair.plan import Asked
from harness.registry.plugins import discover
from harness.report.formats import FORMATS
from harness.report.sheet import Sheet
from harness.report.suite_table import suite_sheet
from harness.results.store import Store
from harness.suites.suite import Suite, find_suite
from harness.train.trail import COLUMNS as AUDITED

PROTOCOL = "unified-v2-abcdef"
LEVELS = {"snu-film-12345678": ("easy", "medium", "hard", "extreme"), "vimeo90k-12345678": ("test",)}


def suite(name: str) -> Suite:
    found = find_suite(discover(), name)
    assert found
    return found[1]


def put(
    root: Path,
    asked: Asked,
    psnr: Sequence[float],
    protocol: str = PROTOCOL,
    partial: str = "",
    batch: int = 24,
    clips: int = 2,
    added: Callable[[str, int], float] = lambda level, at: 0.0,
) -> str:
    """A pair's record and its runs as `harness run` leaves them: so many clips of one triplet a level; `psnr` is that
    of each arm at the first, 1/3 dB less at each further one. `added` is what the second arm has besides, in dB, by
    level and number of the triplet."""
    fingerprints = {"recipe": {"batch": 24}}, {"recipe": {"batch": batch}}
    labels = [asked.baseline, f"{asked.baseline}+{asked.plugins}"]
    runs = [f"{asked.baseline}.s{asked.seed}.00000000", f"{labels[1].replace(',', '+')}.s{asked.seed}.11111111"]
    triplets = list(ascii_lowercase[:clips])
    nothing = dict.fromkeys(product(chain(*LEVELS.values()), range(clips)), 0.0)
    besides = nothing, {key: added(*key) for key in nothing}
    arms = zip(runs, labels, psnr, fingerprints, besides, strict=True)
    for run, label, value, fingerprint, more in arms:
        folder = root / "runs" / run
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump({"label": label, "fingerprint": fingerprint}))
        (folder / "status.json").write_text('{"state": "evaluated", "step": 9, "steps": 9}')
        (folder / "audit.csv").write_text(f"{','.join(AUDITED)}\n0,aa,,,bb,\n9,,cc,0.1,bb,0.5\n")
        cost = {"parameters": 1_234_567, "macs": 123_456_789_012, "macs_thop": 164_123_456_789}
        (folder / "metrics.json").write_text(json.dumps({"weights": label, "cost": cost}))
        rows = ["data,level,triplet,clip,protocol,weights,masks,regions,psnr,ssim"]
        for data, levels in LEVELS.items():
            for level in levels:
                for at, triplet in enumerate(triplets):
                    ssim = 0.9 + value / 1000
                    key = f'{data},{level},{triplet},{triplet},{protocol},"{label}",none,none'
                    rows.append(f"{key},{value - at / 3 + more[level, at]!r},{ssim!r}")
        (folder / "samples.csv").write_text("\n".join(rows) + "\n")
    tests = [
        {"data": data, "partial": partial, "levels": dict.fromkeys(levels, triplets)} for data, levels in LEVELS.items()
    ]
    record = {
        "title": "by hand",
        "runs": runs,
        "labels": labels,
        "network_masks": ["none", "none"],
        "tests": tests,
        "protocol": protocol,
        "ssim": "ssim",
        "metrics": ["psnr", "ssim"],
        "unavailable": {},
        "regions": "none",
        "masks": "supervoxel",
        "test_masks": None,
        "recipe": asked.recipe,
        "steps": 9,
        "seed": asked.seed,
        "asked": asdict(asked),
    }
    (root / "pairs").mkdir(exist_ok=True)
    name = f"{runs[1]}-{protocol[-6:]}"
    (root / "pairs" / f"{name}.json").write_text(json.dumps(record))
    return name


def table1(root: Path, **options: Any) -> Sheet:
    return suite_sheet("table1", suite("table1"), Store(root), **options)


def numbers(sheet: Sheet) -> dict[tuple[str, str, str], float]:
    rows = csv.DictReader(io.StringIO(FORMATS["csv"]([sheet])))
    return {(row["row"], row["column"], row["value"]): float(row["number"]) for row in rows}
