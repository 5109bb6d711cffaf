"""Tables as people read them: no number says less than nothing, and all that is said of several tables is said once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.outcome.pairs import read_pair
from harness.report.formats import FORMATS
from harness.report.tables import pair_sheets
from harness.results.store import Store
from tests.stores import put, suite, table1

RIFE, IFRNET, *_ = suite("table1").pairs()
LESS_THAN_NOTHING = re.compile(r"(-|−|\$-\$)0(\.0+)?(?![\d.])")


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "html", "json"])
def test_what_rounds_to_nothing_has_no_minus(tmp_path: Path, form: str) -> None:
    """A loss of 10 µdB, in a pair's table and in a suite's."""
    name = put(tmp_path, RIFE, (25.0, 25.0), added=lambda level, at: -1e-5 * (1 + at))
    text = FORMATS[form]([*pair_sheets([read_pair(Store(tmp_path), name)]), table1(tmp_path)])
    assert not LESS_THAN_NOTHING.findall(re.sub(r'": -?[\d.e-]+', "", text))
    assert "+0.000" in text
