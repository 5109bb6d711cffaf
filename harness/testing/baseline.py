"""A baseline: what goes in and what comes out, whatever is in between."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from harness.arm import Arm
from harness.measure.cost import cost
from harness.model.compose import Composed
from harness.model.contracts import Baseline, Frames, MotionPrior, Prediction
from harness.registry.state import DRAWS, MODES, WEIGHTS
from harness.testing.checks import CheckError, skip
from harness.testing.common import COMMON, Subject, digest, left_alone, pickled, several
from harness.testing.pictures import noise, size_of, texture

ROUNDING = 1e-5
"""What sums in another order may move a value of float32 by."""


class BaselineSubject(Subject):
    """`thing` is the network with weights drawn from seed 0, in evaluation mode, as an arm without plug-ins."""

    thing: Composed

    def build(self, seed: int = 0) -> Composed:
        return Arm(self.chosen).build(seed).eval()

    @property
    def network(self) -> Baseline:
        return self.thing.baseline

    @property
    def any_time(self) -> bool:
        return not self.thing.middle_only

    @cached_property
    def still(self) -> Composed:
        """A copy of which every parameter is zero: it adds nothing to the motion and the frames that it is given."""
        return zeroed(self.thing)

    @cached_property
    def small(self) -> Frames:
        """Noise of the smallest size at which sides differ and something can move."""
        return noise(size_of(self.network.size_multiple, 32, 48))

    def hashes(self) -> dict[str, str]:
        prediction = predict(self.thing, self.small)
        state = [self.thing.state_dict()[name] for name in sorted(self.thing.state_dict())]
        return {
            "initial weights": digest(*state),
            "frames": digest(prediction.frame),
            "flows": digest(*flows_of(prediction)),
        }


def predict(
    model: Composed, frames: Frames, t: float | Tensor = 0.5, prior: MotionPrior | None = None, grad: bool = False
) -> Prediction:
    """Of the baseline alone. `t` is one for all, or each sample's own, (B, 1, 1, 1)."""
    like = frames.img0
    times = t if isinstance(t, Tensor) else torch.full((len(like), 1, 1, 1), t, dtype=like.dtype, device=like.device)
    network = model.baseline
    with torch.set_grad_enabled(grad):
        return network.decode(frames, network.encode(frames), times, prior)


def flows_of(prediction: Prediction) -> list[Tensor]:
    return [flow for flow in (prediction.flow_t0, prediction.flow_t1) if isinstance(flow, Tensor)]


def zeroed(model: Composed) -> Composed:
    """A copy of which every parameter is zero."""
    still = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in still.parameters():
            parameter.zero_()
    return still


def apart(one: Prediction, other: Prediction) -> float:
    """The largest difference of two predictions' values."""
    pairs = [(one.frame, other.frame), *zip(flows_of(one), flows_of(other), strict=True)]
    return max((a - b).abs().max().item() for a, b in pairs)


# --- what comes out ---


def check_contract(subject: BaselineSubject) -> None:
    """Shapes, types, ranges and finite values of all that crosses the seam, as before every training."""
    Arm(subject.chosen).check(subject.thing, untrained=True)


def check_any_size(subject: BaselineSubject) -> None:
    """Frames of any size are padded and cropped back, one size after another, and the first again is as before."""
    model = subject.thing
    first = predict(model, subject.small)
    multiple = subject.network.size_multiple
    for size in ((2 * multiple, multiple), (3 * multiple, 2 * multiple)):
        made = predict(model, noise(size))
        if tuple(made.frame.shape[-2:]) != size:
            raise CheckError(f"frames of {size[0]}x{size[1]} become one of {tuple(made.frame.shape[-2:])}")
    odd = noise((37, 53))
    shape = tuple(model.interpolate(odd.img0, odd.img1).frame.shape)
    if shape != (1, 3, 37, 53):
        raise CheckError(f"frames of 37x53 become one of shape {shape}")
    if difference := apart(predict(model, subject.small), first):
        raise CheckError(f"after frames of other sizes the first ones give another result, by {difference:.2g}")


def check_working_scale(subject: BaselineSubject) -> None:
    """At a working scale of 1/2 and 2 the frame is as large as its inputs, and features are on the seam's grid."""
    model, offers = subject.thing, subject.network.offers
    for scale in (0.5, 2.0):
        frames = noise(size_of(model.multiple(scale), 32, 48), scale=scale)
        made = predict(model, frames)
        if made.frame.shape != frames.img0.shape:
            raise CheckError(f"at scale {scale} the frame is {tuple(made.frame.shape)} of {tuple(frames.img0.shape)}")
        if offers is None:
            continue
        with torch.no_grad():
            f0 = subject.network.encode(frames).f0
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
    made = still.interpolate(picture, picture).frame
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
    img0, img1 = torch.rand(
        2, 2, 3, *subject.small.img0.shape[-2:], generator=torch.Generator().manual_seed(1)
    ).double()
    img1[1] *= 0.4
    t = torch.tensor([0.5, 0.3 if subject.any_time else 0.5]).double().view(2, 1, 1, 1)
    both = predict(model, Frames(img0=img0, img1=img1), t)
    for at in range(2):
        one = slice(at, at + 1)
        alone = predict(model, Frames(img0=img0[one], img1=img1[one]), t[one])
        for what, together, single in (("frame", both.frame, alone.frame), ("flow_t0", both.flow_t0, alone.flow_t0)):
            difference = (together[at] - single[0]).abs().max().item()
            if difference > 1e-6:
                raise CheckError(f"the {what} of a sample differs by {difference:.2g} when another is in its batch")


def check_double_precision(subject: BaselineSubject) -> None:
    """Moved to float64 it computes in float64, and gives what float32 gives."""
    small = subject.small
    made = predict(_double(subject), Frames(img0=small.img0.double(), img1=small.img1.double()))
    for what, value in (("frame", made.frame), ("flow_t0", made.flow_t0)):
        if value.dtype != torch.float64:
            raise CheckError(f"a network in float64 gives a {what} of {str(value.dtype).removeprefix('torch.')}")
    difference = (made.frame.float() - predict(subject.thing, small).frame).abs().max().item()
    if difference > 1e-2:
        raise CheckError(f"float64 and float32 differ by {difference:.2g} in the frame")


def _double(subject: BaselineSubject) -> Composed:
    return copy.deepcopy(subject.thing).double()


def check_device(subject: BaselineSubject) -> None:
    """Moved to another device it computes there: no tensor that it keeps or makes stays on the CPU."""
    model = copy.deepcopy(subject.thing)
    predict(model, subject.small)
    kept = plain_tensors(model)
    with _Factories() as factories:
        predict(model, subject.small)
    if not kept and not factories.seen:
        return
    # what is seen may yet be moved before it is used: torch's meta device tells, slowly
    frames = Frames(img0=subject.small.img0.to("meta"), img1=subject.small.img1.to("meta"))
    try:
        predict(model.to("meta"), frames)
    except NotImplementedError as error:
        skip(f"it looks at values as it computes: {str(error).partition('.')[0]}")
    except RuntimeError as error:
        if "device" not in str(error):
            raise
        what = [*kept, *(f"torch.{name}() without device=" for name in factories.seen)]
        raise CheckError(
            f"on another device it fails, by {several(what)}: keep tensors as buffers, make them on t's device"
        ) from error


def plain_tensors(model: nn.Module) -> list[str]:
    """Names of tensors that modules keep as plain attributes, with which nothing happens when the model is moved."""
    return [
        ".".join(filter(None, (prefix.removeprefix("baseline").lstrip("."), key)))
        for prefix, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, Tensor) and value.dim()
    ]


class _Factories(TorchFunctionMode):
    """Remembers which functions made a tensor on no device in particular."""

    NAMES: ClassVar = ("arange", "empty", "eye", "full", "linspace", "ones", "rand", "randn", "tensor", "zeros")

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, None] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in self.NAMES and not isinstance((kwargs or {}).get("device"), torch.device) and made.dim():
            self.seen[name] = None
        return made


# --- what is left behind ---


def check_same_twice(subject: BaselineSubject) -> None:
    """The same frames give the same bits again, with other frames in between: no chance and no memory."""
    first = predict(subject.thing, subject.small)
    predict(subject.thing, noise(tuple(subject.small.img0.shape[-2:]), seed=5))  # type: ignore[arg-type]
    if difference := apart(predict(subject.thing, subject.small), first):
        raise CheckError(
            f"the same frames give another result the second time, by {difference:.2g}, in evaluation mode"
        )


def check_inputs_unchanged(subject: BaselineSubject) -> None:
    """Frames, times, features and priors are as they were after a pass."""
    small, network = subject.small, subject.network
    t = torch.full((1, 1, 1, 1), 0.5)
    prior = None
    if network.offers and network.offers.motion:
        parts = [
            torch.randn(shape, generator=torch.Generator().manual_seed(2))
            for shape in subject.thing.prior_shapes(small)
        ]
        prior = MotionPrior(flow_t0=parts[0], flow_t1=parts[1], latent=parts[2])
    with torch.no_grad():
        given: dict[str, Any] = {"img0": small.img0.clone(), "img1": small.img1.clone(), "t": t}
        frames = Frames(img0=given["img0"], img1=given["img1"])
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


def check_leaves_the_process_alone(subject: BaselineSubject) -> None:
    """A pass, for a test or for training, moves no random generator and no mode that the whole process has."""
    left_alone(MODES + DRAWS + WEIGHTS, lambda: predict(subject.thing, subject.small))
    model = copy.deepcopy(subject.thing).train()
    left_alone(MODES + DRAWS, lambda: predict(model, subject.small, grad=True).frame.mean().backward())  # type: ignore[no-untyped-call]


def check_pickles(subject: BaselineSubject) -> None:
    """After a pass it can be sent to another process, and gives the same there."""
    predict(subject.thing, subject.small)
    if difference := apart(predict(pickled(subject.thing), subject.small), predict(subject.thing, subject.small)):
        raise CheckError(f"what arrives in another process gives another result, by {difference:.2g}")


# --- time, and cost ---


def check_time(subject: BaselineSubject) -> None:
    """What any time is said to be possible for looks at the time; what the time says goes from frame 0 to frame 1."""
    early, late = (predict(subject.thing, subject.small, t) for t in (0.1, 0.9))
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


def check_cost(subject: BaselineSubject) -> None:
    """Its operations can be counted, without data."""
    counted = cost(subject.thing, (64, 64))
    if not counted.macs:
        raise CheckError("no multiply-accumulate is counted in a pass")


OUTSIDE = (
    *COMMON,
    check_contract,
    check_any_size,
    check_working_scale,
    check_range,
    check_same_picture,
    check_batch,
    check_double_precision,
    check_device,
    check_same_twice,
    check_inputs_unchanged,
    check_leaves_the_process_alone,
    check_pickles,
    check_time,
    check_cost,
)
