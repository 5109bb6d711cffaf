"""The seam for motion: a prior that knows the truth brings the frame there, and its mirror image does not.

A network of zeros adds nothing to what it is given, and a right one then makes the frame of a moved picture exactly. A
network with weights is judged by how its flows answer to a prior that is moved up and down: what it adds by itself is
the same on both sides, and goes.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from harness.model.compose import Composed
from harness.model.contracts import Frames, MotionPrior
from harness.registry.specs import MotionSeam
from harness.testing.baseline import BaselineSubject
from harness.testing.checks import CheckError, skip
from harness.testing.common import several
from harness.testing.model import apart, flows_of, predict
from harness.testing.pictures import EDGE, MOTION, decibels, moved, noise, size_of, texture

NAMES = ("x of flow_t0", "y of flow_t0", "x of flow_t1", "y of flow_t1")
STEP = 3.0
"""Pixels by which a prior is moved up and down."""

FOLLOWS = 0.5
"""How far the answer of a network with fresh weights may be from that of one that follows exactly, which is 1, and 0 of
another component. Measured on eleven networks: at most 0.18."""

EXACT, BEATS = 40.0, 6.0
"""Decibels: of what the truth makes, 132 to 134 in all networks here, and by how much it is above its mirror image."""


def seam_of(subject: BaselineSubject) -> MotionSeam:
    """The seam for motion; a check is skipped where there is none."""
    offers = subject.network.offers
    if offers is None or offers.motion is None:
        skip("it has no seam for motion")
    return offers.motion


def adding_seam_of(subject: BaselineSubject) -> MotionSeam:
    """The same; skipped where later stages estimate flows anew, too."""
    seam = seam_of(subject)
    if not seam.adds:
        skip("it declares adds=False, flows estimated anew from what a prior warps: its own tests have to show the way")
    return seam


def prior_of(
    model: Composed,
    frames: Frames,
    flow_t0: Tensor,
    flow_t1: Tensor,
    latent: float = 0.0,
    inject: Literal["residual", "replace"] = "replace",
) -> MotionPrior:
    """The same motion everywhere, (B, 2) in pixels of the full size, as the seam takes it."""
    shapes = model.prior_shapes(frames)
    height, width = shapes[0][-2:]
    full = frames.img0.shape[-2:]
    units = torch.tensor([width / full[1], height / full[0]])

    def everywhere(flow: Tensor) -> Tensor:
        return (flow * units).view(-1, 2, 1, 1).expand(shapes[0]).contiguous()

    return MotionPrior(
        flow_t0=everywhere(flow_t0), flow_t1=everywhere(flow_t1), latent=torch.full(shapes[2], latent), inject=inject
    )


ANSWERS = {
    "backward": torch.eye(4),
    # only the motion between the frames counts there, flow_t1 - flow_t0, and half of it is the way to either
    "forward": 0.5 * torch.eye(4) - 0.5 * torch.eye(4)[[2, 3, 0, 1]],
}
"""By the kind of a seam how a network answers that follows a prior exactly, at t = 1/2."""


def answer(model: Composed, scale: float = 1.0, inject: Literal["residual", "replace"] = "replace") -> Tensor:
    """(4, 4): by how much each component of the predicted flows, in rows, moves with each of a prior's, in columns."""
    size = size_of(model.multiple(scale), 32, 48)
    picture = texture(size).expand(8, -1, -1, -1)
    frames = Frames(img0=picture, img1=picture, scale=scale)
    flows = STEP * torch.cat([torch.eye(4), -torch.eye(4)])
    made = predict(model, frames, 0.5, prior_of(model, frames, flows[:, :2], flows[:, 2:], inject=inject))
    if len(flows_of(made)) < 2:
        raise CheckError("it has a seam for motion, and predicts no flows")
    inner = torch.cat(flows_of(made), 1)[..., 8:-8, 8:-8].mean((2, 3))
    return ((inner[:4] - inner[4:]) / (2 * STEP)).T


def diagnosis(found: Tensor, expected: Tensor) -> str:
    """In words what kind of a mistake a wrong answer is."""
    if found.abs().max() < 0.05:
        return "the prior is ignored"
    kinds = {
        "their sign is turned": -expected,
        "x and y change places": expected[[1, 0, 3, 2]],
        "flow_t0 and flow_t1 change places": expected[[2, 3, 0, 1]],
        "flow_t0 and flow_t1 change places, and their sign is turned": -expected[[2, 3, 0, 1]],
    }
    for words, kind in kinds.items():
        if (found - kind).abs().max() < FOLLOWS * expected.max():
            return words
    length = ((found * expected).sum() / expected.square().sum()).item()
    if length > 0 and (found - length * expected).abs().max() < 0.25 * length * expected.max():
        return f"they are {length:.3g} times as long as they should be: a prior is in pixels of the seam's own grid"
    return "they follow something else"


def _follows(seam: MotionSeam, found: Tensor, when: str) -> None:
    expected = ANSWERS[seam.kind]
    off = (found - expected).abs()
    if not off.max() <= FOLLOWS * expected.max():
        row, column = divmod(int(off.argmax()), 4)
        raise CheckError(
            f"{when} the flows do not answer to a prior: {diagnosis(found, expected)}; {NAMES[row]} moves by "
            f"{found[row, column].item():.2f} when {NAMES[column]} of the prior moves by 1"
        )


# --- checks ---


def check_prior_moves_flows(subject: BaselineSubject) -> None:
    """The predicted flows move as a prior's do: by sign, axis, frame and length, with fresh weights."""
    _follows(adding_seam_of(subject), answer(subject.model), "with fresh weights")


def check_prior_at_scale(subject: BaselineSubject) -> None:
    """So they do at a working scale of 1/2, where a prior's grid may be another."""
    _follows(adding_seam_of(subject), answer(subject.model, 0.5), "at a working scale of 1/2")


def check_prior_residual(subject: BaselineSubject) -> None:
    """A prior of zeros that is added is no prior, bit for bit; one that is not moves the flows as far as itself, where
    later stages add to them."""
    seam, model = seam_of(subject), subject.model
    for scale in (1.0, 0.5):
        frames = noise(size_of(model.multiple(scale), 32, 48), scale=scale)
        parts = [torch.zeros(shape) for shape in model.prior_shapes(frames)]
        zero = MotionPrior(flow_t0=parts[0], flow_t1=parts[1], latent=parts[2])
        if difference := apart(predict(model, frames, prior=zero), predict(model, frames)):
            raise CheckError(f"a residual prior of zeros changes the result by {difference:.2g}: it is to be added")
    if seam.adds:
        _follows(seam, answer(model, inject="residual"), "as a residual")


def check_prior_makes_the_frame(subject: BaselineSubject) -> None:
    """The true flows of a moved picture, in place of the first stage, make its frame; their mirror image does not."""
    seam_of(subject)
    still = subject.still
    found = answer(still)
    if found.abs().max() < 0.02:
        skip("a network of zeros adds no flow to a prior's: judged by direction alone")
    size = size_of(still.multiple(), 64, 96)
    for t in (0.5, 0.25, 0.75) if subject.any_time else (0.5,):
        frames, truth = moved(size, t)
        motion = torch.tensor([MOTION], dtype=torch.float32)
        made, mirrored = (
            predict(still, frames, t, prior_of(still, frames, -side * t * motion, side * (1 - t) * motion)).frame
            for side in (1, -1)
        )
        right, wrong = decibels(made, truth), decibels(mirrored, truth)
        if not right >= max(EXACT, wrong + BEATS):
            raise CheckError(
                f"at t = {t:g} the true flows, in a network of zeros, make a frame of {right:.1f} dB, and their mirror "
                f"image one of {wrong:.1f} dB; {EXACT:.0f} dB or more are needed"
            )


def check_prior_reaches_the_frame(subject: BaselineSubject) -> None:
    """The frame is another with another prior, with fresh weights."""
    adding_seam_of(subject)
    frames = moved(size_of(subject.network.size_multiple, 32, 48), 0.5)[0]
    flow = torch.tensor([[4.0, -2.0]])
    one, other = (
        predict(subject.model, frames, 0.5, prior_of(subject.model, frames, side * flow, -side * flow)).frame
        for side in (1, -1)
    )
    difference = (one - other).abs().mean().item()
    if difference < 1e-4:
        raise CheckError(
            f"opposite priors give frames that differ by {difference:.2g} in the mean: flows do not reach them"
        )


def check_prior_latent(subject: BaselineSubject) -> None:
    """The latent of a prior reaches the result; a blend logit is the weight of frame 0."""
    seam = seam_of(subject)
    model = subject.model
    frames = noise(size_of(subject.network.size_multiple, 32, 48), seed=3)
    still_motion = torch.zeros(1, 2)
    high, low = (
        predict(model, frames, 0.5, prior_of(model, frames, still_motion, still_motion, sign * 4.0)) for sign in (1, -1)
    )
    if (difference := apart(high, low)) < 1e-6:
        raise CheckError(f"latents of 4 and -4 give results that differ by {difference:.2g}: the latent is ignored")
    if seam.latent != "blend":
        return
    still = subject.still
    for sign, name in ((1, "img0"), (-1, "img1")):
        made = predict(still, frames, 0.5, prior_of(still, frames, still_motion, still_motion, sign * 8.0))
        to0, to1 = ((made.frame - img).abs().mean().item() for img in (frames.img0, frames.img1))
        if (to0 < to1) != (sign > 0):
            raise CheckError(
                f"with a blend logit of {8 * sign} the frame is {to0:.2g} from img0 and {to1:.2g} from img1, where it "
                f"is to be {name}: the logit is that of frame 0's weight"
            )


def check_blend(subject: BaselineSubject) -> None:
    """The blend that is predicted is the one that the frame is made with: the weight of frame 0."""
    model = copy.deepcopy(subject.still)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.rpartition(".")[2] == "bias":
                parameter.copy_(0.05 + 0.2 * torch.rand(parameter.shape, generator=generator))
    size = size_of(subject.network.size_multiple, 32, 48)
    bright, dark = torch.full((1, 3, *size), 0.6), torch.full((1, 3, *size), 0.4)
    one = predict(model, Frames(img0=bright, img1=dark))
    other = predict(model, Frames(img0=dark, img1=bright))
    if one.blend is None:
        skip("it predicts no blend")
    inner = (..., slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    # what is added to both is the same and goes
    seen = ((one.frame - other.frame)[inner].mean().item() / 0.2 + 1) / 2
    said = one.blend[inner].mean().item()
    if abs(seen - 0.5) < 0.01 or not 0.01 < one.frame[inner].mean() < 0.99:
        skip("a network of zeros with biases makes a frame that does not depend on the blend")
    if abs(seen - said) > 0.02:
        raise CheckError(f"frame 0 has the weight {seen:.3f} in the frame, and the blend says {said:.3f}")


def check_features(subject: BaselineSubject) -> None:
    """Features that a plug-in has refined reach the result, without a motion prior too."""
    if subject.network.offers is None:
        skip("it offers no features")
    network, small = subject.network, subject.small
    t = torch.full((1, 1, 1, 1), 0.5)
    with torch.no_grad():
        features = network.encode(small)
        plain = network.decode(small, features, t, None)
        for name in ("f0", "f1"):
            refined = replace(features, **{name: 1.5 * getattr(features, name) + 0.5})
            if apart(network.decode(small, refined, t, None), plain) < 1e-6:
                raise CheckError(f"other features {name} give the same result: what a plug-in refines goes nowhere")


def check_gradients_to_plugins(subject: BaselineSubject) -> None:
    """The loss reaches the features and the prior, so that plug-ins learn."""
    network, small = subject.network, subject.small
    if network.offers is None:
        skip("it has no seam for plug-ins")
    t = torch.full((1, 1, 1, 1), 0.5)
    features = network.encode(small)
    given = {"features f0": features.f0.detach().requires_grad_(), "features f1": features.f1.detach().requires_grad_()}
    prior = None
    if network.offers.motion:
        shapes = subject.model.prior_shapes(small)
        names = ("prior flow_t0", "prior flow_t1", "prior latent")
        given |= {name: torch.zeros(shape, requires_grad=True) for name, shape in zip(names, shapes, strict=True)}
        prior = MotionPrior(flow_t0=given[names[0]], flow_t1=given[names[1]], latent=given[names[2]])
    refined = features.refined(given["features f0"], given["features f1"])
    network.decode(small, refined, t, prior).frame.square().mean().backward()  # type: ignore[no-untyped-call]
    if silent := [name for name, value in given.items() if value.grad is None or not value.grad.any()]:
        raise CheckError(f"no gradient reaches {several(silent)}: a plug-in would not learn")


SEAM = (
    check_features,
    check_prior_moves_flows,
    check_prior_at_scale,
    check_prior_residual,
    check_prior_makes_the_frame,
    check_prior_reaches_the_frame,
    check_prior_latent,
    check_blend,
    check_gradients_to_plugins,
)
