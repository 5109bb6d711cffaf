"""The table of a pair: one row an arm, one that is no network, and the difference; below, where the difference is."""

from __future__ import annotations

from harness.compare.outcome import ArmOutcome, Column, Means, PairOutcome, means_of
from harness.report.sheet import Cell, Line, Sheet, blank, scores

COSTS = ("params (M)", "MACs (G)", "thop (G)", "s/step")


def pair_sheets(pair: PairOutcome) -> list[Sheet]:
    """Scores and costs; further metrics; the difference by region. Raises HarnessError for unmatched arms."""
    difference = pair.difference()
    gained = means_of(difference) if difference is not None else {}
    sheets = [_scores(pair, gained)]
    further = [name for name in pair.record["metrics"] if name not in ("psnr", pair.record["ssim"])]
    sheets += [_metric(pair, gained, name) for name in further if pair.reference.evaluated]
    regions = [str(name) for name in pair.reference.rows.columns if "@" in str(name)]
    if gained and regions:
        sheets.append(_regions(pair, gained, regions))
    return sheets


def _scores(pair: PairOutcome, gained: Means) -> Sheet:
    ssim = pair.record["ssim"]
    lines = [_arm(arm, pair.columns, ssim) for arm in (pair.reference, *pair.arms)]
    if gained:
        cells = [scores(gained[at]["psnr"], gained[at][ssim], "+") if at in gained else Cell() for at in pair.columns]
        lines.append(Line("difference", (*cells, *_cost_difference(*pair.arms)), rule=True))
    labels = (*map(pair.column_label, pair.columns), *COSTS)
    return Sheet(pair.record["title"], labels, tuple(lines), tuple(_notes(pair)))


def _arm(arm: ArmOutcome, columns: list[Column], ssim: str) -> Line:
    if arm.evaluated:
        means = arm.means()
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
    a, b = one.metrics["cost"], other.metrics["cost"]
    return [
        _number((b["parameters"] - a["parameters"]) / 1e6, 3, "+"),
        _number((b["macs"] - a["macs"]) / 1e9, 1, "+"),
        _number((b["macs_thop"] - a["macs_thop"]) / 1e9, 1, "+"),
        Cell(),  # the arms were not timed side by side: see harness cost
    ]


def _metric(pair: PairOutcome, gained: Means, name: str) -> Sheet:
    """One more metric, all arms."""
    lines = []
    for arm in (pair.reference, *pair.arms):
        means = arm.means() if arm.evaluated else {}
        lines.append(Line(arm.label, tuple(_value(means, at, name) for at in pair.columns)))
    if gained:
        lines.append(Line("difference", tuple(_value(gained, at, name, "+") for at in pair.columns), rule=True))
    return Sheet(name, tuple(map(pair.column_label, pair.columns)), tuple(lines))


def _value(means: Means, at: Column, name: str, sign: str = "") -> Cell:
    value = means.get(at, {}).get(name, float("nan"))
    return Cell() if value != value else _number(value, 4, sign)


def _regions(pair: PairOutcome, gained: Means, regions: list[str]) -> Sheet:
    """PSNR of the second arm less the first, on parts of the frames."""
    lines = [
        Line(pair.column_label(at), tuple(_value(gained, at, name, "+") for name in regions))
        for at in pair.columns
        if at in gained
    ]
    masks = pair.record["masks"]
    note = (
        f"Mean over images of the PSNR of the pixels inside and outside of the masks ({masks}) of either input, "
        if masks
        else "Mean over images of the PSNR of the pixels "
    ) + "and of those that move by so many pixels between the inputs (still < 2, slow < 8, fast < 24)."
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
    if len(pair.arms) == 2:
        notes.append("Single seed: no interval, so no claim about the sign of any difference.")
    return notes + _untrained(pair)


def _untrained(pair: PairOutcome) -> list[str]:
    """What must be said of arms that are nowhere better than no network."""
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
