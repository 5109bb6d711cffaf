"""Evaluation of given weights, without training: an official checkpoint, or what a run has trained."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from pydantic_core import to_jsonable_python

from harness.arm import Arm
from harness.errors import HarnessError
from harness.evaluate.protocol import predictor
from harness.masks.chosen import record_of
from harness.measure.cost import cost_of
from harness.pair.fingerprint import environment, short
from harness.pair.seen import warn_of_seen
from harness.pair.session import Session
from harness.pair.start import SUFFIX, Trained, seen_by, state_hash
from harness.pair.testset import Tests, alone
from harness.pair.told import means_told
from harness.registry.catalog import Catalog, ChosenMasks, catalog
from harness.registry.options import Choice, parse_choice, parse_choices
from harness.registry.specs import BaselineSpec, BenchmarkSpec, MaskPartSpec, MaskSourceSpec, PluginSpec, Spec
from harness.results.comparison import differences
from harness.results.envelope import write
from harness.results.records import EvalRecord
from harness.weights.read import load_weights

log = logging.getLogger(__name__)


def arm_of(given: Trained, baseline: str, plugins: str, known: Catalog) -> Arm:
    """What the weights are of: the arm of their run, else what the user says, else what weights of one's own are named
    after. Raises HarnessError where nothing says it, or a user says otherwise than the run."""
    if given.run is None:
        baseline = baseline or _named_after(given, known)
        if not baseline:
            raise HarnessError(f"{given.name}: of which network? Name it with --baseline")
        return Arm.of(known, parse_choice(baseline), parse_choices(plugins))
    record = given.run.record()
    of_baseline = _choice(record.fingerprint.baseline, BaselineSpec, known)
    of_plugins = [_choice(plugin, PluginSpec, known) for plugin in record.fingerprint.arm]
    arm = Arm.of(known, of_baseline, of_plugins)
    for was, now in zip((record.fingerprint.baseline, *record.fingerprint.arm), _options(arm), strict=True):
        if changed := differences(was["options"], now[1], now[0]):
            raise HarnessError(f"{given.name}: what {record.label} is built with is another today: {changed[0]}")
    baseline_said = parse_choice(baseline) if baseline else of_baseline
    said = Arm.of(known, baseline_said, parse_choices(plugins) if plugins else of_plugins)
    if _options(said) != _options(arm):
        raise HarnessError(
            f"{given.name} is a run of {arm.label}, not of {said.label}: leave --baseline and --with out"
        )
    return arm


def _named_after(given: Trained, known: Catalog) -> str:
    """The network in the name of weights of one's own; "" of others."""
    name = given.name.partition(":")[0].removesuffix(".safetensors")
    network = name.removesuffix(SUFFIX)
    return network if network != name and network in {each.spec.name for each in known.entries(BaselineSpec)} else ""


def masks_of(given: Trained, known: Catalog) -> ChosenMasks | None:
    """The masks that a run was trained with; None where it needed none. Raises HarnessError where they are made of
    others today: of another version, or by other weights than those that are found without being named."""
    masks = given.run.record().fingerprint.masks if given.run else None
    if masks is None:
        return None
    choice = _choice(masks, MaskSourceSpec, known)
    options = dict(choice.options)
    parts: Any = masks.get("parts", {})
    for name in known.find(MaskSourceSpec, choice.name).spec.parts:
        options[known.find(MaskPartSpec, name).spec.part] = ""  # left out, unless it is named below
    for role, part in parts.items():
        own = _choice(part, MaskPartSpec, known)
        options |= {role: own.name} | {f"{role}.{key}": text for key, text in own.options.items()}
    found = known.masks(Choice(choice.name, options))
    now = record_of(found)
    for was, of_today in ((masks, now), *((part, now["parts"][role]) for role, part in parts.items())):
        made_of = [key for key in ("version", "weights", "content") if key in was and key in of_today]
        was, of_today = ({key: each[key] for key in made_of} for each in (was, of_today))
        if changed := differences(was, of_today, choice.name):
            said = f"the masks that it was trained with are others today: {changed[0]}"
            raise HarnessError(f"{given.name}: {said}; name some with --masks")
    return found


def _options(arm: Arm) -> list[tuple[str, Any]]:
    """Name and options, defaults spelled out, of all that it is made of."""
    return [(each.name, each.record()["options"]) for each in (arm.baseline, *arm.plugins)]


def _choice(record: Mapping[str, Any], kind: type[Spec], known: Catalog) -> Choice:
    """What a fingerprint keeps of a choice, in the words that make it again."""
    entry = known.find(kind, record["name"])
    own = {name: to_jsonable_python(option.default, fallback=str) for name, option in entry.options().items()}
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in record["options"].items()
        if name not in entry.spec.preset and (name not in own or value != own[name])
    }
    return Choice(record["name"], given)


def saw_middle_alone(given: Trained, trained_on: Sequence[str], known: Catalog) -> bool:
    """Whether that is known of weights: their entry says it, or all training sets of a run, `trained_on`, do, which are
    looked at. False where one of these is not here."""
    if given.run is None:
        return given.times == "middle"
    try:
        sets = [known.choose(BenchmarkSpec, parse_choice(word.rpartition(":")[0])) for word in trained_on]
        return bool(sets) and all(triplet.t == 0.5 for each in sets for triplet in each.build().train)
    except HarnessError:
        return False


def evaluate_weights(arm: Arm, given: Trained, tests: Tests, masks: ChosenMasks | None, session: Session) -> str:
    """Measure one network, and the mean of the two frames; rows that are there are not made again. The name of the
    evaluation, of which a record is kept.

    Raises HarnessError for weights of another network, Interrupted when asked to stop.
    """
    model = arm.build(seed=0)
    load_weights(model, given.file, arm.label, given.key)
    arm.check(model)
    known = catalog()
    trained_on = seen_by(given, known, session.store)
    for each in tests.sets:
        arm.check_times(each.name, each.triplets)
        if any(triplet.t != 0.5 for triplet in each.triplets) and saw_middle_alone(given, trained_on, known):
            log.warning("the weights %s were trained at t = 1/2 alone, and %s has other times", given.name, each.name)
    warn_of_seen(given.name, trained_on, {each.name: each.benchmark for each in tests.sets}, known)
    tests.evaluate_reference(session)
    sha = state_hash(model.state_dict())[:12]  # of what was read: a file may hold several sets of weights
    cache = tests.region_masks if arm.needs_masks else None
    # options, masks and adapters decide the rows too, and are in no training's fingerprint here
    settings: dict[str, Any] = {
        "arm": [arm.baseline.record(), *(plugin.record() for plugin in arm.plugins)],
        "masks": record_of(masks) if masks else None,
        "environment": environment(tests.world.device),
    }
    record = EvalRecord(
        title=f"{arm.label} with {given.name} on {', '.join(each.data_id for each in tests.sets)}",
        labels=(arm.label,),
        masks=masks.label if masks and arm.needs_masks else None,
        network_masks=(cache.folder.name if cache else "none",),
        **tests.record(),
        weights=sha,
        settings=settings,
        cost=cost_of(arm, model),
    )
    tested = {"tests": [each.content for each in tests.sets], "protocol": record.protocol}
    name = f"{arm.slug}.{sha}.{short(settings)}-{short(tested)}"
    rows = session.store.evaluation_file(name)
    rows.parent.mkdir(parents=True, exist_ok=True)
    world = tests.world
    model.to(world.device)

    tell = partial(session.notify, "harness_eval_done", run=f"{arm.slug}.weights.{sha}", info=None)

    def progress(done: int, total: int) -> None:
        tell(done=done, total=total, means={})

    # the first process holds it for all that share the triplets
    with alone(rows, session) if world.writes else nullcontext():
        tests.evaluate(lambda settings: predictor(model, settings), rows, session, cache, sha, progress)
        world.from_first(lambda: write(session.store.evaluation(name), record))
    total = sum(len(each.triplets) for each in tests.sets)
    tell(done=total, total=total, means=means_told(session.store.evaluation_rows(name), record, sha))
    return name
