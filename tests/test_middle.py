"""A network for the middle frame is never measured, or trained, on another."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import harness
from harness.arm import Arm
from harness.cli.main import main
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.specs import BaselineSpec

HERE = [entry.spec for entry in catalog().entries(BaselineSpec)]
OTHER = "layers:size=64,t=0.125,tests=2"


@pytest.mark.parametrize("spec", HERE, ids=lambda spec: spec.name)
def test_the_declared_times_are_the_truth(spec: BaselineSpec) -> None:
    """What says that it makes any time gives another frame at another one, what does not the same."""
    torch.manual_seed(0)
    model = Arm.of(catalog(), parse_choice(spec.name)).build(seed=0).eval()
    frames = harness.model.Frames(img0=torch.rand(1, 3, 64, 64), img1=torch.rand(1, 3, 64, 64))
    with torch.inference_mode():
        middle, early = (model(frames, torch.full((1, 1, 1, 1), t)).frame for t in (0.5, 0.125))
    assert torch.equal(middle, early) == (spec.times == "middle")


def test_interpolate_makes_no_other_frame_than_it_is_asked_for() -> None:
    img0, img1 = torch.rand(2, 1, 3, 64, 64)
    with pytest.raises(ValueError, match=r"makes the frame at 0\.5 alone, got 0\.25"):
        harness.load("rife").interpolate(img0, img1, t=0.25)
    harness.load("rife-m").interpolate(img0, img1, t=0.25)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save(harness.load("rife").baseline.state_dict(), tmp_path / "rife.pth")
    return tmp_path / "rife.pth"


RUN = ("run", "--recipe", "smoke", "--metrics", "psnr")


@pytest.mark.parametrize(
    "command",
    [
        (*RUN, "--data", OTHER),
        (*RUN, "--data", "layers:size=64,tests=2", "--test", OTHER),
        ("eval", "--weights", "rife.pth", "--data", OTHER),
    ],
    ids=["trained", "tested", "given"],
)
def test_other_times_are_refused_before_anything_is_done(
    command: tuple[str, ...],
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(weights.parent)
    monkeypatch.setattr(sys, "argv", ["harness", command[0], "--baseline", "rife", *command[1:]])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "has frames at t = 1/8, and rife makes the one at 1/2 alone" in line
    assert not list(weights.parent.glob("results/**/*.csv"))


def test_a_table_says_what_was_tested_at_times_that_training_never_saw(
    undrawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = {}
    for trained in ("0.5", "0.25"):
        words = f"--baseline ifrnet-s --data layers:size=64,tests=2,t={trained} --test {OTHER}"
        monkeypatch.setattr(sys, "argv", ["harness", *RUN, *words.split(), "--results", trained])
        with pytest.raises(SystemExit) as exit_:
            main()
        assert not exit_.value.code
        said[trained] = capsys.readouterr().out
    line = "Trained at t = 1/2 alone, tested at other times on layers."
    assert line in " ".join(said["0.5"].split())
    assert line not in " ".join(said["0.25"].split())
