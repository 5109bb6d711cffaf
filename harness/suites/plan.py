"""What has to be run for a suite: its pairs as jobs."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.pair.plan import Asked
from harness.registry.launching import Job


def jobs_of(pairs: Sequence[Asked], results: Path, more: Sequence[str]) -> list[Job]:
    """A job each, with a log in `results`; `more` are further words of the command line."""
    return [
        Job(
            name=name_of(asked),
            command=(*shell(asked), "--results", str(results), *more),
            log=results / "logs" / f"{slug_of(asked)}.log",
            holds=runs_of(asked),
        )
        for asked in pairs
    ]


def shell(asked: Asked) -> tuple[str, ...]:
    """The command, by this very Python."""
    return (sys.executable, "-P", "-m", "harness", *shlex.split(asked.command())[1:])


def runs_of(asked: Asked) -> frozenset[str]:
    """The runs that a pair trains: two pairs of one baseline share that of the plain baseline."""
    start = f"seed {asked.seed} of {asked.baseline} by {asked.recipe} on {asked.data}"
    return frozenset({start, f"{start} with {asked.plugins} and masks {asked.masks}"})


def name_of(asked: Asked) -> str:
    """For lines on the terminal."""
    plugins = f"+{asked.plugins}" if asked.plugins else ""
    tested = f", tested with masks {asked.test_masks}" if asked.test_masks else ""
    return f"{asked.baseline}{plugins}, seed {asked.seed}{tested}"


def slug_of(asked: Asked) -> str:
    """For the name of a file."""
    words = [asked.baseline, asked.plugins, asked.test_masks, Path(asked.recipe).stem, f"s{asked.seed}"]
    return ".".join(re.sub("[^A-Za-z0-9=+-]+", "-", word).strip("-") for word in words if word)
