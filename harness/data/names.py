"""Names of clips, triplets and files: what can be written into a line of text and read back from it."""

from __future__ import annotations

import re

from harness.errors import HarnessError

_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, those that turn the direction of writing, whatever ends a line, and what Python makes of bytes
that are no UTF-8."""


def check_name(name: str, where: object) -> None:
    """Raises HarnessError that shows it escaped where a name has control characters or bytes that are no UTF-8.

    `where` is what it is found in. Rows and records are lines of text; commas, quotes and any script are fine."""
    if _ODD.search(name):
        raise HarnessError(
            f"{escaped(str(where))}: the name '{escaped(name)}' has control characters, line ends or bytes that are "
            "no UTF-8; rename it"
        )


def escaped(text: str) -> str:
    """The text with `\\n`, `\\x1b`, `\\udcff` for what does not show or cannot be written."""
    return _ODD.sub(lambda odd: odd[0].encode("unicode_escape").decode(), text)
