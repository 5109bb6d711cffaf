"""A mask source that a user chose: what decides its maps, and the cache that they are kept in."""

from __future__ import annotations

import shlex
from typing import Any

from harness.masks import rules
from harness.masks.cache import MaskCache
from harness.registry.code import core
from harness.registry.mask_choice import ChosenMasks, ChosenPart
from harness.weights.digest import weights_digest


def record_of(masks: ChosenMasks) -> dict[str, Any]:
    """What a fingerprint keeps of a source and its parts, and of the code that all masks go through. Of weights the
    sha256, whatever their path."""
    parts = {role: _part(part) for role, part in masks.parts.items()}
    return _part(masks) | {"content": masks.build().content(), "parts": parts, "core": core("masks")}


def identity_of(masks: ChosenMasks) -> dict[str, Any]:
    """What decides the maps besides the frames. The maps of a light source are cheap, so that its code is part of it;
    those of any other are kept until a version is raised."""
    record = record_of(masks) | {"rules": rules.VERSION}
    if not masks.light:
        for part in (record, *record["parts"].values()):
            del part["code"]
        del record["core"]
    return record


def cache_of(masks: ChosenMasks) -> MaskCache:
    """Its label maps. Where one is missing, a source that is not light names the command that makes it."""
    command = "" if masks.light else f"harness masks build BENCHMARK --source {shlex.quote(masks.written)}"
    return MaskCache(masks.build(), identity_of(masks), command)


def _part(part: ChosenPart) -> dict[str, Any]:
    record = part.record()
    given = record["options"].pop("weights", "") if part.weights else ""
    sums = {spec.name: weights_digest(spec, "" if at else given) for at, spec in enumerate(part.weights)}
    return record | {"version": getattr(part.entry.spec, "version", 1), "weights": sums}
