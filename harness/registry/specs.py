"""Frozen records that hooks return: what a thing is called, where its code is, what it needs.

A spec is data. Its `factory` is a lazy "module:Class" string, so that listing what is installed
imports neither torch nor any network. The factory's keyword-only parameters are the options a user
may give (`--with hir:stages=L`); `preset` fixes some of them, as a variant of a network does.

Name and factory may be given by position: they stand first in every spec, and neither passes for the other. All else
is by keyword only, so that texts and numbers cannot change places, and a field that is added moves no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FACTORY = re.compile(r"[\w.]+:\w+")


@dataclass(frozen=True)
class Named:
    """Common to everything that a hook returns."""

    name: str

    kind = "record"

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.kind} name {self.name!r} is not lower-case words joined by '-'")


@dataclass(frozen=True)
class Spec(Named):
    """What has a factory. `reference` is the paper or page to cite, `licence` that of the code's facts.

    `fingerprint` names what decides its numbers beyond its own distribution and the versions of what that requires:
    packages and modules that can be imported, by name, and files and folders, by their path from the package that the
    entry point names. A run is another run when their content changes.
    """

    factory: str
    _: KW_ONLY
    summary: str
    reference: str = ""
    licence: str = ""
    preset: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given: object = self.fingerprint
        if not isinstance(given, tuple) or not all(isinstance(each, str) and each for each in given):
            raise ValueError(f"fingerprint {given!r} of {self.name!r} is not a tuple of names")
        if not FACTORY.fullmatch(self.factory):
            raise ValueError(f"factory {self.factory!r} of {self.name!r} is not of the form 'module:Class'")


@dataclass(frozen=True)
class BaselineSpec(Spec):
    """A VFI network. Factory: `(**options) -> harness.model.Baseline`.

    `times` are those at which it can make a frame: any between its inputs, or the middle alone, whatever it is asked
    for. It is trained and tested on no others.

    `inputs` is how many frames it sees: 2, or 4, evenly spaced: one more before them, I-1, and one after, I2
    (`harness.model.Frames`). It is trained and tested on triplets that have these, and on no others.

    `loss` is "own" of a network that has a `harness.model.Baseline.loss`: both arms of a pair are trained with it.

    `recipe` is the name of the one that both arms are trained by where the user names none with `--recipe`: of this
    distribution (`harness_recipes`) or of the harness. A suite states its own. Empty: the one that everybody gets.

    `channels_last` of a network whose weights may lie so (torch.channels_last), which is faster on some CPUs: it uses
    no `view` where that needs the usual order. There the harness lays them so, in both arms, in training and in tests.

    `official` is a function "module:name", `(checkout: Path, **preset) -> harness.model.Official`: the network in the
    code of its authors, beside which `harness bench` runs this one; `checkout` is the folder of their repository, which
    has the name `repository`.
    """

    times: Literal["middle", "any"] = field(default="middle", kw_only=True)
    inputs: Literal[2, 4] = field(default=2, kw_only=True)
    loss: Literal["recipe", "own"] = field(default="recipe", kw_only=True)
    recipe: str = field(default="", kw_only=True)
    channels_last: bool = field(default=False, kw_only=True)
    official: str = field(default="", kw_only=True)
    repository: str = field(default="", kw_only=True)

    kind = "baseline"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inputs not in (2, 4):
            raise ValueError(f"inputs {self.inputs!r} of {self.name!r}: a network takes 2 frames or 4")
        if self.loss not in ("recipe", "own"):
            raise ValueError(f"loss {self.loss!r} of {self.name!r} is neither 'recipe' nor 'own'")
        if self.official and not (FACTORY.fullmatch(self.official) and self.repository):
            raise ValueError(f"official {self.official!r} of {self.name!r} is not 'module:function' with a repository")
        named: object = self.recipe
        if not isinstance(named, str) or named.endswith((".yaml", ".yml")):
            raise ValueError(f"recipe {named!r} of {self.name!r} is no name of a recipe: its file's, without .yaml")


@dataclass(frozen=True, kw_only=True)
class PluginSpec(Spec):
    """A module at the seam. Factory: `(offers: Offers, **options) -> FeaturePlugin | MotionPlugin`.

    `stage` says which of the two it is; a motion plug-in always acts after the feature plug-ins. One that looks at no
    regions says `needs_masks=False`: without another that does, it gets None for them, in training and in tests. One
    that takes nothing of the seam says `needs_seam=False`, and is built with `None` for a network that offers nothing.

    `like` is the option that names other plug-ins, joined by "+", of a control that goes by what these are: their
    fingerprints are in its own.
    """

    stage: Literal["feature", "motion"] = "feature"
    needs_masks: bool = True
    needs_seam: bool = True
    like: str = ""

    kind = "plug-in"


@dataclass(frozen=True, kw_only=True)
class MaskSourceSpec(Spec):
    """Where label maps come from. Factory: `(**options) -> harness.masks.MaskSource`.

    Of the sources with the highest `preference` the catalogue takes the first by name where the user
    names none. `version` is part of the cache key: raise it when the maps change. The maps of a `light` source are
    computed where the cache lacks them; those of any other come from `harness masks build` alone. `parts` are the
    names of the mask parts that it is made of by default, and `weights` of the files that it needs.
    """

    version: int = 1
    preference: int = 0
    light: bool = True
    parts: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()

    kind = "mask source"


@dataclass(frozen=True, kw_only=True)
class MaskPartSpec(Spec):
    """A part of a mask pipeline. Factory: `(**options) -> harness.masks.Tagger | Detector | Segmenter`.

    `version` is part of the cache key, and so are the sha256 sums of the files in `weights`.
    """

    part: Literal["tagger", "detector", "segmenter"] = "segmenter"
    version: int = 1
    weights: tuple[str, ...] = ()

    kind = "mask part"


@dataclass(frozen=True, kw_only=True)
class WeightsSpec(Named):
    """A file, or a folder of files, of weights that are not trained here.

    file     its name; in a folder of `HARNESS_WEIGHTS`, or in one of that folder's own folders
    source   where to get it, in words a user can follow
    hub      whose cache may hold it: "torch" for torch hub's checkpoints, or a Hugging Face repository "owner/name"
    package  an installed Python package that may hold it, by the name that is imported
    size     in bytes, 0 where unknown; sha256 of the file, "" where unknown
    trained_on  the data, where it is known, as benchmarks with their split: "clips:train"
    times    those that it was trained at, where they are known: "middle" of triplets at t = 1/2 alone, or "any"
    """

    file: str
    summary: str
    source: str
    licence: str
    hub: str = ""
    package: str = ""
    size: int = 0
    sha256: str = ""
    trained_on: tuple[str, ...] = ()
    times: Literal["", "middle", "any"] = ""

    kind = "weights"


@dataclass(frozen=True, kw_only=True)
class BenchmarkSpec(Spec):
    """Triplets to train and test on. Factory: `(**options) -> harness.data.Benchmark`.

    `source` says where to get the data, `layout` what the tree below its root looks like; both empty where it ships.
    """

    source: str = ""
    layout: str = ""

    kind = "benchmark"


NEEDS = ("frame", "inputs", "flows", "t", "labels", "motion", "set")
"""What a metric may ask for."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """What is measured of a prediction. `needs` says what the factory's callable is given:

    frame   `(frame, truth) -> (B,) tensor`, where both are RGB (B, 3, H, W) in [0, 1]
    motion  `(predicted, truth) -> {part: (B,) tensor}`, where `predicted` has the frame, `flow_t0` and `flow_t1`
            (B, 2, H, W), and the same of what a motion plug-in attended to, `attended_t0` and `attended_t1`, None where
            there are none; `truth` has the true `flow_t0`, `flow_t1`, and `visible_t0`, `visible_t1`, `inside`
            (B, H, W) bool. The callable's `parts` names the parts: each is a column, `epe@inside`. It is asked on
            benchmarks alone that know the truth.
    a tuple of words of NEEDS   `(**given)`, by keyword, what the words stand for:

            "frame"   frame, truth      as above
            "inputs"  img0, img1        as these
            "flows"   flow_t0, flow_t1  (B, 2, H, W), as predicted; None of a network that has none
            "t"       t                 (B,), the time between the inputs
            "labels"  labels0, labels1  (B, H, W) int64, label maps of the inputs, of the masks that regions go by:
                                        those of `--masks`, the same for every arm; refused where there are none
            "motion"  motion            the truth as above, and so are `parts` and benchmarks
            "set"     nothing: the callable gives features (B, D) of each frame, and its method `result(features)`,
                      of all frames of a level (N, D) in float64, one number: the value of the level. It has no
                      interval, and no value by triplet

    `digits` after the point are shown in tables. `version` is part of each row: raise it when values change.
    """

    needs: Literal["frame", "motion"] | tuple[str, ...] = "frame"
    unit: str = ""
    higher_is_better: bool = True
    digits: int = 3
    version: int = 1

    kind = "metric"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.needs in ("frame", "motion"):
            return
        if not isinstance(self.needs, tuple):
            raise ValueError(f"needs {self.needs!r} of {self.name!r} is neither 'frame' nor 'motion', nor a tuple")
        odd = [word for word in self.needs if word not in NEEDS or self.needs.count(word) > 1]
        if odd or not {*self.needs} - {"set"}:
            what = f"has {odd[0]!r}" if odd else "has nothing to look at"
            raise ValueError(f"needs {self.needs!r} of {self.name!r} {what}: words of {', '.join(NEEDS)}, each once")
        if {"set", "motion"} <= {*self.needs}:
            raise ValueError(f"needs {self.needs!r} of {self.name!r}: 'set' and 'motion' do not go together")


@dataclass(frozen=True, kw_only=True)
class LauncherSpec(Spec):
    """Where jobs run. Factory: a function `(plan: LaunchPlan, **options) -> Launched`."""

    kind = "launcher"


@dataclass(frozen=True, kw_only=True)
class MotionSeam:
    """What a baseline's first decoder stage emits and a motion plug-in may supply.

    stride    input pixels per cell of that output; its flows are in pixels of that grid
    latent    "feature": an intermediate feature (IFRNet, AMT); "blend": the logit of the blend mask (RIFE, EMA-VFI)
    channels  of the latent: 1 for a blend logit
    kind      of its flows: "backward", from the frame to be made to the frames given (t->0, t->1); "forward", from each
              of these to the other (0->1, 1->0), for networks that splat. Plug-ins supply backward flows in either
              case; `harness.model.take_up` turns them into what is declared here
    adds      whether what comes after adds to these flows what it finds. False of a network that estimates them anew
              from what they warp, as UPR-Net: with fresh weights its flows say nothing of a prior's
    """

    stride: int
    latent: Literal["feature", "blend"]
    channels: int
    kind: Literal["backward", "forward"] = "backward"
    adds: bool = True

    def __post_init__(self) -> None:
        if self.kind not in ("backward", "forward"):
            raise ValueError(f"motion seam: kind {self.kind!r} is neither 'backward' nor 'forward'")


@dataclass(frozen=True, kw_only=True)
class Offers:
    """What a baseline hands to plug-ins: coarsest siamese features of `channels` at `stride`, and the motion seam, None
    for a network that estimates no flows: motion plug-ins cannot act on it."""

    channels: int
    stride: int
    motion: MotionSeam | None = None
