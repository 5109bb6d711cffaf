"""Several variants of one baseline, asked for in one command: a suite that is made on the fly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.errors import HarnessError
from harness.pair.plan import Plan
from harness.results.records import Asked
from harness.suites.suite import Suite, SuiteColumn, SuiteRow


def family(plans: Sequence[Plan], levels: Mapping[str, Sequence[str]]) -> Suite:
    """The plain baseline, and below it each variant against it, so that Holm's correction is over all of them.

    `plans` are of one baseline and share all but plug-ins and seed; `levels` are those of each test set.
    """
    first, against = plans[0].asked, plans[0].arm.plain.label
    rows = {against: _row(against, first.model_copy(update={"plugins": "", "test_masks": ""}), "")}
    rows |= {plan.arm.label: _row(plan.arm.label, plan.asked, against) for plan in plans if plan.arm.plugins}
    columns = tuple(
        SuiteColumn(test=test, level=level, label=level if len(levels) == 1 else f"{test} {level}")
        for test, every in levels.items()
        for level in every
    )
    return Suite(
        title=f"Variants of {against} on {plans[0].data_label}, recipe {first.recipe}{plans[0].origin}",
        summary="made of one command",
        recipe=first.recipe,
        data=first.data,
        test=first.test,
        protocol=first.protocol,
        masks=first.masks,
        metrics=first.metrics,
        seeds=tuple(dict.fromkeys(plan.training.seed for plan in plans)),
        columns=columns,
        rows=tuple(rows.values()),
    )


def _row(label: str, asked: Asked, against: str) -> SuiteRow:
    facts = {"label": label, "baseline": asked.baseline, "with": asked.plugins, "test_masks": asked.test_masks}
    return SuiteRow.model_validate(facts | {"start": asked.start, "against": against})


def check_distinct(plans: Sequence[Plan]) -> None:
    """Raises HarnessError where two of them are the same pair."""
    seen: set[tuple[str, int]] = set()
    for plan in plans:
        key = (plan.arm.label, plan.training.seed)
        if key in seen:
            raise HarnessError(f"--with gives {plan.arm.label} twice: name each variant once")
        seen.add(key)
