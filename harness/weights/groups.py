"""The sets of tensors in what a trainer saved: weights, their average, a teacher, whatever else there is by name."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

DEEPEST = 8  # names inside one another: no trainer has more than four


@dataclass(frozen=True)
class Group:
    """Tensors that lie side by side, under `path`, `checkpoint.ema`: "" where nothing is around them. Those of a list
    are called by their numbers."""

    path: str
    tensors: Mapping[str, Tensor]

    @property
    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors.values())


def groups_of(tree: Any) -> list[Group]:
    """All of a checkpoint, from the outside in. What has no name, an optimiser's state by number, is passed over."""
    found: list[Group] = []
    inside: set[int] = set()  # what a file holds by two names is named twice, and gone through once
    left: deque[tuple[tuple[str, ...], Any]] = deque([((), tree)])
    while left:
        path, value = left.popleft()
        items = _named(value)
        if tensors := {key: each for key, each in items.items() if isinstance(each, Tensor)}:
            found.append(Group(".".join(path), tensors))
        if id(value) not in inside and len(path) < DEEPEST:
            inside.add(id(value))
            left += (((*path, key), each) for key, each in items.items() if isinstance(each, dict | list | tuple))
    return found


def _named(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: each for key, each in value.items() if isinstance(key, str)}
    if isinstance(value, list | tuple) and all(isinstance(each, Tensor) for each in value):
        return {str(number): each for number, each in enumerate(value)}
    return {}
