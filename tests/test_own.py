"""Weights of one's own are made by one command, which goes on where it stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.cli.main import main
from harness.distributed import World
from harness.errors import HarnessError
from harness.pair import own
from harness.pair.session import Session
from harness.registry.catalog import catalog
from harness.results.store import Store
from harness.train import checkpoint

RECIPE = """\
data: {{"layers:size=64,motion=8": 1{more}}}
steps: {steps}
batch: 2
augment: {{crop: 64}}
test_triplets: 1
test_crop: 64
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Call the command with two parts of two steps each: what it says on stderr."""
    for name, more in (("own", ""), ("own-clips", ', "clips": 1')):
        (tmp_path / f"{name}.yaml").write_text(RECIPE.format(steps=2, more=more))
    monkeypatch.setattr(own, "STAGES", tuple(str(tmp_path / f"{name}.yaml") for name in ("own", "own-clips")))
    monkeypatch.setattr(own, "TESTS", "layers:size=64,tests=2")

    def call() -> str:
        command = ["harness", "weights", "make", "ifrnet-s", "--results", str(tmp_path / "results")]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as exit_:
            main()
        said = capsys.readouterr()
        assert exit_.value.code in (0, None), said.err
        return said.err

    return call


def test_own_weights(make: Callable[..., str], tmp_path: Path) -> None:
    said = make()
    assert "hours on this machine for all steps" in said
    store = Store(tmp_path / "results")
    started = {name for record in store.pair_records().values() if record.comparison.start for name in record.runs}
    first, second = sorted(store.runs(), key=lambda run: run.name in started)
    made = load_file(tmp_path / "results" / "weights" / "ifrnet-s-own.safetensors")
    last = checkpoint.latest(second.checkpoints)
    assert last is not None
    trained = load_file(last.weights)
    assert made.keys() == trained.keys()
    assert all(value.dtype == torch.float16 for value in made.values())
    assert all(torch.equal(made[name], value.half()) for name, value in trained.items())

    card = (tmp_path / "results" / "weights" / "ifrnet-s-own.md").read_text()
    assert first.name in card
    assert second.name in card
    assert "no\nmodel to publish with" in card
    rows = [line for line in card.splitlines() if line.startswith("| layers test")]
    before, after, gain = (float(cell) for cell in rows[0].split("|")[3:6])
    assert gain == pytest.approx(after - before, abs=0.011)

    stamps = {run.name: run.status() for run in store.runs()}
    again = make()
    assert "step 1 of" not in again
    assert {run.name: run.status() for run in store.runs()} == stamps
    assert (tmp_path / "results" / "weights" / "ifrnet-s-own.md").read_text() == card


def test_a_network_with_options_is_refused(tmp_path: Path) -> None:
    """Its weights would be called, and tested, as those of the network without."""
    world = World(0, 1, torch.device("cpu"))
    session = Session(Store(tmp_path), lambda hook, **facts: None, print, lambda: False, world)
    with pytest.raises(HarnessError, match=r"^uprnet:skipped=2: weights are called as their network is"):
        own.plan_of("uprnet:skipped=2", 0, session, catalog(), 0)


def test_weights_that_overflow_in_half_precision_are_refused() -> None:
    with pytest.raises(HarnessError, match="do not fit into half precision"):
        own.halved(torch.tensor([1e6]))
    assert own.halved(torch.tensor([3])).dtype == torch.int64
