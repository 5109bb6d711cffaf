"""An arm that has died without a NaN: its output is saturated, no gradient passes, and its loss stays for ever."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.model.losses import EPSILON

PATIENCE = 100
"""Steps without any gradient after which nothing can move: 0.9^100, what Adam then has of its momentum, is 3e-5."""

FLOOR = 2 * EPSILON
"""A reconstruction loss below this is one of frames that are right, which need no gradient: the least is EPSILON."""


def length(given: Tensor, before: int) -> int:
    """How many steps in a row had a loss and no gradient at all, up to the last of those that gave (steps, 3) losses
    and gradient norm; `before` such steps came before. A norm of NaN is that of a step in which nothing was to be
    trained: no such step."""
    alive = torch.nonzero((given[:, 2] != 0) | (given[:, 0] < FLOOR))
    return len(given) - 1 - int(alive[-1]) if len(alive) else before + len(given)


def line(given: Tensor, before: int, done: int) -> str:
    """What to say of an arm that is dead by the steps up to `done`, of which these are the last; "" where it lives."""
    still = length(given, before)
    if still < PATIENCE or not len(given):
        return ""
    return (
        f"no gradient since step {done - still + 1}, and the loss stays at {float(given[-1, 0]):.4g}: the output is "
        "saturated, and nothing is learnt any more; the checkpoint before is kept. "
        "A lower learning_rate in the recipe is the usual cure, or a clip_norm, such as 1"
    )
