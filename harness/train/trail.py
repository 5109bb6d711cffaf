"""The audit trail of a training: what an arm started from and was given, to be held against the other arm's.

A fingerprint says what was asked for; this says what happened. One row before the first step, with a hash of the
baseline's weights, and one every so many steps, with a hash of the batch as the network got it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from harness.data.loader import Batch
from harness.results import lines
from harness.results.store import RunFolder
from harness.results.trail import Given


def begin(run: RunFolder, step: int, baseline_weights: str, optimizer: torch.optim.Optimizer) -> None:
    """Keep the rows up to the step that training goes on from; a new trail begins with the weights' hash."""
    kept = [given for given in run.trail() if given.step <= step]
    first = Given(0, baseline_weights, "", "", settings(optimizer), "")
    lines.write(run.audit, Given._fields, map(_line, kept or [first]))


def append(
    run: RunFolder, step: int, batch: str, learning_rate: float, optimizer: torch.optim.Optimizer, norm: float
) -> None:
    """The row of a step that was done: its batch, and the norm of the gradients that came of it."""
    given = Given(step, "", batch, repr(learning_rate), settings(optimizer), repr(norm))
    lines.append(run.audit, Given._fields, _line(given), durable=False)


def sample_hashes(batch: Batch) -> list[str]:
    """Of every sample its frames and time, bit for bit; not its masks, which only one arm gets."""
    frames = batch.frames.contiguous().numpy()
    return [
        hashlib.sha256(sample.tobytes() + time.tobytes()).hexdigest()
        for sample, time in zip(frames, batch.t.numpy(), strict=True)
    ]


def batch_hash(samples: Iterable[str]) -> str:
    """Of a global batch, from the hashes of its samples in order: the same however many processes share it."""
    return hashlib.sha256("".join(samples).encode()).hexdigest()[:16]


def gradient_norm(parameters: Iterable[nn.Parameter]) -> float:
    """Over all parameters, 0 where none has a gradient; waits for the device."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    return float(torch.stack(torch._foreach_norm(gradients)).double().norm()) if gradients else 0.0


def settings(optimizer: torch.optim.Optimizer) -> str:
    """Hash over the kind of optimiser and everything that it is set to, save the learning rate."""
    groups: Sequence[dict[str, object]] = optimizer.param_groups
    facts = [{key: value for key, value in group.items() if key not in ("params", "lr")} for group in groups]
    text = json.dumps([type(optimizer).__name__, facts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _line(given: Given) -> dict[str, str]:
    return {name: str(value) for name, value in given._asdict().items()}
