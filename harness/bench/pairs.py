"""A store of many pairs, with numbers drawn and not measured: what a table of them is timed on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.results import lines
from harness.results.comparison import Comparison, Data, Part
from harness.results.envelope import write
from harness.results.records import Asked, Cost, Fingerprint, Measured, PairRecord, RunRecord, SetRecord, Status
from harness.results.rows import Row, prepare, write_rows
from harness.results.store import Store
from harness.results.trail import Given

SEEDS, STEPS, CLIPS, TRIPLETS = 3, 400, 31, 310
DATA, LEVEL, PROTOCOL = "drawn-00000000", "test", "unified-v2-000000"
COST = Cost(parameters=2_800_000, macs=101_000_000_000, macs_thop=122_000_000_000)


def stored(root: Path, pairs: int) -> Store:
    """Of one baseline with as many variants of a plug-in as there are, three seeds each."""
    store, drawn = Store(root), np.random.default_rng(0)
    for number in range(pairs):
        variant, seed = divmod(number, SEEDS)
        names = (f"ifrnet-s.s{seed}.00000000", f"ifrnet-s+hir.s{seed}.{variant:08x}")
        for name in names:
            if not store.run(name).started:
                _put_run(store, name, seed, drawn)
        store.write_pair(f"{names[1]}-00000000", _record(names, variant, seed))
    return store


def _put_run(store: Store, name: str, seed: int, drawn: np.random.Generator) -> None:
    run = store.run(name)
    run.path.mkdir(parents=True)
    facts = {"baseline": {}, "initial_weights": "", "recipe": {}, "data": {}, "code": {}, "environment": {}}
    fingerprint = Fingerprint.model_validate({**facts, "seed": seed, "arm": [], "masks": None})
    write(run.config, RunRecord(label=name, fingerprint=fingerprint))
    run.set_status(Status(state="evaluated", step=STEPS, steps=STEPS))
    run.set_measured(Measured(weights=name, weights_file="", baseline_sha256=name, cost_size=(720, 1280), cost=COST))
    rows = [
        Row(
            data=DATA,
            level=LEVEL,
            triplet=f"{at}",
            clip=f"clip{at % CLIPS}",
            protocol=PROTOCOL,
            weights=name,
            masks="none",
            regions="none",
            values={"psnr": 30 + float(psnr), "ssim": 0.9 + float(psnr) / 100},
        )
        for at, psnr in enumerate(drawn.standard_normal(TRIPLETS))
    ]
    trail = [Given(0, "drawn", "", "", "drawn", ""), Given(STEPS, "", "drawn", "0.1", "drawn", "0.5")]
    lines.write(
        run.audit, Given._fields, [{name: str(value) for name, value in each._asdict().items()} for each in trail]
    )
    write_rows(run.rows, prepare(run.rows, rows[0].values), rows)


def _record(names: tuple[str, str], variant: int, seed: int) -> PairRecord:
    asked = Asked(baseline="ifrnet-s", plugins=f"hir:radius={variant}", recipe="quick", seed=seed)
    plugin = Part(name="hir", options={"radius": variant}, given={"radius": f"{variant}"})
    tests = SetRecord(data=DATA, levels={LEVEL: tuple(map(str, range(TRIPLETS)))})
    compared = Comparison(
        baseline=Part(name="ifrnet-s"),
        plugins=(plugin,),
        data=(Data(name="drawn"),),
        tests=(Data(name="drawn"),),
        protocol=PROTOCOL,
    )
    return PairRecord(
        title="drawn numbers",
        runs=names,
        labels=("ifrnet-s", f"ifrnet-s+hir(radius={variant})"),
        network_masks=("none", "none"),
        tests=(tests,),
        protocol=PROTOCOL,
        ssim="ssim",
        metrics=("psnr", "ssim"),
        regions="none",
        recipe="quick",
        train="drawn",
        steps=STEPS,
        seed=seed,
        asked=asked,
        command=asked.command(),
        comparison=compared,
    )
