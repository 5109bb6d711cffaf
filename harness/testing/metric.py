"""A metric: what is best, which way is better, and that it looks at one frame at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from harness.evaluate.conformance import check_metric, check_motion_metric, check_wide_metric
from harness.evaluate.given import Surroundings
from harness.metrics.given import Motion, Predicted
from harness.registry.specs import MetricSpec
from harness.registry.state import DRAWS, MODES, WEIGHTS
from harness.testing.checks import CheckError, skip
from harness.testing.common import COMMON, Subject, digest, left_alone, pickled
from harness.testing.pictures import texture

SIZE = (64, 96)
LEVELS = (0.005, 0.02, 0.08, 0.3)
"""Standard deviations of noise, of a range of 1; of flows, that many times 20 pixels."""


class MetricSubject(Subject):
    """`thing` is what the factory gives. Its results are tensors by part, features too; of one without parts, the part
    is ""."""

    @property
    def spec(self) -> MetricSpec:
        spec = self.chosen.entry.spec
        assert isinstance(spec, MetricSpec)
        return spec

    @property
    def motion(self) -> bool:
        return self.spec.needs == "motion"

    @property
    def wide(self) -> bool:
        """Whether it is called by keyword with what its words stand for."""
        return not isinstance(self.spec.needs, str)

    @property
    def judged(self) -> bool:
        """Whether it is known which frame is best: of one that looks at more, or gives features, nothing is."""
        return not self.wide or self.spec.needs == ("frame",)

    def truth(self, batch: int = 1) -> Any:
        """Frames, or their motion, or all that there is of them, where the frame is the truth."""
        frames = torch.cat([texture(SIZE, seed) for seed in range(batch)])
        draw = torch.Generator().manual_seed(1)
        flows = 8 * torch.randn(2, batch, 2, *SIZE, generator=draw)
        seen = torch.rand(3, batch, *SIZE, generator=draw) < 0.7
        motion = Motion(flow_t0=flows[0], flow_t1=flows[1], visible_t0=seen[0], visible_t1=seen[1], inside=seen[2])
        if not self.wide:
            return motion if self.motion else frames
        around = torch.rand(2, batch, 3, *SIZE, generator=draw)
        return Surroundings(
            frame=frames,
            truth=frames.clone(),
            img0=around[0],
            img1=around[1],
            t=torch.linspace(0.3, 0.7, batch),
            predicted=self._flows(frames, motion, 0, draw),
            labels=torch.randint(0, 3, (2, batch, *SIZE), generator=draw),
            motion=motion,
        )

    def predicted(self, truth: Any, noise: float) -> Any:
        """The truth with noise on it."""
        draw = torch.Generator().manual_seed(2)
        if isinstance(truth, Tensor):
            return (truth + noise * torch.randn(truth.shape, generator=draw)).clamp(0, 1)
        if isinstance(truth, Surroundings):
            assert truth.motion is not None
            frame = (truth.truth + noise * torch.randn(truth.truth.shape, generator=draw)).clamp(0, 1)
            return replace(truth, frame=frame, predicted=self._flows(frame, truth.motion, noise, draw))
        return self._flows(torch.zeros(len(truth.flow_t0), 3, *SIZE), truth, noise, draw)

    def _flows(self, frame: Tensor, truth: Motion, noise: float, draw: torch.Generator) -> Predicted:
        flows = [flow + 20 * noise * torch.randn(flow.shape, generator=draw) for flow in (truth.flow_t0, truth.flow_t1)]
        return Predicted(frame=frame, flow_t0=flows[0], flow_t1=flows[1], attended_t0=flows[0], attended_t1=flows[1])

    def called(self, predicted: Any, truth: Any) -> Any:
        """As an evaluation calls it; what it is told of the truth is in `predicted` where it asks for more."""
        if isinstance(predicted, Surroundings):
            return self.thing(**predicted.by_name(self.spec.needs))
        if self.wide:
            return self.thing(frame=predicted, truth=truth)
        return self.thing(predicted, truth)

    def values(self, predicted: Any, truth: Any) -> dict[str, Tensor]:
        with torch.no_grad():
            told = self.called(predicted, truth)
        return dict(told) if isinstance(told, Mapping) else {"": told}

    def hashes(self) -> dict[str, str]:
        truth = self.truth()
        return {
            f"values{part}": digest(value) for part, value in self.values(self.predicted(truth, 0.1), truth).items()
        }


def _word(part: str) -> str:
    return f" of {part}" if part else ""


# --- checks ---


def check_contract(subject: MetricSubject) -> None:
    """One float a frame, a number or NaN, as before every evaluation."""
    if subject.wide:
        check_wide_metric(subject.chosen.entry, subject.thing, subject.spec.needs)
    else:
        (check_motion_metric if subject.motion else check_metric)(subject.chosen.entry, subject.thing)


def check_best_of_the_truth(subject: MetricSubject) -> None:
    """Nothing is better than the truth itself, and that is a number."""
    _needs_a_judgement(subject)
    truth = subject.truth()
    best = subject.values(subject.predicted(truth, 0), truth)
    for noise in LEVELS:
        for part, value in subject.values(subject.predicted(truth, noise), truth).items():
            if not best[part].isfinite().all():
                raise CheckError(f"the value{_word(part)} of the truth itself is {best[part].item():g}")
            if _better(subject, value, best[part]):
                raise CheckError(
                    f"a frame with noise of {noise:g} has {value.item():.4g}{_word(part)}, better than the truth's "
                    f"{best[part].item():.4g}: higher_is_better={subject.spec.higher_is_better} is said"
                )


def _needs_a_judgement(subject: MetricSubject) -> None:
    if not subject.judged:
        skip("it looks at more than a frame and its truth: what is best is its own affair")


def _better(subject: MetricSubject, one: Tensor, other: Tensor) -> bool:
    return bool((one > other) if subject.spec.higher_is_better else (one < other))


def check_worse_with_noise(subject: MetricSubject) -> None:
    """More noise is worse, step by step, and the least is seen; as higher_is_better says."""
    _needs_a_judgement(subject)
    truth = subject.truth()
    told = [subject.values(subject.predicted(truth, noise), truth) for noise in (0.0, *LEVELS)]
    for part in told[0]:
        values = [each[part] for each in told]
        if not all(_better(subject, one, other) for one, other in pairwise(values)):
            listed = ", ".join(f"{value.item():.4g}" for value in values)
            levels = ", ".join(map(str, LEVELS))
            raise CheckError(f"with noise of 0, {levels} it is {listed}{_word(part)}: not worse each time")


def check_symmetric(subject: MetricSubject) -> None:
    """A frame and the truth may change places."""
    if subject.motion:
        skip("motion is measured against what is visible in truth")
    _needs_a_judgement(subject)
    truth = texture(SIZE)
    frame = subject.predicted(truth, 0.1).mul(0.9)
    one, other = subject.values(frame, truth)[""].item(), subject.values(truth, frame)[""].item()
    if abs(one - other) > 1e-5 * abs(one):
        raise CheckError(f"is {one:.5g}, and {other:.5g} when frame and truth change places")


def check_batch(subject: MetricSubject) -> None:
    """The values of a batch are those of its frames one by one."""
    truth = subject.truth(3)
    predicted = subject.predicted(truth, 0.1)
    whole = subject.values(predicted, truth)
    for at in range(3):
        alone = subject.values(_one(predicted, at), _one(truth, at))
        for part, value in alone.items():
            off = _apart(whole[part][at], value[0]).max().item()
            if not off <= 1e-5 * max(value.abs().nan_to_num().max().item(), 1e-3):
                raise CheckError(f"the value{_word(part)} of a frame differs by {off:.2g} when others are in its batch")


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """0 where neither could be measured, NaN where one alone could."""
    return torch.where(one.isnan() & other.isnan(), 0.0, (one - other).abs())


def _one(given: Any, at: int) -> Any:
    if isinstance(given, Tensor):
        return given[at : at + 1]
    parts = {name: _one(value, at) for name, value in vars(given).items()}
    if isinstance(given, Surroundings):
        assert given.labels is not None
        parts["labels"] = given.labels[:, at : at + 1]
    return replace(given, **parts)


def check_same_twice(subject: MetricSubject) -> None:
    """The same frames have the same value again, with others in between."""
    truth = subject.truth()
    first = subject.values(subject.predicted(truth, 0.1), truth)
    subject.values(subject.predicted(truth, 0.2), truth)
    for part, value in subject.values(subject.predicted(truth, 0.1), truth).items():
        if (off := _apart(first[part], value)).any():
            before, now = (each.flatten()[off.nan_to_num(torch.inf).argmax()].item() for each in (first[part], value))
            raise CheckError(f"the same frames have {before:.6g}, then {now:.6g}{_word(part)}")


def check_inputs_unchanged(subject: MetricSubject) -> None:
    """Frames and motion are as they were."""
    truth = subject.truth()
    predicted = subject.predicted(truth, 0.1)
    given = {"truth": truth, "frame": predicted} if isinstance(truth, Tensor) else _tensors(truth) | _tensors(predicted)
    before = {name: value.clone() for name, value in given.items()}
    subject.values(predicted, truth)
    if changed := [name for name, value in given.items() if not torch.equal(value, before[name])]:
        raise CheckError(f"changes {', '.join(changed)} in place")


def _tensors(record: Any) -> dict[str, Tensor]:
    """Of a record, and of the records in it, by name."""
    found: dict[str, Tensor] = {}
    for name, value in vars(record).items():
        found |= _tensors(value) if is_dataclass(value) else {name: value}
    return found


def check_leaves_the_process_alone(subject: MetricSubject) -> None:
    """It moves no random generator and no mode that the whole process has."""
    truth = subject.truth()
    predicted = subject.predicted(truth, 0.1)
    left_alone(MODES + DRAWS + WEIGHTS, lambda: subject.called(predicted, truth))


def check_pickles(subject: MetricSubject) -> None:
    """It can be sent to another process."""
    pickled(subject.thing)


METRIC = (
    *COMMON,
    check_contract,
    check_best_of_the_truth,
    check_worse_with_noise,
    check_symmetric,
    check_batch,
    check_same_twice,
    check_inputs_unchanged,
    check_leaves_the_process_alone,
    check_pickles,
)
