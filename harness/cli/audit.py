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
    from harness.outcome.audit import audit as compare
    from harness.outcome.pairs import find_pair, read_pair
    from harness.results.store import Store

    store = Store(results)
    outcome = read_pair(store, find_pair(store, pair))
    if len(outcome.arms) < 2:
        raise HarnessError(f"{outcome.name} has one arm: there is nothing to compare it with")
    one, other = (arm.run for arm in outcome.arms)
    assert one is not None
    assert other is not None
    found = compare(one, other)
    if differing := outcome.unmatched():
        raise HarnessError(f"{outcome.name}: the arms are not matched: {'; '.join(differing)}")
    say(f"{outcome.name}: fingerprints equal but for the plug-ins")
    say(found.summary)
    say(f"gradient norms are equal at {found.equal_gradients} of them")
