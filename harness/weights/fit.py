"""Whether tensors by name are the weights of a network, whatever a trainer put before their names or laid beside them.

What fits is found by the network's own names and shapes, and by no list of the words that trainers use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from harness.model.compose import Composed

COUNTERS = ("total_ops", "total_params", "n_averaged")  # of thop, and of torch's averages: no weights
WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # that torch puts into names anywhere
DEEPEST = 8  # parts of a name that may be a prefix


@dataclass(frozen=True)
class Attempt:
    """Tensors that were taken for a network's.

    prefix    what was before every name: `module.`
    taken_off all that was taken off names: the prefix, and wrappers that torch put further in
    state     by the network's names, of the whole model where `own`, else of the baseline
    own       whether they are named as the harness does, with `baseline.` and `plugin.`
    wrong     what does not fit, `encoder.bias (missing)`: nothing, or they are not its weights
    left_out  names in the file, of what is none of the network's
    dropped   likewise, of what is known to decide nothing: counters, and what the baseline's `translate` drops
    error     what the baseline's `translate` raised, if it did
    """

    prefix: str
    state: Mapping[str, Tensor]
    taken_off: tuple[str, ...] = ()
    own: bool = False
    wrong: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    error: Exception | None = None


def attempts(model: Composed, tensors: Mapping[str, Tensor]) -> list[Attempt]:
    """One for each prefix under which there is enough for the network, the shortest first."""
    return [_attempt(model, tensors, prefix) for prefix in _prefixes(tensors, parameters(model) / 2)]


def parameters(model: Composed) -> int:
    """Of the baseline."""
    return sum(parameter.numel() for parameter in model.baseline.parameters())


def is_alike(model: Composed, tensors: Iterable[Tensor]) -> bool:
    """Whether half of the baseline's parameters, tensors as well as numbers, find a tensor of their shape: so do other
    weights of the same network, by names that nobody here knows, or not all of them."""
    wanted = Counter(parameter.shape for parameter in model.baseline.parameters())
    same = wanted & Counter(tensor.shape for tensor in tensors)
    numbers = sum(shape.numel() * count for shape, count in same.items())
    return 2 * same.total() > wanted.total() and 2 * numbers > parameters(model)


def _prefixes(tensors: Mapping[str, Tensor], least: float) -> list[str]:
    """All with that many parameters. `baseline.` is none: under it are weights of the harness, and no official ones.
    Nor is one that ends in a wrapper, which is taken off anyway."""
    sizes = Counter({"": 0})
    for key, tensor in tensors.items():
        parts = key.split(".", DEEPEST)
        for length in range(1, min(len(parts), DEEPEST)):
            sizes[".".join((*parts[:length], ""))] += tensor.numel()
    enough = (prefix.split(".")[:-1] for prefix, size in sizes.items() if prefix and size >= least)
    found = [parts for parts in enough if "baseline" not in parts and parts[-1] not in WRAPPERS]
    return ["", *(".".join((*parts, "")) for parts in sorted(found, key=len))]


def _attempt(model: Composed, tensors: Mapping[str, Tensor], prefix: str) -> Attempt:
    names = _names(tensors, prefix)
    own_names = any(name.startswith("baseline.") for name in names)
    expected = (model if own_names else model.baseline).state_dict()
    counters = {
        key for key in tensors if key.rpartition(".")[2] in COUNTERS and key.removeprefix(prefix) not in expected
    }
    given = {name: tensors[key] for name, key in names.items() if key not in counters}
    try:
        state = given if own_names else model.baseline.translate(dict(given))
    except Exception as error:  # of somebody else's code, for which this may be no state at all
        return Attempt(prefix, {}, wrong=("it cannot be translated",), error=error)
    missing, more = expected.keys() - state.keys(), state.keys() - expected.keys()
    ours = {name.partition(".")[0] for name in expected}
    foreign = {name for name in more if "." in name and name.partition(".")[0] not in ours and not own_names}
    differing = sorted(missing | (more if missing else more - foreign))
    wrong = [f"{name[:100]} ({'missing' if name in missing else 'unexpected'})" for name in differing]
    if not wrong:
        wrong = [f"{name[:100]} (another shape)" for name in expected if state[name].shape != expected[name].shape]
    vanished = given.keys() - state.keys() if state.keys() <= given.keys() else set()
    outside = tensors.keys() - set(names.values()) - counters
    return Attempt(
        prefix,
        {name: value for name, value in state.items() if name not in foreign},
        _taken_off(names),
        own_names,
        tuple(wrong),
        tuple(sorted(outside | {names.get(name, name) for name in foreign})),
        tuple(sorted(counters | {names[name] for name in vanished})),
    )


def _taken_off(names: Mapping[str, str]) -> tuple[str, ...]:
    found = {key.removesuffix(name) if key.endswith(name) else f"{_inner(key)}." for name, key in names.items()}
    return tuple(sorted(found - {""}))


def _inner(key: str) -> str:
    return next(part for part in key.split(".") if part in WRAPPERS)


def _names(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, str]:
    """From names without prefix and wrappers to those in the file."""
    under = {key.removeprefix(prefix): key for key in tensors if key.startswith(prefix)}
    bare = {".".join(part for part in name.split(".") if part not in WRAPPERS): key for name, key in under.items()}
    return bare if len(bare) == len(under) else under
