"""Test classes for an adapter's own suite: three lines, and a test for each check, `test_prior_moves_flows`.

    class TestMine(BaselineTests):
        name = "mine"

They import no pytest, which knows what they raise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from harness.errors import HarnessError
from harness.testing.checks import Check, CheckError, name_of, run_one, skip
from harness.testing.kinds import CHECKS, found


class _Tests:
    """name        of what is checked, with options as on the command line: `mine:width=16`
    exceptions  checks that need not pass, each with the reason why; one that passes is to be removed"""

    kind: ClassVar[str]
    name: ClassVar[str] = ""
    exceptions: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "kind" in vars(cls):  # the class of a kind gets the tests, and its subclasses have them from there
            for check in CHECKS[cls.kind]:
                setattr(cls, f"test_{check.__name__.removeprefix('check_')}", _test(check))
            cls.__test__ = False  # type: ignore[attr-defined]
        else:
            cls.__test__ = bool(cls.name)  # type: ignore[attr-defined]


def _test(check: Check) -> Callable[[Any], None]:
    def test(self: _Tests) -> None:
        __tracebackhide__ = True
        known = {name_of(each) for each in CHECKS[self.kind]}
        if unknown := sorted(set(self.exceptions) - known):
            raise HarnessError(f"{type(self).__name__}: there is no check '{unknown[0]}' to except")
        result = run_one(check, _subject(self.kind, self.name), self.exceptions.get(name_of(check)))
        if result.state == "skipped":
            skip(result.line)
        if result.state == "failed":
            raise CheckError(f"{self.name}: {result.line}") from result.error

    test.__doc__ = check.__doc__
    return test


@functools.lru_cache(maxsize=2)  # a network and what was computed of it, for the tests of its class
def _subject(kind: str, name: str) -> Any:
    return found(kind, name)


class BaselineTests(_Tests):
    """A test for each check of a baseline. `name` is its name, with options if need be; `exceptions` are checks that
    need not pass, each with the reason why."""

    kind = "baseline"


class PluginTests(_Tests):
    """The same of a plug-in, on a small network of either kind of motion seam."""

    kind = "plug-in"


class MaskSourceTests(_Tests):
    """The same of a mask source; tests are skipped where its weights or files are not here."""

    kind = "mask source"


class MetricTests(_Tests):
    """The same of a metric; tests are skipped where its weights are not here."""

    kind = "metric"


class BenchmarkTests(_Tests):
    """The same of a benchmark; tests are skipped where its data is not here."""

    kind = "benchmark"


class LauncherTests(_Tests):
    """The same of a launcher."""

    kind = "launcher"


class ProtocolTests(_Tests):
    """The same of a protocol."""

    kind = "protocol"


class SuiteTests(_Tests):
    """The same of a suite."""

    kind = "suite"


class DistributionTests(_Tests):
    """The same of the observers and launchers that a distribution brings; `name` is that of the distribution."""

    kind = "distribution"
