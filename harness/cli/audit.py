"""harness audit: whether the arms of a pair really got the same."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.common import results_option, say


@click.command()
@click.argument("pair")
@results_option
def audit(pair: str, results: Path) -> None:
    """Compare the arms of PAIR: fingerprints, and what each was given; names the first step that differs."""
    from harness.errors import HarnessError
    from harness.outcome.pairs import find_pair, read_pair
    from harness.outcome.refusals import refusals, verdict
    from harness.report.certainty import audited
    from harness.results.store import Store

    store = Store(results)
    name = find_pair(store, pair)
    record = store.pair(name)
    # the trails themselves, not what the pair's record keeps of them
    outcome = read_pair(store, name, record.model_copy(update={"verdict": None}))
    if len(outcome.arms) < 2:
        raise HarnessError(f"{name} has one arm: there is nothing to compare it with")
    if not all(arm.run and arm.run.started for arm in outcome.arms):
        raise HarnessError(f"{name} has not begun: {record.asked.command()} runs it")
    if differing := refusals(outcome):
        raise HarnessError(f"{name}: the arms are not matched: {'; '.join(differing)}")
    found = verdict(outcome)
    say(f"{name}: fingerprints equal but for the plug-ins")
    say(audited(found) or "Audit: no trail yet.")
    say(f"gradient norms, which plug-ins may change, are equal at {found.equal_gradients} of them")
