"""Weights from files into networks: found among all that a file holds, and never chosen in silence."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from torch import Tensor, nn

from harness.errors import HarnessError
from harness.weights.content import content_of, problem_of
from harness.weights.fit import Attempt, attempts, is_alike, parameters
from harness.weights.groups import Group, groups_of

if TYPE_CHECKING:
    from harness.model.compose import Composed

log = logging.getLogger("harness")


class Named(Protocol):
    """What has names to choose it by."""

    @property
    def names(self) -> tuple[str, ...]: ...


Set = TypeVar("Set", bound=Named)


@dataclass(frozen=True)
class Found:
    """A set of weights of a network in a file.

    names    what may follow the file's name and a colon to choose it, the shortest that is clear first
    attempt  None where its tensors have shapes of the network's, but not its names, or not all of them
    """

    names: tuple[str, ...]
    group: Group
    attempt: Attempt | None


def load_weights(model: Composed, path: Path, label: str, key: str = "") -> None:
    """Load an official checkpoint into the baseline, or a file of the harness into the whole model: all of it, whatever
    prefix and wrapping a trainer gave it. `key` says which of several sets of weights in the file.

    What is in the file beside the network's weights is left out with a warning. Raises HarnessError where several sets
    fit, naming them; where none does, with the expected architecture and the first keys that differ; and for the first
    tensor that holds no numbers to compute with. The model is then as it was.
    """
    content = content_of(path)
    groups = groups_of(content.tree)
    where = f"{path}:{key}" if key else str(path)
    sets = found_in(model, groups, content.size)
    attempt = _chosen(sets, path, label, key)
    if attempt is None:
        raise HarnessError(f"{where}: {_refusal(model, groups, sets, content.size, label, key)}")
    module = model if attempt.own else model.baseline
    _load(module, dict(attempt.state), where, label)
    if left := attempt.left_out:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        log.warning("%s: left out, for it is nothing of %s: %s%s", where, label, ", ".join(left[:3]), more)


def found_in(model: Composed, groups: Sequence[Group], size: int) -> list[Found]:
    """The sets of weights of a network among groups from a file of `size` bytes."""
    found = []
    for group in groups:
        if group.parameters < parameters(model) / 2:
            continue
        sound = not problem_of(group.tensors, size)
        fitting = [each for each in attempts(model, group.tensors) if not each.wrong] if sound else []
        left = set(group.tensors).intersection(*(each.left_out for each in fitting))
        for each in fitting:
            whole = ".".join(filter(None, (group.path, each.prefix.rstrip("."))))
            short = group.path if group.path and len(fitting) == 1 else whole
            names = tuple(dict.fromkeys((short or ".", whole or ".", group.path or ".")))
            of_none = tuple(name for name in each.left_out if name in left)
            found.append(Found(names, group, replace(each, left_out=of_none)))
        if is_alike(model, (group.tensors[name] for name in left)):
            path = ".".join(filter(None, (group.path, _common(sorted(left)))))
            found.append(Found((path or ".",), group, None))
    return found


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file by name, plain ones on the CPU; nothing in it is ever executed.

    Raises HarnessError where the file is none, or would take more memory than it is long.
    """
    content = content_of(path)
    state = content.tree
    while isinstance(state, dict) and not any(isinstance(value, Tensor) for value in state.values()):
        nested = [state[key] for key in ("state_dict", "model") if isinstance(state.get(key), dict)]
        if not nested:
            break
        state = nested[0]
    if not isinstance(state, dict) or not state or not _of_tensors(state):
        raise HarnessError(f"{path}: holds no state dict of tensors")
    if problem := problem_of(state, content.size):
        raise HarnessError(f"{path}: {problem}")
    return state


def meant_by(key: str, sets: Sequence[Set]) -> list[Set]:
    """Those that a key chooses: by a name of theirs, else by the first or last words of one. All, without a key."""
    named = [each for each in sets if not key or key in each.names]
    return named or [each for each in sets if any(_is_part(key, name) for name in each.names)]


def _chosen(sets: Sequence[Found], path: Path, label: str, key: str) -> Attempt | None:
    """The one that is meant; None where none fits. Raises HarnessError where one of several may be meant."""
    meant = meant_by(key, sets)
    fitting = [each.attempt for each in meant if each.attempt]
    if len(meant) == 1 or not fitting:
        return fitting[0] if fitting else None
    listed = ", ".join(_listed(each) for each in meant[:8])
    example = next(each.names[0] for each in meant if each.attempt)
    raise HarnessError(
        f"{path}: holds {len(meant)} sets of weights of {label}: {listed}; say which is meant, e.g. {path}:{example}"
    )


def _refusal(model: Composed, groups: Sequence[Group], sets: Sequence[Found], size: int, label: str, key: str) -> str:
    """Why no set is the network's, of the group that is nearest to it. Raises what the baseline's own code raised."""
    alike = [each.group for each in meant_by(key, sets)]
    named = alike or [group for group in groups if not key or key == (group.path or ".") or _is_part(key, group.path)]
    if not groups:
        return "holds no state dict of tensors"
    if not named:
        names = [each.names[0] for each in sets] or [group.path or "." for group in groups]
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        return f"holds nothing of that name; there is {', '.join(names[:8])}{more}"
    group = max(named, key=lambda each: each.parameters)
    if problem := problem_of(group.tensors, size):
        return problem
    nearest = min(attempts(model, group.tensors), key=lambda each: (each.error is not None, len(each.wrong)))
    if nearest.error:
        raise nearest.error
    if not nearest.wrong:  # it lies beside a set that fits
        return f"has shapes of {label}, and not the names"
    more = f" and {len(nearest.wrong) - 3} more" if len(nearest.wrong) > 3 else ""
    return f"not weights of {label}: {', '.join(nearest.wrong[:3])}{more}"


def _load(module: nn.Module, state: dict[str, Tensor], where: str, label: str) -> None:
    """Of a state that has all of a module's keys and no others."""
    own = module.state_dict()
    for key, value in state.items():
        wanted = own[key]
        if wanted.is_floating_point() != value.is_floating_point() or wanted.is_complex() != value.is_complex():
            raise HarnessError(f"{where}: {key}: is {_name(value)}, not {_name(wanted)} as in {label}")
        if not value.to(wanted.dtype).isfinite().all() and wanted.isfinite().all():
            raise HarnessError(f"{where}: {key}: holds values that are no number or infinite in {_name(wanted)}")
    module.load_state_dict(state)


def _is_part(key: str, name: str) -> bool:
    """Whether a name begins or ends with it, in whole words."""
    return bool(key) and (name.startswith(f"{key}.") or name.endswith(f".{key}"))


def _listed(found: Found) -> str:
    return found.names[0] if found.attempt else f"{found.names[0]} (alike, but not by all names of the network)"


def _common(names: Sequence[str]) -> str:
    """The words that all of some names begin with."""
    first, last = names[0].split("."), names[-1].split(".")
    same = next((at for at, (one, two) in enumerate(zip(first, last, strict=False)) if one != two), len(first))
    return ".".join(first[: min(same, len(first) - 1)])


def _of_tensors(state: dict[object, object]) -> bool:
    return all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items())


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
