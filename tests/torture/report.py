"""`make torture`: the tests of reliability at full size, and their figures in results/reliability.md.

Run from the top of the tree: `python -m tests.torture.report`.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

TARGET = Path("results/reliability.md")


@dataclass(frozen=True)
class Claim:
    """What is claimed, the test that shows it (the beginning of a node's name), and how it does."""

    words: str
    test: str
    how: str


SURVIVAL = "tests/test_survival.py::test_"
CLAIMS = (
    Claim(
        "a run killed by SIGKILL ends as if it had not been: weights, optimiser, curve, audit, rows, bit for bit",
        f"{SURVIVAL}a_run_killed_again_and_again",
        "`harness run` of a pair; at random moments, and at random calls inside a save, a write then half done",
    ),
    Claim(
        "a full disk pauses a run: one line, no half file, the same command goes on to the same bits",
        f"{SURVIVAL}a_disk_that_is_full_at_any_write_call",
        "every call that makes, writes, syncs or renames a file fails in turn: once, or from then on",
    ),
    Claim(
        "a checkpoint cut short is found, said, and the one before it used",
        f"{SURVIVAL}a_cut_file_is_found",
        "each file at every 4 KiB, the manifest at every byte",
    ),
    Claim(
        "a flipped bit in a checkpoint is found, said, and the one before it used",
        f"{SURVIVAL}a_flipped_bit_is_found",
        "random bits of all files, and one in each byte of the manifest",
    ),
    Claim(
        "a checkpoint that is not as it was saved is passed over",
        f"{SURVIVAL}a_checkpoint_that_is_not_as_it_was",
        "files missing, added, swapped; manifests changed",
    ),
    Claim(
        "hostile pickles are not executed, and refused in one line",
        f"{SURVIVAL}a_hostile_pickle",
        "as weights and as a checkpoint's state; each makes its canary when it is read without care",
    ),
    Claim(
        "hostile safetensors are refused in one line",
        f"{SURVIVAL}hostile_safetensors",
        "headers too long, too deep, and of tensors that are not there",
    ),
    Claim(
        "of two processes on one run one trains; the other is told who, and takes over where it died",
        f"{SURVIVAL}two_processes_that_race",
        "both start at once; each fourth winner is killed; the results are those of one",
    ),
    Claim(
        "a loss that is not finite ends the arm at its step and names the samples",
        f"{SURVIVAL}a_loss_that_is_no_number",
        "a plug-in that makes nan at step 5 of 8",
    ),
    Claim(
        "code of others that raises is named with distribution, version and file, and harms nothing else",
        f"{SURVIVAL}code_of_others_that_raises",
        "in import, registration, observer, factory, forward, backward; the pair beside it has the same bits",
    ),
    Claim(
        "a malformed recipe ends in one line with file, line and key",
        "tests/test_bad_input.py::test_recipe[",
        "one `harness run` each",
    ),
    Claim(
        "batches are the same for any number of workers",
        "tests/test_matching.py::test_batches_are_the_same_for_any_number_of_workers",
        "1, 2 and 4 against none, bit for bit",
    ),
    Claim(
        "weights after training are the same for any number of workers",
        "tests/test_matching.py::test_workers_do_not_change_the_weights",
        "2 against none, with masks that the workers compute",
    ),
    Claim(
        "several processes, and a batch taken in parts, give the weights and curve of one, to 1e-6",
        "tests/test_distributed.py::test_processes_and_parts_do_not_change_weights_or_curve",
        "gloo on CPUs",
    ),
    Claim(
        "tampering with sampler, augmentation, recipe or initial weights is caught by the audit",
        "tests/test_audit.py::test_tampering_is_caught_at_its_step",
        "one mutation of the code or of an arm each",
    ),
    Claim(
        "a flipped bit in any record of a results folder is found and named, and is never another table",
        "tests/test_records.py::test_a_flipped_bit_in_any_record_is_found_and_named",
        "random bits of pairs, runs, status, costs, rows, curves, trails, reference; a table and an audit after each",
    ),
    Claim(
        "a results folder of the landed schema gives the same table, to the digit",
        "tests/test_records.py::test_a_store_of_the_landed_schema_gives_the_same_table",
        "what that version left of the demo",
    ),
    Claim(
        "an edit of words renames no run, row, label map or picture",
        "tests/test_fingerprints.py::test_an_edit_of_words_renames_nothing",
        "comments, docstrings, blank lines, formatting; each in every module that makes numbers",
    ),
    Claim(
        "an edit of arithmetic renames what it touches, and nothing else",
        "tests/test_fingerprints.py::test_an_edit_of_arithmetic_renames_what_it_touches",
        "one edit in each module that makes numbers, against a table written by hand",
    ),
    Claim(
        "an adapter that breaks its contract is named when it enters",
        "tests/test_contracts.py::test_",
        "wrong classes, shapes, ranges, metrics, benchmarks, and state left behind",
    ),
    Claim(
        "a flipped bit of a frame or of label maps is found",
        "tests/test_hostile_images.py::test_",
        "PNG checksums; other kinds of image, bombs, pipes, archives that unfold",
    ),
    Claim(
        "checkpoints take no more memory than they are long, and hold numbers to compute with",
        "tests/test_hostile_checkpoints.py::test_",
        "zip bombs, overlapping parts, sparse, meta, quantised, integer, boolean and expanded tensors",
    ),
    Claim(
        "names from elsewhere are harmless on the terminal and in every format of a table, as links and in pictures",
        "tests/test_hostile_names.py::test_",
        "control codes, formulas, markup, LaTeX, XML, mathtext, symlinks",
    ),
    Claim(
        "text files that are none, or read otherwise than meant, end in one line",
        "tests/test_hostile_text.py::test_",
        "YAML 1.1 numbers, devices, pipes, folders, files without end",
    ),
    Claim(
        "95 % intervals hold the truth",
        "tests/test_statistics.py::test_intervals_hold_the_truth_in_95_percent",
        "simulated pairs; `python tests/simulate_statistics.py` gives the figures",
    ),
    Claim(
        "a pair without a difference is rarely called different",
        "tests/test_statistics.py::test_a_null_pair_is_rarely_called_different",
        "the same",
    ),
)


class Ledger:
    """Hears of every test: how it ended, and the figures that it recorded."""

    def __init__(self) -> None:
        self.ended: dict[str, str] = {}
        self.figures: dict[str, list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.ended[report.nodeid] = report.outcome
        if report.when == "call":
            self.figures[report.nodeid] += [f"{name}: {value}" for name, value in report.user_properties]

    def row(self, claim: Claim) -> str:
        """A line of the table."""
        tests = sorted(name for name in self.ended if name.startswith(claim.test))
        passed = sum(self.ended[name] == "passed" for name in tests)
        figures = [f"{passed} of {len(tests)} tests"] if tests else ["not tested"]
        figures += [figure for name in tests for figure in self.figures[name]]
        return f"| {claim.words} | {'; '.join(figures)} | {claim.how} |"


def main() -> int:
    """Run the tests, write the table; the exit code of pytest."""
    os.environ["TORTURE"] = "1"
    ledger = Ledger()
    chosen = (claim.test.removesuffix("::test_").removesuffix("[") for claim in CLAIMS)
    tests = dict.fromkeys(test for test in chosen if not test.startswith(SURVIVAL))
    names = [SURVIVAL.partition("::")[0], *tests]
    code = pytest.main(["-n", "2", "-q", "-p", "no:cacheprovider", *names], plugins=[ledger])
    lines = [
        "# Reliability",
        "",
        f"`make torture` at commit {_commit()}; {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, torch {torch.__version__}.",
        "",
        "| claim | figure | how |",
        "|---|---|---|",
        *(ledger.row(claim) for claim in CLAIMS),
        "",
    ]
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text("\n".join(lines))
    return int(code)


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


if __name__ == "__main__":
    sys.exit(main())
