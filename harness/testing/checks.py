"""A check is a function of a subject that raises `CheckError` with one line, or skips with a reason; the running."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn
from unittest import SkipTest

from harness.errors import HarnessError
from harness.registry.plugins import FAULTS, in_one_line
from harness.registry.state import DRAWS, MODES, WEIGHTS, kept

Check = Callable[[Any], None]


class CheckError(AssertionError):
    """What is wrong and how it was seen, in one line."""


@dataclass(frozen=True)
class Result:
    """What became of one check. `line` says what is wrong, or why it was not asked; `error` is what was raised."""

    check: str
    state: Literal["passed", "failed", "skipped"]
    line: str = ""
    seconds: float = 0.0
    error: BaseException | None = None


def name_of(check: Check) -> str:
    """`check_prior_flows` is called `prior-flows`."""
    return check.__name__.removeprefix("check_").replace("_", "-")


def skip(reason: str) -> NoReturn:
    """Leave a check that has nothing to ask of this subject; pytest knows the exception."""
    raise SkipTest(reason)


def run(checks: Sequence[Check], subject: Any) -> Iterator[Result]:
    """One after another; what one leaves behind in the process is put back before the next."""
    for check in checks:
        yield run_one(check, subject)


def run_one(check: Check, subject: Any, exception: str | None = None) -> Result:
    """The result of one check. Where nothing could be built, `builds` alone says so, and the others are skipped.

    With an `exception`, the reason why it need not pass, a failure is skipped, and a pass is a failure: the exception
    is to be removed. Raises HarnessError for a reason without words.
    """
    if exception is not None and not exception.strip():
        raise HarnessError(f"the exception for the check '{name_of(check)}' has no reason: say why it need not pass")
    start = time.perf_counter()
    result = _asked(check, subject)
    seconds = time.perf_counter() - start
    state, line = result.state, result.line
    if exception is not None and state == "failed":
        state, line = "skipped", f"excepted, {exception}: {line}"
    elif exception is not None and state == "passed":
        state, line = "failed", f"passes, though an exception says '{exception}': remove it"
    return Result(result.check, state, line, seconds, result.error)


def _asked(check: Check, subject: Any) -> Result:
    name = name_of(check)
    try:
        with kept(MODES + DRAWS + WEIGHTS, _LeftError):
            if name != "builds" and subject.broken:
                skip("it cannot be built")
            check(subject)
    except _LeftError:
        pass  # `leaves-the-process-alone` asks for that; here it is only put back
    except SkipTest as reason:
        return Result(name, "skipped", str(reason))
    except (CheckError, HarnessError) as error:
        return Result(name, "failed", " ".join(str(error).split()), error=error)
    except FAULTS as error:
        return Result(name, "failed", f"raises {in_one_line(error)}", error=error)
    return Result(name, "passed")


class _LeftError(HarnessError):
    """State of the process that a check left changed; it is put back."""
