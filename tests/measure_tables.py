"""How long `harness table`, `rows` and `runs` take on 1,000 pairs: baselines with HCE and HIR, a hundred seeds each.

    python -m tests.measure_tables [PAIRS]

The records are written by hand, each run with 130 rows. Prints a Markdown table of seconds, of one call each.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.registry.catalog import catalog
from harness.registry.specs import BaselineSpec
from harness.results.records import Asked
from tests.stores import put

CLIPS = 26
COMMANDS = (("table",), ("table", "table1"), ("rows",), ("runs", "list"))


def main(pairs: int) -> None:
    names = [entry.spec.name for entry in catalog().entries(BaselineSpec) if entry.spec.official]
    with tempfile.TemporaryDirectory() as folder:
        for at in range(pairs):
            asked = Asked(baseline=names[at % len(names)], plugins="hce,hir", seed=at // len(names))
            put(Path(folder), asked, (30 + at % 7 / 10, 30.1 + at % 5 / 10), clips=CLIPS)
        print(f"| of {pairs:,} pairs | s |\n|---|---|")
        for words in COMMANDS:
            started = time.perf_counter()
            call = [sys.executable, "-m", "harness", *words, "--results", folder]
            subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
            print(f"| harness {' '.join(words)} | {time.perf_counter() - started:.1f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
