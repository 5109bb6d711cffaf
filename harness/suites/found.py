"""What of a suite is in the store: the pairs that were run for it, whoever ran them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.outcome.pairs import ArmOutcome, PairOutcome, readable
from harness.outcome.seeds import PLUGINS, changes
from harness.registry.catalog import catalog
from harness.registry.options import Choice, parse_choice, parse_choices
from harness.results.comparison import Comparison, Part
from harness.results.records import Asked, PairRecord
from harness.results.store import Store
from harness.suites.suite import Suite, SuiteRow

log = logging.getLogger("harness")


@dataclass(frozen=True)
class Found:
    """A row's arm in the pair that it was run in. `rivals` are other pairs that would do, with the protocol where it is
    another."""

    pair: PairOutcome
    arm: ArmOutcome
    rivals: tuple[str, ...] = ()


Rows = dict[str, dict[int, Found]]
"""By label of the row and by seed."""


def find_rows(suite: Suite, store: Store) -> Rows:
    """What the store has of each row. Of several pairs of one seed, those under the suite's own protocol come first,
    then those that are evaluated, then those of the protocol that most rows have, so that a suite which is run again
    under later code is one table until all of it has been, then the one last run."""
    records = store.pair_records()
    wanted = wanted_pairs(suite, records) if records else {row.label: [] for row in suite.rows}
    meant = {name: record for name, record in records.items() if any(name in names for names in wanted.values())}
    outcomes = {pair.name: pair for pair in readable(store, meant)}
    candidates: dict[str, dict[int, list[Found]]] = {row.label: defaultdict(list) for row in suite.rows}
    for row in suite.rows:
        for pair in (outcomes[name] for name in wanted[row.label] if name in outcomes):
            candidates[row.label][pair.record.seed].append(Found(pair, pair.arms[-1 if row.plugins else 0]))
    common = _common_protocol(candidates, outcomes.values())
    rows: Rows = {}
    for row in suite.rows:
        of_seeds = sorted(candidates[row.label].items())
        rows[row.label] = _comparable(suite, {seed: _best(suite, row, found, common) for seed, found in of_seeds})
    return rows


def _common_protocol(candidates: Mapping[str, Mapping[int, list[Found]]], pairs: Iterable[PairOutcome]) -> str:
    """The id under which most rows and seeds are evaluated; of equals, that of the pair last run."""
    have: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for label, by_seed in candidates.items():
        for seed, found in by_seed.items():
            for protocol in {each.pair.record.protocol for each in found if each.arm.evaluated}:
                have[protocol].add((label, seed))
    newest_first = reversed([pair.record.protocol for pair in pairs])
    return max(newest_first, key=lambda protocol: len(have[protocol]), default="")


def wanted_pairs(suite: Suite, records: Mapping[str, PairRecord]) -> dict[str, list[str]]:
    """Pairs of the suite's recipe and of the words of each row, by its label."""
    from harness.train.library import find_recipe  # imports numpy, which an empty store does not need

    recipe = find_recipe(suite.recipe, catalog().plugins)
    settings, sets = recipe.compared(), recipe.sets(suite.data)
    return {
        row.label: [
            name
            for asked in suite.asked_for(row)
            for name, record in records.items()
            if settings == {**settings, **record.comparison.recipe} and means(asked, record.comparison, sets)
        ]
        for row in suite.rows
    }


def means(asked: Asked, compared: Comparison, sets: Sequence[tuple[Choice, float]]) -> bool:
    """Whether these words, and these training sets with their weights, ask for a comparison, by whatever recipe,
    protocol and metrics, code and data."""
    plugins = parse_choices(asked.plugins)
    known = {plugin.name: plugin for plugin in compared.plugins}
    return (
        _chosen(parse_choice(asked.baseline), compared.baseline)
        and len(plugins) == len(known)
        and all(plugin.name in known and _chosen(plugin, known[plugin.name]) for plugin in plugins)
        and _all_chosen([choice for choice, _ in sets], compared.data)
        and [weight for _, weight in sets] == [each.weight for each in compared.data]
        and _tested(asked, sets, compared)
        and _masks(asked, compared)
        and _start(asked, compared)
    )


def _tested(asked: Asked, sets: Sequence[tuple[Choice, float]], compared: Comparison) -> bool:
    """Where nothing was asked for, on those of the training sets that have test triplets."""
    if asked.test:
        return _all_chosen(parse_choices(asked.test), compared.tests)
    return bool(compared.tests) and all(any(_chosen(choice, part) for choice, _ in sets) for part in compared.tests)


def _masks(asked: Asked, compared: Comparison) -> bool:
    """An arm without a plug-in that needs masks has none, whatever was asked for."""
    if compared.masks is None:
        return True
    masks = parse_choice(asked.masks) if asked.masks else catalog().default_mask_source()
    tested = parse_choice(asked.test_masks) if asked.test_masks else masks
    return _chosen(masks, compared.masks) and _chosen(tested, compared.test_masks or compared.masks)


def _start(asked: Asked, compared: Comparison) -> bool:
    return compared.start.is_meant_by(asked.start) if compared.start else not asked.start


def _all_chosen(choices: list[Choice], parts: tuple[Part, ...]) -> bool:
    return len(choices) == len(parts) and all(map(_chosen, choices, parts))


def _chosen(choice: Choice, part: Part) -> bool:
    return part.is_meant_by(choice.name, choice.options)


def _comparable(suite: Suite, found: dict[int, Found]) -> dict[int, Found]:
    """The seeds that were trained and tested alike; those that were not are named and left out. Of PSNR and SSIM alone
    it does not matter by which masks parts of frames are."""
    kept, of_parts = dict(found), any(column.metric for column in suite.columns)
    evaluated = {seed: each for seed, each in found.items() if each.arm.evaluated}
    for seed, each in evaluated.items():
        first = next(iter(evaluated.values()))
        free = () if each.arm is each.pair.arms[-1] else PLUGINS  # of the plain arm
        one, other = first.pair.record, each.pair.record
        if changed := changes(one, other, free) if of_parts else one.comparison.differences(other.comparison, free):
            log.warning("%s is left out: made under other settings: %s", each.pair.name, changed[0])
            del kept[seed]
    return kept


def _best(suite: Suite, row: SuiteRow, candidates: list[Found], common: str) -> Found:
    def rank(found: Found) -> tuple[bool, bool, bool]:
        record = found.pair.record
        return record.asked.protocol == suite.protocol, found.arm.evaluated, record.protocol == common

    best = max(reversed(candidates), key=rank)  # of equals the first of these, which was run last
    # every pair of a plain baseline has the same run of it, unless something was changed in between
    others = [
        found.pair
        for found in candidates
        if found.pair.name != best.pair.name and (row.plugins or found.arm.run != best.arm.run)
    ]
    shown = best.pair.record.protocol
    under = {pair.name: "" if pair.record.protocol == shown else f" (under {pair.record.protocol})" for pair in others}
    return replace(best, rivals=tuple(name + said for name, said in sorted(under.items())))
