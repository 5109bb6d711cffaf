"""Trained weights by what a user calls them, and the start of both arms from them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.arm import Arm
from harness.errors import HarnessError, suggestion
from harness.files import expanded
from harness.registry.catalog import Catalog
from harness.registry.options import written
from harness.registry.specs import WeightsSpec
from harness.results.comparison import StartRecord
from harness.results.names import called, choices
from harness.results.store import RunFolder, Store
from harness.train import checkpoint
from harness.weights.digest import digest
from harness.weights.places import given, locate
from harness.weights.read import load_weights

SUFFIX = "-own"
"""After a network's name, what the weights are called that harness weights make has made of it."""


@dataclass(frozen=True)
class Trained:
    """A file of trained weights: what tables call it, the run that it comes from, where it was named as one, which set
    of weights in it is meant, where that was said, and what an entry of `harness weights` says of its training: data,
    and times."""

    name: str
    file: Path
    run: RunFolder | None = None
    key: str = ""
    trained_on: tuple[str, ...] = ()
    times: str = ""


@dataclass(frozen=True)
class Start:
    """What both arms start from. `word` asks for it again, whatever runs there are by then; `record` is what a
    comparison keeps of it, `key` the set of weights in the file, `trained_on` as of `seen_by`."""

    word: str
    file: Path
    record: StartRecord
    key: str = ""
    trained_on: tuple[str, ...] = ()


def find_trained(word: str, known: Catalog, store: Store) -> Trained:
    """A file; else a run of the store by its name, an entry of `harness weights`, or a run by what its name alone
    begins with. Of a run it is the last checkpoint. After a file or an entry, `:KEY` says which set of weights in it.

    Raises HarnessError for what is none of these, is not here or not the published file, and for an unfinished run.
    """
    if found := given(word):
        return Trained(found.name, found.file, key=found.key)
    runs = {run.name: run for run in store.runs()}
    entries = {entry.spec.name: entry.spec for entry in known.entries(WeightsSpec)}
    if word in runs:
        return _of_run(runs[word])
    if word in entries:
        return _of_entry(word, entries[word])
    entry, _, key = word.rpartition(":")
    if entry in entries and key:
        return _of_entry(word, entries[entry], key)
    if os.path.exists(path := expanded(word)):  # noqa: PTH110 - of any word, with a NUL in it too, it says no
        hint = f": {path.name}" if path.name in runs else ""
        raise HarnessError(f"{word}: is no file; give a file of weights, or a run by its name{hint}")
    return _of_run(_beginning(word, runs, entries, store))


def find_start(word: str, arm: Arm, known: Catalog, store: Store) -> Start:
    """The same for the plain baseline of an arm. Raises HarnessError too for weights of anything else, with the first
    tensors that differ, and for values that are no number or infinite."""
    found = find_trained(word, known, store)
    if found.run is not None:
        run = found.run.record()
        name = run.fingerprint.baseline.get("name")
        if run.fingerprint.arm:
            raise HarnessError(f"{found.name} is a run of {run.label}: start from one of its plain baseline, {name}")
        if name != arm.baseline.name:
            raise HarnessError(f"{found.name} is a run of {run.label}: {arm.baseline.name} cannot start from it")
    record = StartRecord(name=found.name, content=state_hash(baseline_of(found.file, arm, found.key)))
    return Start(found.name if found.run else word, found.file, record, found.key, seen_by(found, known, store))


def seen_by(found: Trained, known: Catalog, store: Store) -> tuple[str, ...]:
    """What weights were trained on, as of `harness.WeightsSpec`, where that is known: of a run its training sets, as a
    pair that it is in names them, and those of what it started from."""
    if found.run is None:
        return found.trained_on
    seen: dict[str, None] = {}
    records, runs = list(store.pair_records().values()), [found.run.name]
    for run in runs:  # which grows
        if record := next((each for each in records if run in each.runs), None):
            seen |= dict.fromkeys(f"{written(each.name, each.given)}:train" for each in record.comparison.data)
            start = record.comparison.start
            runs += [start.name] if start and start.name not in runs else []
    entry = next((each.spec for each in known.entries(WeightsSpec) if each.spec.name == runs[-1]), None)
    return tuple(seen | dict.fromkeys(entry.trained_on if entry else ()))


def baseline_of(file: Path, arm: Arm, key: str = "") -> Mapping[str, torch.Tensor]:
    """The state of an arm's plain baseline from a file, in the precision that networks are built in."""
    model = arm.plain.build(seed=0)
    load_weights(model, file, arm.plain.label, key)
    return model.baseline.state_dict()


def state_hash(state: Mapping[str, torch.Tensor]) -> str:
    """Hash over every bit of a state dict."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _of_entry(word: str, spec: WeightsSpec, key: str = "") -> Trained:
    return Trained(word, _published(spec), None, key, spec.trained_on, spec.times)


def _of_run(run: RunFolder) -> Trained:
    status, last = run.status(), checkpoint.latest(run.checkpoints)
    if last is None:
        raise HarnessError(
            f"the run {run.name} has no checkpoint here: export it anew where it was trained, without "
            "--no-checkpoints, or train it again by its pair's command (harness runs show)"
        )
    if status is None or last.step < status.steps or not status.steps:
        steps = f" of {status.steps}" if status and status.steps else ""
        raise HarnessError(
            f"the run {run.name} is not finished: its last checkpoint is of step {last.step}{steps}; "
            "the command that began it goes on from there"
        )
    return Trained(run.name, last.weights, run)


def _published(spec: WeightsSpec) -> Path:
    """Raises HarnessError for a file that is not what its name promises in a table."""
    path = locate(spec)
    if not path.is_file():
        raise HarnessError(f"the weights '{spec.name}' are a folder, {path}, and not those of one network")
    if spec.sha256 and digest(path) != spec.sha256:
        raise HarnessError(f"{path}: not the published file of '{spec.name}': see harness weights verify {spec.name}")
    return path


def _beginning(word: str, runs: Mapping[str, RunFolder], entries: Mapping[str, WeightsSpec], store: Store) -> RunFolder:
    """The one run that is called so in part: `ifrnet-s.s1` is that of seed 1 alone, and not that of 10. Of several, one
    that did not itself start from trained weights, or the runs that start from it would make it ambiguous."""
    found = called(word, runs)
    started = _started(store) if len(found) > 1 else set()
    drawn = [name for name in found if name not in started]
    if len(drawn) == 1:
        return runs[drawn[0]]
    if found:
        raise HarnessError(f"'{word}' is the beginning of {len(found)} runs: {choices(found)}; give more of it")
    if word in store.pairs():
        raise HarnessError(f"{word} is a pair: give one of its runs, {' or '.join(store.pair(word).runs)}")
    hint = suggestion(word, [*runs, *entries]) or "; harness list shows runs, and harness weights list the others"
    raise HarnessError(f"'{word}' is no file, no run in {store.root} and no entry of harness weights{hint}")


def _started(store: Store) -> set[str]:
    """The runs that started from trained weights."""
    return {run for record in store.pair_records().values() if record.comparison.start for run in record.runs}
