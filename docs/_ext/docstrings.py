"""Docstrings as this project writes them (`harness.registry.docstrings`), for the site."""

from __future__ import annotations

import re
from collections.abc import Mapping

from docutils import nodes
from public_names import public_names
from sphinx.application import Sphinx

from harness.registry.docstrings import blocks


def inline(text: str) -> list[nodes.Node]:
    """A line of a docstring, with its literals."""
    pieces = re.split(r"`+([^`]+)`+", text)
    return [nodes.literal(text=piece) if odd % 2 else nodes.Text(piece) for odd, piece in enumerate(pieces) if piece]


def restructured(text: str, public: Mapping[str, str]) -> str:
    """The same for reStructuredText; a public name becomes a link."""
    pieces = re.split(r"`+([^`]+)`+", text)
    for at, piece in enumerate(pieces):
        if at % 2 == 0:
            pieces[at] = re.sub(r"([\\*|_`])", r"\\\1", piece)
        elif piece in public:
            pieces[at] = rf":py:obj:`{piece}`\ "
        else:
            pieces[at] = rf"``{piece}``\ "
    return "".join(pieces)


def _rewrite(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    public = public_names()
    written: list[str] = []
    for block in blocks("\n".join(lines)):
        if isinstance(block, list):
            for term, text in block:
                written += [f"``{term}``", f"   {restructured(text, public)}"]
        elif block.startswith("    "):
            written += ["::", "", *block.splitlines()]
        else:
            written.append(restructured(block, public))
        written.append("")
    lines[:] = written


def _readable(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """A default that a dataclass makes anew each time is written as what can be parsed."""
    return signature and signature.replace("<factory>", "..."), returns


def _no_repr(app: Sphinx, context: object, lines: list[str]) -> None:
    """Of a command's default that is a path."""
    lines[:] = [re.sub(r"PosixPath\('(.*)'\)", r"\1", line) for line in lines]


def _no_empty_bases(app: Sphinx, tree: nodes.document) -> None:
    """That a class stands on `object` is no news."""
    for paragraph in list(tree.findall(nodes.paragraph)):
        if paragraph.astext() in ("Bases:", "Bases: object"):
            paragraph.parent.remove(paragraph)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _rewrite)
    app.connect("autodoc-process-signature", _readable)
    app.connect("sphinx-click-process-options", _no_repr)
    app.connect("doctree-read", _no_empty_bases)
    return {"parallel_read_safe": True}
