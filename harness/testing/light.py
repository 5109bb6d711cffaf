"""What is checked without frames: protocols, suites, launchers, and what a distribution brings by hooks that have no
name, as observers are told and launchers of any name are asked."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from harness.arm import Arm
from harness.errors import HarnessError
from harness.evaluate.protocol import predictor, protocol_id
from harness.model.compose import Composed
from harness.model.contracts import Frames
from harness.registry.catalog import catalog
from harness.registry.entry import Entry
from harness.registry.launching import Launched, LaunchPlan
from harness.registry.observing import OBSERVERS, RunInfo
from harness.registry.options import parse_choice, parse_choices
from harness.registry.plugins import FAULTS, Origin, discover, in_one_line
from harness.registry.protocol import Protocol, Settings
from harness.registry.specs import BenchmarkSpec, MetricSpec
from harness.registry.state import DRAWS, MODES, WEIGHTS
from harness.suites.suite import Suite, load_suite
from harness.testing.checks import CheckError, skip
from harness.testing.common import (
    Subject,
    check_builds,
    check_lists_without_torch,
    check_options,
    left_alone,
    pickled,
    several,
)
from harness.testing.model import zeroed
from harness.testing.pictures import texture
from harness.testing.small import Small


@dataclass(frozen=True)
class Light:
    """What is checked: by which name, and who provides it."""

    words: str
    origin: Origin
    broken = ""
    unavailable = False


# --- protocols ---


@dataclass(frozen=True)
class ProtocolSubject(Light):
    entry: Entry[Protocol]

    @property
    def protocol(self) -> Protocol:
        return self.entry.spec

    def settings(self) -> Iterator[tuple[str, Settings]]:
        yield "everywhere", self.protocol.settings
        yield from ((f"on {name}", settings) for name, settings in self.protocol.on.items())


def check_settings(subject: ProtocolSubject) -> None:
    """Each setting is one that there is, and the version a number that goes up."""
    if not isinstance(subject.protocol.version, int) or subject.protocol.version < 1:
        raise CheckError(f"version {subject.protocol.version!r}: a whole number, 1 or more, is needed")
    words = inspect.get_annotations(Settings, eval_str=True)
    for where, settings in subject.settings():
        for name in ("channels", "padding", "placement"):
            if (given := getattr(settings, name)) not in get_args(words[name]):
                raise CheckError(f"{where} {name} is {given!r}: {' or '.join(get_args(words[name]))} is needed")
        if not 0 < settings.scale <= 16:
            raise CheckError(f"{where} the working scale is {settings.scale:g}: above 0 and at most 16 is needed")
        if settings.multiple is not None and settings.multiple < 1:
            raise CheckError(f"{where} frames are padded to multiples of {settings.multiple}")


def check_names(subject: ProtocolSubject) -> None:
    """The benchmarks that it names, and the metric that it calls SSIM, are installed."""
    known = catalog()
    if unknown := [name for name in subject.protocol.on if not known.claims(BenchmarkSpec, name)]:
        raise CheckError(f"no benchmark is called {several(unknown)}")
    if not known.claims(MetricSpec, subject.protocol.ssim):
        raise CheckError(f"its ssim, '{subject.protocol.ssim}', is no metric")


def check_identity(subject: ProtocolSubject) -> None:
    """It has an id that rows can carry, the same for a copy."""
    if protocol_id(pickled(subject.protocol)) != protocol_id(subject.protocol):
        raise CheckError("a copy of it has another id")


def check_frames_come_back(subject: ProtocolSubject) -> None:
    """Of two equal frames a network that adds nothing makes that frame, at its place and in its colours."""
    picture = texture((34, 50))
    model = zeroed(Composed(Small()))
    for where, settings in subject.settings():
        if settings.multiple and settings.multiple % model.multiple(settings.scale):
            skip(f"{where} it pads to multiples of {settings.multiple}, which the small network does not take")
        made = predictor(model, settings)(Frames(img0=picture, img1=picture), 0.5, None).frame
        if made.shape != picture.shape or (made - picture).abs().max() > 1e-3:
            raise CheckError(f"{where} a frame comes back as another, of shape {tuple(made.shape)}")


PROTOCOL = (check_settings, check_names, check_identity, check_frames_come_back)


# --- suites ---


@dataclass(frozen=True)
class SuiteSubject(Light):
    path: Path

    @cached_property
    def suite(self) -> Suite:
        return load_suite(self.path)


def check_reads(subject: SuiteSubject) -> None:
    """Every key is one that there is, with a value that it takes."""
    assert subject.suite


def check_arms(subject: SuiteSubject) -> None:
    """Every row's baseline and plug-ins are installed, with these options."""
    for row in subject.suite.rows:
        try:
            Arm.of(catalog(), parse_choice(row.baseline), parse_choices(row.plugins))
        except HarnessError as error:
            raise CheckError(f"row '{row.label}': {error}") from error


def check_sets(subject: SuiteSubject) -> None:
    """Its benchmarks, metrics and protocol are installed, and its columns are of benchmarks that it tests on."""
    known, suite = catalog(), subject.suite
    tested = [choice.name for choice in parse_choices(suite.test)]
    for name in (*tested, *(choice.name for choice in parse_choices(suite.data))):
        known.find(BenchmarkSpec, name)
    for choice in parse_choices(suite.metrics):
        known.find(MetricSpec, choice.name)
    known.find(Protocol, suite.protocol)
    if tested and (
        unknown := [column.label for column in suite.columns if parse_choice(column.test).name not in tested]
    ):
        raise CheckError(f"column {several(unknown)} is of a benchmark that is not among its tests: {suite.test}")


def check_pairs(subject: SuiteSubject) -> None:
    """There is a pair to run for each row, and no pair twice."""
    pairs = subject.suite.pairs()
    if len(set(pairs)) < len(pairs):
        raise CheckError(f"of {len(pairs)} pairs only {len(set(pairs))} differ")
    if empty := [row.label for row in subject.suite.rows if not subject.suite.asked_for(row)]:
        raise CheckError(f"nothing is run for {several(empty)}")


SUITE = (check_reads, check_arms, check_sets, check_pairs)


# --- launchers ---


class LauncherSubject(Subject):
    """`thing` is the function that launches."""

    def build(self) -> Any:
        return self.chosen.entry.factory()


def check_no_jobs(subject: LauncherSubject) -> None:
    """A plan without jobs is launched: nothing fails, nothing is waited for, nothing of the process is changed."""
    with tempfile.TemporaryDirectory() as folder:
        plan = _no_jobs(subject.chosen.name, Path(folder))
        given: list[Any] = []
        left_alone(MODES + DRAWS, lambda: given.append(subject.thing(plan, **subject.chosen.options)))
    if given != [Launched()]:
        raise CheckError(f"of no jobs it gives {given[0]!r}, where Launched() is needed")


def _no_jobs(launcher: str, results: Path) -> LaunchPlan:
    return LaunchPlan(launcher=launcher, jobs=(), results=results, note=lambda line: None, stop=lambda: 0)


LAUNCHER = (check_builds, check_options, check_lists_without_torch, check_no_jobs)


# --- launchers of any name, and observers, of a distribution ---

FACTS: dict[str, Any] = {
    **{"run": "a-run", "step": 1, "steps": 2, "loss": 0.5, "seconds": 0.1, "learning_rate": 1e-4},
    **{"done": 1, "total": 1, "means": {"clips easy": {"psnr": 30.0}}},
}
"""An example of everything that observers are told, but for `info`, which has a folder."""


@dataclass(frozen=True)
class DistributionSubject(Light):
    """What a distribution brings that has no name of its own."""

    def implementations(self, *hooks: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        for hook in hooks:
            for origin, implementation in discover().implementations(hook):
                if origin == self.origin:
                    yield hook, implementation


def check_loads(subject: DistributionSubject) -> None:
    """Nothing of it had to be left out."""
    mine = [broken for broken in catalog().broken if broken.origin.distribution == subject.words]
    if mine:
        raise CheckError(mine[0].reason)


def check_observers(subject: DistributionSubject) -> None:
    """Each observer takes what it is told without an error, and leaves the process as it was."""
    found = list(subject.implementations(*OBSERVERS))
    if not found:
        skip("it has no observer")
    with tempfile.TemporaryDirectory() as folder:
        info = RunInfo(name="a-run", folder=Path(folder), record={"label": "a", "fingerprint": {}}, steps=2)
        _tell(found, FACTS | {"info": info})


def _tell(observers: list[tuple[str, Callable[..., Any]]], facts: dict[str, Any]) -> None:
    for hook, implementation in observers:
        told = {name: facts[name] for name in inspect.signature(implementation).parameters}
        try:
            left_alone(MODES + DRAWS + WEIGHTS, lambda call=implementation, told=told: call(**told))  # type: ignore[misc]
        except HarnessError as error:
            raise CheckError(f"{hook}: {error}") from error
        except FAULTS as error:
            raise CheckError(f"{hook} raises {in_one_line(error)}, which is logged and lost") from error


def check_launchers(subject: DistributionSubject) -> None:
    """A launcher leaves jobs for another one alone: it gives None."""
    found = list(subject.implementations("harness_launch"))
    if not found:
        skip("it has no launcher")
    for _, implementation in found:
        try:
            given = implementation(plan=_no_jobs("nobody-is-called-so", Path("nowhere")))
        except FAULTS as error:
            raise CheckError(f"raises {in_one_line(error)} for a launcher that is not its own") from error
        if given is not None:
            raise CheckError(f"takes the jobs of a launcher that is not its own: gives {given!r}, where None is needed")


DISTRIBUTION = (check_loads, check_observers, check_launchers)
