"""The records: what a run is, what it cost, what a pair compares, what an evaluation of given weights measured."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from harness.results.comparison import Comparison
from harness.results.envelope import Frozen, Record

NAME = "[A-Za-z0-9][A-Za-z0-9+=_.-]{0,200}"
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
"""Of a file or folder in the store: no way out of it."""

Count = Annotated[int, Field(ge=0)]
State = Literal["training", "trained", "evaluated", "paused"]

METRICS = "psnr,ssim"
"""What is measured where the user names nothing."""

RECIPE = "quick"
"""By what both arms are trained where neither the user nor the baseline names a recipe."""

OWN_TO_AN_ARM = {"arm", "masks"}
"""Of a fingerprint: two arms are matched when all else is equal."""


class Asked(Frozen):
    """A pair in words, as `harness run` takes them; a pair's record keeps it, and a suite is a list of them.

    recipe      empty for the one that the baseline names, else `RECIPE`; a plan, and so each record, has it settled
    data        training sets; empty for those of the recipe
    test        benchmarks to test on; empty for those that are trained on
    masks       empty for the best source that is installed
    test_masks  what the network is given when it is tested; empty for the same masks
    start       trained weights that both arms start from: a file, a run or an entry of `harness weights`
    """

    baseline: str
    plugins: str = ""
    recipe: str = ""
    data: str = ""
    test: str = ""
    masks: str = ""
    test_masks: str = ""
    protocol: str = "unified"
    metrics: str = METRICS
    start: str = ""
    seed: int = 0

    def command(self, unsaid: str = "") -> str:
        """The command line that asks for it, without the recipe where that is `unsaid`."""
        default = Asked(baseline=self.baseline, recipe=unsaid)
        words = ["harness", "run", "--baseline", self.baseline]
        for name, value in self:
            if name != "baseline" and value != getattr(default, name):
                words += ["--with" if name == "plugins" else f"--{name.replace('_', '-')}", str(value)]
        return shlex.join(words)


class Cost(Frozen):
    """parameters         of the whole network; `parameters_plugins` of its plug-ins
    macs               multiply-accumulates of one pair of frames: convolutions, matrix products, attention
    macs_thop          the convention behind the paper's cost column: transposed convolutions counted over their
                       output, which is 4 times too much at stride 2; attention not counted
    macs_warp          of bilinear sampling, 4 a value, in neither of the two: nobody in the field counts it
    not_counted        why no multiply-accumulates are known; they are None then
    unseen             operators that may multiply and have no formula, so that `macs` leaves them out
    """

    parameters: int
    parameters_plugins: int = 0
    macs: int | None
    macs_thop: int | None
    macs_warp: int | None = 0
    not_counted: str = ""
    unseen: tuple[str, ...] = ()


class Fingerprint(Frozen):
    """What decides a run's numbers. `masks` is None for an arm that needs none; `initial_weights` is the sha256 of the
    shared file."""

    baseline: dict[str, JsonValue]
    initial_weights: str
    recipe: dict[str, JsonValue]
    seed: int
    data: dict[str, JsonValue]
    code: dict[str, JsonValue]
    environment: dict[str, JsonValue]
    arm: list[dict[str, JsonValue]]
    masks: dict[str, JsonValue] | None

    def shared(self) -> dict[str, Any]:
        """What both arms of a matched pair have in common."""
        return self.model_dump(mode="json", exclude=OWN_TO_AN_ARM)


class RunRecord(Record):
    """What a run is, written before its first step. `label` is for tables: `ifrnet-s+hir(stages=L)`."""

    kind: ClassVar = "run"

    label: str
    fingerprint: Fingerprint


class Status(Record):
    """How far a run is: `step` of `steps` are saved; paused by a full disk."""

    kind: ClassVar = "status"

    state: State
    step: Count = 0
    steps: Count = 0


class Measured(Record):
    """What was tested: the first digits of the sha256 of the weights' file, that file in the run's folder, a hash over
    the baseline's tensors and one for each of them, and what the network costs for frames of `cost_size` (H, W)."""

    kind: ClassVar = "measured"

    weights: str
    weights_file: str
    baseline_sha256: str
    tensors: Mapping[str, str] = {}
    cost_size: tuple[int, int]
    cost: Cost


class SetRecord(Frozen):
    """`data` names benchmark and content for every row; `partial` is what is missing of the whole, in words; `levels`
    are ids of triplets; `knows_truth`, whether the benchmark knows how things move in its frames."""

    data: str
    partial: str = ""
    levels: dict[str, tuple[str, ...]]
    knows_truth: bool = False

    @property
    def name(self) -> str:
        """The benchmark: `snu-film` of `snu-film-1a2b3c4d`."""
        return benchmark_of(self.data)


def benchmark_of(data: str) -> str:
    """The benchmark of a row's `data`: `snu-film` of `snu-film-1a2b3c4d`."""
    return data.rpartition("-")[0]


class Tested(Record):
    """What a table needs to find rows again, and to say how they were made.

    ssim           the metric that the protocol calls SSIM
    motion         columns of metrics of motion (`epe@inside`), which the test sets have that know the truth
    of_sets        metrics of whole sets, which have one value for each level
    unavailable    metrics that could not be measured, with the reason
    regions        the masks that PSNR inside and outside of masks is measured by, as rows name them
    network_masks  those that the network of each arm was given, as rows name them
    """

    title: str
    labels: tuple[str, ...]
    tests: tuple[SetRecord, ...]
    protocol: str
    ssim: str
    metrics: tuple[str, ...]
    motion: tuple[str, ...] = ()
    of_sets: tuple[str, ...] = ()
    unavailable: Mapping[str, str] = {}
    regions: str
    network_masks: tuple[str, ...]
    masks: str | None = None
    test_masks: str | None = None
    command: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Of rows, those that were asked for. A store may have more of the same triplets, which others asked for."""
        return tuple(dict.fromkeys(("psnr", self.ssim, *self.metrics, *self.motion)))

    @model_validator(mode="after")
    def _each_arm_has_all(self) -> Self:
        if not self.labels or len(self.labels) != len(self.network_masks):
            raise ValueError(f"{len(self.labels)} labels and masks of {len(self.network_masks)} networks")
        return self


class Verdict(Frozen):
    """What two audit trails say of each other, and the settings in which their runs differ.

    refusals         why a difference is not given, in words; none where the arms are matched
    steps            audited steps that both have; equal_gradients  those at which the norms are equal
    read             hash over the files that this was read from: what is not theirs is out of date
    """

    refusals: tuple[str, ...] = ()
    steps: Count = 0
    equal_gradients: Count = 0
    read: str = ""


class PairRecord(Tested):
    """A pair: its runs, the plain one first; without plug-ins there is one. `tier` says how reproducible a training on
    that device is; `train` and `recipe` are as they were asked for; `apart` are plug-ins that do not begin as the
    identity, `unseen_times` test sets with frames at other times than t = 1/2, of which training had none."""

    kind: ClassVar = "pair"

    runs: tuple[Name, ...] = Field(min_length=1, max_length=2)
    seed: int
    recipe: str
    steps: Count
    tier: str = ""
    train: str = ""
    apart: tuple[str, ...] = ()
    unseen_times: tuple[str, ...] = ()
    asked: Asked
    comparison: Comparison
    verdict: Verdict | None = None

    @model_validator(mode="after")
    def _each_run_is_an_arm(self) -> Self:
        if len(self.runs) != len(self.labels):
            raise ValueError(f"{len(self.runs)} runs and {len(self.labels)} labels")
        return self

    @property
    def origin(self) -> str:
        """`, from IFRNet_S.pth` where both arms start from trained weights; else empty."""
        start = self.comparison.start
        return f", from {start.name}" if start else ""

    @property
    def is_control(self) -> bool:
        """Whether its second arm must reproduce the first."""
        return [plugin.name for plugin in self.comparison.plugins] == ["null"]


class EvalRecord(Tested):
    """An evaluation of weights that were given, not trained here; `weights` are the first digits of a hash over what
    was read of them, wherever it lay, and `settings` what else decides its rows."""

    kind: ClassVar = "evaluation"

    weights: str
    settings: dict[str, JsonValue]
    cost: Cost


def slug_of(run: str) -> str:
    """The arm of a run or pair: `ifrnet-s+hce` of `ifrnet-s+hce.s0.1a2b3c4d`."""
    return run.rsplit(".", 2)[0]


def remedy_of(name: str, what: str = "it") -> str:
    """What to move away, and the command that makes a run or pair of that name anew, as far as the name tells."""
    arm, _, seed = name.rpartition(".")[0].rpartition(".s")
    baseline, *plugins = arm.split("+")
    if not baseline or not seed.isdecimal():
        return f"move {what} away; the command that made it makes it anew"
    words = f"harness run --baseline {baseline}" + (f" --with {','.join(plugins)}" if plugins else "")
    return f"move {what} away; {words} --seeds {seed}, with the options that it had, makes it anew"
