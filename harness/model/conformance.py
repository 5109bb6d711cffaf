"""A network and its plug-ins held against the seam's contract, by one small forward pass.

`Composed.forward` step by step, with a look at what comes out of each, so that the blame falls on whoever gave what is
wrong and not on the next one, who cannot use it. To be called once, before a network is trained or evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.model.compose import Composed
from harness.model.contracts import Baseline, Features, Frames, MotionPlugin, MotionPrior, Prediction
from harness.model.regions import Regions
from harness.registry.contract import ContractError, breach, called, name_of
from harness.registry.entry import Entry
from harness.registry.specs import BaselineSpec, Named, PluginSpec

SMALLEST, BATCH = 16, 2
"""Pixels of the shorter side of its frames, or more where the network needs them, and how many pairs of them."""

ROUNDING = 1e-3
"""By how much a frame may leave [0, 1]."""

Fault = Callable[[str], ContractError]


def check_model(
    model: Composed, baseline: Entry[Named], plugins: Mapping[str, Entry[Named]], untrained: bool = False
) -> None:
    """Raises HarnessError, in one line that names the distribution, for what breaks its contract.

    An `untrained` model, as it is built, is held to what its plug-ins say of their start, too.
    `model` is on a CPU, in float32. Its weights and buffers, the gradient mode and all random generators are left as
    they were. What somebody's code raises by itself comes through.
    """
    if next(model.baseline.parameters(), None) is None:
        raise breach(baseline, f"{baseline.target.factory} has no parameters: there is nothing to train")
    if untrained:
        _check_names(model, baseline, plugins)
    frames, t, regions = _inputs(model, _size(model.baseline.size_multiple))
    if not any(isinstance(entry.spec, PluginSpec) and entry.spec.needs_masks for entry in plugins.values()):
        regions = None  # as in its training, and when it is tested
    mode = model.training
    model.eval()  # running statistics stay as they are
    try:
        # inference_mode would leave tensors that no training can use in the caches of the networks' modules
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            _check(model, frames, t, regions, baseline, plugins)
            if untrained:
                _check_start(model, frames, t, regions, plugins)
    finally:
        model.train(mode)


def _check(
    model: Composed,
    frames: Frames,
    t: Tensor,
    regions: Regions | None,
    baseline: Entry[Named],
    plugins: Mapping[str, Entry[Named]],
) -> None:
    network = model.baseline

    def fault(what: str) -> ContractError:
        return breach(baseline, f"{baseline.target.factory} {what}")

    with called(baseline):
        features = network.encode(frames)
    _check_features(features, model, frames, fault)
    with called(baseline):
        plain = network.decode(frames, features, t, None)
    _check_prediction(plain, frames, fault)
    _check_loss(network, plain, frames, baseline, fault)
    prior = None
    for name, plugin in model.plugin.items():
        owner = plugins[name]

        def of_plugin(what: str, owner: Entry[Named] = owner) -> ContractError:
            return breach(owner, f"{owner.target.factory} {what}")

        with called(owner):
            given = plugin(features, regions, t) if isinstance(plugin, MotionPlugin) else plugin(features, regions)
        if isinstance(plugin, MotionPlugin):
            _check_prior(given, model, frames, of_plugin)
            prior = given
        else:
            _check_refined(given, features, of_plugin)
            features = given
    seam = network.offers.motion if network.offers else None
    if prior is None and seam is not None:
        flow_t0, flow_t1, latent = (torch.zeros(shape) for shape in model.prior_shapes(frames))
        prior = MotionPrior(flow_t0=flow_t0, flow_t1=flow_t1, latent=latent)
    if model.plugin or prior is not None:
        with called(baseline):
            prediction = network.decode(frames, features, t, prior)
        _check_prediction(prediction, frames, fault)


def _check_names(model: Composed, baseline: Entry[Named], plugins: Mapping[str, Entry[Named]]) -> None:
    """Files of weights keep no tensor that has two names."""
    seen: dict[int, str] = {}
    for name, value in model.state_dict().items():
        if not value.numel() or not value.is_contiguous():  # a file keeps a copy of what is not
            continue
        if (twin := seen.setdefault(value.data_ptr(), name)) != name:
            part, _, rest = name.partition(".")
            owner = baseline if part == "baseline" else plugins[rest.partition(".")[0]]
            what = f"has one tensor by two names, {twin} and {name}, and no checkpoint keeps that: give it one name"
            raise breach(owner, f"{owner.target.factory} {what}")


def _check_start(
    model: Composed, frames: Frames, t: Tensor, regions: Regions | None, plugins: Mapping[str, Entry[Named]]
) -> None:
    """One plug-in at a time: the network with it against the network alone, bit for bit."""
    plain = Composed(model.baseline)(frames, t)
    for name, plugin in model.plugin.items():
        if not plugin.starts_as_identity:
            continue
        started = Composed(model.baseline, {name: plugin})(frames, t, regions)  # type: ignore[dict-item]
        for what in ("frame", "flow_t0", "flow_t1", "blend"):
            one, other = getattr(plain, what), getattr(started, what)
            if (one is None) != (other is None) or (one is not None and not torch.equal(one, other)):
                owner = plugins[name]
                raise breach(
                    owner,
                    f"{owner.target.factory} says that it starts as the identity, but the {what} of a network with it, "
                    "untrained, is another: make its last layer zero, or set starts_as_identity = False",
                )


def _size(multiple: int) -> tuple[int, int]:
    """Height and width of the smallest frames: not square, so that no side can stand for the other."""
    side = -(-SMALLEST // multiple) * multiple
    return side, 2 * side


def _inputs(model: Composed, size: tuple[int, int]) -> tuple[Frames, Tensor, Regions | None]:
    """Noise, half of it black and white, so that what is not kept in [0, 1] leaves it; two regions; the middle."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(2, BATCH, 3, *size, generator=generator)
    half = noise[..., : size[1] // 2]
    half.round_()
    maps = np.zeros((BATCH, 2, *size), np.uint8)
    maps[..., size[1] // 2 :] = 1
    # drawn after the others, which are the same for either number of inputs
    before, after = torch.rand(2, BATCH, 3, *size, generator=generator) if model.inputs == 4 else (None, None)
    frames = Frames(img0=noise[0], img1=noise[1], before=before, after=after)
    return frames, torch.full((BATCH, 1, 1, 1), 0.5), model.regions(maps, size)


def _check_features(given: Any, model: Composed, frames: Frames, fault: Fault) -> None:
    if not isinstance(given, Features):
        raise fault(f"encodes to {name_of(given)}, which is no harness.model.Features")
    offers = model.baseline.offers
    if offers is None:
        return
    for name in ("f0", "f1"):
        shape = (BATCH, offers.channels, *model.grid(frames, offers.stride))
        if wrong := _tensor_fault(getattr(given, name), shape):
            raise fault(
                f"gives features {name} {wrong}; it offers {offers.channels} channels at stride {offers.stride}"
            )


def _check_refined(given: Any, before: Features, fault: Fault) -> None:
    if not isinstance(given, Features):
        raise fault(f"gives {name_of(given)}, which is no harness.model.Features")
    if given.kept is not before.kept:
        raise fault("gives features without what the network keeps for its decoder: return features.refined(f0, f1)")
    for name in ("f0", "f1"):
        old: Any = getattr(before, name)
        # of a network without a seam nothing is known
        wrong = _tensor_fault(getattr(given, name), tuple(old.shape)) if isinstance(old, Tensor) else ""
        if wrong:
            raise fault(f"gives features {name} {wrong}")


def _check_prior(given: Any, model: Composed, frames: Frames, fault: Fault) -> None:
    if not isinstance(given, MotionPrior):
        raise fault(f"gives {name_of(given)}, which is no harness.model.MotionPrior")
    for name, shape in zip(("flow_t0", "flow_t1", "latent"), model.prior_shapes(frames), strict=True):
        if wrong := _tensor_fault(getattr(given, name), shape):
            raise fault(f"gives a prior whose {name} is {wrong}")
    if given.inject not in ("residual", "replace"):
        raise fault(f"gives a prior with inject={given.inject!r}: 'residual' or 'replace' is needed")


def _check_prediction(given: Any, frames: Frames, fault: Fault) -> None:
    if not isinstance(given, Prediction):
        raise fault(f"decodes to {name_of(given)}, which is no harness.model.Prediction")
    batch, _, height, width = frames.img0.shape
    for name, channels in (("frame", 3), ("flow_t0", 2), ("flow_t1", 2), ("blend", 1)):
        value = getattr(given, name)
        if name != "frame" and value is None:
            continue
        if wrong := _tensor_fault(value, (batch, channels, height, width)):
            raise fault(f"predicts a {name} {wrong}")
    if (given.flow_t0 is None) != (given.flow_t1 is None):
        raise fault("predicts one flow of two: give both, or neither where it estimates none")
    if given.frame.dtype != frames.img0.dtype:
        raise fault(f"predicts a frame of {given.frame.dtype} from frames of {frames.img0.dtype}")
    for name in ("frame", "blend"):
        if (value := getattr(given, name)) is not None:
            low, high = value.min().item(), value.max().item()
            if low < -ROUNDING or high > 1 + ROUNDING:
                raise fault(f"predicts a {name} of {low:.4g} to {high:.4g}: values in [0, 1] are needed")


def _check_loss(
    network: Baseline, prediction: Prediction, frames: Frames, baseline: Entry[Named], fault: Fault
) -> None:
    """The record of a run says by the spec whose loss it was trained with."""
    said = isinstance(baseline.spec, BaselineSpec) and baseline.spec.loss == "own"
    with called(baseline):
        own: Any = network.loss(prediction, frames, frames.img0)
    if said and own is None:
        raise fault("says loss='own', and its loss() gives None")
    if own is None:
        return
    if not said:
        raise fault("has a loss() of its own, and its spec does not say so: give loss='own'")
    if wrong := _tensor_fault(own, ()):
        raise fault(f"gives a loss {wrong}")


def _tensor_fault(value: Any, shape: tuple[int, ...]) -> str:
    """What is wrong with a tensor of floats that should have that shape."""
    if not isinstance(value, Tensor):
        return f"that is {name_of(value)}, no tensor"
    if tuple(value.shape) != shape:
        return f"of shape {tuple(value.shape)}, where {shape} is needed"
    if not value.is_floating_point():
        return f"of {value.dtype}, where floats are needed"
    if not bool(value.isfinite().all()):
        return "with values that are not finite"
    return ""
