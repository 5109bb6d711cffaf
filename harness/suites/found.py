"""What of a suite is in the store: the pairs that were run for it, whoever ran them."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    then those whose start is of the suite's very words, then those that are evaluated, then those of the protocol, and
    of these of the code, that most rows have, so that a suite which is run again under later code is one table until
    all of it has been, then those made as most seeds are, then the one last run."""
    records = store.pair_records()
    wanted = wanted_pairs(suite, records) if records else {row.label: [] for row in suite.rows}
    meant = {name: record for name, record in records.items() if any(name in names for names in wanted.values())}
    found = [
        (row, Found(pair, pair.arms[-1 if row.plugins else 0]))
        for pair in reversed(list(readable(store, meant)))
        for row in suite.rows
        if pair.name in wanted[row.label]
    ]
    protocol = _most(found, lambda record: record.protocol)
    of_protocol = [each for each in found if each[1].pair.record.protocol == protocol]
    common = protocol, _most(of_protocol, code_of)
    return {row.label: _of_row(suite, row, [each for of, each in found if of is row], common) for row in suite.rows}


def code_of(record: PairRecord) -> str:
    """What it was trained by."""
    return json.dumps(record.comparison.code, sort_keys=True)


def _most(found: Iterable[tuple[SuiteRow, Found]], what: Callable[[PairRecord], str]) -> str:
    """What most rows and seeds are evaluated under; of equals, that of the pair last run, which comes first."""
    have: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for row, each in found:
        if each.arm.evaluated:
            have[what(each.pair.record)].add((row.label, each.pair.record.seed))
    return max(have, key=lambda each: len(have[each]), default="")


def wanted_pairs(suite: Suite, records: Mapping[str, PairRecord]) -> dict[str, list[str]]:
    """Pairs of the suite's recipe and of the words of each row, by its label."""
    from harness.train.library import find_recipe  # imports numpy, which an empty store does not need

    recipe = find_recipe(suite.recipe, catalog().plugins)
    settings, sets = recipe.compared(), recipe.sets(suite.data)
    alike = {name: each for name, each in records.items() if settings == {**settings, **each.comparison.recipe}}
    return {
        row.label: [
            name
            for name, record in alike.items()
            if any(means(asked, record.comparison, sets) for asked in suite.asked_for(row))
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


def _of_row(suite: Suite, row: SuiteRow, found: Sequence[Found], common: tuple[str, str]) -> dict[int, Found]:
    """Of each seed one, where these were trained and tested alike; seeds that were not are named and left out. `found`
    are those that would do, the one last run first; `common` are protocol and code of most rows."""
    start = suite.asked_for(row)[0].start

    def rank(each: Found) -> tuple[bool, ...]:
        record = each.pair.record
        meant = record.asked.protocol == suite.protocol, record.asked.start == start
        return (*meant, each.arm.evaluated, record.protocol == common[0], code_of(record) == common[1])

    evaluated = [each for each in found if each.arm.evaluated]
    groups: list[list[Found]] = []  # of pairs made alike
    for each in evaluated:
        group = next((group for group in groups if not _changes(suite, group[0], each)), None)
        groups.append([each]) if group is None else group.append(each)
    shown = max(groups, key=lambda of: (max(map(rank, of)), len({each.pair.record.seed for each in of})), default=[])
    odd = {each.pair.name: changed for each in evaluated if (changed := _changes(suite, shown[0], each))}
    kept: dict[int, Found] = {}
    for seed in sorted({each.pair.record.seed for each in found}):
        of_seed = [each for each in found if each.pair.record.seed == seed]
        best = max(of_seed, key=lambda each: (rank(each), each.pair.name not in odd))
        if best.pair.name in odd:
            log.warning("%s is left out: made under other settings: %s", best.pair.name, odd[best.pair.name][0])
        else:
            kept[seed] = replace(best, rivals=_rivals(row, best, of_seed))
    return kept


def _changes(suite: Suite, one: Found, other: Found) -> list[str]:
    """In what two pairs of a row were made otherwise, the plug-ins of a plain arm aside. Of PSNR and SSIM alone it does
    not matter by which masks parts of frames are."""
    free = () if other.arm is other.pair.arms[-1] else PLUGINS
    a, b = one.pair.record, other.pair.record
    if any(column.metric for column in suite.columns):
        return changes(a, b, free)
    return a.comparison.differences(b.comparison, free)


def _rivals(row: SuiteRow, best: Found, of_seed: Sequence[Found]) -> tuple[str, ...]:
    # every pair of a plain baseline has the same run of it, unless something was changed in between
    others = [
        each.pair
        for each in of_seed
        if each.pair.name != best.pair.name and (row.plugins or each.arm.run != best.arm.run)
    ]
    shown = best.pair.record.protocol
    under = {pair.name: "" if pair.record.protocol == shown else f" (under {pair.record.protocol})" for pair in others}
    return tuple(name + said for name, said in sorted(under.items()))
