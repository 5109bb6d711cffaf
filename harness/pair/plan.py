"""What a user asks for, settled once into things that can be built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from harness.arm import Arm
from harness.data.benchmark import Benchmark
from harness.data.known import refuse_footage
from harness.evaluate.plan import EvalPlan
from harness.pair.testset import choose_metrics
from harness.registry.catalog import Catalog, Chosen, ChosenMasks
from harness.registry.mask_choice import TRUTH
from harness.registry.options import parse_choice, parse_choices
from harness.registry.protocol import Protocol
from harness.registry.specs import BenchmarkSpec
from harness.results.records import Asked
from harness.train.plan import TrainPlan
from harness.train.recipe import load_recipe


@dataclass(frozen=True)
class Plan:
    """A pair, settled. `arm` has the plug-ins; without any there is one arm and no difference. `masks` is None where
    no plug-in needs them, `test_masks` where the network is tested with those of training."""

    asked: Asked
    arm: Arm
    benchmark: Chosen
    tests: tuple[Chosen, ...]
    masks: ChosenMasks | None
    test_masks: ChosenMasks | None
    training: TrainPlan
    testing: EvalPlan
    device: torch.device

    @property
    def arms(self) -> list[Arm]:
        """The plain baseline first."""
        return [self.arm.plain, self.arm] if self.arm.plugins else [self.arm]


def settle(asked: Asked, known: Catalog, device: torch.device, workers: int = 0) -> Plan:
    """Every name and option looked up. Raises HarnessError for the first that is wrong, and for masks that nobody
    knows."""
    arm = Arm.of(known, parse_choice(asked.baseline), parse_choices(asked.plugins))
    benchmark = known.choose(BenchmarkSpec, parse_choice(asked.data))
    metrics, unavailable = choose_metrics(known, parse_choices(asked.metrics))
    recipe = load_recipe(asked.recipe)
    protocol = known.find(Protocol, asked.protocol).spec
    masks = known.mask_source(asked.masks or None, needed=arm.needs_masks)
    test_masks = known.masks(parse_choice(asked.test_masks)) if asked.test_masks else None
    tests = tuple(known.choose(BenchmarkSpec, choice) for choice in parse_choices(asked.test)) or (benchmark,)
    if masks:
        _refuse_footage(masks, benchmark, "train", "--masks")
        for each in tests:
            _refuse_footage(test_masks or masks, each, "test", "--test-masks")
    return Plan(
        asked=asked,
        arm=arm,
        benchmark=benchmark,
        tests=tests,
        masks=masks,
        test_masks=test_masks if masks and test_masks != masks else None,
        training=TrainPlan(recipe, asked.seed, workers),
        testing=EvalPlan(protocol, metrics, unavailable, recipe.test_triplets, max(workers, 1)),
        device=device,
    )


def _refuse_footage(masks: ChosenMasks, data: Chosen, split: Literal["train", "test"], option: str) -> None:
    """Of the truth alone the benchmark must be asked, before anything is trained."""
    if masks.name != TRUTH:
        return
    benchmark: Benchmark = data.build()
    triplets = benchmark.train if split == "train" else benchmark.test
    for triplet in triplets[:1]:  # where there is none, that is said where they are used
        refuse_footage(masks.name, data.name, benchmark, triplet, option)
