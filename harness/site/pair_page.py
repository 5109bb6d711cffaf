"""What stands on the page of a pair: how it was made and whether it may be compared, tables, and what charts show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.outcome.control import judged
from harness.outcome.exact import moving_difference
from harness.outcome.pairs import ROW_KEYS, PairOutcome, stem_of
from harness.outcome.refusals import refusals, verdict
from harness.outcome.seeds import estimates, floor
from harness.report.certainty import audited
from harness.report.curves import Curves, curves_of, limits
from harness.report.formats import legend_of
from harness.report.sheet import Sheet
from harness.report.tables import pair_sheets
from harness.results.records import PairRecord
from harness.results.store import Store
from harness.site.boards import masks_of

if TYPE_CHECKING:
    import pandas as pd

CLIPS = 40  # a chart of more is one that nobody reads
POINTS = 1500  # of a curve: more than a screen has pixels


@dataclass(frozen=True)
class PairPage:
    """`facts` are name and text; `data` is what the page's charts and its list of triplets are made of; `missing` says
    what the page has not, and why."""

    name: str
    title: str
    facts: tuple[tuple[str, str], ...]
    refusals: tuple[str, ...]
    sheets: tuple[Sheet, ...]
    curves: str
    data: Mapping[str, Any]
    clips: str
    missing: tuple[str, ...]

    @property
    def legend(self) -> list[str]:
        """What signs of all its tables mean, each once."""
        return legend_of(self.sheets)


@dataclass(frozen=True)
class OfSeeds:
    """What the pages of one comparison have in common, over its seeds; `missing` says why there are no tables."""

    sheets: tuple[Sheet, ...]
    intervals: Mapping[str, Any]
    missing: str


Made = dict[tuple[str, ...], OfSeeds]
"""By the names of the pairs: what is made once for all of them."""


def pair_page(
    store: Store, pair: PairOutcome, group: Sequence[PairOutcome], records: dict[str, PairRecord], made: Made
) -> PairPage:
    """`group` is the pair with its other seeds. Nothing is raised of what is refused or not there yet: the page says
    so."""
    why, common = refusals(pair), _of_seeds(store, group, records, made)
    missing, caption, clips = [common.missing] if common.missing else [], "", ""
    data: dict[str, Any] = {}
    try:
        curves = curves_of(pair, store)
        data |= _curves(curves)
        lines = f"A line is a seed, each point of it a mean over {curves.window} points of the curve."
        caption = " ".join([lines, *curves.notes])
    except HarnessError as error:
        missing.append(f"Curves: {error}")
    if all(arm.evaluated for arm in pair.arms):
        data |= common.intervals
        data |= _triplets(pair, not why)
        if len(pair.arms) > 1 and not why:
            data["clips"], clips = _clips(pair)
    else:
        missing.append("Triplets: not evaluated yet.")
    return PairPage(
        name=pair.name,
        title=f"{pair.record.labels[-1]}, seed {pair.record.seed}",
        facts=tuple((name, text) for name, text in _facts(pair).items() if text),
        refusals=why,
        sheets=common.sheets,
        curves=caption,
        data=data,
        clips=clips,
        missing=tuple(missing),
    )


def _of_seeds(store: Store, pairs: Sequence[PairOutcome], records: dict[str, PairRecord], made: Made) -> OfSeeds:
    names = tuple(each.name for each in pairs)
    if names not in made:
        try:
            sheets = tuple(sheet.for_people() for sheet in pair_sheets(pairs, floor(store, pairs[0], records)))
            gives = all(arm.evaluated for arm in pairs[0].arms) and len(pairs[0].arms) > 1
            made[names] = OfSeeds(sheets, _intervals(pairs) if gives else {}, "")
        except HarnessError as error:
            made[names] = OfSeeds((), {}, f"Tables: {error}")
    return made[names]


def _facts(pair: PairOutcome) -> dict[str, str]:
    record = pair.record
    return {
        "Arms": " | ".join(record.labels),
        "Trained on": f"{record.train}, recipe {record.recipe}{record.origin}, {record.steps} steps",
        "Tested on": ", ".join(f"{tests.data}{' (PARTIAL)' if tests.partial else ''}" for tests in record.tests),
        "Protocol": record.protocol,
        "Masks": masks_of(record),
        "Audit": audited(verdict(pair)).removeprefix("Audit: ") if len(pair.arms) > 1 else "",
        "Control": judged(pair),
        "Reproducibility": record.tier,
        "Runs": ", ".join(record.runs),
        "Record": pair.name,
    }


def _curves(curves: Curves) -> dict[str, Any]:
    """Means over the window, thinned; and the difference with its band and the limits of its axis."""
    lines = []
    for seed, of_seed in curves.losses.groupby("seed"):
        ordered = of_seed.sort_values("step")
        every = math.ceil(len(ordered) / POINTS)
        for label in curves.labels:
            smooth = ordered[label].rolling(curves.window, min_periods=1, center=True).mean()
            lines += [
                {"seed": int(str(seed)), "arm": label, "step": int(step), "value": number(value)}
                for step, value in list(zip(ordered["step"], smooth, strict=True))[::every]
            ]
    if curves.difference is None:
        return {"curves": lines}
    table = curves.difference.iloc[:: math.ceil(len(curves.difference) / POINTS)]
    band = [{str(name): number(value) for name, value in line.items()} for line in table.to_dict("records")]
    low, high = limits(curves.difference)
    return {"curves": lines, "band": band, "signals": {"band": {"low": low, "high": high}}}


def _intervals(pairs: Sequence[PairOutcome]) -> dict[str, Any]:
    """Of PSNR by level, and by part of the frames: motion, inside of masks."""
    pair = pairs[0]
    parts = [str(name) for name in pair.arms[0].rows.columns if stem_of(str(name)) == "psnr"]
    of_levels: list[dict[str, Any]] = []
    of_parts: list[dict[str, Any]] = []
    for name in parts:
        for at, found in estimates(pairs, name).items():
            part = name.partition("@")[2]
            low, high = (found.interval.low, found.interval.high) if found.interval else (None, None)
            label = f"{pair.column_label(at)} {part}".strip()
            line = {"label": label, "mean": number(found.mean), "low": number(low), "high": number(high)}
            (of_parts if part else of_levels).append(line)
    return {"levels": of_levels, "parts": of_parts}


def _clips(pair: PairOutcome) -> tuple[list[dict[str, Any]], str]:
    """The difference of each triplet by clip, clips that gain most first; and what is left out, in words."""
    several = len(pair.record.tests) > 1
    gained = moving_difference(pair)
    if several:  # clips of two test sets may have one name
        gained = gained.assign(clip=gained["test"] + " " + gained["clip"])
    means = gained.groupby("clip")["psnr"].mean().sort_values(ascending=False, kind="stable")
    names, words = list(means.index), ""
    if count := len(pair.arms[0].rows) - len(gained):
        words = f"Without {count} {'triplet' if count == 1 else 'triplets'} that an arm has exactly. "
    if len(names) > CLIPS:
        words += f"Of {len(names)} clips the {CLIPS // 2} that gain most and the {CLIPS // 2} that lose most."
        names = [*names[: CLIPS // 2], *names[-CLIPS // 2 :]]
    order = {name: at for at, name in enumerate(names)}
    kept = gained[gained["clip"].isin(names)].assign(at=lambda table: table["clip"].map(order)).sort_values("at")
    lines = [
        {
            "clip": str(row["clip"]),
            "level": f"{row['test']} {row['level']}" if several else str(row["level"]),
            "triplet": str(row["triplet"]),
            "value": number(row["psnr"]),
        }
        for row in kept.to_dict("records")
    ]
    return lines, words.strip()


def _triplets(pair: PairOutcome, with_difference: bool) -> dict[str, Any]:
    """A line each: where it is from, then PSNR and SSIM of each arm, and the differences where they may be given."""
    tables: list[pd.DataFrame] = [arm.rows.set_index(ROW_KEYS) for arm in pair.arms]
    columns, digits, values = ["test", "level", "triplet", "clip"], list[int](), []
    for name, title, shown in (("psnr", "PSNR (dB)", 2), (pair.record.ssim, "SSIM", 4)):
        if not all(name in table for table in tables):
            continue
        of_arms = [table[name] for table in tables]
        roles = ("plain", "with plug-ins") if len(of_arms) > 1 else ("",)
        columns += [f"{title} {role}".strip() for role in roles]
        values += of_arms
        digits += [shown] * len(of_arms)
        if len(of_arms) > 1 and with_difference:
            columns.append(f"{title} difference")
            values.append(of_arms[1] - of_arms[0])
            digits.append(shown + 1 if name == "psnr" else shown)
    keys = tables[0].index
    aligned = [series.reindex(keys).tolist() for series in values]
    lines = [
        [*map(str, key), *(number(of_metric[at]) for of_metric in aligned)] for at, key in enumerate(keys.tolist())
    ]
    return {"columns": columns, "texts": len(ROW_KEYS), "digits": digits, "triplets": lines}


def number(value: Any) -> float | None:
    """As JSON has it: None for what is missing or infinite; six digits are more than any axis shows."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
