"""One row of a run made again: the same weights, frames and label maps, under the same protocol."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from harness.data.benchmark import Triplet
from harness.distributed import World
from harness.errors import HarnessError, suggestion
from harness.evaluate.plan import EvalPlan
from harness.evaluate.protocol import predictor
from harness.evaluate.runner import measure, read, seen
from harness.evaluate.testset import TripletSet
from harness.masks.cache import MaskCache
from harness.masks.chosen import cache_of
from harness.outcome.pairs import readable
from harness.pair.fingerprint import environment
from harness.pair.given import arm_of
from harness.pair.start import find_trained
from harness.pair.testset import Tests, choose_metrics, file_hash
from harness.registry.catalog import Catalog
from harness.registry.options import Choice, parse_choice, parse_choices
from harness.registry.protocol import Protocol
from harness.registry.specs import BenchmarkSpec
from harness.results.comparison import Part, differences
from harness.results.records import PairRecord, SetRecord
from harness.results.rows import SEEN, Row
from harness.results.store import RunFolder, Store
from harness.train.engine import Engine
from harness.train.recipe import Recipe
from harness.weights.read import load_weights


@dataclass(frozen=True)
class Replayed:
    """A row as it was, and as it is `now`; `machine` is in what this machine differs from that of the training."""

    was: Row
    now: Row
    machine: tuple[str, ...]

    @property
    def metrics(self) -> list[str]:
        """Those of both; what is not installed any more cannot be measured again."""
        return [name for name in self.was.values if name in self.now.values]

    @property
    def changes(self) -> list[str]:
        """What is not the same, bit for bit, as `psnr: 31.25 -> 31.5`; the test set, protocol and masks too."""
        names = ("data", "protocol", "masks", "regions", *SEEN)
        said = [(name, getattr(self.was, name), getattr(self.now, name)) for name in names]
        found = [f"{name}: {a} -> {b}" for name, a, b in said if a != b]
        values = [(name, self.was.values[name], self.now.values[name]) for name in self.metrics]
        return found + [f"{name}: {a!r} -> {b!r}" for name, a, b in values if _bits(a) != _bits(b)]


def replay(run: RunFolder, word: str, store: Store, known: Catalog, device: torch.device) -> Replayed:
    """Measure the triplet of that name again: its id, or with level, or with test and level before it,
    `layers:test:test/000002`. Nothing is written.

    Raises HarnessError where the run is not finished, no pair was tested on such a triplet, several are called so, or
    what it was tested with is not here.
    """
    if run.landed:
        raise HarnessError(f"{run.name} is of the first schema: its rows do not say what they were measured on")
    given = find_trained(run.name, known, store)
    arm = arm_of(given, "", "", known)
    pair, tested, level, triplet = _found(run, word, store)
    was = _row(run, pair, tested, level, triplet)
    made = run.record().fingerprint
    if (weights := file_hash(given.file)[:12]) != was.weights:
        raise HarnessError(f"{run.name}: its weights are {weights} now, and the row is of {was.weights}")
    part = next(part for part, each in zip(pair.comparison.tests, pair.tests, strict=True) if each == tested)
    crop = pair.comparison.recipe.get("test_crop")
    chosen = known.choose(BenchmarkSpec, Choice(part.name, dict(part.given)))
    tests = TripletSet.of(chosen, None, crop if isinstance(crop, int) else None, arm.inputs)
    protocol = known.find(Protocol, pair.asked.protocol).spec
    plan = EvalPlan(protocol, *choose_metrics(known, parse_choices(pair.asked.metrics), protocol.ssim))
    caches = list(_caches(pair, known))
    masks = _cache(caches, was.masks, "the network was given")
    regions = _cache(caches, was.regions, "parts of the frames are by")
    model = arm.build(seed=0)
    load_weights(model, given.file, arm.label)
    with Engine.of(Recipe.model_validate(made.recipe), device).settings():
        evaluation = Tests(plan, (tests,), regions, World(0, 1, device)).evaluation(tests, masks, weights)
        at = _triplet(tests, level, triplet)
        sample = read(evaluation, at)
        values, _ = measure(evaluation, predictor(model.to(device), evaluation.settings), at, sample)
    machine = differences(made.environment, environment(device))
    return Replayed(was, evaluation.row(at, values, seen(sample, at)), tuple(machine))


def _found(run: RunFolder, word: str, store: Store) -> tuple[PairRecord, SetRecord, str, str]:
    """The pair last run that was tested on it, and where there."""
    records = {name: record for name, record in store.pair_records().items() if run.name in record.runs}
    pairs = [pair.record for pair in readable(store, records) if any(a.run == run and a.evaluated for a in pair.arms)]
    if not pairs:
        raise HarnessError(f"{run.name} is in no pair that is evaluated: nothing says what it was tested on")
    ids = set[str]()
    for record in reversed(pairs):
        found = []
        for tested in record.tests:
            for level, names in tested.levels.items():
                ids.update(names)
                found += [
                    (record, tested, level, name)
                    for name in names
                    if word in (name, f"{level}:{name}", f"{tested.name}:{level}:{name}")
                ]
        if len(found) > 1:
            choices = ", ".join(f"{tested.name}:{level}:{name}" for _, tested, level, name in found[:4])
            raise HarnessError(f"'{word}' is any of {len(found)} triplets: give one of {choices}")
        if found:
            return found[0]
    hint = suggestion(word, ids) or f"; the first is {min(ids, default='')}"
    raise HarnessError(f"{run.name} was tested on no triplet '{word}'{hint}")


def _row(run: RunFolder, pair: PairRecord, tested: SetRecord, level: str, triplet: str) -> Row:
    """Of the pair's arm that the run is."""
    masks = pair.network_masks[pair.runs.index(run.name)]
    wanted = (tested.data, level, triplet, pair.protocol, masks, pair.regions)
    rows = (row for row in run.read_rows() if row.triplet == triplet)
    found = [r for r in rows if (r.data, r.level, r.triplet, r.protocol, r.masks, r.regions) == wanted]
    if not found:
        raise HarnessError(f"{run.name} has no row of {tested.name} {level} {triplet}")
    return found[-1]


def _caches(pair: PairRecord, known: Catalog) -> Iterator[MaskCache]:
    """Of each mask source that the pair names."""
    compared = pair.comparison
    for part in (compared.masks, compared.test_masks):
        if part is not None:
            yield cache_of(known.masks(_choice(part)))
    if pair.asked.masks:
        yield cache_of(known.masks(parse_choice(pair.asked.masks)))


def _cache(caches: list[MaskCache], name: str, what: str) -> MaskCache | None:
    """That of this name, in which is all that decides its label maps."""
    found = next((cache for cache in caches if cache.folder.name == name), None)
    if found is None and name != "none":
        now = ", ".join(cache.folder.name for cache in caches) or "none"
        raise HarnessError(f"{what} label maps {name}, and those of today are {now}: code or weights are others")
    return found


def _choice(part: Part) -> Choice:
    return Choice(part.name, dict(part.given))


def _triplet(tests: TripletSet, level: str, name: str) -> Triplet:
    found = [triplet for triplet in tests.triplets if (triplet.level, triplet.id) == (level, name)]
    if not found:
        raise HarnessError(f"{tests.data_id}: there is no triplet {level} {name} now: the test set is another")
    return found[0]


def _bits(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("<d", value)
