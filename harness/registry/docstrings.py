"""Docstrings as this project writes them: prose with names in backticks, and lists of terms in two columns.

They are the one place of what an option or a key means: `harness show` and the pages of the reference are made of them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

Terms = list[tuple[str, str]]
_TERM = re.compile(r"(\S+(?:, \S+)*)\s{2,}(\S.*)")


def blocks(docstring: str) -> list[str | Terms]:
    """Paragraphs, each in one line, and lists of terms with what each means. Of an indented paragraph every line keeps
    its place."""
    found: list[str | Terms] = []
    for paragraph in filter(None, re.split(r"\n\s*\n", inspect.cleandoc(docstring))):
        lines = paragraph.splitlines()
        if lines[0].startswith("    "):
            found.append("\n".join(lines))
        elif terms := _terms(lines):
            found.append(terms)
        else:
            found.append(" ".join(line.strip() for line in lines))
    return found


def _terms(lines: Sequence[str]) -> Terms:
    """The terms of a paragraph that is a list of them, else none. The longest may have one space after it alone: there
    the column tells."""
    first = _TERM.fullmatch(lines[0])
    if first is None:
        return []
    column = first.start(2)
    found: Terms = []
    for line in lines:
        if line[:1] == " ":
            term, text = found.pop()
            found.append((term, f"{term and text} {line.strip()}"))
        elif match := _TERM.fullmatch(line):
            found.append((match[1], match[2]))
        elif line[column - 1 : column] == " ":
            found.append((line[:column].strip(), line[column:]))
        else:
            return []
    return found


def described(thing: Any) -> dict[str, str]:
    """What the docstring says of each term: of `a, b` of both. What a class says nothing of is as its bases say."""
    found: dict[str, str] = {}
    for each in reversed(getattr(thing, "__mro__", (thing,))):
        lists = [block for block in blocks(each.__doc__ or "") if isinstance(block, list)]
        found |= {name: text for terms in lists for names, text in terms for name in names.split(", ")}
    return found
