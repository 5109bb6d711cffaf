"""The recipe of a run as a file that `--recipe` takes: what was settled, with every default spelled out."""

from __future__ import annotations

import yaml

from harness.pair.plan import Plan
from harness.registry.options import written


def recipe_text(plan: Plan, run: str) -> str:
    """YAML. Training sets that were named beside the recipe are in it, in the words that choose them again."""
    recipe = plan.training.recipe
    data = {written(choice.name, choice.options): weight for choice, weight in recipe.sets(plan.asked.data)}
    settled = recipe.model_copy(update={"data": data}).model_dump(mode="json", exclude_none=True)
    head = f"# What {run} was trained with: harness run --recipe takes this file.\n"
    return head + yaml.safe_dump(settled, sort_keys=False, allow_unicode=True)
