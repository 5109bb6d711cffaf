"""What a user asks for, settled once into things that can be built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from harness.arm import Arm
from harness.data.benchmark import Benchmark
from harness.data.known import refuse_footage
from harness.errors import HarnessError
from harness.evaluate.plan import EvalPlan
from harness.pair.start import Start, find_start
from harness.pair.testset import choose_metrics
from harness.registry.catalog import Catalog, Chosen, ChosenMasks
from harness.registry.mask_choice import TRUTH
from harness.registry.options import parse_choice, parse_choices
from harness.registry.protocol import Protocol
from harness.registry.specs import BaselineSpec, BenchmarkSpec
from harness.results.records import RECIPE, Asked
from harness.results.store import Store
from harness.train.library import find_recipe
from harness.train.plan import TrainPlan
from harness.train.recipe import Recipe


@dataclass(frozen=True)
class TrainingSet:
    """`weight` is how often it is drawn among several, in any unit."""

    chosen: Chosen
    weight: float


@dataclass(frozen=True)
class Plan:
    """A pair, settled: `asked` names the recipe in any case. `arm` has the plug-ins; without any there is one arm and
    no difference. `data` are the training sets. `masks` is None where no plug-in needs them, and PSNR inside and
    outside is by `regions`: these, or those that were asked for all the same. `test_masks` is None where the network is
    tested with those of training, `start` where the initial weights are drawn from the seed."""

    asked: Asked
    arm: Arm
    data: tuple[TrainingSet, ...]
    tests: tuple[Chosen, ...]
    masks: ChosenMasks | None
    regions: ChosenMasks | None
    test_masks: ChosenMasks | None
    training: TrainPlan
    testing: EvalPlan
    device: torch.device
    start: Start | None = None

    @property
    def command(self) -> str:
        """The command line that asks for it. The recipe is left out where everybody would take the same; one that a
        baseline names is said, for it may name another one day."""
        return self.asked.command(unsaid="" if _named_by(self.arm) else RECIPE)

    @property
    def origin(self) -> str:
        """`, from IFRNet_S.pth` where both arms start from trained weights; else empty."""
        return f", from {self.start.record.name}" if self.start else ""

    @property
    def arms(self) -> list[Arm]:
        """The plain baseline first."""
        return [self.arm.plain, self.arm] if self.arm.plugins else [self.arm]

    @property
    def data_label(self) -> str:
        """The training set, or all of them with their weights: `3 x layers(size=128) + 1 x clips`."""
        if len(self.data) == 1:
            return self.data[0].chosen.label
        return " + ".join(f"{each.weight:g} x {each.chosen.label}" for each in self.data)


def settle(asked: Asked, known: Catalog, device: torch.device, workers: int = 0, store: Store | None = None) -> Plan:
    """Every name and option looked up, and the weights to start from read. Raises HarnessError for the first that is
    wrong, and for masks that nobody knows. `store` is where a run to start from is looked for, None where there are no
    results yet."""
    arm = Arm.of(known, parse_choice(asked.baseline), parse_choices(asked.plugins))
    asked, recipe = _recipe(asked, arm, known)
    data = _training_sets(asked, recipe, known)
    protocol = known.find(Protocol, asked.protocol).spec
    metrics, unavailable = choose_metrics(known, parse_choices(asked.metrics), protocol.ssim)
    masks = known.mask_source(asked.masks or None, needed=arm.needs_masks)
    test_masks = known.masks(parse_choice(asked.test_masks)) if asked.test_masks else None
    tests = tuple(known.choose(BenchmarkSpec, choice) for choice in parse_choices(asked.test)) or _own_tests(data)
    if masks:
        for each in data:
            _refuse_footage(masks, each.chosen, "train", "--masks")
        for test in tests:
            _refuse_footage(test_masks or masks, test, "test", "--test-masks")
    start = find_start(asked.start, arm, known, store or Store(Path())) if asked.start else None
    asked = asked.model_copy(update={"start": start.word}) if start else asked
    return Plan(
        asked=asked,
        arm=arm,
        data=data,
        tests=tests,
        masks=masks,
        regions=masks or (known.masks(parse_choice(asked.masks)) if asked.masks else None),
        test_masks=test_masks if masks and test_masks != masks else None,
        training=TrainPlan(recipe, asked.seed, workers),
        testing=EvalPlan(protocol, metrics, unavailable, recipe.test_triplets, max(workers, 1)),
        device=device,
        start=start,
    )


def _named_by(arm: Arm) -> str:
    """The recipe that the baseline names; empty where it names none."""
    spec = arm.baseline.entry.spec
    assert isinstance(spec, BaselineSpec)
    return spec.recipe


def _recipe(asked: Asked, arm: Arm, known: Catalog) -> tuple[Asked, Recipe]:
    """The recipe, and the words with its name: the user's, else the baseline's, else everybody's."""
    named = "" if asked.recipe else _named_by(arm)
    asked = asked.model_copy(update={"recipe": asked.recipe or named or RECIPE})
    try:
        return asked, find_recipe(asked.recipe, known.plugins)
    except HarnessError as error:
        if not named:
            raise
        raise HarnessError(f"{arm.baseline.name} names a recipe of its own: {error}; --recipe takes another") from error


def _training_sets(asked: Asked, recipe: Recipe, known: Catalog) -> tuple[TrainingSet, ...]:
    found = tuple(
        TrainingSet(known.choose(BenchmarkSpec, choice), weight) for choice, weight in recipe.sets(asked.data)
    )
    labels = [each.chosen.label for each in found]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise HarnessError(f"the training set {twice} is named twice: give it once, with a weight in the recipe's data")
    if len(found) > 1 and recipe.epochs is not None:
        raise HarnessError(
            f"recipe {asked.recipe} has epochs, which a mixture of {', '.join(labels)} has not: give steps instead"
        )
    return found


def _own_tests(data: tuple[TrainingSet, ...]) -> tuple[Chosen, ...]:
    """Of several training sets those that have test triplets; one alone is asked for them when it is tested."""
    if len(data) == 1:
        return (data[0].chosen,)
    found = tuple(each.chosen for each in data if each.chosen.build().test)
    if not found:
        labels = ", ".join(each.chosen.label for each in data)
        raise HarnessError(f"none of {labels} has test triplets; name another benchmark with --test")
    return found


def _refuse_footage(masks: ChosenMasks, data: Chosen, split: Literal["train", "test"], option: str) -> None:
    """Of the truth alone the benchmark must be asked, before anything is trained."""
    if masks.name != TRUTH:
        return
    benchmark: Benchmark = data.build()
    triplets = benchmark.train if split == "train" else benchmark.test
    for triplet in triplets[:1]:  # where there is none, that is said where they are used
        refuse_footage(masks.name, data.name, benchmark, triplet, option)
