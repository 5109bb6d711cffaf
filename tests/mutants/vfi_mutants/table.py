"""The planted mistakes as data: what each is, and the check that is to name it. Imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Mistake:
    """`made` is the class that has it, `check` the one that is to name it; `fields` are those of the spec."""

    kind: str
    made: str
    words: str
    check: str
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", self.made).lower()


def _baseline(made: str, words: str, check: str) -> Mistake:
    return Mistake("baseline", made, words, check, {"times": "any"})


BASELINES = (
    _baseline("FlowSign", "a prior's flows are taken with the other sign", "prior-moves-flows"),
    _baseline("SwappedAxes", "x and y of a prior change places", "prior-moves-flows"),
    _baseline("SwappedFrames", "a prior's flows to frame 0 and 1 change places", "prior-moves-flows"),
    _baseline("PriorIgnored", "a prior is ignored", "prior-moves-flows"),
    _baseline("PriorInFullPixels", "a prior is taken to be in full-size pixels", "prior-moves-flows"),
    _baseline("PriorForgetsScale", "a prior's units are wrong at a working scale", "prior-at-scale"),
    _baseline("LatentIgnored", "a prior's latent is ignored", "prior-latent"),
    _baseline("LogitOfFrame1", "a prior's blend logit is taken for frame 1's", "prior-latent"),
    _baseline("InjectIgnored", "a residual prior replaces the first stage", "prior-residual"),
    _baseline("PriorDetached", "no gradient reaches a prior's flows", "gradients-to-plugins"),
    _baseline("FeaturesIgnored", "refined features go nowhere", "features"),
    _baseline("FrameFlowSign", "frames are warped by flows of the other sign", "prior-makes-the-frame"),
    _baseline("OneFrameOnly", "frame 0 is warped by both flows", "prior-makes-the-frame"),
    _baseline("NotWarped", "the frame is a mean of frames that are not warped", "prior-reaches-the-frame"),
    _baseline("BlendOfFrame1", "the blend that is given is frame 1's weight", "blend"),
    _baseline("BGR", "colours come out in reverse order", "same-picture"),
    _baseline("To255", "the frame is 0 to 255", "contract"),
    _baseline("NotClamped", "the frame is not clamped", "range"),
    _baseline("HalfSize", "the frame has half the size", "contract"),
    _baseline("OwnPadding", "padding of its own is cropped on the wrong side", "same-picture"),
    _baseline("CachedGrid", "a grid is kept from the first size", "any-size"),
    _baseline("OtherGrid", "features of a working scale are those of the full size", "working-scale"),
    _baseline("TimeIgnored", "t is ignored, though any time is said to be possible", "time"),
    _baseline("TimeReversed", "flows grow as if t = 0 were frame 1", "time"),
    _baseline("BlendTimeReversed", "the cross-fade begins with frame 1", "time"),
    _baseline("DropoutAtTest", "dropout in evaluation mode", "same-twice"),
    _baseline("Remembers", "features of the last call are mixed in", "same-twice"),
    _baseline("OrderOfASet", "weights follow the order of a set", "fresh-process"),
    _baseline("InPlace", "input frames are changed in place", "inputs-unchanged"),
    _baseline("PriorInPlace", "a prior is changed in place", "inputs-unchanged"),
    _baseline("Reseeds", "global random generators are seeded anew", "leaves-the-process-alone"),
    _baseline("Threads", "the number of threads is changed", "leaves-the-process-alone"),
    _baseline("NoGradLeftOn", "gradients are left switched off", "leaves-the-process-alone"),
    _baseline("DefaultDtype", "the default dtype is changed when it is built", "builds"),
    _baseline("BatchMixed", "samples of a batch are normalised together", "batch"),
    _baseline("Frozen", "the encoder is frozen, and nobody is told", "frozen"),
    _baseline("Unused", "a layer is never used", "gradients"),
    _baseline("Detached", "detach() cuts the encoder off", "gradients"),
    _baseline("InAList", "a layer is in a plain list", "registered"),
    _baseline("BufferNotSaved", "running statistics are not saved", "saved-and-loaded"),
    _baseline("WeightsDidNotLoad", "a layer keeps its own weights when others are loaded", "saved-and-loaded"),
    _baseline("AlwaysTraining", "a part stays in training mode", "evaluation-mode"),
    _baseline("TranslateLoses", "translate() loses a tensor", "translate"),
    _baseline("TranslateInvents", "translate() gives tensors that the checkpoint lacks", "translate"),
    _baseline("TranslateInPlace", "translate() changes what it is given", "translate"),
    _baseline("AnyOption", "options are taken as **options", "options"),
    _baseline("Positional", "an option is no keyword-only parameter", "options"),
    _baseline("Lambda", "a lambda that no process can be sent", "pickles"),
    _baseline("HiddenDevice", "a tensor that stays on the CPU", "device"),
    _baseline("HiddenDtype", "float32 whatever the network's type", "double-precision"),
    _baseline("LooksAtValues", "values are looked at on the host in a pass", "cost"),
)

MISTAKES: tuple[Mistake, ...] = BASELINES
