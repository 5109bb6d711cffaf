"""Why a difference is not given: the one place that says so. Tables, curves, galleries, suites and audits print it."""

from __future__ import annotations

from harness.outcome.pairs import ArmOutcome, PairOutcome
from harness.outcome.verdict import judge
from harness.results.records import Verdict


def verdict(pair: PairOutcome) -> Verdict:
    """What the records and the trails of both arms say; nothing of a single arm."""
    runs = [arm.run for arm in pair.arms if arm.run is not None]
    return judge(runs[0], runs[1], pair.record.verdict) if len(runs) == 2 else Verdict()


def refusals(pair: PairOutcome) -> tuple[str, ...]:
    """What the arms should share and do not: settings, the first step that was given something else, frames.

    None where they are matched, or there is nothing to compare yet. Raises HarnessError for a damaged record.
    """
    return () if len(pair.arms) < 2 else (*verdict(pair).refusals, *_frames(pair))


def _frames(pair: PairOutcome) -> list[str]:
    """Triplets whose frames or label maps were not the same when the arms, and the mean of the frames, were tested."""
    plain, plugged = pair.arms
    found = [
        _lacking(plain, plugged),
        _seen(plain, plugged),
        _seen(pair.reference, plain),
        _seen(pair.reference, plugged),
    ]
    return list(filter(None, found))


def _lacking(one: ArmOutcome, other: ArmOutcome) -> str:
    """Of the test sets that both were tested on, a difference is over all triplets or not given."""
    tests = {at[0] for at in one.frames} & {at[0] for at in other.frames}
    alone = [
        at for at in (*one.frames, *other.frames) if at[0] in tests and not (at in one.frames and at in other.frames)
    ]
    return (
        f"{one.label} and {other.label}: {len(alone)} triplets are of one alone, {' '.join(alone[0])}" if alone else ""
    )


def _seen(one: ArmOutcome, other: ArmOutcome) -> str:
    both = [at for at in one.frames if at in other.frames]
    changed = [at for at in both if one.frames[at] != other.frames[at]]
    if not changed:
        return ""
    return (
        f"{one.label} and {other.label} were tested on other frames at {len(changed)} of {len(both)} triplets, the "
        f"first {' '.join(changed[0])}; move their rows away, and the pair's command measures them anew"
    )
