"""One optimiser step, the same for every arm."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.data.loader import Batch
from harness.model import Composed, Frames
from harness.model.losses import losses
from harness.train.engine import Engine


def training_step(
    model: Composed, optimizer: torch.optim.Optimizer, batch: Batch, learning_rate: float, engine: Engine
) -> Tensor:
    """(reconstruction, total) loss of the batch before the update, on the device: nothing here waits for a GPU.

    Raises FloatingPointError for a loss that is not finite on a CPU, where looking costs nothing and the backward
    pass of grid_sample crashes on NaN coordinates. On a GPU the loop finds it with the next row of the curve.
    """
    images = batch.frames.to(engine.device, non_blocking=True).float() / 255
    frames, truth = Frames(images[:, 0], images[:, 2]), images[:, 1]
    t = batch.t.to(engine.device, non_blocking=True).view(-1, 1, 1, 1)
    regions = model.regions(batch.maps, (truth.shape[-2], truth.shape[-1]))
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    with engine.autocast():
        prediction = model(frames, t, regions)
    offers = model.baseline.offers
    reconstruction, total = losses(prediction, frames, truth, offers.motion if offers else None)
    if engine.device.type == "cpu" and not total.isfinite():
        raise FloatingPointError
    optimizer.zero_grad(set_to_none=True)
    (total * engine.loss_scale).backward()  # type: ignore[no-untyped-call]
    if engine.loss_scale != 1:
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, 1 / engine.loss_scale)
        # an overflow in float16 shows in the loss that is reported, and so ends the arm
        total = total + 0 * torch.stack(torch._foreach_norm(gradients)).sum()
    optimizer.step()
    return torch.stack([reconstruction.detach(), total.detach()])
