"""Ours beside the code of a network's authors: only where both make the same frame, and in turn."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import BaselineSpec
from harness.bench import attention, networks, turns
from harness.bench.networks import Work
from harness.bench.turns import Spread, in_turn
from harness.cli.main import main
from harness.measure.speed import most_held
from harness.model import Regions, region_attention

CPU = torch.device("cpu")

THEIRS = """
import utils
from vfi_ifrnet.network import IFRNet
from harness.model import Frames

class Model(IFRNet):
    def __init__(self):
        super().__init__(variant="s")

    def inference(self, img0, img1, embt):
        frames = Frames(img0=img0, img1=img1)
        return self.decode(frames, self.encode(frames), embt, None).frame + utils.off
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Call the command on small work, beside a checkout whose frames are `off` by so much; what it says, or its line of
    error."""
    monkeypatch.setattr(networks, "QUICK", Work(crop=32, batch=1, sizes=((30, 40),), turns=2))

    def call(*words: str, off: float | None = None, exit_: int = 0) -> str:
        if off is not None:
            folder = tmp_path / "IFRNet"
            (folder / "models").mkdir(parents=True)
            (folder / "models" / "IFRNet_S.py").write_text(THEIRS)
            (folder / "utils.py").write_text(f"off = {off}\n")
            words = (*words, "--official", str(tmp_path))
        monkeypatch.setattr(sys, "argv", ["harness", "bench", "--quick", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == exit_, said.err
        return said.err if exit_ else said.out

    return call


def test_beside_the_code_of_its_authors(bench: Callable[..., str]) -> None:
    lines = bench("ifrnet-s", off=0.0).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:4]]
    assert [row[:2] for row in cells] == [
        ["ifrnet-s", "training step, 1 of 32x32"],
        ["ifrnet-s", "a frame of 40x30"],
    ]
    for _, _, ours, official, ratio, _ in cells:
        assert all(float(cell.split()[0]) > 0 for cell in (ours, official, ratio))
    assert "models" not in sys.modules
    assert "utils" not in sys.modules


def test_two_networks_are_not_compared(bench: Callable[..., str]) -> None:
    said = bench("ifrnet-s", off=0.001, exit_=2)
    assert "with the same weights" in said
    assert said.count("\n") == 1


def test_without_their_code_ours_is_timed_alone(bench: Callable[..., str]) -> None:
    lines = bench("ifrnet-s").splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[4:6]] == ["", ""]
    assert "the official code was not given" in lines[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("uprnet", "--official", "."), "uprnet names no code of its authors"),
        (("rife", "--official", "."), "ECCV2022-RIFE is not there"),
        (("ifrnet-x",), "did you mean"),
    ],
)
def test_bad_input(bench: Callable[..., str], words: tuple[str, ...], said: str) -> None:
    error = bench(*words, exit_=2)
    assert said in error
    assert error.count("\n") == 1


def test_a_checkout_that_fails_is_named(bench: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "IFRNet").mkdir()
    error = bench("ifrnet-s", "--official", str(tmp_path), exit_=2)
    assert f"{tmp_path / 'IFRNet'}: the code of ifrnet-s's authors fails: ModuleNotFoundError" in error


def test_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of each does not count; ratios are of neighbours, so that a load which comes and goes is in both."""
    order: list[str] = []
    clock = [0.0]

    def costing(name: str, *seconds: float) -> Callable[[], None]:
        left = list(seconds)

        def call() -> None:
            order.append(name)
            clock[0] += left.pop(0)

        return call

    monkeypatch.setattr(turns.time, "perf_counter", lambda: clock[0])
    timed = in_turn(costing("ours", 9, 1, 10), costing("other", 9, 2, 20), 2, CPU)
    assert order == ["ours", "other"] * 3
    assert (timed.ours, timed.other, timed.ratios) == ([1, 10], [2, 20], [0.5, 0.5])
    alone = in_turn(costing("ours", 9, 1), None, 1, CPU)
    assert (alone.ours, list(alone.other), alone.ratios) == ([1], [], [])


def test_spread() -> None:
    assert Spread.of([4.0]) == Spread(4.0, 4.0, 4.0)
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 5.0]) == Spread(3.0, 2.0, 4.0)


def test_attention_inside_one_region_is_the_dense_one() -> None:
    zeros = np.zeros((1, 6, 7), np.int64)
    q, k, v = torch.randn(1, 13, 6, 7, generator=torch.Generator().manual_seed(0)).split((5, 5, 3), 1)
    attended, _ = region_attention(q, k, v, Regions.of(zeros, zeros, (6, 7)), scale=1.0)
    torch.testing.assert_close(attended, attention.dense(q, k, v), atol=1e-5, rtol=1e-5)


def test_attention_beside_the_dense_one() -> None:
    maps = attention.nearest_of_points(4, (12, 14), seed=0)
    sizes = [np.bincount(each.ravel(), minlength=4) for each in maps]
    beside = attention.beside_dense(maps, keys=5, values=3, turns=2, device=CPU)
    assert min(sizes[0]) > 0
    assert len({*sizes[0]}) > 1
    assert beside.bound == sum(int(a) * int(b) for a, b in zip(*sizes, strict=True)) / 168**2
    assert len(beside.forward.ratios) == len(beside.both_passes.ratios) == 2


def test_most_held_is_of_what_is_held_at_once() -> None:
    def call() -> None:
        kept = torch.zeros(1000)
        del kept
        torch.zeros(500)

    assert most_held(call, CPU) == 4000


@pytest.mark.parametrize("given", [{"official": "ours.official"}, {"official": "ours:official"}])
def test_a_spec_that_names_no_code_is_refused(given: dict[str, str]) -> None:
    """No function, and no repository."""
    with pytest.raises(ValueError, match="is not 'module:function' with a repository"):
        BaselineSpec("ours", "ours:Net", summary="", **given)  # type: ignore[arg-type]
