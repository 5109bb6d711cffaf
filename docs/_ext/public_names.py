"""A page for every public module. Which these are, the import contract in pyproject.toml says, and nothing else."""

from __future__ import annotations

import functools
import importlib
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
PAGES = Path("reference/names")
DATA = {
    "harness.CONTRACT": "What adapters are written for, `major.minor` as text. CHANGELOG.md says what each changed.",
    "harness.hookimpl": "Stands above a function that implements the hook which it is called after.",
}
"""Public names that have no docstring of their own."""


def public_modules() -> list[str]:
    """Those that the contract lets everybody import."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    allowed = (line.split(" -> ") for rule in rules if rule["type"] == "protected" for line in rule["ignore_imports"])
    return sorted(module for importer, module in allowed if importer == "**")


@functools.cache
def public_names() -> dict[str, str]:
    """Every public name, as `harness.model.Features`, with the module that it is imported from."""
    return {
        f"{module}.{name}": module for module in public_modules() for name in importlib.import_module(module).__all__
    }


def _write_pages(app: Sphinx) -> None:
    """They are not committed. One that says the same is left as it is, so that it is not read anew."""
    folder = Path(app.srcdir) / PAGES
    folder.mkdir(exist_ok=True)
    listed = "\n".join(public_modules())
    text = "What adapters may import, and what they may rely on: the names in `__all__` of these modules."
    wanted = {"index.md": f"# Public names\n\n{text}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"}
    for module in public_modules():
        directive = f".. automodule:: {module}\n   :members:\n"
        for name, text in DATA.items():
            if public_names().get(name) == module:
                directive += f"\n.. py:data:: {name.rpartition('.')[2]}\n\n   {text.replace('`', '``')}\n"
        wanted[f"{module}.md"] = f"# {module}\n\n```{{eval-rst}}\n{directive}```\n"
    for page in folder.glob("*.md"):
        if page.name not in wanted:
            page.unlink()
    for name, text in wanted.items():
        page = folder / name
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element) -> Any:
    """A type in a signature: one that is public under another module than its own is a link to there; what belongs to
    torch, numpy or Python is plain text. A private name of the harness stays unresolved, which is an error."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    last = target.rpartition(".")[2]
    named = [name for name in public_names() if name.rpartition(".")[2] == last]
    if len(named) == 1:
        domain = env.domains["py"]
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", named[0], node, contnode)
    return None if target.startswith("harness") else contnode


def _public_bases(app: Sphinx, name: str, obj: type, options: Any, bases: list[Any]) -> None:
    """What a class stands on is shown where a reader can look it up: `Spec` is, in how adapters are written."""
    shown = {"Spec"} | {each.rpartition(".")[2] for each in public_names()}
    bases[:] = [base for base in bases if not base.__module__.startswith("harness") or base.__name__ in shown]


def _all_are_there(app: Sphinx, env: BuildEnvironment) -> None:
    """A public name without an entry in the reference is an error, as a link without a target is."""
    for name in sorted(public_names().keys() - env.domains["py"].objects.keys()):  # type: ignore[attr-defined]
        logging.getLogger(__name__).warning("%s is public, and has no entry in the reference", name)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _write_pages)
    app.connect("env-check-consistency", _all_are_there)
    app.connect("missing-reference", _resolve)
    app.connect("autodoc-process-bases", _public_bases)
    return {"parallel_read_safe": True}
