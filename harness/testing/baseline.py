"""A baseline: what goes in and what comes out, whatever is in between."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from harness.arm import Arm
from harness.errors import HarnessError
from harness.model.compose import Composed
from harness.model.contracts import Baseline, Frames, MotionPrior
from harness.registry.catalog import catalog
from harness.registry.specs import BaselineSpec
from harness.testing.checks import CheckError, skip
from harness.testing.common import COMMON, several
from harness.testing.model import (
    MODEL,
    ModelSubject,
    apart,
    flows_of,
    interpolated,
    parts_of,
    predict,
    seen_by,
    zeroed,
)
from harness.testing.pictures import noise, size_of, texture
from harness.train.library import find_recipe


class BaselineSubject(ModelSubject):
    """The network as an arm without plug-ins."""

    def build(self, seed: int = 0) -> dict[str, Composed]:
        return {"": Arm(self.chosen).build(seed).eval()}

    @property
    def model(self) -> Composed:
        return self.thing[""]

    @property
    def network(self) -> Baseline:
        return self.model.baseline

    @property
    def any_time(self) -> bool:
        return not self.model.middle_only

    def own(self, model: Composed) -> nn.Module:
        return model.baseline

    @cached_property
    def still(self) -> Composed:
        """A copy of which every parameter is zero: it adds nothing to the motion and the frames that it is given."""
        return zeroed(self.model)

    @cached_property
    def small(self) -> Frames:
        """Noise of the smallest size at which sides differ and something can move."""
        return noise(size_of(self.network.size_multiple, 32, 48))


# --- what comes out ---


def check_contract(subject: BaselineSubject) -> None:
    """Shapes, types, ranges and finite values of all that crosses the seam, as before every training."""
    Arm(subject.chosen).check(subject.model, untrained=True)


def check_any_size(subject: BaselineSubject) -> None:
    """Frames of any size are padded and cropped back, one size after another, and the first again is as before."""
    model = subject.model
    first = predict(model, subject.small)
    multiple = subject.network.size_multiple
    for size in ((2 * multiple, multiple), (3 * multiple, 2 * multiple)):
        made = predict(model, noise(size))
        if tuple(made.frame.shape[-2:]) != size:
            raise CheckError(f"frames of {size[0]}x{size[1]} become one of {tuple(made.frame.shape[-2:])}")
    for scale in (1.0, 0.5):
        made = interpolated(model, noise((37, 53), scale=scale))
        shapes = [tuple(made.frame.shape), *(tuple(flow.shape) for flow in flows_of(made))]
        if shapes != [(1, 3, 37, 53), (1, 2, 37, 53), (1, 2, 37, 53)][: len(shapes)]:
            raise CheckError(f"frames of 37x53 become, at scale {scale:g}, a frame and flows of {shapes}")
    if difference := apart(predict(model, subject.small), first):
        raise CheckError(f"after frames of other sizes the first ones give another result, by {difference:.2g}")


def check_working_scale(subject: BaselineSubject) -> None:
    """At a working scale of 1/2 the frame is as large as its inputs, and features are on the seam's grid; so they are
    at 4/5 and 2, unless the network refuses such a scale by a ValueError."""
    model, offers = subject.model, subject.network.offers
    for scale in (0.5, 0.8, 2.0):
        frames = noise(size_of(model.multiple(scale), 32, 48), scale=scale)
        try:
            made = predict(model, frames)
        except ValueError:
            if scale == 0.5:
                raise
            continue
        sides = [tuple(each.shape[-2:]) for each in (made.frame, *flows_of(made))]
        if set(sides) != {tuple(frames.img0.shape[-2:])}:
            raise CheckError(f"at scale {scale} frame and flows are {sides} of {tuple(frames.img0.shape[-2:])}")
        if offers is None:
            continue
        with torch.no_grad():
            f0 = subject.network.encode(seen_by(model, frames)).f0
        expected = (1, offers.channels, *model.grid(frames, offers.stride))
        if tuple(f0.shape) != expected:
            raise CheckError(f"at scale {scale} the features are {tuple(f0.shape)}, where the seam says {expected}")


def check_range(subject: BaselineSubject) -> None:
    """The frame stays in [0, 1] whatever the last layer gives: here, what large biases make of it."""
    for sign in (1, -1):
        model = copy.deepcopy(subject.still)
        with torch.no_grad():
            for bias in _biases(model):
                bias.fill_(2.0 * sign)
        frame = predict(model, subject.small).frame
        low, high = frame.min().item(), frame.max().item()
        if low < -1e-3 or high > 1 + 1e-3:
            raise CheckError(f"with large biases the frame has values of {low:.3g} to {high:.3g}: clamp it to [0, 1]")


def _biases(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for name, parameter in model.named_parameters() if name.rpartition(".")[2] == "bias"]


def check_same_picture(subject: BaselineSubject) -> None:
    """Of two equal frames a network of zeros makes that frame, in its colours and at its place."""
    still = subject.still
    picture = texture((37, 53))
    made = interpolated(still, Frames(img0=picture, img1=picture)).frame
    if made.std() < 1e-3:
        skip("a network of zeros makes a flat frame of its own: nothing of the inputs passes by its layers")
    error = (made - picture).abs().mean().item()
    if error <= 1e-3:
        return
    if (made.flip(1) - picture).abs().mean().item() <= 1e-3:
        raise CheckError("a network of zeros gives the colours of two equal frames in reverse order: BGR for RGB")
    raise CheckError(f"of two equal frames a network of zeros makes another one, off by {error:.2g} in the mean")


def check_batch(subject: BaselineSubject) -> None:
    """A batch of two is two batches of one, each at its own time, in double precision."""
    model = _double(subject)
    height, width = subject.small.img0.shape[-2:]
    frames = noise((height, width), batch=2, seed=1).changed(Tensor.double)
    frames.img1[1] *= 0.4
    t = torch.tensor([0.5, 0.3 if subject.any_time else 0.5]).double().view(2, 1, 1, 1)
    both = predict(model, frames, t)
    for at in range(2):
        one = slice(at, at + 1)
        alone = predict(model, frames.changed(lambda image, one=one: image[one]), t[one])  # type: ignore[misc]
        for (what, together), single in zip(parts_of(both).items(), parts_of(alone).values(), strict=True):
            difference = (together[at] - single[0]).abs().max().item()
            if difference > 1e-6:
                raise CheckError(f"the {what} of a sample differs by {difference:.2g} when another is in its batch")


def check_double_precision(subject: BaselineSubject) -> None:
    """Moved to float64 it computes in float64, and gives what float32 gives."""
    small = subject.small
    made = predict(_double(subject), small.changed(Tensor.double))
    for what, value in parts_of(made).items():
        if value.dtype != torch.float64:
            raise CheckError(f"a network in float64 gives a {what} of {str(value.dtype).removeprefix('torch.')}")
    difference = (made.frame.float() - predict(subject.model, small).frame).abs().max().item()
    if difference > 1e-4:
        raise CheckError(f"float64 and float32 differ by {difference:.2g} in the frame")


def _double(subject: BaselineSubject) -> Composed:
    return copy.deepcopy(subject.model).double()


def check_inputs_unchanged(subject: BaselineSubject) -> None:
    """Frames, times, features and priors are as they were after a pass."""
    small, network = subject.small, subject.network
    t = torch.full((1, 1, 1, 1), 0.5)
    prior = None
    if network.offers and network.offers.motion:
        parts = [
            torch.randn(shape, generator=torch.Generator().manual_seed(2))
            for shape in subject.model.prior_shapes(small)
        ]
        prior = MotionPrior(flow_t0=parts[0], flow_t1=parts[1], latent=parts[2])
    with torch.no_grad():
        frames = seen_by(subject.model, small).changed(Tensor.clone)
        given: dict[str, Any] = {"img0": frames.img0, "img1": frames.img1, "t": t}
        if frames.before is not None and frames.after is not None:
            given |= {"before": frames.before, "after": frames.after}
        before = {name: value.clone() for name, value in given.items()}
        features = network.encode(frames)
        if network.offers:
            given |= {"features f0": features.f0, "features f1": features.f1}
        if prior:
            given |= {"prior flow_t0": prior.flow_t0, "prior flow_t1": prior.flow_t1, "prior latent": prior.latent}
        before |= {name: value.clone() for name, value in given.items() if name not in before}
        network.decode(frames, features, t, prior)
    if changed := [name for name, value in given.items() if not torch.equal(value, before[name])]:
        raise CheckError(f"a pass changes what it was given, in place: {several(changed)}")


def check_decodes_what_it_is_given(subject: BaselineSubject) -> None:
    """A decoder goes by the frames and features that it is given, whatever was encoded since: nothing is kept aside."""
    small, network = subject.small, subject.network
    other = noise((small.img0.shape[-2], small.img0.shape[-1]), seed=7)
    t = torch.full((1, 1, 1, 1), 0.5)
    with torch.no_grad():
        features = network.encode(small)
        before = network.decode(small, features, t, None)
        network.encode(other)
        difference = apart(network.decode(small, features, t, None), before)
    if difference:
        raise CheckError(
            f"features that are decoded after other frames were encoded give another result, by {difference:.2g}: "
            "what decode() needs of encode() is to be in Features.kept"
        )


def check_siamese(subject: BaselineSubject) -> None:
    """With the frames swapped the features are swapped: f0 is of frame 0, f1 of frame 1, made alike."""
    if subject.network.offers is None:
        skip("it offers no features")
    small = subject.small
    back = replace(small, img0=small.img1, img1=small.img0, before=small.after, after=small.before)
    with torch.no_grad():
        found, swapped = subject.network.encode(small), subject.network.encode(back)
    for name, one, other in (("f0", found.f0, swapped.f1), ("f1", found.f1, swapped.f0)):
        difference = (one - other).abs().max().item()
        if difference > 1e-4 * one.abs().max().item():
            raise CheckError(
                f"with the frames swapped {name} differs by {difference:.2g} from what was its counterpart: features "
                "are to be of frame 0 and of frame 1, by the same layers"
            )


# --- time ---


def check_inputs(subject: BaselineSubject) -> None:
    """A network of four inputs looks at the frames before and after; any other sees none."""
    if subject.model.inputs == 2:
        skip("it takes two frames, and says so")
    small, model = subject.small, subject.trained[""].model
    dark = torch.zeros_like(small.img0)
    for name, changed in (("before", replace(small, before=dark)), ("after", replace(small, after=dark))):
        if apart(predict(model, small), predict(model, changed)) == 0:
            raise CheckError(f"inputs=4 is said, but the frame {name} changes nothing, bit for bit")


def check_time(subject: BaselineSubject) -> None:
    """What any time is said to be possible for looks at the time; what the time says goes from frame 0 to frame 1."""
    early, late = (predict(subject.model, subject.small, t) for t in (0.1, 0.9))
    if not subject.any_time:
        skip("it makes the middle frame alone, and says so")
    if apart(early, late) == 0:
        raise CheckError("times='any' is said, but t = 0.1 and t = 0.9 give the same frame, bit for bit")
    small = subject.small
    plain = [predict(subject.still, small, t).frame for t in (0.1, 0.9)]
    if (plain[0] - plain[1]).abs().max() > 1e-3:
        to_first = [(frame - small.img0).abs().mean().item() for frame in plain]
        if to_first[0] > to_first[1]:
            raise CheckError(
                f"at t = 0.1 a network of zeros is {to_first[0]:.2g} from frame 0, at t = 0.9 {to_first[1]:.2g}: "
                "t = 0 is frame 0"
            )
    lengths = [[flow.abs().mean().item() + 1e-9 for flow in flows_of(made)] for made in (early, late)]
    if len(lengths[0]) == 2:
        to0, to1 = (lengths[0][at] / lengths[1][at] for at in (0, 1))
        if to0 > 2 and to1 < 0.5:
            raise CheckError(
                f"the flow to frame 0 is {to0:.1f} times as long at t = 0.1 as at t = 0.9, that to frame 1 {to1:.1f} "
                "times: t = 0 is frame 0"
            )


# --- weights ---


def check_translate(subject: BaselineSubject) -> None:
    """A checkpoint that is translated gains no key and loses none of the network's, and what it was made of is left."""
    network = subject.network
    own = {name: value.detach().clone() for name, value in network.state_dict().items()}
    given = dict(own)
    state = network.translate(dict(given))
    if missing := [name for name in own if name not in state]:
        raise CheckError(f"translate() leaves {several(missing)} out")
    if more := [name for name in state if name not in own]:
        raise CheckError(f"translate() invents {several(more)}")
    for name, value in state.items():
        before = own[name]
        if value.shape != before.shape or not torch.allclose(_moments(value), _moments(before), rtol=1e-9, atol=1e-12):
            raise CheckError(f"translate() gives other values for {name} than the checkpoint's, in whatever order")
    if changed := [name for name, value in network.state_dict().items() if not torch.equal(value, given[name])]:
        raise CheckError(f"translate() changes {several(changed)} of what it is given, or of the network")
    foreign = {"conv.weight": torch.ones(1), "head.bias": torch.ones(1)}
    if invented := sorted(network.translate(dict(foreign)).keys() - foreign.keys()):
        raise CheckError(f"of another network's checkpoint translate() makes {several(invented)}, which is not in it")


def _moments(value: Tensor) -> Tensor:
    """What stays as it is when values change places."""
    values = value.double()
    return torch.stack([values.sum(), values.square().sum(), values.abs().sum()])


def check_recipe(subject: BaselineSubject) -> None:
    """The recipe that it names is installed, and can be read."""
    spec = subject.chosen.entry.spec
    assert isinstance(spec, BaselineSpec)
    if not spec.recipe:
        skip("it names no recipe of its own")
    try:
        find_recipe(spec.recipe, catalog().plugins)
    except HarnessError as error:
        raise CheckError(f"names a recipe of its own: {error}") from error


BASELINE = (
    *COMMON,
    check_recipe,
    check_contract,
    check_any_size,
    check_working_scale,
    check_range,
    check_same_picture,
    check_batch,
    check_double_precision,
    check_inputs_unchanged,
    check_decodes_what_it_is_given,
    check_siamese,
    check_inputs,
    check_time,
    *MODEL,
    check_translate,
)
