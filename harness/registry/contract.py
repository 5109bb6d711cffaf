"""What enters from a factory, held against the contract that its spec names: who broke it is named, in one line.

Classes, and what can be told by looking. Shapes take a forward pass: `harness.model.conformance`. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.registry.specs import (
    BaselineSpec,
    BenchmarkSpec,
    MaskPartSpec,
    MaskSourceSpec,
    MetricSpec,
    MotionSeam,
    Named,
    Offers,
    PluginSpec,
)
from harness.registry.state import DRAWS, MODES, WEIGHTS, kept

if TYPE_CHECKING:
    from harness.registry.entry import Entry


class ContractError(HarnessError):
    """An adapter does not keep its contract: no other input of the user's would mend that."""


def breach(entry: Entry[Named], what: str) -> ContractError:
    """`baseline ours of ours-one 0.9 (/.../ours_one.py) breaks its contract: ours_one:Net <what>`."""
    return ContractError(f"{entry.spec.kind} {entry.spec.name} of {entry.origin} breaks its contract: {what}")


@contextmanager
def imported(entry: Entry[Named]) -> Iterator[None]:
    """Around the import of a factory's module, which must leave the modes of arithmetic as they were. Libraries that it
    imports may draw random numbers."""
    with kept(MODES, _left_behind(entry)):
        yield


@contextmanager
def called(entry: Entry[Named]) -> Iterator[None]:
    """Around a call of somebody's code, which must leave the process as it was; modules draw their weights."""
    draws = DRAWS if isinstance(entry.spec, BaselineSpec | PluginSpec) else DRAWS + WEIGHTS
    with kept(MODES + draws, _left_behind(entry)):
        yield


def _left_behind(entry: Entry[Named]) -> Callable[[str], ContractError]:
    return lambda what: breach(entry, f"{entry.target.factory} changes what everybody shares: {what}")


def check(entry: Entry[Named], thing: Any) -> None:
    """Raises ContractError where what the factory gave is not what its spec says."""
    spec, factory = entry.spec, entry.target.factory
    wanted = _wanted(spec)
    if wanted is None:
        return
    if wanted == "callable":
        if not callable(thing):
            raise breach(entry, f"{factory} gives {name_of(thing)}, which cannot be called")
        return
    if not isinstance(thing, _class(wanted)):
        raise breach(entry, f"{factory} gives {name_of(thing)}, which is no {wanted}")
    fault = ""
    if isinstance(spec, BaselineSpec):
        fault = _baseline_fault(thing)
    elif isinstance(spec, BenchmarkSpec):
        fault = _benchmark_fault(thing)
    if fault:
        raise breach(entry, f"{factory} {fault}")


def name_of(thing: object) -> str:
    """Its class as a spec writes it: `ours_one:Net`, of what comes with Python `int`."""
    kind = type(thing)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}:{kind.__qualname__}"


def _class(public: str) -> Any:
    """By its public name: the registry stands below those who define the contracts, and imports none of them."""
    module, _, name = public.rpartition(".")
    return getattr(import_module(module), name)


def _wanted(spec: Named) -> str | None:
    """The class that the factory promises, by its public name."""
    match spec:
        case BaselineSpec():
            return "harness.model.Baseline"
        case PluginSpec():
            return f"harness.model.{'Motion' if spec.stage == 'motion' else 'Feature'}Plugin"
        case MaskSourceSpec():
            return "harness.masks.MaskSource"
        case MaskPartSpec():
            return f"harness.masks.{spec.part.capitalize()}"
        case BenchmarkSpec():
            return "harness.data.Benchmark"
        case MetricSpec():
            return "callable"
    return None


def _baseline_fault(model: Any) -> str:
    """What is wrong with what it says of itself."""
    multiple, offers = model.size_multiple, model.offers
    if not _count(multiple):
        return f"has size_multiple {multiple!r}: a whole number, 1 or more, is needed"
    if offers is None:
        return ""
    if not isinstance(offers, Offers):
        return f"offers {offers!r}, which is neither harness.Offers nor None"
    if not (_count(offers.channels) and _count(offers.stride)):
        return f"offers {offers.channels!r} channels at stride {offers.stride!r}: whole numbers, 1 or more, are needed"
    seam: Any = offers.motion
    if seam is None:
        return ""
    if not isinstance(seam, MotionSeam):
        return f"offers the motion seam {seam!r}, which is neither harness.MotionSeam nor None"
    if seam.latent not in ("feature", "blend") or not (_count(seam.channels) and _count(seam.stride)):
        return f"offers {seam}: a latent 'feature' or 'blend', and whole numbers of 1 or more, are needed"
    if seam.latent == "blend" and seam.channels != 1:
        return f"offers a blend logit of {seam.channels} channels: it has 1"
    return ""


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _benchmark_fault(benchmark: Any) -> str:
    """What is wrong with its triplets, the first of them that is seen."""
    for name in ("levels", "train", "test"):
        value = getattr(benchmark, name, None)
        if isinstance(value, str) or not isinstance(value, Sequence):
            return f"has no sequence '{name}'"
    for split in ("train", "test"):
        ids: set[tuple[str, str]] = set()
        for triplet in _some(getattr(benchmark, split)):
            if fault := _triplet_fault(triplet):
                return f"has a triplet in '{split}' {fault}"
            if (triplet.level, triplet.id) in ids:
                return f"has the triplet {triplet.level} {triplet.id} twice in '{split}'"
            ids.add((triplet.level, triplet.id))
            if split == "test" and triplet.level not in benchmark.levels:
                return f"has the test triplet {triplet.id} of level '{triplet.level}', which is none of its levels"
    return ""


def _some(triplets: Sequence[Any]) -> Iterator[Any]:
    """All that are there; of those that are made when they are asked for, at most MADE, evenly spread."""
    step = 1 if isinstance(triplets, (tuple, list)) else max(len(triplets) // MADE, 1)
    return (triplets[at] for at in range(0, len(triplets), step))


MADE = 500
"""Of a sequence that draws its triplets, as `layers` does: to draw all of 100,000 takes seconds at every build."""


def _triplet_fault(triplet: Any) -> str:
    if not isinstance(triplet, _class("harness.data.Triplet")):
        return f"that is {name_of(triplet)}, no harness.data.Triplet"
    words = (triplet.id, triplet.clip, triplet.level)
    if not all(isinstance(word, str) and word for word in words):
        return f"whose id, clip and level are {words}: three words are needed"
    if not (isinstance(triplet.frames, Sequence) and len(triplet.frames) == 3):
        return f"{triplet.id} whose frames are {triplet.frames!r}: three numbers are needed"
    if not (isinstance(triplet.t, float) and 0 < triplet.t < 1):
        return f"{triplet.id} at t={triplet.t!r}: a float between 0 and 1 is needed"
    around: Any = triplet.around
    if around is not None and not (isinstance(around, Sequence) and len(around) == 2):
        return f"{triplet.id} with {around!r} around it: two numbers are needed, or None"
    return ""
