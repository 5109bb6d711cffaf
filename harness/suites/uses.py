"""Which suites show a pair."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from harness.errors import HarnessError
from harness.registry.plugins import discover
from harness.results.records import PairRecord
from harness.suites.found import wanted_pairs
from harness.suites.suite import load_suite, suite_files

log = logging.getLogger("harness")


def suites_of(records: Mapping[str, PairRecord]) -> dict[str, list[str]]:
    """The installed suites that show each of the pairs, by the pair's name. One that cannot be read is named and left
    out."""
    found: dict[str, list[str]] = {name: [] for name in records}
    for suite, path in suite_files(discover()).items() if records else ():
        try:
            wanted = wanted_pairs(load_suite(path), records)
        except HarnessError as error:
            log.warning("left out: suite %s: %s", suite, error)
            continue
        for name in dict.fromkeys(name for names in wanted.values() for name in names):
            found[name].append(suite)
    return found
