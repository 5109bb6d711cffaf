"""harness check: whether what is installed keeps its contract, check by check."""

from __future__ import annotations

import time

import click

from harness.cli.common import say
from harness.cli.verbosity import is_verbose


@click.command()
@click.argument("name")
@click.option("--kind", help="Of what kind NAME is, where there are several of that name.")
@click.option("--only", metavar="CHECK", help="One check alone.")
@click.pass_context
def check(context: click.Context, name: str, kind: str | None, only: str | None) -> None:
    """Check whether NAME, with options as in mine:width=16, keeps its contract: one line a check, and with -v what each
    asks.

    Exits with 1 where a check fails. docs/check.md says which mistakes the checks name.
    """
    from harness import testing
    from harness.errors import HarnessError, suggestion

    kind, subject = testing.kinds.named(name, kind)
    name_of = testing.checks.name_of
    checks = [each for each in testing.kinds.CHECKS[kind] if only in (None, name_of(each))]
    if not checks:
        known = [name_of(each) for each in testing.kinds.CHECKS[kind]]
        hint = suggestion(str(only), known) or f"; there are: {', '.join(known)}"
        raise HarnessError(f"a {kind} has no check '{only}'{hint}")
    if subject.unavailable:
        raise HarnessError(subject.broken)
    say(f"{subject.words}: {kind} of {subject.origin}")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    start = time.perf_counter()
    width = max(len(name_of(each)) for each in checks)
    for each in checks:
        result = testing.checks.run_one(each, subject)
        counts[result.state] += 1
        say(f"  {result.state:<8} {result.check:<{width}}  {result.line}".rstrip())
        if is_verbose():
            say(f"           {' '.join((each.__doc__ or '').split())} ({result.seconds:.1f} s)")
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    say(f"{subject.words}: {told}, in {time.perf_counter() - start:.0f} s")
    context.exit(1 if counts["failed"] else 0)
