"""Records of the first schema, which had no version in them: read as today's, and never written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.results.comparison import by_name
from harness.results.records import Fingerprint, RunRecord
from harness.yamlfile import load_yaml


def config(run: Path) -> Path:
    """What became run.json."""
    return run / "config.yaml"


def reference(root: Path) -> Path:
    """What became reference/rows.csv."""
    return root / "reference" / "mean-of-frames.csv"


def run(folder: Path, remedy: str) -> RunRecord:
    """Raises HarnessError for one that is damaged."""
    try:
        return load_yaml(config(folder), RunRecord)
    except HarnessError as error:
        raise HarnessError(f"{error}; {remedy}") from error


def status(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of status.json."""
    return dict(found)


def measured(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of metrics.json."""
    return dict(found)


PLAIN = (
    *("title", "labels", "protocol", "ssim", "metrics", "unavailable", "regions", "network_masks", "masks"),
    *("tests", "runs", "seed", "recipe", "steps", "asked"),
)
LATER = ("test_masks", "command", "tier", "train")  # not in the first of them


def pair(found: Mapping[str, Any], run_of: Callable[[str], RunRecord]) -> dict[str, Any]:
    """Of pairs/<name>.json; `run_of` gives the record of a run. What was compared is put together from the fingerprint
    of the pair's last run and the words that asked for it."""
    fields = {name: found[name] for name in PLAIN} | {name: found[name] for name in LATER if name in found}
    try:
        was = run_of(found["runs"][-1]).fingerprint
    except HarnessError as error:
        raise ValueError(error) from error
    return fields | {"comparison": _comparison(found, was)}


def _comparison(found: Mapping[str, Any], was: Fingerprint) -> dict[str, Any]:
    asked = found["asked"]
    words = [text.partition(":")[0] for text in (asked["data"], asked["masks"], asked["test_masks"])]
    data_words, _, test_masks = words
    masks = was.masks
    tested = found["network_masks"][-1]
    given = {
        name: _given(asked.get(name, "")) for name in ("baseline", "plugins", "data", "test", "masks", "test_masks")
    }
    return {
        "baseline": _part(was.baseline) | given["baseline"],
        "plugins": [_part(plugin) | given["plugins"] for plugin in was.arm],
        "recipe": was.recipe,  # how many triplets were tested was not in it
        "data": {"name": was.data.get("name", data_words), "content": _text(was.data.get("digest"))} | given["data"],
        "tests": [
            {"name": tests["data"].rpartition("-")[0], "content": f"{tests['data']} {_count(tests['levels'].values())}"}
            | given["test" if asked.get("test") else "data"]
            for tests in found["tests"]
        ],
        "protocol": found["protocol"],
        "masks": _part(masks) | given["masks"] if masks else None,
        "test_masks": {"name": test_masks, "content": tested} | given["test_masks"] if test_masks else None,
        "metrics": by_name(found["metrics"]),
        "code": was.code,
    }


def _given(words: str) -> dict[str, Any]:
    """Which options are no defaults is not known: what was asked for with options is what no words mean."""
    return {"given": {"options as written": words}} if ":" in words else {}


def _part(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": record["name"], "options": record["options"], "content": _text(record.get("code"))}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _count(levels: Iterable[Any]) -> int:
    return sum(map(len, levels))
