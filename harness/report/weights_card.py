"""The card of weights that were made here: what a user should know of them before they are started from."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.outcome.pairs import Outcome
from harness.results.store import RunFolder
from harness.weights.digest import digest

WORDS = """\
Small weights, trained for hours and not for weeks: a start for your own training, and for demonstrations. They are no
model to publish with, and no measure of the network that they are of.
"""


def card(baseline: str, file: Path, runs: Sequence[RunFolder], outcome: Outcome) -> str:
    """In Markdown. `runs` are the parts of the training, in order, `outcome` what the file gave where it was tested."""
    known = [run.record().fingerprint for run in runs]
    facts = {
        "made by": f"`harness weights make {baseline}`, of commit {commit()}",
        "sha256": digest(file),
        "training": f"{sum(map(_hours, runs)):.1f} hours on {known[-1].environment['device']}, {platform.machine()}",
        "data": "photographs of scikit-image (see `skimage.data`), and the bundled clips for training (BSD-3-Clause, "
        "Apache-2.0, MIT)",
    }
    for run, print_ in zip(runs, known, strict=True):
        recipe = print_.recipe
        facts[f"run `{run.name}`"] = (
            f"{recipe['steps']} steps of {recipe['batch']}, seed {print_.seed}, crops of "
            f"{recipe['augment']['crop']}, learning rate {recipe['learning_rate']}"  # type: ignore[index, call-overload]
        )
    lines = [
        f"# {file.stem}",
        "",
        WORDS,
        "| | |",
        "|---|---|",
        *(f"| {name} | {fact} |" for name, fact in facts.items()),
    ]
    lines += ["", "PSNR in dB on scenes and clips that training never saw:", ""]
    lines += ["| test set | triplets | mean of the two frames | these weights | gain |", "|---|---|---|---|---|"]
    before, after = outcome.reference.means, outcome.arms[0].means
    for column in outcome.columns:
        plain, own = before[column]["psnr"], after[column]["psnr"]
        count = (outcome.arms[0].rows[["test", "level"]] == [column.test, column.level]).all(axis=1).sum()
        lines.append(f"| {column.test} {column.level} | {count} | {plain:.2f} | {own:.2f} | {own - plain:+z.2f} |")
    return "\n".join(lines) + "\n"


def _hours(run: RunFolder) -> float:
    """That the training took, by its curve."""
    seconds, before = 0.0, 0
    for point in run.points():
        seconds, before = seconds + point.seconds * (point.step - before), point.step
    return seconds / 3600


def commit() -> str:
    """Of the harness that runs, where it lies in a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
