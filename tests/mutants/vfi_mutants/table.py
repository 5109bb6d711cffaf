"""The planted mistakes as data: what each is, and the check that is to name it. Imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from harness import Settings


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
        """`FlowSign` is called `flow-sign`."""
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
    Mistake(
        "baseline",
        "NeighboursIgnored",
        "it takes four frames, and looks at two",
        "inputs",
        {"times": "any", "inputs": 4},
    ),
    Mistake(
        "baseline",
        "RecipeOfNobody",
        "its recipe is called otherwise",
        "recipe",
        {"times": "any", "recipe": "smoek"},
    ),
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
    _baseline("KeepsAside", "what decode() needs is kept in the network", "decodes-what-it-is-given"),
    _baseline("OneFrameTwice", "frame 0's features are given for frame 1's", "siamese"),
    _baseline("LooksAtValues", "values are looked at on the host in a pass", "cost"),
)


def _feature(made: str, words: str, check: str, **fields: Any) -> Mistake:
    return Mistake("plug-in", made, words, check, fields)


def _motion(made: str, words: str, check: str) -> Mistake:
    return Mistake("plug-in", made, words, check, {"stage": "motion"})


PLUGINS = (
    _feature("NoIdentity", "it does not start as the identity, and says that it does", "starts-as-the-identity"),
    _feature("LabelsAsNumbers", "the number of a label is taken for a feature", "labels-renamed"),
    _feature("RegionsIgnored", "masks are asked for and ignored", "regions-used"),
    _feature("RegionsUnasked", "masks are looked at and not asked for", "regions-used", needs_masks=False),
    _feature("OneFrameRefined", "frame 1 is pooled by frame 0's regions", "frames-swapped"),
    _feature("FirstRegionOnly", "label 0 alone is not expected", "one-region"),
    _feature("AcrossTheBatch", "means are taken over the whole batch", "batch"),
    _feature("BatchAlone", "means are taken over the whole batch where there are no masks", "batch", needs_masks=False),
    _feature(
        "SeamUnsaid",
        "no seam is needed, it says, and its channels are",
        "contract",
        needs_masks=False,
        needs_seam=False,
    ),
    _feature("LosesKept", "what the network keeps is another object", "contract"),
    _feature("RefinesInPlace", "features are changed in place", "inputs-unchanged"),
    _feature("PluginUnused", "a layer is never used", "gradients"),
    _feature("PluginDraws", "global random generators are drawn from", "leaves-the-process-alone"),
    _feature("PluginLambda", "a lambda that no process can be sent", "pickles"),
    _motion("FixedGrid", "the prior is on the features' grid", "any-grid"),
    _motion("MotionTurned", "the motion has the other sign", "attended-motion"),
    _motion("MotionSwapped", "the motion to frame 0 and 1 change places", "attended-motion"),
    _motion("MotionAxes", "x and y of the motion change places", "attended-motion"),
    _motion("OneTimeForAll", "the first sample's time is taken for all", "batch"),
)


def _metric(made: str, words: str, check: str, higher_is_better: bool = False) -> Mistake:
    return Mistake("metric", made, words, check, {"higher_is_better": higher_is_better})


METRICS = (
    _metric("WrongDirection", "higher is said to be better, and is not", "best-of-the-truth", True),
    _metric("MeanOfBatch", "the mean of a batch stands for each frame", "batch"),
    _metric("EightBit", "frames are taken for 0 to 255", "worse-with-noise"),
    _metric("NotSymmetrical", "frame and truth are not treated alike", "symmetric"),
    _metric("MetricInPlace", "the frame is changed in place", "inputs-unchanged"),
    _metric("Running", "it is a mean over all calls so far", "same-twice"),
    _metric("Infinite", "the truth itself has an infinite value", "best-of-the-truth", True),
    _metric("OneForAll", "one number for a batch", "contract"),
    Mistake(
        *("metric", "FirstTime", "the first sample's time is taken for all", "batch"),
        {"higher_is_better": False, "needs": ("frame", "inputs", "t")},
    ),
    Mistake(
        *("metric", "NothingInABatch", "of a batch nothing can be measured", "batch"),
        {"higher_is_better": False, "needs": ("frame", "inputs", "t")},
    ),
    Mistake(
        *("metric", "CentredFeatures", "features of a frame depend on its batch", "batch"),
        {"higher_is_better": False, "needs": ("frame", "set")},
    ),
)


def _masks(made: str, words: str, check: str) -> Mistake:
    return Mistake("mask source", made, words, check, {"preference": -9})


MASKS = (
    _masks("DrawsLabels", "labels are drawn anew for each pair", "same-twice"),
    _masks("OneMap", "one map for both frames", "two-maps"),
    _masks("FirstFrameOnly", "the first frame's map is given for the second", "looks-at-both-frames"),
    _masks("LabelsOfTheirOwn", "each frame has labels of its own", "same-frame-same-map"),
    _masks("WrongType", "label maps of int64", "two-maps"),
    _masks("SwappedSides", "rows and columns change places", "two-maps"),
    _masks("MasksInPlace", "the frame is changed in place", "inputs-unchanged"),
    _masks("SeedsNumpy", "numpy's generator is seeded anew", "leaves-the-process-alone"),
)


def _benchmark(made: str, words: str, check: str) -> Mistake:
    return Mistake("benchmark", made, words, check)


BENCHMARKS = (
    _benchmark("AlwaysHalf", "t is 1/2 whatever the frames", "times"),
    _benchmark("TimeFromTheEnd", "t counts from the last frame", "times"),
    _benchmark("MiddleLast", "the frame to be made comes last", "triplets"),
    _benchmark("AroundSwapped", "what is around a triplet is in reverse order", "triplets"),
    _benchmark("AroundIsWithin", "what is around a triplet are its own frames", "frames"),
    _benchmark("RandomOrder", "triplets are shuffled at every start", "order"),
    _benchmark("OrderOfASetOfIds", "triplets are in the order of a set", "fresh-process"),
    _benchmark("TestInTrain", "test frames are training frames by another name", "no-leak"),
    _benchmark("SameClips", "a clip is in training and in the test", "no-leak"),
    _benchmark("SameIds", "an id is there twice", "builds"),
    _benchmark("Floats", "frames are floats", "frames"),
    _benchmark("ChannelsFirst", "frames have their channels first", "frames"),
    _benchmark("NoisyFrames", "a frame is other bytes each time", "frames-again"),
)


LAUNCHERS = (
    Mistake("launcher", "GivesNothing", "it does not say what became of the jobs", "no-jobs"),
    Mistake("launcher", "SwallowsOptions", "options are taken as **options", "options"),
)


def _protocol(made: str, words: str, check: str, **fields: Any) -> Mistake:
    return Mistake("protocol", made, words, check, fields)


PROTOCOLS = (
    _protocol("UnknownSet", "settings for a benchmark that there is not", "names", on={"vimeo90": Settings()}),
    _protocol("NoSuchSsim", "an SSIM that is no metric", "names", ssim="ssim-3d"),
    _protocol("ScaleOfZero", "a working scale of zero", "settings", settings=Settings(scale=0.0)),
    _protocol("GrbOrder", "an order of colours that there is not", "settings", settings=Settings(channels="grb")),  # type: ignore[arg-type]
)

SUITES = (
    Mistake("suite", "UnknownArm", "a row's plug-in is not installed", "arms", {"with": "hcee"}),
    Mistake("suite", "UnknownKey", "a key that there is not", "reads", {"sedes": "[0, 1]"}),
    Mistake("suite", "OtherColumn", "a column of a benchmark that is not tested", "sets", {"test": "clips"}),
)

DISTRIBUTIONS = (
    Mistake("distribution", "vfi-raising-observer", "an observer that raises", "observers", {"module": "observer"}),
    Mistake(
        "distribution", "vfi-taking-launcher", "a launcher that takes every job", "launchers", {"module": "launcher"}
    ),
    Mistake("distribution", "vfi-unknown-hook", "a hook that there is not", "loads", {"module": "unknown"}),
)

MISTAKES: tuple[Mistake, ...] = (
    *(*BASELINES, *PLUGINS, *METRICS, *MASKS, *BENCHMARKS),
    *(*LAUNCHERS, *PROTOCOLS, *SUITES, *DISTRIBUTIONS),
)
