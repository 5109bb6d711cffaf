"""A baseline as it is trained, saved and loaded."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from harness.model.compose import Composed
from harness.model.contracts import MotionPrior
from harness.model.losses import losses
from harness.registry.plugins import FAULTS, in_one_line
from harness.testing.baseline import BaselineSubject, apart, predict
from harness.testing.checks import CheckError, skip
from harness.testing.common import several
from harness.testing.pictures import moved, size_of

STEPS, RATE = 4, 2e-4
"""Of AdamW on one pair."""


@dataclass(frozen=True)
class Trained:
    """What a few steps on one pair of frames did to a copy of the network."""

    model: Composed
    losses: tuple[float, ...]
    without_gradient: tuple[str, ...]


def trained(subject: Any) -> Trained:
    """Once for each subject; kept with it."""
    if "trained" not in vars(subject):
        vars(subject)["trained"] = _train(subject)
    return vars(subject)["trained"]  # type: ignore[no-any-return]


def _train(subject: BaselineSubject) -> Trained:
    model = copy.deepcopy(subject.thing).train()
    frames, truth = moved(size_of(subject.network.size_multiple, 32, 48), 0.5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    seen: list[float] = []
    silent = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = losses(predict(model, frames, grad=True), frames, truth, None)[1]
            seen.append(loss.item())
            if not loss.requires_grad or not math.isfinite(seen[-1]):
                break
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            silent -= {name for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    return Trained(model.eval(), tuple(seen), tuple(sorted(silent)))


# --- checks ---


def check_registered(subject: BaselineSubject) -> None:
    """Every tensor that can learn, and every module, is registered, so that it is trained, saved and moved."""
    known = {id(each) for each in (*subject.thing.parameters(), *subject.thing.buffers(), *subject.thing.modules())}
    lost = []
    for prefix, module in subject.thing.named_modules():
        own = {key: value for key, value in vars(module).items() if not key.startswith("_")}
        for key, value in own.items():
            for each in _inside(value):
                learns = isinstance(each, nn.Module) or each.requires_grad
                if id(each) not in known and learns:
                    lost.append(".".join(filter(None, (prefix.removeprefix("baseline"), key))).lstrip("."))
    if lost:
        raise CheckError(
            f"{several(dict.fromkeys(lost))} is no registered parameter or module: use nn.ModuleList or nn.Parameter"
        )


def _inside(value: object, depth: int = 3) -> Iterator[Tensor | nn.Module]:
    if isinstance(value, Tensor | nn.Module):
        yield value
    elif isinstance(value, list | tuple | dict) and depth:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _inside(each, depth - 1)


def check_frozen(subject: BaselineSubject) -> None:
    """Every parameter is trained. One that is not to be is a buffer, or an exception says why it is none."""
    if frozen := [name for name, parameter in subject.network.named_parameters() if not parameter.requires_grad]:
        raise CheckError(
            f"{several(frozen)} is frozen: requires_grad is False as it is built, and no training moves it"
        )


def check_gradients(subject: BaselineSubject) -> None:
    """The loss reaches every parameter, within a few steps from fresh weights."""
    if silent := trained(subject).without_gradient:
        names = [name.removeprefix("baseline.") for name in silent]
        raise CheckError(f"no gradient reaches {several(names)} in {STEPS} steps: unused, or cut off by detach()")


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
        shapes = subject.thing.prior_shapes(small)
        names = ("prior flow_t0", "prior flow_t1", "prior latent")
        given |= {name: torch.zeros(shape, requires_grad=True) for name, shape in zip(names, shapes, strict=True)}
        prior = MotionPrior(flow_t0=given[names[0]], flow_t1=given[names[1]], latent=given[names[2]])
    refined = features.refined(given["features f0"], given["features f1"])
    network.decode(small, refined, t, prior).frame.square().mean().backward()  # type: ignore[no-untyped-call]
    if silent := [name for name, value in given.items() if value.grad is None or not value.grad.any()]:
        raise CheckError(f"no gradient reaches {several(silent)}: a plug-in would not learn")


def check_learns(subject: BaselineSubject) -> None:
    """The loss is finite and falls in a few steps on one pair."""
    seen = trained(subject).losses
    words = ", ".join(f"{loss:.4f}" for loss in seen)
    if len(seen) < STEPS or not math.isfinite(seen[-1]):
        raise CheckError(f"the loss is {words} and goes no further")
    if not min(seen[1:]) < seen[0]:
        raise CheckError(f"the loss does not fall in {STEPS} steps on one pair: {words}")


def check_saved_and_loaded(subject: BaselineSubject) -> None:
    """What was trained, saved, and loaded into a network of other weights is that network, bit for bit."""
    model = trained(subject).model
    state = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    try:
        content = safetensors.torch.save(state)
    except FAULTS as error:
        raise CheckError(f"its weights cannot be saved: {in_one_line(error)}") from error
    other = subject.build(seed=1)
    other.load_state_dict(safetensors.torch.load(content))
    loaded = other.state_dict()
    if differing := [name for name, value in state.items() if not torch.equal(loaded[name], value)]:
        raise CheckError(f"{several(differing)} is not what was loaded: a strict loading that loads something else")
    if difference := apart(predict(other.eval(), subject.small), predict(model, subject.small)):
        raise CheckError(
            f"after training, saving and loading the result differs by {difference:.2g}: something that training moves "
            "is neither a parameter nor a saved buffer"
        )


def check_evaluation_mode(subject: BaselineSubject) -> None:
    """Training mode and back changes nothing, and every module follows."""
    model = copy.deepcopy(subject.thing)
    model.train()
    if still := [name for name, module in model.named_modules() if not module.training]:
        raise CheckError(f"{several(still)} does not go into training mode")
    model.eval()
    if left := [name for name, module in model.named_modules() if module.training]:
        raise CheckError(f"{several(left)} stays in training mode")
    if difference := apart(predict(model, subject.small), predict(subject.thing, subject.small)):
        raise CheckError(f"training mode and back changes the result by {difference:.2g}")


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


TRAINING = (
    check_registered,
    check_frozen,
    check_gradients,
    check_gradients_to_plugins,
    check_learns,
    check_saved_and_loaded,
    check_evaluation_mode,
    check_translate,
)
