"""Ours beside the code of a network's authors: only where both make the same frame, and in turn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from harness import BaselineSpec
from harness.arm import Arm
from harness.bench import PARTS, attention, evaluation, loading, networks, parts, recorded, turns
from harness.bench.evaluation import ssim_by_conv3d
from harness.bench.footage import Triplets, written
from harness.bench.networks import Work
from harness.bench.pairs import stored
from harness.bench.recorded import Ratio, Recorded
from harness.bench.turns import Spread, Timed, Turns, in_turn
from harness.cli.bench import _with_official_code
from harness.cli.main import main
from harness.cli.memory import LARGE_PAGES
from harness.errors import HarnessError
from harness.evaluate.protocol import mean_of_frames
from harness.measure.cost import cost
from harness.measure.speed import most_held
from harness.metrics.ssim import ssim
from harness.model import Regions, region_attention
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.report.named import every_table

CPU = torch.device("cpu")

THEIRS = f"""
import os
import utils
from vfi_ifrnet.network import IFRNet
from harness.model import Frames

assert "{LARGE_PAGES[0]}" not in os.environ

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

    def call(*words: str, off: float | str | None = None, exit_: int = 0) -> str:
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


def rows(said: str) -> list[list[str]]:
    """Cells of the lines of tables, without their heads."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines() if line.startswith("| ")]
    return [row for row in cells if row[0] != "whose"]


def test_beside_the_code_of_its_authors(bench: Callable[..., str], tmp_path: Path) -> None:
    """What is recorded is what was measured."""
    cells = rows(bench("ifrnet-s", "--record", str(tmp_path / "recorded.json"), off=0.0))
    assert [row[:2] for row in cells] == [
        ["ifrnet-s", "training step, 1 of 32x32"],
        ["ifrnet-s", "a frame of 40x30"],
    ]
    for _, _, ours, official, ratio, _, alone, shares in cells:
        assert all(float(cell.split()[0]) > 0 for cell in (ours, official, ratio))
        wanted = [float(alone) / float(cell.split()[0]) for cell in (ours, official)]
        assert [float(share) for share in shares.split(",")] == pytest.approx(wanted, abs=0.02)
    assert "models" not in sys.modules
    assert "utils" not in sys.modules
    kept = recorded.read(tmp_path / "recorded.json")
    assert [(each.whose, each.what) for each in kept.ratios] == [tuple(row[:2]) for row in cells]
    assert [f"{each.median:.2g}" for each in kept.ratios] == [f"{float(row[4].split()[0]):.2g}" for row in cells]
    assert all(each.low <= each.median <= each.high for each in kept.ratios)


def test_two_networks_are_not_compared(bench: Callable[..., str]) -> None:
    said = bench("ifrnet-s", off=0.001, exit_=2)
    assert "with the same weights" in said
    assert said.count("\n") == 1


def test_products_alone_are_a_networks_at_the_rate_of_one_large_product(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Arm.of(catalog(), parse_choice("ifrnet-s")).build(0)
    macs = cost(model, (32, 48)).macs
    assert macs is not None

    def in_turn(ours: Callable[[], torch.Tensor], *rest: object) -> Turns:
        assert ours().shape == (networks.SIDE, networks.SIDE)
        return Turns([9.0, 2.0, 1.0])

    monkeypatch.setattr(networks, "in_turn", in_turn)
    assert networks._products(model, (32, 48), 5, 3, CPU) == pytest.approx(5 * macs * 2.0 / networks.SIDE**3)


def test_a_step_has_three_times_the_products_of_its_frames(
    bench: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(networks, "_products", lambda model, size, frames, *rest: asked.append((size, frames)))
    assert [row[6:] for row in rows(bench("ifrnet-s", off=0.0))] == [["", ""], ["", ""]]
    assert asked == [((32, 32), 3), ((30, 40), 1)]


def test_code_that_ends_its_process_is_named(bench: Callable[..., str]) -> None:
    said = bench("ifrnet-s", off="__import__('os')._exit(1)", exit_=2)
    assert said == "harness: error: ifrnet-s: the code of its authors ended its process\n"


def test_without_their_code_ours_is_timed_alone(
    bench: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the ratios that were recorded of it are shown as what they are, of no other network."""
    kept = Recorded(commit="abc", machine="a machine", ratios=tuple(
        Ratio(whose=name, what="a frame", median=0.5, low=0.4, high=0.6) for name in ("ifrnet-s", "rife")
    ))  # fmt: skip
    monkeypatch.setattr(recorded, "FILE", tmp_path / "recorded.json")
    recorded.FILE.write_text(kept.model_dump_json())
    said = bench("ifrnet-s")
    assert rows(said)[0][3:5] == ["", ""]
    assert "Recorded at commit abc on a machine, not measured now:" in said
    assert rows(said)[-1] == ["ifrnet-s", "a frame", "0.5 [0.4, 0.6]"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("uprnet", "--official", "."), "uprnet names no code of its authors"),
        (("rife", "--official", "."), "ECCV2022-RIFE is not there"),
        (("ifrnet-x",), "did you mean"),
        (("rife", "--part", "loading"), "rife: none of these parts is of networks; add --part networks"),
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


# --- the other parts, and the page


def test_the_page(bench: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A section for each part that was asked for, in that order; what is printed is what is written."""
    asked: list[str] = []

    def timed(part: str, ground: parts.Ground) -> list[Timed]:
        asked.append(part)
        assert ground.quick
        return [Timed("ours", part, Turns([1.0, 2.0, 3.0], [4.0, 4.0, 4.0])), Timed("alone", part, Turns([0.25]))]

    monkeypatch.setattr(parts, "timed", timed)
    said = bench("--part", "loop", "--part", "loading", "-o", str(tmp_path / "bench.md"))
    assert asked == ["loop", "loading"]
    assert (tmp_path / "bench.md").read_text() == said
    assert [line for line in said.splitlines() if line.startswith("#")] == [
        "# How fast it is",
        "## The training loop",
        "## Loading of training triplets, CPU time of one thread",
    ]
    assert "`harness bench --part loop --part loading --quick`, commit " in said
    assert "On a GPU: not measured." in said
    assert rows(said)[0] == ["ours", "loop", "2 [1.5, 2.5]", "4 [4, 4]", "0.5 [0.375, 0.625]"]
    assert rows(said)[1] == ["alone", "loop", "0.25 [0.25, 0.25]", "", ""]


@pytest.mark.parametrize("option", ["--output", "--record"])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_timed(
    option: str, bench: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "timed", lambda part, ground: pytest.fail("timed"))
    assert "/proc/page: No such file" in bench("--part", "loop", option, "/proc/page", exit_=2)


def test_a_part_that_fails_leaves_those_before_it(
    bench: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def timed(part: str, ground: parts.Ground) -> Iterator[Timed]:
        if part == "loading":
            raise HarnessError("no space")
        yield Timed("ours", part, Turns([1.0]))

    monkeypatch.setattr(parts, "timed", timed)
    assert "no space" in bench("--part", "loop", "--part", "loading", "-o", str(tmp_path / "bench.md"), exit_=2)
    assert rows((tmp_path / "bench.md").read_text()) == [["ours", "loop", "1 [1, 1]", "", ""]]


def test_a_network_of_two_names_is_timed_once() -> None:
    ten = {"amt-g", "amt-l", "amt-s", "ema", "ema-base", "ifrnet", "ifrnet-l", "ifrnet-s", "rife", "rife-m"}
    assert sorted(_with_official_code(catalog())) == sorted(ten)


def test_what_comes_with_the_harness_can_be_read() -> None:
    assert recorded.read().ratios


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither clips nor a network."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    pair = iter(range(1000))

    def three(clip: Path, count: int, size: tuple[int, int]) -> list[list[NDArray[np.uint8]]]:
        random = np.random.default_rng(next(pair))
        return [[random.integers(0, 256, (size[1], size[0], 3), np.uint8) for _ in range(3)] for _ in range(count)]

    monkeypatch.setattr("harness.bench.footage._triplets", three)


def test_loaders_that_read_other_frames_are_not_timed(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH", 2)
    monkeypatch.setattr(loading, "SIZE", (240, 232))
    lines = list(loading.loading(quick=True))
    assert [line.what for line in lines] == [
        "a triplet of PNG files",
        "a triplet that was decoded before",
        "decoding of a frame",
    ]
    assert all(line.turns.ratios for line in lines)
    monkeypatch.setattr(loading, "usual_reader", lambda: ("another", lambda file: np.zeros((232, 240, 3), np.uint8)))
    with pytest.raises(HarnessError, match="another reads other frames of"):
        next(loading.loading(quick=True))


def test_loops_that_give_other_numbers_are_not_timed(
    small: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = written(tmp_path / "frames", (64, 48), 2)
    _, read = loading.usual_reader()
    job = evaluation._Job(Triplets(root=str(root)), mean_of_frames, read, tmp_path, CPU)
    job.check()
    assert len(job.ours()) == len(job.theirs()) == 2
    monkeypatch.setattr(evaluation, "ssim_by_conv3d", lambda frame, truth: 0.5)
    with pytest.raises(HarnessError, match=r"ssim is 0\.\d+ here and 0\.500000 by the usual loop: not timed"):
        job.check()


def test_ssim_by_conv3d() -> None:
    frame = torch.rand(1, 3, 24, 33, generator=torch.Generator().manual_seed(0))
    truth = (frame + 0.1 * torch.rand(frame.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    assert ssim_by_conv3d(frame, truth) == pytest.approx(float(ssim(frame, truth)), abs=1e-5)


def test_a_table_of_many_pairs_is_one_of_differences(tmp_path: Path) -> None:
    sheets, left_out = every_table(stored(tmp_path, 6))
    assert not left_out
    assert len(sheets) == 2
    assert all("t over seeds and clips" in " ".join(sheet.notes) for sheet in sheets)


def test_every_part_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = parts.Ground(quick=True, device=CPU, shown=nullcontext, tables=every_table)
    assert all(parts.timed(part, ground) for part in PARTS if part != "networks")
