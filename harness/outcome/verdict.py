"""Whether the arms of a pair were matched: their fingerprints, and what their audit trails say they were given."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from harness.results import landed
from harness.results.comparison import differences
from harness.results.records import Verdict
from harness.results.store import RunFolder
from harness.results.trail import Given

SHARED = ("weights", "batch", "learning_rate", "optimizer")
"""What is equal in two matched arms at every step; gradients are the arms' own."""


def judge(one: RunFolder, other: RunFolder, kept: Verdict | None = None) -> Verdict:
    """Compares the records of two runs, and their trails up to the last step that both have audited.

    `kept` is what a pair's record has: it is given back where the runs' files are still those that it was read from.
    Raises HarnessError for a damaged file.
    """
    read = files_of(one, other)
    return kept if kept is not None and kept.read == read else _judged(one.path, other.path, read)


def files_of(*runs: RunFolder) -> str:
    """Hash over the files that a verdict is read from."""
    digest = sha256()
    for run in runs:
        for path in (run.config, landed.config(run.path), run.path / "status.json", run.audit):
            content = path.read_bytes() if path.exists() else b""
            digest.update(sha256(content).digest())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _judged(one: Path, other: Path, read: str) -> Verdict:
    a, b = RunFolder(one), RunFolder(other)
    if not (a.started and b.started):
        return Verdict(read=read)  # nothing to compare yet
    settings = differences(a.record().fingerprint.shared(), b.record().fingerprint.shared())
    trails = a.trail(), b.trail()
    both = list(zip(*trails, strict=False))
    found = (_difference(*givens) for givens in both)
    trail = next((text for text in (*found, _cut(a, trails[0]), _cut(b, trails[1])) if text), "")
    equal = sum(x.gradient_norm == y.gradient_norm != "" for x, y in both)
    refusals = (*settings, *filter(None, [trail]))
    return Verdict(refusals=refusals, steps=max(len(both) - 1, 0), equal_gradients=equal, read=read)


def _cut(run: RunFolder, trail: list[Given]) -> str:
    """What is missing of a finished arm's trail."""
    status = run.status()
    if status is None or status.state not in ("trained", "evaluated"):
        return ""
    last = trail[-1].step if trail else 0
    return "" if last == status.steps else f"the trail of {run.name} ends at step {last} of {status.steps}"


def _difference(one: Given, other: Given) -> str:
    if one.step != other.step:
        return f"one audited step {one.step} where the other audited step {other.step}"
    where = "before the first step" if one.step == 0 else f"at step {one.step}"
    words = [
        f"{name} {getattr(one, name)} -> {getattr(other, name)}"
        for name in SHARED
        if getattr(one, name) != getattr(other, name)
    ]
    return f"{where} in {', '.join(words)}" if words else ""
