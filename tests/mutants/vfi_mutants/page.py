"""The table of docs/check.md: made by `python tests/mutants/vfi_mutants/page.py`, and held against each mistake."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vfi_mutants.table import Mistake

HERE = Path(__file__).parents[1]
PAGE = HERE.parents[1] / "docs/check.md"
HEAD = "| kind | planted mistake | check | what it says |\n|---|---|---|---|\n"


def install(folder: Path) -> list[str]:
    """Write the metadata of the mutants' distributions into `folder`; what has to stand first in the path."""
    modules = {"vfi-mutants": "vfi_mutants"} | {
        f"vfi-{name}": f"vfi_mutants.{module}"
        for name, module in (
            ("raising-observer", "observer"),
            ("taking-launcher", "launcher"),
            ("unknown-hook", "unknown"),
        )
    }
    for name, module in modules.items():
        info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[harness]\n{name} = {module}\n")
    return [str(folder), str(HERE)]


def row(mistake: Mistake, line: str) -> str:
    """One row of the table, without where the mutants are."""
    line = re.sub(r" of vfi-mutants 1\.0 \([^)]*\)", "", line)
    line = re.sub(r"/\S*/vfi_mutants/", "", line).replace("|", "\\|")
    return f"| {mistake.kind} | {mistake.words} | `{mistake.check}` | {line} |"


def masked(row: str) -> str:
    """Without figures, of which the last digits are another machine's."""
    return re.sub(r"-?\d[\d.]*(e[+-]?\d+)?", "#", row)


def write() -> None:
    """The page's table anew."""
    from harness.testing.checks import name_of, run_one
    from harness.testing.kinds import CHECKS, found
    from vfi_mutants.table import MISTAKES

    rows = []
    for mistake in MISTAKES:
        (check,) = (each for each in CHECKS[mistake.kind] if name_of(each) == mistake.check)
        result = run_one(check, found(mistake.kind, mistake.name))
        print(result.state, mistake.name, result.line)
        rows.append(row(mistake, result.line))
    text = PAGE.read_text("utf-8")
    PAGE.write_text(text[: text.index(HEAD)] + HEAD + "\n".join(rows) + "\n", "utf-8")


if __name__ == "__main__":
    sys.path[:0] = install(Path(tempfile.mkdtemp()))
    write()
