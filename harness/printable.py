"""Text from anywhere, made safe to print: a name may hold codes that move the cursor, hide a line or turn it round."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    r"""The text in one line, with `\n`, `\x1b`, `\u202e` and the like for all that is not seen as a character.

    So are bytes of a file's name that are no UTF-8. Letters of every script, and spaces, stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or unicodedata.category(sign) == "Zs" else _code(sign) for sign in text)


def _code(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
