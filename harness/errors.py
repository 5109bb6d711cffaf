"""The one kind of error that a user's input can cause."""

from collections.abc import Iterable
from difflib import get_close_matches


class HarnessError(Exception):
    """What is wrong, where, and what to do, in one line. The CLI prints it and exits with 2."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known word closest to `word`, or nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
