"""What both arms of a pair share in training, settled once."""

from __future__ import annotations

from dataclasses import dataclass

from harness.train.recipe import Recipe


@dataclass(frozen=True)
class TrainPlan:
    """`workers` are processes that read data; they decide no number."""

    recipe: Recipe
    seed: int
    workers: int = 0
