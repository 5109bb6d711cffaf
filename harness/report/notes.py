"""What stands below the table of a pair or of given weights, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.outcome.exact import static_notes
from harness.outcome.pairs import ArmOutcome, Column, Means, Outcome, PairOutcome, over_seeds, stem_of
from harness.outcome.refusals import refusals
from harness.results.records import PairRecord, SetRecord, Tested

NOT_COUNTED = "not counted"
"""What a table says in place of multiply-accumulates that could not be counted."""


def unmatched_notes(pairs: Sequence[PairOutcome]) -> list[str]:
    """Why a difference would be refused, where it is shown all the same."""
    return [
        f"NOT MATCHED, seed {pair.record.seed}: the arms differ in {'; '.join(why)}; the difference is no "
        "measure of the plug-ins."
        for pair in pairs
        if pair.show_unmatched and (why := refusals(pair))
    ]


def tested_notes(outcome: Outcome) -> list[str]:
    """How it was tested and on what."""
    data = outcome.record
    counts = ", ".join(
        f"{outcome.column_label(at)} {len(tests.levels[at.level])}"
        for tests in data.tests
        for at in outcome.columns
        if tests.name == at.test
    )
    masks = f"; masks: {data.masks}" if data.masks else ""
    tested = f", at test time {data.test_masks}" if data.test_masks else ""
    notes = [f"PSNR (dB) / SSIM, protocol {data.protocol}, test triplets: {counts}{masks}{tested}."]
    notes += [note for tests in data.tests for note in partial_notes(tests)]
    notes += [f"{name} is not available: {reason}" for name, reason in data.unavailable.items()]
    return notes


def partial_notes(tests: SetRecord) -> list[str]:
    """What is missing of a test set."""
    return [f"{tests.data} is PARTIAL: {tests.partial}."] if tests.partial else []


def cost_notes(arms: Iterable[ArmOutcome]) -> list[str]:
    """Whose multiply-accumulates are not known, and why; and what is left out of them."""
    notes = []
    for label, cost in [(arm.label, arm.cost) for arm in arms if arm.cost]:
        if cost.not_counted:
            notes.append(f"{label}: MACs are {NOT_COUNTED}: {cost.not_counted.rstrip('.')}.")
        if cost.unseen:
            notes.append(f"{label}: MACs leave out {', '.join(cost.unseen)}, of which there is no formula.")
    return notes


def odd_notes(outcomes: Sequence[Outcome]) -> list[str]:
    """What must be said of triplets that are not as the others."""
    arms = [(arm, outcome.record) for outcome in outcomes for arm in (outcome.reference, *outcome.arms)]
    labels = {at: outcomes[0].column_label(at) for at in outcomes[0].columns}
    return [*gap_notes(arms, labels), *static_notes([arm for arm, _ in arms], labels)]


def gap_notes(arms: Iterable[tuple[ArmOutcome, Tested]], labels: Mapping[Column, str]) -> list[str]:
    """Which metrics that were asked for were not measured for every triplet of the columns that have a label."""
    return [
        f"{arm.label}, {labels[at]}: {name} is known for {count} triplets: no mean, and no difference."
        for arm, record in arms
        if arm.evaluated
        for at, gaps in arm.gaps.items()
        if at in labels
        for name, count in gaps.items()
        if name in record.columns
    ]


def seed_notes(pairs: Sequence[PairOutcome]) -> list[str]:
    """Which metrics have no mean over seeds, since not every seed has them."""
    every = [(pair.record, arm) for pair in pairs for arm in pair.arms]
    columns = dict.fromkeys(stem_of(name) for record, _ in every for name in (*record.columns, *record.of_sets))
    lacking = [
        f"Seed {record.seed}: {column} {why}: no mean over seeds, and no difference."
        for column in columns
        for record, arm in every
        if (why := why_without(record, arm, column))
    ]
    return list(dict.fromkeys(lacking))


def why_without(record: Tested, arm: ArmOutcome, column: str) -> str:
    """Why an arm has nothing of a metric, by its column or its name; "" where it was measured, or was to be."""
    if column in {stem_of(str(name)) for name in (*record.columns, *record.of_sets, *arm.rows.columns)}:
        return ""
    for name, reason in record.unavailable.items():
        if column in (name, name.partition("(")[0].partition(" ")[0]):
            return f"is not available ({reason.rstrip('.')})"
    return "was not asked for"


def apart_notes(record: PairRecord) -> list[str]:
    """Which plug-ins make another function of the baseline before anything is trained."""
    if not record.apart:
        return []
    verb = "do" if len(record.apart) > 1 else "does"
    return [f"{' and '.join(record.apart)} {verb} not begin as the identity: the arms differ before the first step."]


def time_notes(record: PairRecord) -> list[str]:
    """What is tested at times that training never saw."""
    if not record.unseen_times:
        return []
    return [f"Trained at t = 1/2 alone, tested at other times on {', '.join(record.unseen_times)}."]


def untrained_notes(pairs: Sequence[Outcome]) -> list[str]:
    """What must be said of arms that are nowhere better than no network, in the mean over seeds."""
    pair, references = pairs[0], [pair.reference for pair in pairs]
    of_seeds = zip(*(pair.arms for pair in pairs), strict=True)
    losing = [arms[0].label for arms in of_seeds if learnt_nothing(arms, references)]
    if not losing:
        return []
    after = f"After {pair.record.steps} steps " if isinstance(pair, PairOutcome) else ""
    verb = "beats" if len(losing) == 1 else "beat"
    told = " yet, and the difference says nothing about the plug-ins" if len(pair.arms) == 2 else ""
    return [f"{after}{' and '.join(losing)} nowhere {verb} the mean of the two frames: no motion is learnt{told}."]


def learnt_nothing(arms: Sequence[ArmOutcome], references: Sequence[ArmOutcome]) -> bool:
    """Whether an arm, over its seeds, is nowhere better than no network on the same triplets."""
    if not arms or not all(each.evaluated for each in (*arms, *references)):
        return False
    return _loses(over_seeds([arm.means for arm in arms]), over_seeds([each.means for each in references]))


def _loses(means: Means, reference: Means) -> bool:
    """Whether PSNR is nowhere above the reference's, where both are known."""
    known = [at for at in means if "psnr" in means[at] and "psnr" in reference.get(at, {})]
    return bool(known) and all(means[at]["psnr"] <= reference[at]["psnr"] for at in known)
