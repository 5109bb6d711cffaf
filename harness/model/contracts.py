"""The seam between a baseline and a plug-in (paper, Eq. 1-4).

Conventions, everywhere: images are RGB float in [0, 1], (B, 3, H, W); a flow (B, 2, h, w) points from the frame
to be made to a source frame (t->0, t->1), in pixels of its own grid, channel 0 = x; t is (B, 1, 1, 1) in (0, 1).
Flows between the source frames (0->1, 1->0) are called so: flow_01, flow_10.
Records of tensors take them by keyword only: two of one shape that change places would be seen nowhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from harness.model.flows import forward_flows
from harness.model.regions import Regions
from harness.registry.specs import Offers


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The inputs, with sides that the baseline takes at that scale.

    `before` and `after` are the frames at times -1 and 2, where I0 is at 0 and I1 at 1: given to a network of which the
    spec says `inputs=4`, None for all others. Features, flows and plug-ins are of I0 and I1 for either.

    `scale` is the working scale: motion and features are estimated on frames resized by it, the result is
    blended at full size (official protocols use it on large frames).
    """

    img0: Tensor
    img1: Tensor
    scale: float = 1.0
    before: Tensor | None = None
    after: Tensor | None = None

    def changed(self, change: Callable[[Tensor], Tensor]) -> Frames:
        """The same with each of the two or four frames changed alike."""
        before, after = (None if frame is None else change(frame) for frame in (self.before, self.after))
        return replace(self, img0=change(self.img0), img1=change(self.img1), before=before, after=after)


def inputs_and_truth(images: Sequence[Tensor]) -> tuple[Frames, Tensor]:
    """What a network sees, and what it is to make, of I0, It, I1, or of I-1, I0, It, I1, I2."""
    middle = len(images) // 2
    before, after = (images[0], images[-1]) if middle == 2 else (None, None)
    return Frames(img0=images[middle - 1], img1=images[middle + 1], before=before, after=after), images[middle]


@dataclass(frozen=True, kw_only=True)
class Features:
    """Coarsest siamese features (B, C, H/s, W/s) for plug-ins, and whatever the baseline keeps for its decoder."""

    f0: Tensor
    f1: Tensor
    kept: Any = None

    def refined(self, f0: Tensor, f1: Tensor) -> Features:
        """The same with new coarsest features of the same shape."""
        return replace(self, f0=f0, f1=f1)


@dataclass(frozen=True, kw_only=True)
class MotionPrior:
    """A motion plug-in's result on the grid of the baseline's motion seam.

    flow_t0, flow_t1 (B, 2, h, w); latent (B, channels, h, w), a feature or a blend logit as the seam says.
    `inject`: "residual" adds it to what the first decoder stage emits, "replace" takes that stage's place.

    attended_t0, attended_t1  for measuring alone: what an attention says of the motion before anything learns from it,
                              float32 (B, 2, h', w'), from t to the sources, in pixels of their own grid, that of the
                              plug-in's features; None of a plug-in that has none
    """

    flow_t0: Tensor
    flow_t1: Tensor
    latent: Tensor
    inject: Literal["residual", "replace"] = "residual"
    attended_t0: Tensor | None = None
    attended_t1: Tensor | None = None


Stage = tuple[Tensor, Tensor, Tensor]
"""What a first decoder stage emits: two flows and the latent. Of a backward seam flow_t0 and flow_t1; of a forward one
flow_01 and flow_10."""


def take_up(prior: MotionPrior | None, first_stage: Callable[[], Stage], offers: Offers | None = None) -> Stage:
    """The first decoder stage with a prior taken up: the stage alone, their sum, or, unrun, the prior in its place.

    A prior comes with backward flows from whatever plug-in. A network whose seam is "forward" gives its `offers`, and
    here, once, gets them as forward ones (decided: see `harness.model.forward_flows`. HIR's own long-range flows are
    between the frames, but what follows acts at time t, and Eq. 13's loss looks the prior's frame up; so there is one
    kind of plug-in for both kinds of network). A prior of zeros stays one.

    Raises ValueError where they are not of one shape: their sum would be of a third, in silence.
    """
    if prior is None:
        return first_stage()
    given = prior.flow_t0, prior.flow_t1, prior.latent
    if offers is not None and offers.motion is not None and offers.motion.kind == "forward":
        given = *forward_flows(prior.flow_t0, prior.flow_t1), prior.latent
    if prior.inject == "replace":
        return given
    emitted = first_stage()
    shapes, needed = ([tuple(x.shape) for x in stage] for stage in (emitted, given))
    if shapes != needed:
        raise ValueError(f"the first decoder stage emits {shapes}, where the motion seam says {needed}")
    return emitted[0] + given[0], emitted[1] + given[1], emitted[2] + given[2]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """`frame` (B, 3, H, W) in [0, 1]; full-size flows (B, 2, H, W), both None of a network that estimates none; `blend`
    (B, 1, H, W), the weight of frame 0 in [0, 1], or the mean of several, None where the network has none; the prior
    that seeded it, if any. Flows are measured, and looked at, and nothing else: a network that splats gives those that
    `harness.model.backward_flows` makes of its own, a network without flows invents none. `kept` is for a loss of the
    network's own."""

    frame: Tensor
    flow_t0: Tensor | None = None
    flow_t1: Tensor | None = None
    blend: Tensor | None = None
    prior: MotionPrior | None = None
    kept: Any = None


class Baseline(nn.Module, ABC):
    """A VFI network seen through the seam.

    offers         None where it has no seam for plug-ins
    size_multiple  of the sides that it takes
    scales_frames  whether a working scale resizes what plug-ins see; False where it concerns inner stages only
    fits_full_size whether sides must fit at full size too, and not only at the working scale
    """

    offers: Offers | None = None
    size_multiple: int = 1
    scales_frames: bool = True
    fits_full_size: bool = False

    @abstractmethod
    def encode(self, frames: Frames) -> Features:
        """Everything that does not depend on motion."""

    @abstractmethod
    def decode(self, frames: Frames, features: Features, t: Tensor, prior: MotionPrior | None) -> Prediction:
        """Motion, coarse to fine, and synthesis. `prior=None` is the plain network, bit for bit."""

    def loss(self, prediction: Prediction, frames: Frames, truth: Tensor) -> Tensor | None:
        """A scalar that this network is trained with in place of the recipe's loss, None for the recipe's.

        It is that of both arms of a pair; what a motion plug-in's prior adds to the loss is added to this one, too. The
        spec of a network that has one says `loss="own"`.
        """
        return None

    def working_size(self, frames: Frames) -> tuple[int, int]:
        """Height and width of the frames at their working scale.

        Raises ValueError for sides that the network does not take: convolutions would round them up in silence.
        """
        sides = frames.img0.shape[-2:]
        scaled = [side * frames.scale for side in sides]
        checked = [*sides, *scaled] if self.fits_full_size else scaled
        multiple = self.size_multiple
        if any(abs(side / multiple - round(side / multiple)) > 1e-6 for side in checked):
            raise ValueError(
                f"{type(self).__name__} needs sides that are multiples of {multiple} at its working scale, "
                f"got {sides[0]}x{sides[1]} at {frames.scale}"
            )
        return round(scaled[0]), round(scaled[1])

    def translate(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """An official checkpoint's state, what a trainer put before its names gone, under this network's own names.

        It is asked of other networks' states too, and leaves these to be refused by their names and shapes.
        """
        return state


class FeaturePlugin(nn.Module, ABC):
    """Refines the coarsest features; same shape in and out. In an arm of which no plug-in needs masks it gets None for
    regions, in training as in tests.

    starts_as_identity  whether a network with it, untrained, is the network without it, bit for bit on a CPU in
                        float32. One that cannot be says False; whoever says True is held to it before a training
    """

    starts_as_identity: bool = True

    @abstractmethod
    def forward(self, features: Features, regions: Regions | None) -> Features: ...


class MotionPlugin(nn.Module, ABC):
    """Makes the coarse motion that seeds the baseline's decoder. Regions as of a feature plug-in; `starts_as_identity`
    too: for a prior of zeros that is added."""

    starts_as_identity: bool = True

    @abstractmethod
    def forward(self, features: Features, regions: Regions | None, t: Tensor) -> MotionPrior: ...
