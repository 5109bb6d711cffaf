"""The table of a pair: one row an arm, one that is no network, and the difference; below, where the difference is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.outcome.pairs import ArmOutcome, Column, Means, PairOutcome, means_of
from harness.outcome.seeds import certainty, estimates, floor, of_all_seeds
from harness.registry.catalog import catalog
from harness.registry.specs import MetricSpec
from harness.report.certainty import Noise, uncertainty_lines, uncertainty_notes
from harness.report.sheet import Cell, Line, Sheet, blank, scores
from harness.results.store import Store

COSTS = ("params (M)", "MACs (G)", "thop (G)", "s/step")


def sheets_of(store: Store, pair: PairOutcome) -> list[Sheet]:
    """A pair's table, with every other seed of the same comparison that is in the store, and its noise floor."""
    return pair_sheets(of_all_seeds(store, pair), floor(store, pair))


def pair_sheets(pairs: Sequence[PairOutcome], noise: Noise = (0, {})) -> list[Sheet]:
    """Scores and costs; further metrics; the difference by region. `pairs` are of the same comparison, one a seed, and
    `noise` is that of `harness.outcome.seeds.floor`. Raises HarnessError for unmatched arms."""
    pair, gained = pairs[0], _mean([_gains(pair) for pair in pairs])
    sheets = [_scores(pairs, gained, noise)]
    further = [name for name in pair.record["metrics"] if name not in ("psnr", pair.record["ssim"])]
    sheets += [_metric(pairs, gained, name) for name in further if pair.reference.evaluated]
    regions = [str(name) for name in pair.reference.rows.columns if "@" in str(name)]
    if gained and regions:
        sheets.append(_regions(pair, gained, regions))
    return sheets


def _gains(pair: PairOutcome) -> Means:
    difference = pair.difference()
    return {} if difference is None else means_of(difference)


def _mean(of_seeds: Sequence[Means]) -> Means:
    """Over seeds, of what all of them have."""
    first, *others = of_seeds
    return {
        at: {
            name: sum(means[at][name] for means in of_seeds) / len(of_seeds)
            for name in values
            if all(name in means[at] for means in others)
        }
        for at, values in first.items()
        if all(at in means for means in others)
    }


def _scores(pairs: Sequence[PairOutcome], gained: Means, noise: Noise) -> Sheet:
    pair = pairs[0]
    ssim, columns = pair.record["ssim"], pair.columns
    lines = [_arm([pair.reference], columns, ssim)]
    lines += [_arm(arms, columns, ssim) for arms in zip(*(pair.arms for pair in pairs), strict=True)]
    sure = certainty(estimates(pairs)) if gained else {}
    if gained:
        cells = [scores(gained[at]["psnr"], gained[at][ssim], "+") if at in gained else Cell() for at in columns]
        cells = [replace(cell, best=at in sure and sure[at].claimed) for at, cell in zip(columns, cells, strict=True)]
        lines.append(Line("difference", (*cells, *_cost_difference(*pair.arms)), rule=True))
    lines += uncertainty_lines(sure, columns, len(COSTS))
    labels = (*map(pair.column_label, columns), *COSTS)
    seeds = ", ".join(str(pair.record["seed"]) for pair in pairs if "seed" in pair.record)
    title = pair.record["title"] + (
        f", mean over seeds {seeds}" if len(pairs) > 1 else f", seed {seeds}" if seeds else ""
    )
    return Sheet(
        title, labels, tuple(lines), (*_notes(pair), *uncertainty_notes(pairs, sure, noise), *_untrained(pairs))
    )


def _arm(of_seeds: Sequence[ArmOutcome], columns: list[Column], ssim: str) -> Line:
    """One arm, its scores averaged over seeds."""
    arm = of_seeds[0]
    if all(each.evaluated for each in of_seeds):
        means = _mean([each.means() for each in of_seeds])
        cells = [scores(means[at]["psnr"], means[at][ssim]) if at in means else Cell("...") for at in columns]
    else:
        cells = [Cell(state_of(arm)), *blank(len(columns) - 1)]
    cost, seconds = arm.metrics.get("cost"), arm.seconds_per_step
    costs = [
        _number(cost["parameters"] / 1e6, 3) if cost else Cell(),
        _number(cost["macs"] / 1e9, 1) if cost else Cell(),
        _number(cost["macs_thop"] / 1e9, 1) if cost else Cell(),
        _number(seconds, 3) if seconds is not None else Cell(),
    ]
    return Line(arm.label, (*cells, *costs))


def state_of(arm: ArmOutcome) -> str:
    """How far an arm is that has no scores yet."""
    step, steps = arm.status.get("step", 0), arm.status.get("steps")
    return f"step {step} of {steps}" if steps and step < steps else "not evaluated" if steps else "not run"


def _number(value: float, digits: int, sign: str = "") -> Cell:
    return Cell(f"{value:{sign}.{digits}f}", (("value", value),))


def _cost_difference(one: ArmOutcome, other: ArmOutcome) -> list[Cell]:
    a, b = one.metrics.get("cost"), other.metrics.get("cost")
    if not a or not b:
        return list(blank(len(COSTS)))
    return [
        _number((b["parameters"] - a["parameters"]) / 1e6, 3, "+"),
        _number((b["macs"] - a["macs"]) / 1e9, 1, "+"),
        _number((b["macs_thop"] - a["macs_thop"]) / 1e9, 1, "+"),
        Cell(),  # the arms were not timed side by side: see harness cost
    ]


def _metric(pairs: Sequence[PairOutcome], gained: Means, name: str) -> Sheet:
    """One more metric, all arms."""
    lines, pair, spec = [], pairs[0], _spec(name)
    digits = spec.digits if spec else 4
    for of_seeds in zip(*((pair.reference, *pair.arms) for pair in pairs), strict=True):
        means = _mean([arm.means() for arm in of_seeds]) if all(arm.evaluated for arm in of_seeds) else {}
        lines.append(Line(of_seeds[0].label, tuple(_value(means, at, name, digits) for at in pair.columns)))
    if gained:
        cells = tuple(_value(gained, at, name, digits + 1, "+") for at in pair.columns)
        lines.append(Line("difference", cells, rule=True))
    better = f"{'higher' if spec.higher_is_better else 'lower'} is better" if spec else ""
    title = f"{name} ({', '.join(filter(None, (spec.unit, better)))})" if spec else name
    return Sheet(title, tuple(map(pair.column_label, pair.columns)), tuple(lines))


def _spec(metric: str) -> MetricSpec | None:
    """Of a metric by its column, which may tell options too; None where it is not installed here."""
    claims = catalog().claims(MetricSpec, metric.partition("(")[0].partition(" ")[0])
    return claims[0].spec if claims else None


def _value(means: Means, at: Column, name: str, digits: int, sign: str = "") -> Cell:
    value = means.get(at, {}).get(name, float("nan"))
    return Cell() if value != value else _number(value, digits, sign)


def _regions(pair: PairOutcome, gained: Means, regions: list[str]) -> Sheet:
    """PSNR of the second arm less the first, on parts of the frames."""
    lines = [
        Line(pair.column_label(at), tuple(_value(gained, at, name, 4, "+") for name in regions))
        for at in pair.columns
        if at in gained
    ]
    masks = pair.record["masks"]
    inside = f"inside and outside of the masks ({masks}) of either input, and of those " if masks else ""
    moving = "that move by so many pixels between the inputs (still < 2, slow < 8, fast < 24)"
    note = f"Mean over images of the PSNR of the pixels {inside}{moving}."
    columns = tuple(name.removeprefix("psnr@") for name in regions)
    return Sheet("Where the difference in PSNR is (dB)", columns, tuple(lines), (note,))


def _notes(pair: PairOutcome) -> list[str]:
    data = pair.record
    counts = ", ".join(
        f"{pair.column_label(at)} {len(tests['levels'][at.level])}"
        for tests in data["tests"]
        for at in pair.columns
        if tests["data"].rpartition("-")[0] == at.test
    )
    masks = f"; masks: {data['masks']}" if data["masks"] else ""
    tested = f", at test time {data['test_masks']}" if data.get("test_masks") else ""
    notes = [
        f"PSNR (dB) / SSIM, protocol {data['protocol']}, test triplets: {counts}{masks}{tested}",
        "MACs of one 1280x720 pair; thop: transposed convolutions counted over their output, as in the paper",
    ]
    notes += [f"{tests['data']} is PARTIAL: {tests['partial']}." for tests in data["tests"] if tests["partial"]]
    notes += [f"{name} is not available: {reason}" for name, reason in data["unavailable"].items()]
    if pair.bit_equal:
        notes.append("Both arms ended with the same baseline weights, bit for bit.")
    return notes


def _untrained(pairs: Sequence[PairOutcome]) -> list[str]:
    """What must be said of arms that are nowhere better than no network, with the first seed."""
    pair = pairs[0]
    evaluated = [arm for arm in pair.arms if arm.evaluated]
    if not evaluated or not pair.reference.evaluated:
        return []
    mean = pair.reference.means()
    losing = [a.label for a in evaluated if all(a.means()[at]["psnr"] <= mean[at]["psnr"] for at in a.means())]
    if not losing:
        return []
    after = f"After {pair.record['steps']} steps " if "steps" in pair.record else ""
    verb = "beats" if len(losing) == 1 else "beat"
    told = " yet, and the difference says nothing about the plug-ins" if len(pair.arms) == 2 else ""
    return [f"{after}{' and '.join(losing)} nowhere {verb} the mean of the two frames: no motion is learnt{told}."]
