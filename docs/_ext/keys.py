"""`{keys} module:Model`: the keys of a YAML file, made from the pydantic model that reads it.

Type and default are those of its JSON schema, the text is that of its docstring. A key without a text is an error.
"""

from __future__ import annotations

import importlib
import json
from typing import Any, ClassVar

from docstrings import inline
from docutils import nodes
from docutils.parsers.rst import directives
from pydantic import BaseModel
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_id

from harness.registry.docstrings import blocks, described

Schema = dict[str, Any]
BOUNDS = (
    ("minimum", "{} or more"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "below {}"),
)


def in_words(schema: Schema) -> str:
    """What may be written for it, in a user's words."""
    if "anyOf" in schema:
        return " or ".join(in_words(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "$ref" in schema:
        return "the keys below"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "")
    if kind == "array":
        if "prefixItems" in schema:
            return f"list of {len(schema['prefixItems'])}, each a {in_words(schema['prefixItems'][0])}"
        return f"list, each of its items: {in_words(schema['items'])}"
    if kind == "object":
        return f"mapping from names; each value: {in_words(schema['additionalProperties'])}"
    word = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}[kind]
    if "pattern" in schema:
        word += f" of the form `{schema['pattern']}`"
    return ", ".join([word, *(text.format(f"{schema[key]:g}") for key, text in BOUNDS if key in schema)])


def default_of(name: str, schema: Schema, required: bool) -> str:
    if required:
        return "must be given"
    value = schema.get("default")
    if value in (None, "", {}, []):
        return "may be left out"
    return f"default `{value if isinstance(value, str) else json.dumps(value)}`"


class Keys(SphinxDirective):
    """The prose of the docstring, then each key. `:prefix:` stands before names in references: {key}`recipe.steps`."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"prefix": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        module, _, name = self.arguments[0].partition(":")
        model: type[BaseModel] = getattr(importlib.import_module(module), name)
        schema = model.model_json_schema()
        texts = described(model)
        prose = [block for block in blocks(model.__doc__ or "") if isinstance(block, str)]
        made: list[nodes.Node] = [nodes.paragraph("", "", *inline(block)) for block in prose]
        for key, facts in schema["properties"].items():
            if key not in texts:
                raise self.error(f"the docstring of {self.arguments[0]} does not say what '{key}' is")
            made.append(self._key(key, facts, key in schema.get("required", ()), texts[key]))
        return made

    def _key(self, key: str, facts: Schema, required: bool, text: str) -> nodes.Node:
        full = f"{self.options['prefix']}.{key}"
        signature = addnodes.desc_signature("", "", addnodes.desc_name("", key))
        signature["ids"].append(make_id(self.env, self.state.document, "key", full))
        self.state.document.note_explicit_target(signature)
        domain = self.env.get_domain("std")
        assert isinstance(domain, StandardDomain)
        domain.note_object("key", full, signature["ids"][0], location=signature)
        kind = nodes.paragraph("", "", *inline(f"{in_words(facts)}; {default_of(key, facts, required)}"))
        kind["classes"].append("key-type")
        content = addnodes.desc_content("", kind, nodes.paragraph("", "", *inline(text[0].upper() + text[1:])))
        return addnodes.desc("", signature, content, domain="std", objtype="key", desctype="key", no_index=False)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_object_type("key", "key", objname="key of a file")
    app.add_directive("keys", Keys)
    return {"parallel_read_safe": True}
