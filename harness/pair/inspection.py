"""What is in a file of weights, and which of the installed baselines it fits: as loading finds it, without loading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from harness.arm import Arm
from harness.errors import HarnessError
from harness.model import Composed
from harness.registry.catalog import Catalog
from harness.registry.options import Choice
from harness.registry.plugins import FAULTS, in_one_line
from harness.registry.specs import BaselineSpec
from harness.weights.content import content_of, problem_of
from harness.weights.groups import Group, groups_of
from harness.weights.places import Given
from harness.weights.read import Found, found_in, meant_by


@dataclass
class WeightSet:
    """A set of tensors in a file.

    names     what may choose it, after the file's name and a colon
    tensors   those that are weights, by name
    problem   why it cannot be loaded; "" where nothing is known
    fits      baselines; plugins  of whose weights there are too
    others    baselines of which it has shapes, and not all names
    taken_off what is taken off the names; left_out  names of what is nothing of the baseline; dropped  of counters and
              the like
    """

    names: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    problem: str = ""
    plugins: tuple[str, ...] = ()
    fits: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    taken_off: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors.values())

    @property
    def dtypes(self) -> list[str]:
        return sorted({str(tensor.dtype).removeprefix("torch.") for tensor in self.tensors.values()})


@dataclass(frozen=True)
class Inspected:
    """`beside` are the names of smaller groups of tensors; `unasked` are baselines that could not be built, and why."""

    sets: tuple[WeightSet, ...]
    beside: tuple[str, ...]
    unasked: tuple[str, ...]


def inspect(given: Given, known: Catalog) -> Inspected:
    """Every set of weights in it, or those of its key. Raises HarnessError as loading does for what is no file of
    weights, and for a key that it does not have."""
    content = content_of(given.file)
    groups = [_without_plugins(group) for group in groups_of(content.tree)]
    if not groups:
        raise HarnessError(f"{given.file}: holds no state dict of tensors")
    sets: dict[tuple[int, str], WeightSet] = {}
    unasked = []
    for name, model in _baselines(known):
        if isinstance(model, str):
            unasked.append(f"{name}: {model}")
            continue
        for found in found_in(model, [group for group, _ in groups], content.size):
            at = next(at for at, (group, _) in enumerate(groups) if group is found.group)
            each = sets.setdefault((at, found.names[0]), _weight_set(found, groups[at][1]))
            (each.fits if found.attempt else each.others).append(name)
    largest = max(group.parameters for group, _ in groups)
    beside = []
    for at, (group, plugins) in enumerate(groups):
        if any(at == of for of, _ in sets):
            continue
        if 2 * group.parameters < largest:
            beside.append(group.path or _some(sorted(group.tensors)))
        else:
            problem = problem_of(group.tensors, content.size)
            sets[at, group.path] = WeightSet((group.path or ".",), group.tensors, problem, plugins)
    in_order = [each for _, each in sorted(sets.items(), key=lambda item: item[0])]
    shown = meant_by(given.key, in_order)
    if not shown:
        listed = ", ".join(each.names[0] for each in in_order)
        raise HarnessError(f"{given.file}:{given.key}: holds nothing of that name; there is {listed}")
    return Inspected(tuple(shown), tuple(beside), tuple(unasked))


def _weight_set(found: Found, plugins: tuple[str, ...]) -> WeightSet:
    if found.attempt is None:
        return WeightSet(found.names, found.group.tensors, plugins=plugins)
    of = found.attempt
    return WeightSet(
        found.names,
        of.state,
        plugins=plugins,
        taken_off=of.taken_off,
        left_out=of.left_out,
        dropped=of.dropped,
    )


def _without_plugins(group: Group) -> tuple[Group, tuple[str, ...]]:
    """Of a file of the harness the baseline alone, and the names of the plug-ins."""
    if not any(name.startswith("baseline.") for name in group.tensors):
        return group, ()
    mine = {name: tensor for name, tensor in group.tensors.items() if not name.startswith("plugin.")}
    return Group(group.path, mine), tuple(sorted({name.split(".")[1] for name in group.tensors.keys() - mine.keys()}))


def _baselines(known: Catalog) -> Iterator[tuple[str, Composed | str]]:
    """Every installed one by name, without numbers; or why it cannot be built."""
    for entry in known.entries(BaselineSpec):
        try:
            arm = Arm(known.choose(BaselineSpec, Choice(entry.spec.name)))
            yield entry.spec.name, _built(arm)
        except FAULTS as error:
            yield entry.spec.name, in_one_line(error)


def _built(arm: Arm) -> Composed:
    """On no device where its code allows that: only names and shapes are asked."""
    try:
        with torch.device("meta"):
            return arm.build(seed=0)
    except FAULTS:
        return arm.build(seed=0)


def described(each: WeightSet) -> str:
    """In one line."""
    fits = f"fits {', '.join(each.fits)}" if each.fits else "fits no installed baseline"
    parts = [
        f"{len(each.tensors)} tensors, {each.parameters:,} parameters, {', '.join(each.dtypes)}",
        fits + (f" with {', '.join(each.plugins)}" if each.plugins else ""),
        f"is alike to {', '.join(each.others)}, but has not all of its names" if each.others and not each.fits else "",
        f"before its names: {', '.join(each.taken_off)}" if each.taken_off else "",
        f"left out: {_some(each.left_out)}" if each.left_out else "",
        f"not needed: {_some(each.dropped)}" if each.dropped else "",
        each.problem and f"cannot be loaded: {each.problem}",
    ]
    return f"{each.names[0]}: {'; '.join(filter(None, parts))}"


def _some(names: Sequence[Any]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
