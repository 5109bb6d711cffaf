"""The results store; and, by `open`, what is in it as pandas DataFrames.

Importing this imports neither torch nor pandas.
"""

from __future__ import annotations

from pathlib import Path

from harness.report.data import Results

__all__ = ["Results", "open"]


def open(folder: str | Path = "results") -> Results:
    """A results folder, to read from: `harness.results.open("results").rows()`.

    Raises HarnessError where there is no such folder.
    """
    return Results(folder)
