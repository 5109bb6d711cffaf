"""One optimiser step, the same for every arm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.data.loader import Batch
from harness.distributed import World
from harness.model import Composed
from harness.model.contracts import inputs_and_truth
from harness.model.losses import losses
from harness.train.engine import Engine


def training_step(
    model: Composed,
    optimizer: torch.optim.Optimizer,
    parts: list[Batch],
    learning_rate: float,
    engine: Engine,
    world: World,
    clip_norm: float | None = None,
) -> Tensor:
    """(reconstruction loss, total loss, gradient norm) of the global batch before the update, float64, on the device:
    nothing here waits for a GPU.

    `parts` are this process's samples, as many at a time as fit. The norm is that over all parameters before it is
    clipped to `clip_norm`, NaN where none has a gradient. Raises FloatingPointError with the losses, in every process,
    where one is not finite, or its gradient, on a CPU, where looking costs nothing: nothing has moved then. On a GPU
    the loop finds it with the next row of the curve.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.zero_grad(set_to_none=True)
    loss = torch.stack([_backward(model, part, engine) for part in parts]).sum(0)
    parameters = list(model.parameters())
    loss = world.sum_gradients(parameters, loss)
    gradients = [p.grad for p in parameters if p.grad is not None]  # none where all is frozen
    if engine.loss_scale != 1 and gradients:
        torch._foreach_mul_(gradients, 1 / engine.loss_scale)
    norm = torch.stack(torch._foreach_norm(gradients)).double().norm() if gradients else loss.new_tensor(torch.nan)
    if gradients:
        # a gradient that is no number shows in the loss that is reported, and so ends the arm
        loss = loss + 0 * norm
    if engine.device.type == "cpu" and not loss.isfinite().all():
        raise FloatingPointError(loss)
    if clip_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm.float())
    optimizer.step()
    return torch.cat([loss.double(), norm.double()[None]])


def _backward(model: Composed, batch: Batch, engine: Engine) -> Tensor:
    """Add the gradients of a part of the global batch; its (reconstruction, total) share of the mean loss.

    A loss that is not finite gets no backward pass on a CPU: that of grid_sample crashes on NaN coordinates. Nor does
    that of an arm of which all is frozen.
    """
    images = batch.frames.to(engine.device, non_blocking=True).float() / 255
    frames, truth = inputs_and_truth(images.unbind(1))
    t = batch.t.to(engine.device, non_blocking=True).view(-1, 1, 1, 1)
    regions = model.regions(batch.maps, (truth.shape[-2], truth.shape[-1]))
    with engine.autocast():
        prediction = model(frames, t, regions)
    offers = model.baseline.offers
    own = model.baseline.loss(prediction, frames, truth)
    reconstruction, total = losses(prediction, frames, truth, offers.motion if offers else None, own)
    if total.requires_grad and (engine.device.type != "cpu" or total.isfinite()):
        (total * (engine.loss_scale * batch.weight)).backward()  # type: ignore[no-untyped-call]
    return torch.stack([reconstruction.detach(), total.detach()]) * batch.weight
