"""What the processor of this machine is called."""

from __future__ import annotations

import functools
import platform
from pathlib import Path


@functools.cache
def processor() -> str:
    """Its model, as the system calls it: `Intel(R) Xeon(R) Processor, family 6, model 143`."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").partition("\n\n")[0].splitlines()
    except OSError:
        lines = []
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if name := facts.get("model name"):
        return ", ".join([name, *(f"{key} {facts[each]}" for each, key in _NUMBERS.items() if each in facts)])
    parts = [f"{each} {facts[each]}" for each in ("CPU implementer", "CPU part", "CPU variant") if each in facts]
    return ", ".join(parts) or platform.processor() or platform.machine()


_NUMBERS = {"cpu family": "family", "model": "model"}  # one name is given to several kinds of processor
