"""What a user asks for, settled once into things that can be built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from harness.arm import Arm
from harness.evaluate.plan import EvalPlan
from harness.pair.start import Start, find_start
from harness.pair.testset import choose_metrics
from harness.registry.catalog import Catalog, Chosen, ChosenMasks
from harness.registry.options import parse_choice, parse_choices
from harness.registry.protocol import Protocol
from harness.registry.specs import BenchmarkSpec
from harness.results.records import Asked
from harness.results.store import Store
from harness.train.plan import TrainPlan
from harness.train.recipe import load_recipe


@dataclass(frozen=True)
class Plan:
    """A pair, settled. `arm` has the plug-ins; without any there is one arm and no difference. `masks` is None where
    no plug-in needs them, `test_masks` where the network is tested with those of training, `start` where the initial
    weights are drawn from the seed."""

    asked: Asked
    arm: Arm
    benchmark: Chosen
    tests: tuple[Chosen, ...]
    masks: ChosenMasks | None
    test_masks: ChosenMasks | None
    training: TrainPlan
    testing: EvalPlan
    device: torch.device
    start: Start | None = None

    @property
    def origin(self) -> str:
        """`, from IFRNet_S.pth` where both arms start from trained weights; else empty."""
        return f", from {self.start.record.name}" if self.start else ""

    @property
    def arms(self) -> list[Arm]:
        """The plain baseline first."""
        return [self.arm.plain, self.arm] if self.arm.plugins else [self.arm]


def settle(asked: Asked, known: Catalog, device: torch.device, workers: int = 0, store: Store | None = None) -> Plan:
    """Every name and option looked up, and the weights to start from read. Raises HarnessError for the first that is
    wrong. `store` is where a run to start from is looked for, None where there are no results yet."""
    arm = Arm.of(known, parse_choice(asked.baseline), parse_choices(asked.plugins))
    benchmark = known.choose(BenchmarkSpec, parse_choice(asked.data))
    metrics, unavailable = choose_metrics(known, parse_choices(asked.metrics))
    recipe = load_recipe(asked.recipe)
    protocol = known.find(Protocol, asked.protocol).spec
    masks = known.mask_source(asked.masks or None, needed=arm.needs_masks)
    test_masks = known.masks(parse_choice(asked.test_masks)) if asked.test_masks else None
    start = find_start(asked.start, arm, known, store or Store(Path())) if asked.start else None
    asked = asked.model_copy(update={"start": start.word}) if start else asked
    return Plan(
        asked=asked,
        arm=arm,
        benchmark=benchmark,
        tests=tuple(known.choose(BenchmarkSpec, choice) for choice in parse_choices(asked.test)) or (benchmark,),
        masks=masks,
        test_masks=test_masks if masks and test_masks != masks else None,
        training=TrainPlan(recipe, asked.seed, workers),
        testing=EvalPlan(protocol, metrics, unavailable, recipe.test_triplets, max(workers, 1)),
        device=device,
        start=start,
    )
