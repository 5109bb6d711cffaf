"""One flipped bit in any record of a results folder: found and named, or without effect, and never another table."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from click.testing import CliRunner

from harness.cli.audit import audit
from harness.cli.table import table
from harness.errors import HarnessError

RECORDS = (
    *("pairs/*.json", "runs/*/run.json", "runs/*/status.json", "runs/*/measured.json"),
    *("runs/*/rows.csv", "runs/*/curve.csv", "runs/*/audit.csv", "reference/rows.csv"),
)
"""What a table is made of."""


def said(results: Path) -> str:
    """The table of every pair in a results folder, and what the audit of the last one says; or the one line of an
    error."""
    text = ""
    for command, words in ((table, ["--format", "json"]), (audit, [PAIR])):
        done = CliRunner().invoke(command, [*words, "--results", str(results)])
        if isinstance(done.exception, HarnessError):
            return f"error: {done.exception}"
        if done.exception is not None:
            raise done.exception
        text += done.output
    return text


PAIR = "ifrnet-s+hce"
"""The pair that is looked at."""


def files(results: Path) -> list[Path]:
    return sorted(path for pattern in RECORDS for path in results.glob(pattern))


def flipped(path: Path, bits: int, seed: int) -> Iterator[int]:
    """The file with one bit flipped, at so many random places in turn; put back in the end."""
    whole = path.read_bytes()
    draw = random.Random(f"{seed} {path.name}")
    try:
        for _ in range(bits):
            at = draw.randrange(8 * len(whole))
            changed = bytearray(whole)
            changed[at // 8] ^= 1 << at % 8
            path.write_bytes(changed)
            yield at
    finally:
        path.write_bytes(whole)


def verdicts(results: Path, bits: int, seed: int, look: Callable[[Path], str] = said) -> Counter[str]:
    """Of so many flips in each record: `named` in an error line, `no effect`, or what else came of it, and where."""
    honest = look(results)
    counts: Counter[str] = Counter()
    for path in files(results):
        for at in flipped(path, bits, seed):
            try:
                now = look(results)
            except Exception as error:
                counts[f"{path.name}, bit {at}: {type(error).__name__}: {error}"] += 1
                continue
            named = now.startswith("error: ") and path.name in now
            counts["named" if named else "no effect" if now == honest else f"{path.name}, bit {at}: {now[:200]}"] += 1
    return counts
