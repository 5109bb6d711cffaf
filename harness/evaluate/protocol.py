"""A protocol at work: its id for every row, and a network run as it says."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import HarnessError
from harness.metrics.given import Predicted
from harness.model import Composed, Frames
from harness.model.padding import Padding
from harness.model.warping import resize_flow
from harness.registry.blame import breach_of
from harness.registry.code import core
from harness.registry.protocol import Protocol, Settings

# (frames, t, label maps (2, H, W) or None) -> what is predicted, images as float (1, 3, H, W) in [0, 1]
Predict = Callable[[Frames, float, NDArray[np.integer] | None], Predicted]

OVERSHOOT = 0.1
"""Beyond this, values of a frame are of another range than [0, 1]."""


def protocol_id(protocol: Protocol) -> str:
    """What each row carries: name, version, and 6 digits of a hash over every field and the code that decides rows."""
    digest = hashlib.sha256(json.dumps([asdict(protocol), core("rows")], sort_keys=True).encode()).hexdigest()
    return f"{protocol.name}-v{protocol.version}-{digest[:6]}"


def mean_of_frames(frames: Frames, t: float, maps: NDArray[np.integer] | None) -> Predicted:
    """The row that is no network: what an arm must beat before it can be said to have learnt motion. No flows, and of
    four frames those in the middle alone."""
    return Predicted(frame=(1 - t) * frames.img0 + t * frames.img1)


def predictor(model: Composed, settings: Settings) -> Predict:
    """The network under a protocol's settings; rounding, which concerns any frame, is left to the measuring.

    Raises HarnessError where their multiple is none of the network's; the result, ValueError where it is not finite,
    and HarnessError for a frame of another shape, dtype or range. One that leaves [0, 1] by less than OVERSHOOT is
    measured as it is: that is no reason to lose a training. Flows are those of the first pass where the protocol
    averages two. Without label maps plug-ins get no regions, as in the training of an arm that needs none.
    """
    model.eval().lay_out()
    needed = model.multiple(settings.scale)
    multiple = settings.multiple or needed
    if multiple % needed:
        name = type(model.baseline).__name__
        raise HarnessError(
            f"{name} takes multiples of {needed} at scale {settings.scale:g}, the protocol pads to {multiple}"
        )

    def once(given: Frames, t: float, maps: NDArray[np.integer] | None) -> Predicted:
        height, width = given.img0.shape[-2:]
        padding = Padding.to_multiple(height, width, multiple, settings.placement)
        frames = replace(given.changed(lambda image: padding.pad(image, settings.padding)), scale=settings.scale)
        regions = None
        if len(model.plugin) and maps is not None:
            regions = model.regions(padding.pad_maps(maps)[None], padding.size, settings.scale)
        made = model(frames, given.img0.new_full((1, 1, 1, 1), t), regions)
        frame, prior = made.frame, made.prior
        if frame.shape != frames.img0.shape or frame.dtype != given.img0.dtype:
            found, wanted = (f"{x.dtype} {tuple(x.shape)}" for x in (frame, frames.img0))
            raise breach_of("baseline", model.baseline, f"it predicts a frame of {found} from frames of {wanted}")

        def cropped(flow: Tensor | None) -> Tensor | None:
            return None if flow is None else padding.crop(resize_flow(flow, padding.size))

        return Predicted(
            frame=padding.crop(frame),
            flow_t0=cropped(made.flow_t0),
            flow_t1=cropped(made.flow_t1),
            attended_t0=cropped(prior.attended_t0) if prior else None,
            attended_t1=cropped(prior.attended_t1) if prior else None,
        )

    @torch.inference_mode()
    def predict(frames: Frames, t: float, maps: NDArray[np.integer] | None) -> Predicted:
        if settings.channels == "bgr":
            frames = frames.changed(lambda image: image.flip(1))
        predicted = once(frames, t, maps)
        frame = predicted.frame
        if settings.flip_average:
            turned = None if maps is None else maps[:, ::-1, ::-1].copy()
            frame = (frame + once(frames.changed(lambda image: image.flip(2, 3)), t, turned).frame.flip(2, 3)) / 2
        if settings.channels == "bgr":
            frame = frame.flip(1)
        low, high = torch.stack(frame.aminmax()).tolist()  # one transfer; NaN stays NaN
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("the result is not finite: it overflowed, or the weights are broken")
        if low < -OVERSHOOT or high > 1 + OVERSHOOT:
            what = f"it predicts a frame of {low:.4g} to {high:.4g}, where [0, 1] is needed"
            raise breach_of("baseline", model.baseline, what)
        return replace(predicted, frame=frame)

    return predict
