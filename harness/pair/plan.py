"""What a user asks for: in the words of the command line, and settled into things that can be built."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch

from harness.arm import Arm
from harness.evaluate.runner import Metric
from harness.pair.testset import METRICS, choose_metrics
from harness.registry.catalog import Catalog, Chosen, ChosenMasks
from harness.registry.options import parse_choice, parse_choices
from harness.registry.protocol import Protocol
from harness.registry.specs import BenchmarkSpec
from harness.train.recipe import Recipe, load_recipe


@dataclass(frozen=True)
class Asked:
    """A pair in words, as `harness run` takes them; a pair's record keeps it, and a suite is a list of them.

    test        benchmarks to test on; empty for the one that is trained on
    masks       empty for the best source that is installed
    test_masks  what the network is given when it is tested; empty for the same masks
    """

    baseline: str
    plugins: str = ""
    recipe: str = "quick"
    data: str = "clips"
    test: str = ""
    masks: str = ""
    test_masks: str = ""
    protocol: str = "unified"
    metrics: str = METRICS
    seed: int = 0

    def command(self) -> str:
        """The command line that asks for it."""
        default = asdict(Asked(self.baseline))
        words = ["harness", "run", "--baseline", self.baseline]
        for name, value in asdict(self).items():
            if name != "baseline" and value != default[name]:
                words += ["--with" if name == "plugins" else f"--{name.replace('_', '-')}", str(value)]
        return shlex.join(words)

    def settle(self, known: Catalog, device: torch.device, workers: int = 0) -> Request:
        """Every name and option looked up. Raises HarnessError for the first that is wrong."""
        arm = Arm.of(known, parse_choice(self.baseline), parse_choices(self.plugins))
        benchmark = known.choose(BenchmarkSpec, parse_choice(self.data))
        metrics, unavailable = choose_metrics(known, parse_choices(self.metrics))
        return Request(
            asked=self,
            arm=arm,
            recipe=load_recipe(self.recipe),
            benchmark=benchmark,
            tests=tuple(known.choose(BenchmarkSpec, choice) for choice in parse_choices(self.test)) or (benchmark,),
            protocol=known.find(Protocol, self.protocol).spec,
            metrics=metrics,
            unavailable=unavailable,
            masks=known.mask_source(self.masks or None, needed=arm.needs_masks),
            test_masks=known.masks(parse_choice(self.test_masks)) if self.test_masks else None,
            device=device,
            workers=workers,
        )


@dataclass(frozen=True)
class Request:
    """A pair, settled. `arm` has the plug-ins; without any there is one arm and no difference. `masks` is None where
    no plug-in needs them; `unavailable` are metrics that cannot be measured here, with the reason."""

    asked: Asked
    arm: Arm
    recipe: Recipe
    benchmark: Chosen
    tests: tuple[Chosen, ...]
    protocol: Protocol
    metrics: Mapping[str, Metric]
    unavailable: Mapping[str, str]
    masks: ChosenMasks | None
    test_masks: ChosenMasks | None
    device: torch.device
    workers: int

    @property
    def arms(self) -> list[Arm]:
        """The plain baseline first."""
        return [self.arm.plain, self.arm] if self.arm.plugins else [self.arm]
