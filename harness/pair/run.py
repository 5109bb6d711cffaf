"""The matched pair: one plan, two arms that share everything but the plug-ins, one record to read tables from."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch

from harness.arm import Arm
from harness.data.around import seen_by
from harness.data.augment import check_size
from harness.data.benchmark import Benchmark, Triplet
from harness.data.frames import frames_of
from harness.data.known import masks_of
from harness.data.leaks import check as check_leaks
from harness.data.loader import Samples
from harness.data.mixture import Mixture
from harness.data.order import Order
from harness.distributed import World, hashes
from harness.errors import HarnessError
from harness.evaluate.protocol import predictor
from harness.evaluate.testset import TripletSet
from harness.masks.cache import MaskCache
from harness.masks.chosen import cache_of
from harness.measure.cost import SIZE, cost_of
from harness.model import Composed
from harness.outcome.verdict import judge
from harness.pair.comparison import comparison_of
from harness.pair.fingerprint import fingerprint, installation, short
from harness.pair.initial import initial_weights
from harness.pair.plan import Plan
from harness.pair.recipe_file import recipe_text
from harness.pair.seen import warn_of_seen
from harness.pair.session import Session
from harness.pair.start import state_hash
from harness.pair.testset import Tests, file_hash
from harness.pair.told import means_told, telling
from harness.registry.catalog import catalog
from harness.registry.mask_choice import TRUTH
from harness.results.comparison import Comparison, differences
from harness.results.records import Fingerprint, Measured, PairRecord, RunRecord, Status
from harness.results.store import RunFolder, Store
from harness.train import checkpoint, freeze
from harness.train.engine import Engine
from harness.train.loop import Training, train
from harness.weights.read import load_weights


@dataclass(frozen=True)
class Shared:
    """What both arms get, made once: training sets by their labels, masks, tests, order, length, the file of initial
    weights and its sha256."""

    data: Mapping[str, Benchmark]
    masks: MaskCache | None
    test_masks: MaskCache | None
    tests: Tests
    order: Order | Mixture
    steps: int
    weights: Path
    weights_sha256: str

    @classmethod
    def of(cls, plan: Plan, store: Store, world: World) -> Shared:
        recipe, seed = plan.training.recipe, plan.training.seed
        inputs = plan.arm.inputs
        built = [(each.chosen.label, each.chosen.build()) for each in plan.data]
        data: dict[str, Benchmark] = {label: seen_by(each, inputs, label, "train") for label, each in built}
        for label, benchmark in data.items():
            if not benchmark.train:
                raise HarnessError(f"{label} has no training triplets; train on another with --data")
            plan.arm.check_times(label, benchmark.train)
        sizes = tuple(len(benchmark.train) for benchmark in data.values())
        order: Order | Mixture
        if len(sizes) == 1:
            order = Order(*sizes, recipe.batch, seed)
            steps = recipe.total_steps(order.steps_per_epoch)
        else:
            order = Mixture(sizes, tuple(each.weight for each in plan.data), recipe.batch, seed)
            steps = recipe.total_steps(0)  # a recipe with epochs has been refused
        masks = cache_of(plan.masks) if plan.masks else None
        test_masks = cache_of(plan.test_masks) if plan.test_masks else masks
        regions = cache_of(plan.regions) if plan.regions and not masks else masks
        per_level, crop = plan.testing.per_level, recipe.test_crop
        sets = tuple(TripletSet.of(chosen, per_level, crop, inputs) for chosen in plan.tests)
        for each in sets:
            plan.arm.check_times(each.name, each.triplets)
        for label, benchmark in data.items():
            for chosen, tested in zip(plan.tests, sets, strict=True):
                if chosen.label != label:  # else it has been looked at as it was built
                    both = benchmark.contents("train"), tested.benchmark.contents("test")
                    check_leaks(*both, trained=label, tested=chosen.label)
        if plan.start:
            named = {each.name: each.benchmark for each in sets}
            warn_of_seen(plan.start.record.name, plan.start.trained_on, named, catalog())
        # parts of footage have no truth to go by: those of the masks that it is tested with, then
        by_truth = plan.regions is not None and plan.regions.name == TRUTH
        footage = by_truth and not all(each.knows_truth for each in sets)
        tests = Tests(plan.testing, sets, test_masks if footage else regions, world)
        initial = world.from_first(lambda: initial_weights(plan.arm, plan.training.seed, store, plan.start))
        return cls(data, masks, test_masks, tests, order, steps, *initial)

    def fingerprint(self, plan: Plan, arm: Arm) -> Fingerprint:
        sets = [
            {"name": each.chosen.name, "digest": digest, "code": each.chosen.entry.code()}
            for each, digest in zip(plan.data, self._digests, strict=True)
        ]
        mixed = [facts | {"weight": each.weight} for facts, each in zip(sets, plan.data, strict=True)]
        data = sets[0] if len(sets) == 1 else {"sets": mixed}
        masks = plan.masks if arm.needs_masks else None
        world, training = self.tests.world, plan.training
        return Fingerprint.model_validate(
            fingerprint(arm, training.recipe, training.seed, data, masks, self.weights_sha256, world.device, world.size)
        )

    @property
    def unseen_times(self) -> tuple[str, ...]:
        """Test sets with frames at other times than t = 1/2, where training has none."""
        tested = tuple(each.name for each in self.tests.sets if _other_times(each.triplets))
        seen = bool(tested) and any(_other_times(benchmark.train) for benchmark in self.data.values())
        return () if seen else tested

    @functools.cached_property
    def _digests(self) -> tuple[str, ...]:
        """Once: some sets are hashed by what is drawn of them, which takes a second."""
        return tuple(benchmark.digest("train") for benchmark in self.data.values())

    def comparison(self, plan: Plan) -> Comparison:
        """What is compared, content included."""
        return comparison_of(plan, self._digests, tuple(tests.content for tests in self.tests.sets))

    def runs(self, plan: Plan, store: Store) -> list[tuple[RunFolder, RunRecord]]:
        """Of each arm; the name is the fingerprint's."""
        found = []
        for arm in plan.arms:
            print_ = self.fingerprint(plan, arm)
            run = store.run(f"{arm.slug}.s{plan.training.seed}.{short(print_.model_dump(mode='json'))}")
            found.append((run, RunRecord(label=arm.label, fingerprint=print_)))
        return found


def _other_times(triplets: Iterable[Triplet]) -> bool:
    return any(each.t != 0.5 for each in triplets)


def run_pair(plan: Plan, session: Session) -> str:
    """Train and evaluate both arms, the mean of the two frames beside them; the pair's name.

    What is done already is found and used; what was stopped goes on. Raises Interrupted when asked to stop.
    """
    check(plan)
    world = session.world
    shared = Shared.of(plan, session.store, world)
    model = plan.arm.build(plan.training.seed)
    freeze.check(model, plan.training.recipe, shared.steps, plan.arm.label)
    runs = shared.runs(plan, session.store)
    record = _pair_record(plan, [run for run, _ in runs], shared, model)
    pair = f"{runs[-1][0].name}-{_tested(record.comparison)}"
    _check_trails([run for run, _ in runs], plan.training.recipe.audit_every, shared.steps)
    world.check_same({"what decides the numbers": [record for _, record in runs]})
    _try_data(plan, shared)
    shared.tests.evaluate_reference(session)
    if world.writes:
        session.store.write_pair(pair, record)  # also where it is there: the newest file is the pair last run
    for arm, (run, its_record) in zip(plan.arms, runs, strict=True):
        with run.locked() if world.writes else nullcontext(), Engine.of(plan.training.recipe, plan.device).settings():
            if world.writes:
                _mention_others(run, its_record, session)
                run.claim(its_record, installation(), recipe_text(plan, run.name))
            notify = telling(session.notify, run, its_record, plan.training.recipe, shared.steps)
            _run_arm(arm, plan, shared, run, replace(session, notify=notify))
    if world.writes and len(runs) == 2:
        verdict = judge(runs[0][0], runs[1][0])
        session.store.write_pair(pair, record.model_copy(update={"verdict": verdict}))
    return pair


def _tested(compared: Comparison) -> str:
    """8 digits for how a pair is tested: the same runs tested otherwise are another pair."""
    return short(
        compared.model_dump(
            mode="json", include={"tests": {"__all__": {"content"}}, "test_masks": True, "protocol": True}
        )
    )


def check(plan: Plan) -> None:
    """Build everything once: what is refused is refused now, and not after the training of the arm before it."""
    arm = plan.arm
    model = arm.build(plan.training.seed)
    arm.check(model, untrained=True)
    multiple = model.baseline.size_multiple
    crop = plan.training.recipe.augment.crop
    if crop % multiple:
        raise HarnessError(f"augment.crop={crop} is no multiple of {multiple}, which {arm.baseline.name} needs")


def _check_trails(runs: Sequence[RunFolder], audit_every: int, steps: int) -> None:
    """How often an arm is audited is in no fingerprint, and trails of other steps are no match: that is to be known
    before the arm that is missing is trained. Raises HarnessError."""
    trails = [run.trail() if run.started else [] for run in runs]
    if all(trail and trail[-1].step == steps for trail in trails):
        return
    for run, trail in zip(runs, trails, strict=True):
        if len(trail) > 1 and (every := trail[1].step) != min(audit_every, steps):
            raise HarnessError(
                f"{run.name} was audited every {every} steps, and is to be held against an arm that is audited every "
                f"{audit_every}, step by step: give audit_every: {every} in the recipe, which decides no weights"
            )


def _try_data(plan: Plan, shared: Shared) -> None:
    """Read one triplet of each set, or of each clip that frames are trained on, and look up the masks of the first:
    frames that are too small, and masks that are missing, are to be known before days of training."""
    masks, test_masks = (shared.masks, shared.test_masks) if plan.arm.needs_masks else (None, None)
    crop, chosen = plan.training.recipe.test_crop, plan.test_masks or plan.masks
    for label, benchmark in shared.data.items():
        of_clips: dict[str, Triplet] = {}
        for triplet in benchmark.train if benchmark.contents("train") else benchmark.train[:1]:
            of_clips.setdefault(triplet.clip, triplet)
        for clip, triplet in of_clips.items():
            frames = frames_of(benchmark, triplet)
            try:
                check_size(frames, plan.training.recipe.augment)
            except HarnessError as error:
                raise HarnessError(f"{label}: {error}{f' (clip {clip})' if len(of_clips) > 1 else ''}") from None
            if masks is not None and triplet == benchmark.train[0]:
                masks_of(masks, benchmark, triplet, frames)
    for tests in shared.tests.sets:
        if test_masks is not None:
            first = tests.triplets[0]
            try:
                masks_of(test_masks, tests.benchmark, first, frames_of(tests.benchmark, first))
            except HarnessError:
                if crop is None or chosen is None or chosen.light:
                    raise
                raise HarnessError(
                    f"{tests.name}: there are no label maps of the middle {crop}x{crop} of its frames, and harness "
                    f"masks build makes those of {chosen.name} of whole frames alone: take a recipe without test_crop, "
                    "or other masks with --test-masks"
                ) from None


def _run_arm(arm: Arm, plan: Plan, shared: Shared, run: RunFolder, session: Session) -> None:
    last = session.world.from_first(lambda: checkpoint.latest(run.checkpoints))
    if last is None or last.step < shared.steps:
        last = _train(arm, plan, shared, run, session)
    # a model of its own for the test: plain float32, whatever the training did to its memory format or its code
    model = arm.build(plan.training.seed)
    load_weights(model, last.weights, arm.label)
    masks = shared.test_masks if arm.needs_masks else None
    _evaluate(arm, model.to(plan.device), last, shared.tests, masks, run, session)


def _train(arm: Arm, plan: Plan, shared: Shared, run: RunFolder, session: Session) -> checkpoint.Checkpoint:
    model = arm.build(plan.training.seed)
    initial = safetensors.torch.load_file(shared.weights)
    model.baseline.load_state_dict({name.removeprefix("baseline."): value for name, value in initial.items()})
    masks = shared.masks if arm.needs_masks else None
    samples = Samples(shared.data, shared.order, plan.training.recipe.augment, masks)
    return train(
        model, Training(plan.training, samples, shared.steps, session.stop, session.notify, session.world), run
    )


def _evaluate(
    arm: Arm,
    model: Composed,
    last: checkpoint.Checkpoint,
    tests: Tests,
    masks: MaskCache | None,
    run: RunFolder,
    session: Session,
) -> None:
    def progress(done: int, total: int) -> None:
        session.notify("harness_eval_done", run=run.name, done=done, total=total, means={})

    weights = file_hash(last.weights)[:12]
    tests.evaluate(lambda settings: predictor(model, settings), run.rows, session, masks, weights, progress)
    if not session.world.writes:
        return
    if (known := _known(run)) is None or known.weights != weights:
        tensors = hashes(model.baseline.state_dict())
        known = Measured(
            weights=weights,
            weights_file=str(last.weights.relative_to(run.path)),
            baseline_sha256=state_hash(model.baseline.state_dict()),
            tensors=tensors,
            cost_size=SIZE,
            cost=cost_of(arm, model),
        )
        run.set_measured(known)
    run.set_status(Status(state="evaluated", step=last.step, steps=last.step))
    total = sum(len(each.triplets) for each in tests.sets)
    means = means_told(run.read_rows(), tests.tested(run.name, masks), weights)
    session.notify("harness_eval_done", run=run.name, done=total, total=total, means=means)
    session.notify("harness_run_finished", run=run.name)


def _known(run: RunFolder) -> Measured | None:
    """What was measured before; None too where that is damaged: it is measured again."""
    try:
        return run.measured()
    except HarnessError:
        return None


def _mention_others(run: RunFolder, record: RunRecord, session: Session) -> None:
    """Say why a run starts anew though there is one of the same arm and seed."""
    if run.started:
        return
    stem = run.name.rpartition(".")[0]
    others = [other for other in session.store.runs() if other.name.rpartition(".")[0] == stem]
    if others:
        newest = max(others, key=lambda other: other.path.stat().st_mtime)
        try:
            was = newest.record().fingerprint
        except HarnessError as error:
            session.note(f"{error}: it is left alone, and a new run starts")
            return
        changed = differences(was.model_dump(mode="json"), record.fingerprint.model_dump(mode="json"))
        more = f" and {len(changed) - 2} more" if len(changed) > 2 else ""
        session.note(f"{newest.name} was made under other settings ({'; '.join(changed[:2])}{more}): a new run starts")


def _pair_record(plan: Plan, runs: Sequence[RunFolder], shared: Shared, untrained: Composed) -> PairRecord:
    caches = [shared.test_masks if arm.needs_masks else None for arm in plan.arms]
    recipe, crop = plan.asked.recipe, plan.training.recipe.test_crop
    loss = f", {plan.arm.baseline.name}'s own loss" if plan.arm.own_loss else ""
    tested = f", tested on the middle {crop}x{crop}" if crop else ""
    how = f"recipe {recipe} ({shared.steps} steps){loss}{plan.origin}{tested}"
    return PairRecord(
        title=f"{plan.arm.label} on {plan.data_label}, {how}",
        runs=tuple(run.name for run in runs),
        labels=tuple(arm.label for arm in plan.arms),
        seed=plan.training.seed,
        recipe=recipe,
        steps=shared.steps,
        tier=Engine.of(plan.training.recipe, plan.device).tier,
        train=plan.data_label,
        masks=plan.masks.label if plan.masks else None,
        test_masks=plan.test_masks.label if plan.test_masks else None,
        network_masks=tuple(cache.folder.name if cache else "none" for cache in caches),
        **shared.tests.record(),
        apart=tuple(name for name, plugin in untrained.plugin.items() if not plugin.starts_as_identity),
        unseen_times=shared.unseen_times,
        asked=plan.asked,
        command=plan.command,
        comparison=shared.comparison(plan),
    )
