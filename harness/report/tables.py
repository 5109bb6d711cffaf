"""The table of a pair: one row an arm, one that is no network, and the difference; below, where the difference is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.outcome.control import judged
from harness.outcome.difference import gains
from harness.outcome.exact import exact_in, moving_difference, without_exact
from harness.outcome.pairs import (
    ArmOutcome,
    Column,
    Gaps,
    Means,
    Outcome,
    PairOutcome,
    means_of,
    over_seeds,
    stem_of,
)
from harness.outcome.seeds import Certainty, certainty, estimates, floor, of_all_seeds
from harness.registry.catalog import catalog
from harness.registry.mask_choice import TRUTH
from harness.registry.specs import MetricSpec
from harness.report.certainty import RESOLVABLE, Noise, uncertainty_lines, uncertainty_notes
from harness.report.notes import (
    NOT_COUNTED,
    apart_notes,
    cost_notes,
    odd_notes,
    seed_notes,
    tested_notes,
    time_notes,
    unmatched_notes,
    untrained_notes,
)
from harness.report.sheet import Cell, Line, ScoreCell, Sheet, blank, scores
from harness.results.records import PairRecord
from harness.results.store import Store

MOVING_ALONE = "without static triplets"
MOVING = "still < 2, slow < 8, fast < 24"
OF_SETS = "One value for all triplets of a level together: it has no interval."
COSTS = ("params (M)", "MACs (G)", "thop (G)", "s/step")
SPEED = COSTS[-1:]
COUNTED = "MACs of one 1280x720 pair; thop: transposed convolutions counted over their output, as in the paper."
TIMED = f"{SPEED[0]}: median; of an arm with masks after the first epoch, in which they are made: of a single one none."
PARTS = f"Mean over images that have such pixels; by pixels of true motion between the inputs: {MOVING}."


def sheets_of(store: Store, pair: PairOutcome, records: dict[str, PairRecord]) -> list[Sheet]:
    """A pair's table, with every other seed of the same comparison among the store's pairs, and its noise floor."""
    return seed_sheets(store, of_all_seeds(store, pair, records), records)


def seed_sheets(store: Store, pairs: Sequence[PairOutcome], records: dict[str, PairRecord]) -> list[Sheet]:
    """The table of these seeds of one comparison, and its noise floor."""
    return pair_sheets(pairs, floor(store, pairs[0], records))


def pair_sheets(pairs: Sequence[PairOutcome], noise: Noise = (0, {})) -> list[Sheet]:
    """Scores and costs; further metrics; the difference by region. `pairs` are of the same comparison, one a seed, and
    `noise` is that of `harness.outcome.seeds.floor`. Raises HarnessError for unmatched arms."""
    pair, gained = pairs[0], over_seeds([gains(pair) for pair in pairs])
    sheets = [_scores(pairs, gained, noise), *_further(pairs, gained)]
    regions = [str(name) for name in pair.reference.rows.columns if str(name).startswith("psnr@")]
    if gained and regions:
        sheets.append(_regions(pair, gained, regions))
    if unmatched := unmatched_notes(pairs):
        first, *others = (replace(sheet, title=f"{sheet.title} (NOT MATCHED)") for sheet in sheets)
        sheets = [replace(first, notes=(*unmatched, *first.notes)), *others]
    return _named(sheets, pair)


def _named(sheets: Sequence[Sheet], outcome: Outcome) -> list[Sheet]:
    """With what refers to each, and what a caption says; tables below the first say whose they are."""
    arm, tests = outcome.record.labels[-1], ", ".join(tests.name for tests in outcome.record.tests)
    tested = f"Tested on {tests} under protocol {outcome.record.protocol}."
    first, *others = sheets
    named = [replace(first, name=arm, setting=tested)]
    return named + [replace(sheet, name=f"{arm} {sheet.title}", setting=f"{arm}. {tested}") for sheet in others]


def evaluation_sheets(outcome: Outcome) -> list[Sheet]:
    """Of given weights: scores and costs, and further metrics."""
    lines = [*_arm([outcome.reference], outcome.columns, outcome.record.ssim)]
    lines += _arm(outcome.arms, outcome.columns, outcome.record.ssim)
    labels = (*map(outcome.column_label, outcome.columns), *COSTS)
    notes = (*tested_notes(outcome), *cost_notes(outcome.arms), *odd_notes([outcome]), *untrained_notes([outcome]))
    first = Sheet(outcome.record.title, labels, tuple(lines), notes, _legend(outcome.arms), quiet=SPEED)
    return _named([first, *_further([outcome], {})], outcome)


def _legend(arms: Sequence[ArmOutcome], *more: str) -> tuple[str, ...]:
    """What heads mean below which there is something."""
    counted = any(arm.cost and arm.cost.macs is not None for arm in arms)
    return (*([COUNTED] if counted else []), *more)


def with_speed(sheet: Sheet) -> Sheet:
    """With what is left out where nobody asks for it: how long a training step took."""
    return replace(sheet, quiet=(), legend=(*sheet.legend, TIMED)) if sheet.quiet == SPEED else sheet


def _further(outcomes: Sequence[Outcome], gained: Means) -> list[Sheet]:
    """A table for each metric beside PSNR and SSIM."""
    first = outcomes[0]
    if not first.reference.evaluated:
        return []
    records = [outcome.record for outcome in outcomes]
    metrics = dict.fromkeys(name for record in records for name in record.metrics)
    of_sets = dict.fromkeys(name for record in records for name in record.of_sets)
    motion = dict.fromkeys(column for record in records for column in record.motion)
    of_motion = [_motion(outcomes, gained, name, list(motion)) for name in dict.fromkeys(map(stem_of, motion))]
    return [
        *(_metric(outcomes, gained, name) for name in metrics if name not in ("psnr", first.record.ssim)),
        *(replace(_metric(outcomes, gained, name), legend=(OF_SETS,)) for name in of_sets),
        *(sheet for sheet in of_motion if sheet.lines),
    ]


def _scores(pairs: Sequence[PairOutcome], gained: Means, noise: Noise) -> Sheet:
    pair = pairs[0]
    ssim, columns = pair.record.ssim, pair.columns
    lines = _arm([pair.reference], columns, ssim)
    lines += [line for arms in zip(*(pair.arms for pair in pairs), strict=True) for line in _arm(arms, columns, ssim)]
    found = estimates(pairs) if gained else {}
    # of arms that are not matched nothing is claimed
    sure = {at: Certainty(each) for at, each in found.items()} if unmatched_notes(pairs) else certainty(found)
    if gained:
        cells = [_pair_of(gained.get(at, {}), ssim, "+") or Cell() for at in columns]
        claimed = [at in sure and sure[at].claimed for at in columns]
        cells = [_psnr_in_bold(cell) if bold else cell for cell, bold in zip(cells, claimed, strict=True)]
        lines.append(Line("difference", (*cells, *_cost_difference(*pair.arms)), rule=True))
        lines += _difference_without_static(pairs)
    lines += uncertainty_lines(sure, columns, len(COSTS))
    notes = [*tested_notes(pair), *cost_notes(pair.arms)]
    labels = (*map(pair.column_label, columns), *COSTS)
    seeds = ", ".join(str(pair.record.seed) for pair in pairs)
    title = f"{pair.record.title}{elsewhere(pair.record)}, {'mean over seeds' if len(pairs) > 1 else 'seed'} {seeds}"
    if all(each.bit_equal for each in pairs):
        notes.append("Both arms ended with the same baseline weights, bit for bit.")
    notes += [f"Control: {verdict}." for each in pairs if (verdict := judged(each))]
    notes += [*apart_notes(pair.record), *time_notes(pair.record), *seed_notes(pairs), *odd_notes(pairs)]
    notes += [*uncertainty_notes(pairs, sure, noise), *untrained_notes(pairs)]
    resolvable = [RESOLVABLE] if any(each.estimate.resolvable for each in sure.values()) else []
    return Sheet(title, labels, tuple(lines), tuple(notes), _legend(pair.arms, *resolvable), quiet=SPEED)


def elsewhere(record: PairRecord) -> str:
    """`, tested on layers:motion=40` where that was asked for and is not what was trained on."""
    sets = [[(part.name, part.given) for part in of] for of in (record.comparison.tests, record.comparison.data)]
    return f", tested on {record.asked.test}" if record.asked.test and sets[0] != sets[1] else ""


def _arm(of_seeds: Sequence[ArmOutcome], columns: list[Column], ssim: str) -> list[Line]:
    """One arm, its scores averaged over seeds; below, where a frame came out equal to the truth, without these."""
    arm = of_seeds[0]
    if not all(each.evaluated for each in of_seeds):
        return [Line(arm.label, (Cell(state_of(arm)), *blank(len(columns) - 1), *_costs(arm)))]
    means, gaps = over_seeds([each.means for each in of_seeds]), _gaps(of_seeds)
    cells = [_pair_of(means.get(at, {}), ssim) or Cell(_gap(gaps.get(at, {}), ssim)) for at in columns]
    lines = [Line(arm.label, (*cells, *_costs(arm)))]
    if any(exact_in(each.rows) for each in of_seeds):
        moving = over_seeds([means_of(without_exact(each.rows)) for each in of_seeds])
        cells = [_pair_of(moving.get(at, {}), ssim) or Cell() for at in columns]
        lines.append(Line(f"{arm.label}, {MOVING_ALONE}", (*cells, *blank(len(COSTS))), short=MOVING_ALONE))
    return lines


def _difference_without_static(pairs: Sequence[PairOutcome]) -> list[Line]:
    """The difference over triplets that neither arm has exactly; nothing where there are no others. All arms are
    evaluated."""
    if not any(exact_in(arm.rows) for pair in pairs for arm in pair.arms):
        return []
    means = over_seeds([means_of(moving_difference(pair)) for pair in pairs])
    cells = [_pair_of(means.get(at, {}), pairs[0].record.ssim, "+") or Cell() for at in pairs[0].columns]
    return [Line(f"difference, {MOVING_ALONE}", (*cells, *blank(len(COSTS))), short=MOVING_ALONE)]


def _costs(arm: ArmOutcome) -> list[Cell]:
    cost, seconds = arm.cost, arm.seconds_per_step
    return [
        _number(cost.parameters / 1e6, 3) if cost else Cell(),
        _billions(cost.macs) if cost else Cell(),
        _billions(cost.macs_thop) if cost else Cell(),
        _number(seconds, 3) if seconds is not None else Cell(),
    ]


def _pair_of(means: Mapping[str, float], ssim: str, sign: str = "") -> Cell | None:
    """PSNR and SSIM where both have a mean."""
    return scores(means["psnr"], means[ssim], sign) if "psnr" in means and ssim in means else None


def _psnr_in_bold(cell: Cell) -> Cell:
    """What is claimed of a difference, of which SSIM is not judged."""
    return ScoreCell(cell.text, cell.values, bold=(True, False)) if cell.values else cell


def _gaps(of_seeds: Sequence[ArmOutcome]) -> Gaps:
    """Of the first seed that has one."""
    found: Gaps = {}
    for arm in of_seeds:
        for at, gaps in arm.gaps.items() if arm.evaluated else ():
            found[at] = gaps | found.get(at, {})
    return found


def _gap(gaps: Mapping[str, str], ssim: str) -> str:
    """For how many triplets there are scores, where not for all."""
    return "/".join(gaps.get(name, "all") for name in ("psnr", ssim)) if gaps else "..."


def state_of(arm: ArmOutcome) -> str:
    """How far an arm is that has no scores yet."""
    if arm.status is None:
        return "not run"
    step, steps = arm.status.step, arm.status.steps
    return f"step {step} of {steps}" if step < steps else "not evaluated"


def _number(value: float, digits: int, sign: str = "") -> Cell:
    return Cell(f"{value:{sign}z.{digits}f}", (("value", value),))


def _billions(macs: int | None, sign: str = "") -> Cell:
    return Cell(NOT_COUNTED) if macs is None else _number(macs / 1e9, 1, sign)


def _cost_difference(one: ArmOutcome, other: ArmOutcome) -> list[Cell]:
    a, b = one.cost, other.cost
    if not a or not b:
        return list(blank(len(COSTS)))
    return [
        _number((b.parameters - a.parameters) / 1e6, 3, "+"),
        _billions(None if a.macs is None or b.macs is None else b.macs - a.macs, "+"),
        _billions(None if a.macs_thop is None or b.macs_thop is None else b.macs_thop - a.macs_thop, "+"),
        Cell(),  # the arms were not timed side by side: see harness cost
    ]


def _metric(pairs: Sequence[Outcome], gained: Means, name: str) -> Sheet:
    """One more metric, all arms. Where it was not measured for every triplet it has no mean: `1 of 2`."""
    lines, pair, spec = [], pairs[0], spec_of(name)
    digits = spec.digits if spec else 4
    for of_seeds in zip(*((pair.reference, *pair.arms) for pair in pairs), strict=True):
        means = over_seeds([arm.means for arm in of_seeds]) if all(arm.evaluated for arm in of_seeds) else {}
        gaps = _gaps(of_seeds)
        cells = [_value(means, at, name, digits) for at in pair.columns]
        cells = [
            Cell(gaps[at][name]) if name in gaps.get(at, {}) else c for at, c in zip(pair.columns, cells, strict=True)
        ]
        lines.append(Line(of_seeds[0].label, tuple(cells)))
    if gained:
        cells = [_value(gained, at, name, digits + 1, "+") for at in pair.columns]
        lines.append(Line("difference", tuple(cells), rule=True))
    return Sheet(title_of(name, spec), tuple(map(pair.column_label, pair.columns)), tuple(lines))


def title_of(name: str, spec: MetricSpec | None) -> str:
    """With the unit, and which way is better."""
    better = f"{'higher' if spec.higher_is_better else 'lower'} is better" if spec else ""
    return f"{name} ({', '.join(filter(None, (spec.unit, better)))})" if spec else name


def _motion(outcomes: Sequence[Outcome], gained: Means, name: str, motion: Sequence[str]) -> Sheet:
    """A metric of motion: of each level whose motion is known the arms that have any, on each part of the frames, of
    which `motion` are the columns. `attended-inside` is the part `inside` of another line, `attended`."""
    first, spec = outcomes[0], spec_of(name)
    digits = spec.digits if spec else 4
    parts = [column.partition("@")[2] for column in motion if stem_of(column) == name]
    columns = list(dict.fromkeys(part.rpartition("-")[2] for part in parts))
    groups = list(dict.fromkeys(part.rpartition("-")[0] for part in parts))
    arms = [
        (of_seeds[0].label, over_seeds([arm.means for arm in of_seeds]), digits, "")
        for of_seeds in zip(*(outcome.arms for outcome in outcomes), strict=True)
        if all(arm.evaluated for arm in of_seeds)
    ]
    lines: list[Line] = []
    for at in first.columns:
        rule = bool(lines)
        for label, means, shown, sign in (*arms, ("difference", gained, digits + 1, "+")):
            for group in groups:
                names = (f"{name}@{group}-{column}" if group else f"{name}@{column}" for column in columns)
                cells = [_value(means, at, each, shown, sign) for each in names]
                if any(cell.values for cell in cells):
                    whose = ", ".join(filter(None, (first.column_label(at), label, group)))
                    lines.append(Line(whose, tuple(cell if cell.values else Cell("-") for cell in cells), rule=rule))
                    rule = False
    return Sheet(title_of(name, spec), tuple(columns), tuple(lines), legend=(PARTS,))


def spec_of(metric: str) -> MetricSpec | None:
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
    record = pair.record
    masks = record.test_masks if record.test_masks and record.regions == record.network_masks[-1] else record.masks
    masks = masks or record.asked.masks  # of networks that are given none
    frames = "the middle frame" if masks == TRUTH else "either input"
    known = ", ".join(tests.name for tests in record.tests if tests.knows_truth)
    motion = f"; of {known} by the true motion" if known else ""
    columns = tuple(name.removeprefix("psnr@") for name in regions)
    groups = [f"inside and outside of the masks ({masks}) of {frames}"] if masks and "inside" in columns else []
    if "still" in columns:
        groups.append(f"that move by so many pixels between the inputs ({MOVING}){motion}")
    legend = f"Mean over images of the PSNR of the pixels {', and of those '.join(groups)}."
    return Sheet("Where the difference in PSNR is (dB)", columns, tuple(lines), legend=(legend,))
