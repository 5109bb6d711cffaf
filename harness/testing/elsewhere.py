"""The same asked of another process: what hangs on what ran before, on the order of a set or on the clock is another
there.

One such process is kept for all that is asked, since starting torch takes longer than any answer.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
from typing import Any

from harness.errors import HarnessError


def answer(kind: str, words: str) -> dict[str, str]:
    """What that process says of the subject: hashes by what they are of. Raises HarnessError where it cannot."""
    import torch

    process = _started(tuple(sys.path))
    assert process.stdin
    assert process.stdout
    question = {"kind": kind, "words": words, "threads": torch.get_num_threads()}
    try:
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except OSError:
        line = ""
    if not line:
        _started.cache_clear()
        raise HarnessError(f"{words}: a fresh process ends while it is asked")
    told: dict[str, Any] = json.loads(line)
    if "error" in told:
        raise HarnessError(f"in a fresh process: {told['error']}")
    return told["hashes"]  # type: ignore[no-any-return]


@functools.cache
def _started(path: tuple[str, ...]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONHASHSEED": "random"}
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.testing.elsewhere"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.close()
    process.wait()


def main() -> None:
    """Answer questions until there are no more. What adapters print goes to stderr."""
    replies, sys.stdout = sys.stdout, sys.stderr
    import torch

    from harness.registry.plugins import FAULTS, in_one_line
    from harness.testing.kinds import found

    for line in sys.stdin:
        question = json.loads(line)
        torch.set_num_threads(question["threads"])
        try:
            told: dict[str, Any] = {"hashes": found(question["kind"], question["words"]).hashes()}
        except FAULTS as error:
            told = {"error": in_one_line(error)}
        print(json.dumps(told), file=replies, flush=True)


if __name__ == "__main__":
    main()
