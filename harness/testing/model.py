"""What is asked of every network, with plug-ins or without: the same again, a pass elsewhere, training, saving."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from harness.measure.cost import cost
from harness.model.compose import Composed
from harness.model.contracts import Frames, MotionPrior, Prediction
from harness.model.losses import losses
from harness.model.regions import Regions
from harness.registry.plugins import FAULTS, in_one_line
from harness.registry.state import DRAWS, MODES, WEIGHTS
from harness.testing.checks import CheckError, skip
from harness.testing.common import Subject, digest, left_alone, pickled, several
from harness.testing.pictures import labels, moved, noise

STEPS, RATE = 4, 2e-4
"""Of AdamW on one pair."""


@dataclass(frozen=True)
class Trained:
    """What a few steps on one pair of frames did to a copy of the network."""

    model: Composed
    losses: tuple[float, ...]
    without_gradient: tuple[str, ...]


class ModelSubject(Subject):
    """`thing` is one network for each seam on which it is checked, by a word, in evaluation mode, with weights drawn
    from seed 0. `own` is what of it is the adapter's."""

    thing: dict[str, Composed]

    @property
    def small(self) -> Frames:
        """The frames that most checks look at."""
        raise NotImplementedError

    def own(self, model: Composed) -> nn.Module:
        raise NotImplementedError

    def build(self, seed: int = 0) -> dict[str, Composed]:
        raise NotImplementedError

    @cached_property
    def trained(self) -> dict[str, Trained]:
        """Each after a few steps on one pair."""
        return {word: _trained(self, model) for word, model in self.thing.items()}

    def hashes(self) -> dict[str, str]:
        found = {}
        for word, model in self.thing.items():
            state = sorted(model.state_dict().items())
            found[f"initial weights{word}"] = digest(*(value for _, value in state))
            made = predict(model, self.small)
            found[f"frames{word}"] = digest(made.frame)
            found[f"flows{word}"] = digest(*flows_of(made))
        return found


def predict(
    model: Composed, frames: Frames, t: float | Tensor = 0.5, prior: MotionPrior | None = None, grad: bool = False
) -> Prediction:
    """Of the network. `t` is one for all, or each sample's own, (B, 1, 1, 1)."""
    like = frames.img0
    times = t if isinstance(t, Tensor) else torch.full((len(like), 1, 1, 1), t, dtype=like.dtype, device=like.device)
    with torch.set_grad_enabled(grad):
        return forward(model, frames, times, prior)


def seen_by(model: Composed, frames: Frames) -> Frames:
    """What of the frames a network sees: two, or four; where nothing is known before and after them, nothing moves
    there."""
    if model.inputs == 2:
        return replace(frames, before=None, after=None)
    before, after = frames.before, frames.after
    return replace(
        frames, before=frames.img0 if before is None else before, after=frames.img1 if after is None else after
    )


def interpolated(model: Composed, frames: Frames, t: float = 0.5) -> Prediction:
    """As a user calls it."""
    seen = seen_by(model, frames)
    return model.interpolate(seen.img0, seen.img1, t, scale=seen.scale, before=seen.before, after=seen.after)


def forward(model: Composed, frames: Frames, times: Tensor, prior: MotionPrior | None = None) -> Prediction:
    """The network with its plug-ins; with a prior, the baseline alone."""
    frames = seen_by(model, frames)
    if prior is not None:
        return model.baseline.decode(frames, model.baseline.encode(frames), times, prior)
    return model(frames, times, regions_of(model, frames))  # type: ignore[no-any-return]


def regions_of(model: Composed, frames: Frames) -> Regions | None:
    """Of moving stripes, where plug-ins need any."""
    if not len(model.plugin) or not model.needs_masks:
        return None
    height, width = frames.img0.shape[-2:]
    return model.regions(labels((height, width), len(frames.img0)), (height, width), frames.scale)


def flows_of(prediction: Prediction) -> list[Tensor]:
    return [flow for flow in (prediction.flow_t0, prediction.flow_t1) if isinstance(flow, Tensor)]


def parts_of(prediction: Prediction) -> dict[str, Tensor]:
    """The frame, and the flows where there are any, by name."""
    return {"frame": prediction.frame} | dict(zip(("flow_t0", "flow_t1"), flows_of(prediction), strict=False))


def apart(one: Prediction, other: Prediction) -> float:
    """The largest difference of two predictions' values."""
    pairs = [(one.frame, other.frame), *zip(flows_of(one), flows_of(other), strict=True)]
    return max((a - b).abs().max().item() for a, b in pairs)


def zeroed(model: Composed) -> Composed:
    """A copy of which every parameter is zero."""
    still = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in still.parameters():
            parameter.zero_()
    return still


def _trained(subject: ModelSubject, start: Composed) -> Trained:
    model = copy.deepcopy(start).train()
    size = (subject.small.img0.shape[-2], subject.small.img0.shape[-1])
    frames, truth = moved(size, 0.5)
    offers = model.baseline.offers
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    seen: list[float] = []
    silent = {name for name, p in subject.own(model).named_parameters() if p.requires_grad}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(STEPS):
            optimizer.zero_grad()
            made = predict(model, frames, grad=True)
            own_loss = model.baseline.loss(made, seen_by(model, frames), truth)
            loss = losses(made, frames, truth, offers.motion if offers else None, own_loss)[1]
            seen.append(loss.item())
            if not loss.requires_grad or not math.isfinite(seen[-1]):
                break
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            learnt = subject.own(model).named_parameters()
            silent -= {name for name, p in learnt if p.grad is not None and bool(p.grad.any())}
    return Trained(model.eval(), tuple(seen), tuple(sorted(silent)))


# --- the same again ---


def check_same_twice(subject: ModelSubject) -> None:
    """The same frames give the same bits again, with other frames in between: no chance and no memory."""
    height, width = subject.small.img0.shape[-2:]
    for model in subject.thing.values():
        first = predict(model, subject.small)
        predict(model, noise((height, width), seed=5))
        if difference := apart(predict(model, subject.small), first):
            raise CheckError(
                f"the same frames give another result the second time, by {difference:.2g}, in evaluation mode"
            )


def check_leaves_the_process_alone(subject: ModelSubject) -> None:
    """A pass, for a test or for training, moves no random generator and no mode that the whole process has."""
    t = torch.full((1, 1, 1, 1), 0.5)
    for model in subject.thing.values():
        left_alone(MODES + DRAWS + WEIGHTS, lambda model=model: forward(model, subject.small, t))  # type: ignore[misc]
        learning = copy.deepcopy(model).train()
        left_alone(MODES + DRAWS, lambda learning=learning: forward(learning, subject.small, t))  # type: ignore[misc]


def check_pickles(subject: ModelSubject) -> None:
    """After a pass it can be sent to another process, and gives the same there."""
    for model in subject.thing.values():
        here = predict(model, subject.small)
        if difference := apart(predict(pickled(model), subject.small), here):
            raise CheckError(f"what arrives in another process gives another result, by {difference:.2g}")


def check_evaluation_mode(subject: ModelSubject) -> None:
    """Training mode and back changes nothing, and every module follows."""
    for start in subject.thing.values():
        model = copy.deepcopy(start)
        model.train()
        if still := [name for name, module in model.named_modules() if not module.training]:
            raise CheckError(f"{several(still)} does not go into training mode")
        model.eval()
        if left := [name for name, module in model.named_modules() if module.training]:
            raise CheckError(f"{several(left)} stays in training mode")
        if difference := apart(predict(model, subject.small), predict(start, subject.small)):
            raise CheckError(f"training mode and back changes the result by {difference:.2g}")


# --- elsewhere ---


def check_device(subject: ModelSubject) -> None:
    """Moved to another device it computes there: no tensor that it keeps or makes stays on the CPU."""
    for model in subject.thing.values():
        predict(model, subject.small)
        kept = plain_tensors(subject.own(model))
        with _Factories() as factories:
            predict(model, subject.small)
        if kept or factories.seen:
            # what is seen may yet be moved before it is used: torch's meta device tells, slowly
            _check_on_meta(copy.deepcopy(model), subject.small, [*kept, *factories.seen])


def _check_on_meta(model: Composed, small: Frames, seen: list[str]) -> None:
    frames = small.changed(lambda image: image.to("meta"))
    try:
        predict(model.to("meta"), frames)
    except NotImplementedError as error:
        skip(f"it looks at values as it computes: {str(error).partition('.')[0]}")
    except RuntimeError as error:
        if "device" not in str(error):
            raise
        raise CheckError(
            f"on another device it fails, by {several(seen)}: keep tensors as buffers, and make them on t's device"
        ) from error


def plain_tensors(module: nn.Module) -> list[str]:
    """Names of tensors that modules keep as plain attributes, with which nothing happens when they are moved."""
    return [
        ".".join(filter(None, (prefix, key)))
        for prefix, part in module.named_modules()
        for key, value in vars(part).items()
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
            self.seen[f"torch.{name}() without device="] = None
        return made


def check_cost(subject: ModelSubject) -> None:
    """Its operations can be counted, without data."""
    counted = cost(next(iter(subject.thing.values())), (64, 64))
    if counted.not_counted:
        raise CheckError(f"its operations cannot be counted without data: {counted.not_counted}")
    if counted.unseen:
        raise CheckError(f"nothing is known of what {several(counted.unseen)} costs: give a formula by harness_costs")
    if not counted.macs:
        raise CheckError("no multiply-accumulate is counted in a pass")


# --- training ---


def check_registered(subject: ModelSubject) -> None:
    """Every tensor that can learn, and every module, is registered, so that it is trained, saved and moved."""
    for model in subject.thing.values():
        own = subject.own(model)
        known = {id(each) for each in (*own.parameters(), *own.buffers(), *own.modules())}
        lost = [
            ".".join(filter(None, (prefix, key)))
            for prefix, module in own.named_modules()
            for key, value in vars(module).items()
            if not key.startswith("_")
            for each in _inside(value)
            if id(each) not in known and (isinstance(each, nn.Module) or each.requires_grad)
        ]
        if lost:
            raise CheckError(
                f"{several(dict.fromkeys(lost))} is no registered parameter or module: use nn.ModuleList, nn.Parameter"
            )


def _inside(value: object, depth: int = 3) -> Iterator[Tensor | nn.Module]:
    if isinstance(value, Tensor | nn.Module):
        yield value
    elif isinstance(value, list | tuple | dict) and depth:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _inside(each, depth - 1)


def check_frozen(subject: ModelSubject) -> None:
    """Every parameter is trained. One that is not to be is a buffer, or an exception says why it is none."""
    for model in subject.thing.values():
        if frozen := [name for name, each in subject.own(model).named_parameters() if not each.requires_grad]:
            raise CheckError(f"{several(frozen)} is frozen: requires_grad is False as it is built")


def check_gradients(subject: ModelSubject) -> None:
    """The loss reaches every parameter, within a few steps from fresh weights."""
    for word, trained in subject.trained.items():
        if silent := trained.without_gradient:
            raise CheckError(
                f"no gradient reaches {several(silent)} in {STEPS} steps{word}: unused, or cut off by detach()"
            )


def check_learns(subject: ModelSubject) -> None:
    """The loss is finite and falls in a few steps on one pair."""
    for word, trained in subject.trained.items():
        seen = trained.losses
        words = ", ".join(f"{loss:.4f}" for loss in seen) + word
        if len(seen) < STEPS or not math.isfinite(seen[-1]):
            raise CheckError(f"the loss is {words} and goes no further")
        if not min(seen[1:]) < seen[0]:
            raise CheckError(f"the loss does not fall in {STEPS} steps on one pair: {words}")


def check_saved_and_loaded(subject: ModelSubject) -> None:
    """What was trained, saved, and loaded into a network of other weights is that network, bit for bit."""
    others = subject.build(seed=1)
    for word, trained in subject.trained.items():
        model, other = trained.model, others[word]
        state = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
        try:
            content = safetensors.torch.save(state)
        except FAULTS as error:
            raise CheckError(f"its weights cannot be saved: {in_one_line(error)}") from error
        other.load_state_dict(safetensors.torch.load(content))
        loaded = other.state_dict()
        if differing := [name for name, value in state.items() if not torch.equal(loaded[name], value)]:
            raise CheckError(f"{several(differing)} is not what was loaded: a strict loading that loads something else")
        if difference := apart(predict(other.eval(), subject.small), predict(model, subject.small)):
            raise CheckError(
                f"after training, saving and loading the result differs by {difference:.2g}: something that training "
                "moves is neither a parameter nor a saved buffer"
            )


MODEL = (
    check_same_twice,
    check_leaves_the_process_alone,
    check_pickles,
    check_evaluation_mode,
    check_device,
    check_cost,
    check_registered,
    check_frozen,
    check_gradients,
    check_learns,
    check_saved_and_loaded,
)
