"""A recipe: everything that both arms of a pair share in training. Frozen, and part of every fingerprint."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.data.augment import Augment
from harness.errors import HarnessError, suggestion
from harness.registry.options import Choice, parse_choice, parse_choices
from harness.yamlfile import load_yaml

FOLDER = Path(__file__).parent / "recipes"

Count = Annotated[int, Field(ge=1, strict=True)]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)]


class Recipe(BaseModel):
    """Length is given in steps or in epochs of the global batch, never in epochs times GPUs.

    steps          optimiser steps of a whole training; either these or `epochs`
    epochs         times that the training set is gone through
    batch          the global batch: samples of one optimiser step, over all devices
    accumulate     parts that the global batch is taken in, so that it fits in memory: a device takes at most
                   batch/accumulate samples at a time; the gradients are added up, and the step is that of the batch
    learning_rate  of AdamW at its full height
    final_learning_rate  that of the last step, which a cosine leads to
    warmup         steps over which the learning rate rises to its full height, before the cosine begins
    clip_norm      the longest that the gradient of a step may be, over all parameters of an arm; longer ones are scaled
    weight_decay   of AdamW
    augment        what may happen to a sample
    precision      of autocast; weights, the loss and the optimiser stay float32
    channels_last  how images lie in memory; faster on some GPUs; on a CPU networks for which it pays have it anyway
    compile        whether encoder and decoder go through torch.compile
    deterministic  on CUDA: only operations that give the same bits each time; slower. A CPU does so anyway
    freeze         `baseline`: held as it started, in both arms alike, for `freeze_steps` steps; for good without them
    freeze_steps   for how long, where not for good
    curve_every    steps of one row of the training curve, which has their mean loss
    audit_every    steps from one line of the audit trail to the next; the last step has one in any case
    checkpoint_every  steps from one checkpoint to the next; the last step has one in any case
    data           training sets, as `--data` takes them, each with how often it is drawn; `--data` overrules it
    test_triplets  of each level, evenly spread; all where not given
    test_crop      side in pixels of the square in the middle of each test frame that is looked at; all where not given
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Count | None = None
    epochs: Count | None = None
    batch: Count
    accumulate: Count = 1
    learning_rate: Rate = 1e-4
    final_learning_rate: Rate = 1e-5
    warmup: Annotated[int, Field(ge=0, strict=True)] = 0
    clip_norm: Weight | None = None
    weight_decay: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)] = 1e-4
    augment: Augment
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    channels_last: Annotated[bool, Field(strict=True)] = False
    compile: Annotated[bool, Field(strict=True)] = False
    deterministic: Annotated[bool, Field(strict=True)] = False
    freeze: Literal["baseline"] | None = None
    freeze_steps: Count | None = None
    curve_every: Count = 1
    audit_every: Count = 100
    checkpoint_every: Count = 1000
    data: Annotated[dict[str, Weight], Field(min_length=1)] | None = None
    test_triplets: Count | None = None
    test_crop: Count | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        if self.final_learning_rate > self.learning_rate:
            raise ValueError("final_learning_rate is above learning_rate")
        if self.steps is not None and self.warmup >= self.steps:
            raise ValueError(f"warmup={self.warmup} leaves none of the {self.steps} steps")
        if self.batch % self.accumulate:
            raise ValueError(f"batch={self.batch} does not divide into accumulate={self.accumulate} equal parts")
        for choice in self.data or ():
            try:
                parse_choice(choice)
            except HarnessError as error:
                raise ValueError(f"data: {error}") from error
        if self.freeze_steps is not None and self.freeze is None:
            raise ValueError("freeze_steps says for how long, and nothing says what: add freeze: baseline")
        return self

    def total_steps(self, steps_per_epoch: int) -> int:
        """Optimiser steps of a whole training. Raises HarnessError where all of them would be warm-up."""
        steps = self.steps if self.steps is not None else (self.epochs or 0) * steps_per_epoch
        if self.warmup >= steps:
            raise HarnessError(f"the recipe's warmup={self.warmup} leaves none of the {steps} steps; set a smaller one")
        return steps

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Up in a line over the first `warmup` steps; then cosine from `learning_rate` to `final_learning_rate` at the
        last step."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        step, steps = step - self.warmup, steps - self.warmup
        cosine = (1 + math.cos(math.pi * step / max(steps - 1, 1))) / 2
        return self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * cosine

    def sets(self, words: str) -> list[tuple[Choice, float]]:
        """The training sets and how often each is drawn: those of `words`, such as `layers,clips`, else the recipe's,
        else clips. One that the recipe has in the same words has its weight there, any other 1, and one alone 1."""
        own = [(parse_choice(choice), weight) for choice, weight in (self.data or {"clips": 1.0}).items()]
        if words:
            named = parse_choices(words) or [parse_choice(words)]
            own = [(choice, next((weight for each, weight in own if each == choice), 1.0)) for choice in named]
        return own if len(own) > 1 else [(own[0][0], 1.0)]

    def training(self) -> dict[str, Any]:
        """What decides the weights, besides the data: all but how often things are written down and what is tested."""
        said_elsewhere = {"curve_every", "audit_every", "checkpoint_every", "data", "test_triplets", "test_crop"}
        return self.model_dump(mode="json", exclude=said_elsewhere)

    def compared(self) -> dict[str, Any]:
        """What two comparisons have to have in common."""
        return self.training() | {"test_triplets": self.test_triplets, "test_crop": self.test_crop}


def names() -> list[str]:
    """The recipes that come with the harness."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def summary(name: str) -> str:
    """What a recipe of the harness is for: the comment that it begins with."""
    return (FOLDER / f"{name}.yaml").read_text("utf-8").partition("\n")[0].removeprefix("# ")


def load_recipe(name: str) -> Recipe:
    """A recipe by name, or from a YAML file. Raises HarnessError with file, line and key."""
    path = FOLDER / f"{name}.yaml"
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
    elif name not in names():
        hint = suggestion(name, names()) or f"; there are: {', '.join(names())}"
        raise HarnessError(f"unknown recipe '{name}'{hint} (the name of a file ends in .yaml)")
    return load_yaml(path, Recipe)
