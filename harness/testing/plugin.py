"""A plug-in, on a small network of either kind of motion seam: what it says of its start, of regions, and of time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.arm import stream
from harness.model.compose import Composed
from harness.model.conformance import check_model
from harness.model.contracts import Features, Frames, MotionPlugin, MotionPrior
from harness.registry.entry import Entry
from harness.registry.plugins import FAULTS, Origin, in_one_line
from harness.registry.specs import BaselineSpec, Named, PluginSpec
from harness.testing.checks import CheckError, skip
from harness.testing.common import COMMON, several
from harness.testing.model import MODEL, ModelSubject, apart, predict
from harness.testing.pictures import labels, moved, size_of
from harness.testing.small import Small

CHANNELS = 32
CLOSE = 1e-4
"""Relative: what sums in another order, and attention in float32, may move."""


class PluginSubject(ModelSubject):
    """The small network with the plug-in, on a seam whose latent is a feature and on one whose latent is a blend."""

    def build(self, seed: int = 0) -> dict[str, Composed]:
        return {" (latent feature)": self._on(Small(latent="feature", channels=CHANNELS), seed)} | {
            " (latent blend)": self._on(Small(latent="blend", channels=CHANNELS), seed)
        }

    def _on(self, network: Small, seed: int) -> Composed:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for module in network.modules():
                if isinstance(module, nn.Conv2d):
                    module.reset_parameters()
            torch.manual_seed(stream(seed, self.chosen.name))
            plugins = {self.chosen.name: self.chosen.build(network.offers)}
            return Composed(network, plugins, needs_masks=self.spec.needs_masks).eval()

    def own(self, model: Composed) -> nn.Module:
        return model.plugin[self.chosen.name]

    def maps(self, size: tuple[int, int], batch: int = 1) -> NDArray[np.uint8] | None:
        """Label maps, as in training and in tests: one that needs none is given none."""
        return labels(size, batch) if self.spec.needs_masks else None

    @property
    def spec(self) -> PluginSpec:
        spec = self.chosen.entry.spec
        assert isinstance(spec, PluginSpec)
        return spec

    @cached_property
    def small(self) -> Frames:
        """A moved picture: a grid of 4 by 6 cells, over which the labels move."""
        return moved(size_of(16, 64, 96), 0.5)[0]

    @cached_property
    def awake(self) -> dict[str, Composed]:
        """Copies of which no weight is zero any more, as after some training."""
        awake = copy.deepcopy(self.thing)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for model in awake.values():
                for parameter in self.own(model).parameters():
                    parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        return awake


def _called(
    subject: PluginSubject,
    model: Composed,
    frames: Frames,
    maps: NDArray[np.integer[Any]] | None,
    t: float | Tensor = 0.5,
    swapped: bool = False,
) -> Features | MotionPrior:
    """What the plug-in gives for features of the network, `swapped` seen from frame 1."""
    height, width = frames.img0.shape[-2:]
    times = t if isinstance(t, Tensor) else torch.full((len(frames.img0), 1, 1, 1), t)
    plugin = subject.own(model)
    with torch.no_grad():
        features = model.baseline.encode(frames)
        regions = model.regions(maps, (height, width), frames.scale)
        if swapped:
            features = Features(f0=features.f1, f1=features.f0, kept=features.kept)
            regions = regions.mirrored() if regions else None
            times = 1 - times
        if isinstance(plugin, MotionPlugin):
            return plugin(features, regions, times)  # type: ignore[no-any-return]
        return plugin(features, regions)  # type: ignore[no-any-return]


def _tensors(given: Features | MotionPrior) -> list[Tensor]:
    if isinstance(given, Features):
        return [given.f0, given.f1]
    return [given.flow_t0, given.flow_t1, given.latent]


def _difference(one: Features | MotionPrior, other: Features | MotionPrior) -> float:
    """The largest, relative to the largest value."""
    pairs = list(zip(_tensors(one), _tensors(other), strict=True))
    return max(((a - b).abs().max() / a.abs().max().clamp(min=1e-6)).item() for a, b in pairs)


def _each(subject: PluginSubject) -> Iterator[tuple[str, Composed, NDArray[np.uint8] | None]]:
    """The awake networks, with the label maps of the frames that they are given."""
    height, width = subject.small.img0.shape[-2:]
    for word, model in subject.awake.items():
        yield word, model, subject.maps((height, width), len(subject.small.img0))


def _each_with_masks(subject: PluginSubject) -> Iterator[tuple[str, Composed, NDArray[np.uint8]]]:
    """The same; a check of label maps is skipped where none are needed."""
    for word, model, maps in _each(subject):
        if maps is None:
            skip("it needs no masks")
        yield word, model, maps


# --- checks ---


def check_contract(subject: PluginSubject) -> None:
    """Shapes, types and finite values of what it gives, as before every training; where it says that it needs no seam,
    on a network without one, too."""
    small = Entry[Named](
        BaselineSpec("small", "harness.testing.small:Small", summary=""), Origin("vfi-harness", "", __file__)
    )
    plugins = {subject.chosen.name: subject.chosen.entry}
    for model in subject.thing.values():
        check_model(model, small, plugins, untrained=True)
    if not subject.spec.needs_seam:
        network = Small()
        network.offers = None
        try:
            check_model(subject._on(network, 0), small, plugins, untrained=True)
        except FAULTS as error:
            raise CheckError(f"needs_seam=False is said, and on a network without one: {in_one_line(error)}") from error


def check_starts_as_the_identity(subject: PluginSubject) -> None:
    """Untrained, a network with it is the network without it, bit for bit, unless it says otherwise."""
    for word, model in subject.thing.items():
        if not getattr(subject.own(model), "starts_as_identity", True):
            skip("it says that it does not start as the identity: the arms of a pair differ before the first step")
        if difference := apart(predict(model, subject.small), predict(Composed(model.baseline), subject.small)):
            raise CheckError(f"untrained it changes the result by {difference:.2g}{word}: make its last layer zero")


def check_any_grid(subject: PluginSubject) -> None:
    """Features of any size and working scale become features, or a prior, of the size that the seam says."""
    for word, model in subject.awake.items():
        for size, scale in (((16, 48), 1.0), ((64, 32), 0.5), ((16, 32), 2.0)):
            frames = moved(size, 0.5, scale)[0]
            given = _called(subject, model, frames, subject.maps(size))
            offers = model.baseline.offers
            assert offers
            expected = (
                [(1, offers.channels, *model.grid(frames, offers.stride))] * 2
                if isinstance(given, Features)
                else model.prior_shapes(frames)
            )
            shapes = [tuple(each.shape) for each in _tensors(given)]
            if shapes != expected:
                raise CheckError(
                    f"frames of {size[0]}x{size[1]} at scale {scale:g} give {shapes}, not {expected}{word}"
                )


def check_labels_renamed(subject: PluginSubject) -> None:
    """Labels are names: others for the same regions change nothing."""
    renamed = np.array([7, 4, 0, 2, 9], np.uint8)
    for word, model, maps in _each_with_masks(subject):
        plain = _called(subject, model, subject.small, maps)
        if (off := _difference(plain, _called(subject, model, subject.small, renamed[maps]))) > CLOSE:
            raise CheckError(f"other names of the same labels change the result by {off:.2g} of it{word}")


def check_regions_used(subject: PluginSubject) -> None:
    """One that needs masks looks at them; one that does not works without, and looks at none that another's arm has."""
    for word, model, maps in _each(subject):
        plain = _called(subject, model, subject.small, maps)
        if maps is None:
            height, width = subject.small.img0.shape[-2:]
            off = _difference(plain, _called(subject, model, subject.small, labels((height, width), 1)))
            if off > 0:
                raise CheckError(
                    "needs_masks=False is said, and the masks that another plug-in of its arm needs change the result "
                    f"by {off:.2g} of it{word}"
                )
        elif _difference(plain, _called(subject, model, subject.small, np.zeros_like(maps))) == 0:
            raise CheckError(f"needs_masks is said, and one region or several give the same, bit for bit{word}")


def check_one_region(subject: PluginSubject) -> None:
    """Label 0 alone works, and so do labels that one frame has and the other lacks."""
    for word, model, maps in _each_with_masks(subject):
        apart_maps = maps.copy()
        apart_maps[:, 1] += 9
        for what, these in (("label 0 alone", np.zeros_like(maps)), ("no label in both frames", apart_maps)):
            try:
                given = _called(subject, model, subject.small, these)
            except FAULTS as error:
                raise CheckError(f"{what}: raises {in_one_line(error)}{word}") from error
            if not all(bool(each.isfinite().all()) for each in _tensors(given)):
                raise CheckError(f"{what} gives values that are not finite{word}")


def check_frames_swapped(subject: PluginSubject) -> None:
    """Seen from the other frame it gives the same: features, or the motion that was attended to."""
    for word, model, maps in _each(subject):
        one = _called(subject, model, subject.small, maps, 0.25)
        if isinstance(one, MotionPrior):
            model = subject.thing[word]  # a decoder may learn to tell the frames apart
            one = _called(subject, model, subject.small, maps, 0.25)
        other = _called(subject, model, subject.small, maps, 0.25, swapped=True)
        if isinstance(one, Features) and isinstance(other, Features):
            pairs = [("f0", one.f0, other.f1), ("f1", one.f1, other.f0)]
        elif isinstance(one, MotionPrior) and isinstance(other, MotionPrior):
            pairs = [
                ("attended_t0", _attended(one)[0], _attended(other)[1]),
                ("attended_t1", _attended(one)[1], _attended(other)[0]),
            ]
        for what, a, b in pairs:
            off = ((a - b).abs().max() / a.abs().max().clamp(min=1e-6)).item()
            if off > 10 * CLOSE:
                raise CheckError(f"with the frames swapped {what} differs by {off:.2g} of it{word}")


def _attended(prior: MotionPrior) -> tuple[Tensor, Tensor]:
    if prior.attended_t0 is None or prior.attended_t1 is None:
        skip("it says nothing of the motion that it attended to, before anything learns from it")
    return prior.attended_t0, prior.attended_t1


def check_attended_motion(subject: PluginSubject) -> None:
    """What it attended to, before anything learns from it, is not the opposite of a moved picture's motion."""
    if subject.spec.stage != "motion":
        skip("it gives no motion")
    size, motion = (128, 192), (32, -16)
    maps = np.zeros((1, 2, *size), np.uint8) if subject.spec.needs_masks else None
    for word, model in subject.thing.items():
        for t in (0.5, 0.25):
            frames = moved(size, t, motion=motion)[0]
            given = _called(subject, model, frames, maps, t)
            assert isinstance(given, MotionPrior)
            for name, flow, way in zip(("t0", "t1"), _attended(given), (-t, 1 - t), strict=True):
                true = way * torch.tensor(motion, dtype=torch.float32).view(1, 2, 1, 1).expand_as(flow)
                inner = (..., slice(2, -2), slice(2, -2))
                along = torch.cosine_similarity(flow[inner].flatten(), true[inner].flatten(), 0).item()
                if along < -0.1:
                    raise CheckError(
                        f"at t = {t:g} attended_{name} goes against the motion of a moved picture, with a cosine of "
                        f"{along:.2f}{word}"
                    )


def check_batch(subject: PluginSubject) -> None:
    """A batch of two is two batches of one, each with its own regions and time."""
    for word, model in subject.awake.items():
        height, width = subject.small.img0.shape[-2:]
        other = moved((height, width), 0.25)[0]
        both = Frames(
            img0=torch.cat([subject.small.img0, other.img1]), img1=torch.cat([subject.small.img1, other.img0])
        )
        maps, t = subject.maps((height, width), 2), torch.tensor([0.5, 0.25]).view(2, 1, 1, 1)
        together = _tensors(_called(subject, model, both, maps, t))
        for at in (0, 1):
            one = slice(at, at + 1)
            frames = Frames(img0=both.img0[one], img1=both.img1[one])
            alone = _called(subject, model, frames, None if maps is None else maps[one], t[one])
            for whole, single in zip(together, _tensors(alone), strict=True):
                off = ((whole[one] - single).abs().max() / single.abs().max().clamp(min=1e-6)).item()
                if off > 10 * CLOSE:
                    raise CheckError(f"what a sample gives differs by {off:.2g} when another is in its batch{word}")


def check_inputs_unchanged(subject: PluginSubject) -> None:
    """Features, regions and times are as they were; what the network keeps is handed on."""
    for model in subject.awake.values():
        frames = subject.small
        height, width = frames.img0.shape[-2:]
        regions = model.regions(subject.maps((height, width)), (height, width))
        t = torch.full((1, 1, 1, 1), 0.5)
        plugin = subject.own(model)
        with torch.no_grad():
            features = model.baseline.encode(frames)
            given = {"f0": features.f0, "f1": features.f1, "t": t}
            given |= {"regions": regions.ids0, "regions of I1": regions.ids1} if regions else {}
            before = {name: value.clone() for name, value in given.items()}
            made = plugin(features, regions, t) if isinstance(plugin, MotionPlugin) else plugin(features, regions)
        if changed := [name for name, value in given.items() if not torch.equal(value, before[name])]:
            raise CheckError(f"changes what it was given, in place: {several(changed)}")
        if isinstance(made, Features) and made.kept is not features.kept:
            raise CheckError("loses what the network keeps for its decoder: return features.refined(f0, f1)")


PLUGIN = (
    *COMMON,
    check_contract,
    check_starts_as_the_identity,
    check_any_grid,
    check_labels_renamed,
    check_regions_used,
    check_one_region,
    check_frames_swapped,
    check_attended_motion,
    check_batch,
    check_inputs_unchanged,
    *MODEL,
)
