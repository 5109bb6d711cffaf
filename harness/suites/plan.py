"""What has to be run for a suite: its pairs as jobs."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.arm import Arm
from harness.errors import HarnessError, suggestion
from harness.metrics.regional import MASK_COLUMNS, MOTION_COLUMNS
from harness.pair.comparison import comparison_of
from harness.pair.fingerprint import short
from harness.pair.plan import Plan
from harness.registry.launching import Job
from harness.suites.suite import Suite

LONGEST = 200  # characters of a log's name that are for people: file systems take 255 in all


def check_columns(suite: Suite, plan: Plan) -> None:
    """Raises HarnessError for a column of something that a plan of the suite does not measure: a part of no metric, a
    benchmark that is not tested on. What cannot be measured on this machine is left to the table."""
    tests = [chosen.name for chosen in plan.tests]
    known = [*plan.testing.columns, *MASK_COLUMNS, *MOTION_COLUMNS, *plan.testing.motion_columns]
    metrics = comparison_of(plan).metrics
    for column in suite.columns:
        if column.test not in tests:
            hint = suggestion(column.test, tests) or f"; it is tested on {', '.join(tests)}"
            raise HarnessError(f"{suite.title}: column '{column.label}' is of no test set: '{column.test}'{hint}")
        name = column.filled_by(metrics)
        if name in plan.testing.of_sets:
            raise HarnessError(
                f"{suite.title}: column '{column.label}' shows '{name}', one value of a whole set, and no interval: "
                "leave the column out; the table of each pair has it"
            )
        if name not in known and column.leading.partition("@")[0] in metrics:
            hint = suggestion(name, known) or f"; there are: {', '.join(known)}"
            raise HarnessError(f"{suite.title}: column '{column.label}' shows '{name}', which nothing measures{hint}")


def check_levels(suite: Suite, plan: Plan) -> None:
    """Raises HarnessError for a column of a level that its test set has not, and for a test set that is not here: said
    before anything is trained, where the pairs run on this machine. All plans of a suite have the same test sets."""
    for chosen in plan.tests:
        levels = chosen.build().levels
        for column in suite.columns:
            if column.test == chosen.name and column.level not in levels:
                hint = suggestion(column.level, levels) or f"; it has: {', '.join(levels)}"
                raise HarnessError(
                    f"{suite.title}: column '{column.label}' is of no level of {chosen.label}: '{column.level}'{hint}"
                )


def jobs_of(plans: Sequence[Plan], results: Path, more: Sequence[str]) -> list[Job]:
    """A job each, with a log in `results`, and one alone for what is the same in other words; `more` are further words
    of the command line."""
    jobs: dict[Path, Job] = {}
    for plan in plans:
        log = results / "logs" / f"{slug_of(plan)}.log"
        job = Job(name_of(plan), (*shell(plan), "--results", str(results), *more), log, runs_of(plan))
        jobs.setdefault(log, job)
    return list(jobs.values())


def shell(plan: Plan) -> tuple[str, ...]:
    """The command, by this very Python. It says all that decides: what a defaults file would add is another pair."""
    return (sys.executable, "-P", "-m", "harness", "--no-defaults", *shlex.split(plan.command)[1:])


def runs_of(plan: Plan) -> frozenset[str]:
    """The runs that a pair trains: two pairs of one baseline share that of the plain baseline."""
    return frozenset(_run(plan, arm) for arm in plan.arms)


def _run(plan: Plan, arm: Arm) -> str:
    start = f"seed {plan.training.seed} of {arm.label} by {plan.asked.recipe} on {plan.data_label}"
    if plan.start:
        start += f" from {plan.start.record.content}"
    return f"{start} with masks {plan.masks.label}" if arm.needs_masks and plan.masks else start


def name_of(plan: Plan) -> str:
    """For lines on the terminal."""
    tested = f", tested with masks {plan.test_masks.label}" if plan.test_masks else ""
    return f"{plan.arm.label}, seed {plan.training.seed}{plan.origin}{tested}"


def slug_of(plan: Plan) -> str:
    """For the name of a file: words for people, and a few digits of all that was asked for, as two suites may ask for
    the same arms on other data. By it a job that is queued is known, so that other words for the same give the same."""
    tested = plan.test_masks.label if plan.test_masks else ""
    start = f"from-{plan.start.record.content[:8]}" if plan.start else ""
    words = [plan.arm.label, tested, start, Path(plan.asked.recipe).stem, f"s{plan.training.seed}"]
    readable = ".".join(re.sub("[^A-Za-z0-9=+-]+", "-", word).strip("-") for word in words if word)
    asked = comparison_of(plan)
    facts: dict[str, object] = {"words": asked.words, "metrics": asked.metrics}
    if plan.regions and not plan.masks:  # no part of what is compared, and yet of what is measured
        facts["regions"] = plan.regions.label
    return f"{readable[:LONGEST]}.{short(facts)}"
