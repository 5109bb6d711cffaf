"""A network that makes frames between two others, whatever it is trained for: any moment, or the middle alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.arm import Arm
from harness.errors import HarnessError
from harness.evaluate.protocol import Predict, predictor
from harness.evaluate.runner import to_image
from harness.interpolate.plan import reachable
from harness.interpolate.tiles import tiled
from harness.masks.cache import MaskCache
from harness.masks.chosen import cache_of
from harness.model import Composed, Frames, Prediction
from harness.pair.given import arm_of, masks_of
from harness.pair.start import find_trained
from harness.registry.catalog import Catalog
from harness.registry.mask_choice import TRUTH
from harness.registry.protocol import Protocol, Settings
from harness.results.store import Store
from harness.train.engine import Engine
from harness.weights.read import load_weights

Frame = NDArray[np.uint8]

MOST_AT_ONCE = 3840 * 2400
"""Pixels that a network is given at once: memory grows with them, by some 600 bytes each for IFRNet-S."""


_COMPILERS = ("torch._dynamo", "torch._inductor")  # modules of errors that compiling alone raises


@dataclass(frozen=True)
class Given:
    """What a user says of a network: words as of `harness eval`. `tile` is 0 for none; `halve` says that it was trained
    at the middle alone."""

    weights: str
    baseline: str = ""
    plugins: str = ""
    masks: str | None = None
    protocol: str = "unified"
    scale: float | None = None
    tile: int = 0
    halve: bool = False


class Network:
    """A baseline with its plug-ins and their weights, that is asked for one frame at a time.

    `predict` gets what `harness eval` gives it: frames (1, 3, H, W) and label maps. `rounding` is the protocol's:
    whether a frame is rounded before it is measured. `times` are those at which it was trained, as of
    `harness.WeightsSpec`: one that takes any t makes the same frame at all of them where it saw the middle alone.
    """

    def __init__(
        self,
        name: str,
        arm: Arm,
        predict: Predict,
        masks: MaskCache | None,
        device: torch.device,
        rounding: bool,
        times: str = "",
    ) -> None:
        self.name, self.arm, self.predict, self.masks = name, arm, predict, masks
        self.device, self.rounding = device, rounding
        self.times = "middle" if arm.middle_only else times
        self._mapped: tuple[Frame, Frame, NDArray[np.uint16]] | None = None

    @classmethod
    def of(cls, given: Given, known: Catalog, store: Store, engine: Engine) -> Network:
        """Found as `harness eval` finds it. Raises HarnessError for what is none, for an unfinished run, for weights of
        another network, and for masks that frames alone do not tell."""
        trained = find_trained(given.weights, known, store)
        arm = arm_of(trained, given.baseline, given.plugins, known)
        model = arm.build(seed=0)
        load_weights(model, trained.file, arm.label, trained.key)
        arm.check(model)
        own = masks_of(trained, known) if given.masks is None else None
        source = own or known.mask_source(given.masks, needed=arm.needs_masks)
        if source and source.name == TRUTH:
            raise HarnessError(f"masks {TRUTH}: nobody knows the truth of this footage; name others with --masks")
        masks = cache_of(source) if source else None
        settings = _settings(known, given)
        predict = predictor(_in_precision(model, engine), settings)
        if given.tile:
            predict = tiled(predict, given.tile)
        times = "middle" if given.halve else trained.times
        return cls(f"{arm.label} ({trained.name})", arm, predict, masks, engine.device, settings.rounding, times)

    def between(self, frames: tuple[Frame, ...], t: float) -> Tensor:
        """The frame (1, 3, H, W) at t between two frames (H, W, 3), or between the second and the third of four.

        Raises HarnessError where a result is not finite, where it cannot be compiled, and for label maps that are not
        there."""
        images = [to_image(frame, self.device) for frame in frames]
        middle = len(frames) // 2
        before, after = (images[0], images[-1]) if middle == 2 else (None, None)
        given = Frames(img0=images[middle - 1], img1=images[middle], before=before, after=after)
        maps = self._maps(frames[middle - 1], frames[middle]) if self.masks else None
        try:
            # on CUDA convolutions are rounded to 10 bits by default
            with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
                return self.predict(given, t, maps).frame
        except ValueError as error:
            raise HarnessError(f"{self.name}: {error}") from error
        except RuntimeError as error:
            if not type(error).__module__.startswith(_COMPILERS):
                raise
            why = str(error).partition("\n")[0]
            raise HarnessError(f"{self.name}: cannot be compiled here: {why}; leave out --compile") from error

    def _maps(self, first: Frame, last: Frame) -> NDArray[np.uint16]:
        """Those that are kept, of frames that `harness masks build` has seen; else made, and not kept: a video has
        thousands. Of the last two frames they are at hand, which several frames may be made between."""
        assert self.masks is not None
        if self._mapped is None or self._mapped[0] is not first or self._mapped[1] is not last:
            found = self.masks.read(first, last) or self.masks.checked(
                self.masks.source.label_maps(first, last), (2, *first.shape[:2])
            )
            self._mapped = first, last, found.maps
        return self._mapped[2]


class Between:
    """Frames between two of the source, by their moment t: `frames` are these two, or the four of a network of four
    inputs. Those of a network that knows the middle alone are made of frames that were made, and rounded to 8 bits,
    before: as the same command does that is given its own output; but for moments that this does not reach."""

    def __init__(self, network: Network, frames: Sequence[Frame]) -> None:
        self._network, self._frames = network, tuple(frames)
        middle = len(frames) // 2
        self._known: dict[Fraction, Frame] = {Fraction(0): frames[middle - 1], Fraction(1): frames[middle]}

    def at(self, t: Fraction) -> Frame:
        """RGB (H, W, 3). `t` is `harness.interpolate.plan.reachable` where a network takes no other."""
        if self._network.times != "middle" or len(self._frames) == 4 or not reachable(t):
            return rounded(self._network.between(self._frames, float(t)))
        if t not in self._known:
            half = Fraction(1, t.denominator)
            self._known[t] = rounded(self._network.between((self.at(t - half), self.at(t + half)), 0.5))
        return self._known[t]


def rounded(frame: Tensor) -> Frame:
    """(1, 3, H, W) in [0, 1] -> 8 bits (H, W, 3)."""
    return (frame[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy()


def check_size(size: tuple[int, int], tile: int) -> None:
    """Raises HarnessError where a frame (H, W) is too large to be made at once, or in squares of `tile` if not 0."""
    pixels = min(size[0], tile or size[0]) * min(size[1], tile or size[1])
    if pixels > MOST_AT_ONCE:
        raise HarnessError(
            f"frames of {size[1]}x{size[0]} are too large to be made at once: give --tile 1024, which makes them "
            "part by part"
        )


def _settings(known: Catalog, given: Given) -> Settings:
    protocol = known.find(Protocol, given.protocol).spec
    return protocol.settings if given.scale is None else replace(protocol.settings, scale=given.scale)


def _in_precision(model: Composed, engine: Engine) -> Composed:
    """The model on the engine's device; frames come out in float32 whatever the convolutions are computed in."""
    engine.place(model).eval()
    if engine.precision == "float32":
        return model
    forward: Callable[..., Prediction] = model.forward

    def narrowed(*given: object, **more: object) -> Prediction:
        with engine.autocast():
            made = forward(*given, **more)
        return replace(made, frame=made.frame.float())

    model.forward = narrowed  # type: ignore[method-assign]
    return model
