"""The paper's own numbers, to be shown beside what is measured and never mixed with it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml


@functools.cache
def published() -> dict[str, Any]:
    """`published.yaml`: under `cost`, tera multiply-accumulates by arm."""
    content: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "published.yaml").read_text("utf-8"))
    return content
