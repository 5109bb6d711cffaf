"""Freezing: for the first steps, or for good, the baseline is held as it is, and what plug-ins have is trained."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from harness.errors import HarnessError
from harness.model import Composed
from harness.train.recipe import Recipe


def frozen_at(recipe: Recipe, step: int) -> bool:
    """Whether the baseline is held in the step that follows `step` others."""
    return recipe.freeze == "baseline" and (recipe.freeze_steps is None or step < recipe.freeze_steps)


def holder(model: Composed, recipe: Recipe) -> Callable[[int], None]:
    """What to call before each step, with the number of steps done: it holds the baseline, or lets it go on.

    Held, it is the function that it is when it is tested, and no gradient reaches its parameters, which the optimiser
    then passes over: neither they nor its buffers move. Without a freeze nothing is touched.
    """
    if recipe.freeze is None:
        return lambda step: None
    own = _trained(model.baseline)

    def hold(step: int) -> None:
        frozen = frozen_at(recipe, step)
        for parameter in own:
            parameter.requires_grad_(not frozen)
        model.baseline.train(not frozen)

    return hold


def trains(model: Composed) -> bool:
    """Whether a step moves anything. Of a frozen pair the plain arm has steps that give a loss and move nothing."""
    return bool(_trained(model))


def check(model: Composed, recipe: Recipe, steps: int, label: str) -> None:
    """Raises HarnessError where the recipe leaves nothing to train in all `steps` of the arm with the plug-ins."""
    if frozen_at(recipe, steps - 1) and not _trained(model.plugin):
        raise HarnessError(
            f"freeze: baseline leaves nothing to train of {label} in {steps} steps: give --with a plug-in that has "
            "parameters, or freeze_steps below the number of steps"
        )


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
