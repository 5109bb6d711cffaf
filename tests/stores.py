"""Stores of results made by hand, and the numbers of the tables that are made of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, product
from pathlib import Path
from string import ascii_lowercase
from typing import Any
from zlib import crc32

from harness.registry.options import Choice, parse_choices
from harness.registry.plugins import discover
from harness.report.formats import FORMATS
from harness.report.sheet import Sheet
from harness.report.suite_table import suite_sheet
from harness.results import lines
from harness.results.comparison import Comparison, Part, StartRecord
from harness.results.envelope import write
from harness.results.records import (
    RECIPE,
    Asked,
    Cost,
    EvalRecord,
    Fingerprint,
    Measured,
    PairRecord,
    RunRecord,
    SetRecord,
    Status,
)
from harness.results.rows import Row, prepare, write_rows
from harness.results.store import RunFolder, Store
from harness.results.trail import Given, Point
from harness.suites.suite import Suite, find_suite
from harness.train.recipe import load_recipe

COST = Cost(parameters=1_234_567, macs=123_456_789_012, macs_thop=164_123_456_789)


def fingerprint(**changed: Any) -> Fingerprint:
    """One that says little, with some of it changed."""
    facts: dict[str, Any] = {"baseline": {}, "initial_weights": "", "recipe": {}, "seed": 0, "data": {}, "code": {}}
    return Fingerprint.model_validate(facts | {"environment": {}, "arm": [], "masks": None} | changed)


def comparison(asked: Asked, **changed: Any) -> Comparison:
    """What these words ask for, where every option that is given is the only one that there is."""
    baseline, *_ = _parts(asked.baseline)
    recipe = load_recipe(asked.recipe or RECIPE)
    sets = recipe.sets(asked.data)
    facts: dict[str, Any] = {
        "baseline": baseline,
        "plugins": tuple(_parts(asked.plugins)),
        "recipe": recipe.compared(),
        "data": tuple(_part(choice).model_dump() | {"weight": weight} for choice, weight in sets),
        "tests": tuple(part.model_dump() for part in _parts(asked.test or asked.data or "clips")),
        "protocol": PROTOCOL,
        "masks": _parts(asked.masks or "supervoxel")[0] if needs_masks(asked.plugins) else None,
        "test_masks": _parts(asked.test_masks)[0] if asked.test_masks else None,
        "start": StartRecord(name=asked.start, content=asked.start) if asked.start else None,
    }
    return Comparison.model_validate(facts | changed)


def needs_masks(plugins: str) -> bool:
    return plugins not in ("", "null") and not plugins.startswith("widen")


def _parts(words: str) -> list[Part]:
    return list(map(_part, parse_choices(words)))


def _part(choice: Choice) -> Part:
    return Part(name=choice.name, options=dict(choice.options), given=dict(choice.options))


def put_run(
    run: RunFolder,
    label: str,
    print_: Fingerprint,
    rows: Iterable[Row] = (),
    weights: str = "w",
    losses: Sequence[float] = (),
    trail: Sequence[Given] = (),
    status: Status | None = None,
) -> None:
    """The files of a run as `harness run` leaves them."""
    run.path.mkdir(parents=True, exist_ok=True)
    write(run.config, RunRecord(label=label, fingerprint=print_))
    if status:
        run.set_status(status)
    rows = list(rows)
    if rows:
        if run.rows.exists():  # what was tested with other masks stays
            rows = [*(row for row in run.read_rows() if row.masks != rows[0].masks), *rows]
        write_rows(run.rows, prepare(run.rows, rows[0].values), rows)
    run.set_measured(
        Measured(weights=weights, weights_file="", baseline_sha256=label, cost_size=(720, 1280), cost=COST)
    )
    points = [Point(10 * at, 0, loss, 0.5, 0.1, 0.2) for at, loss in enumerate(losses, start=1)]
    if points:
        lines.write(run.curve, Point._fields, map(written, points))
    if trail:
        lines.write(run.audit, Given._fields, map(written, trail))


def written(of: Point | Given) -> dict[str, str]:
    """A line of a curve or of a trail."""
    return {name: value if isinstance(value, str) else repr(value) for name, value in of._asdict().items()}


def pair_record(asked: Asked, runs: Sequence[RunFolder], **changed: Any) -> PairRecord:
    """The record of a pair whose runs these are, settled as a plan's."""
    command = asked.command()
    asked = asked.model_copy(update={"recipe": asked.recipe or RECIPE})
    facts: dict[str, Any] = {
        "title": "by hand",
        "runs": tuple(run.name for run in runs),
        "labels": tuple(run.name for run in runs),
        "network_masks": ("none",) * len(runs),
        "tests": (),
        "protocol": PROTOCOL,
        "ssim": "ssim",
        "metrics": ("psnr", "ssim"),
        "regions": "none",
        "recipe": asked.recipe,
        "train": asked.data or "clips",
        "steps": 9,
        "seed": asked.seed,
        "asked": asked,
        "command": command,
    }
    if "comparison" not in changed:
        facts["comparison"] = comparison(asked)
    return PairRecord.model_validate(facts | changed)


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
    tier: str = "CUDA, fast",
    levels: Mapping[str, Sequence[str]] = LEVELS,
    more: Callable[[int, int], Mapping[str, float]] = lambda arm, at: {},
    regions: str = "none",
    later: str = "",
) -> str:
    """A pair's record and its runs as `harness run` leaves them: so many clips of one triplet a level; `psnr` is that
    of each arm at the first, 1/3 dB less at each further one. `added` is what the second arm has besides, in dB, by
    level and number of the triplet, `more` what each arm's triplets have beside PSNR and SSIM, at every level; `later`
    is the hash that the names of both runs end in, as of later code."""
    store = Store(root)
    labels = [asked.baseline, f"{asked.baseline}+{asked.plugins}"]
    code = f"{crc32(asked.plugins.encode()):08x}" if ":" in asked.plugins else later or "11111111"
    names = [f"{asked.baseline}.s{asked.seed}.{later or '00000000'}", f"{_slug(labels[1])}.s{asked.seed}.{code}"]
    triplets = tuple(ascii_lowercase[:clips])
    nothing = dict.fromkeys(product(chain(*levels.values()), range(clips)), 0.0)
    besides = nothing, {key: added(*key) for key in nothing}
    runs = [store.run(name) for name in names]
    trail = [Given(0, "aa", "", "", "bb", ""), Given(9, "", "cc", "0.1", "bb", "0.5")]
    masks = "none", asked.test_masks or "none"
    for arm, (run, label, value, size, gain) in enumerate(zip(runs, labels, psnr, (24, batch), besides, strict=True)):
        rows = [
            Row(
                data=data,
                level=level,
                triplet=triplet,
                clip=triplet,
                protocol=protocol,
                weights=label,
                masks=masks[arm],
                regions=regions,
                values={"psnr": value - at / 3 + gain[level, at], "ssim": 0.9 + value / 1000, **more(arm, at)},
            )
            for data, of_set in levels.items()
            for level in of_set
            for at, triplet in enumerate(triplets)
        ]
        done = Status(state="evaluated", step=9, steps=9)
        put_run(run, label, fingerprint(recipe={"batch": size}), rows, label, trail=trail, status=done)
    tests = tuple(
        SetRecord(data=data, partial=partial, levels=dict.fromkeys(of_set, triplets)) for data, of_set in levels.items()
    )
    record = pair_record(
        asked,
        runs,
        labels=tuple(labels),
        tests=tests,
        protocol=protocol,
        tier=tier,
        masks=asked.masks or "supervoxel",
        test_masks=asked.test_masks or None,
        network_masks=masks,
        regions=regions,
        motion=tuple(name for name in more(0, 0) if name.startswith("epe")),
        comparison=comparison(asked, protocol=protocol),
    )
    name = f"{runs[1].name}-{protocol[-6:]}{asked.test_masks}"
    store.write_pair(name, record)
    return name


def _slug(label: str) -> str:
    """Names only."""
    baseline, _, plugins = label.partition("+")
    return "+".join([baseline, *(choice.name for choice in parse_choices(plugins))])


def table1(root: Path, **options: Any) -> Sheet:
    return suite_sheet("table1", suite("table1"), Store(root), **options)


def numbers(sheet: Sheet) -> dict[tuple[str, str, str], float]:
    rows = csv.DictReader(io.StringIO(FORMATS["csv"]([sheet])))
    return {(row["row"], row["column"], row["value"]): float(row["number"]) for row in rows}


def put_evaluation(store: Store, of: Store, pair: str, weights: str = "0" * 12) -> str:
    """An evaluation of given weights, with the rows that a pair's plain arm has; its name."""
    record = of.pair(pair)
    name = f"{record.asked.baseline}.{weights}.11111111-22222222"
    tested = record.model_dump(include={*EvalRecord.model_fields})
    of_one = {field: tested[field][:1] for field in ("labels", "network_masks")}
    write(store.evaluation(name), EvalRecord(**tested | of_one, weights=weights, settings={}, cost=COST))
    rows = [row.model_copy(update={"weights": weights}) for row in of.run(record.runs[0]).read_rows()]
    write_rows(store.evaluation_file(name), prepare(store.evaluation_file(name), rows[0].values), rows)
    return name
