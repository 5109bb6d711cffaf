"""A checkpoint on a benchmark, without training."""

from __future__ import annotations

import io
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import pytest
import torch
from filelock import FileLock, Timeout

import harness
from harness.cli.main import main
from harness.data.sets.clips import Clips
from harness.distributed import World
from harness.metrics.regional import MASK_COLUMNS
from harness.outcome.pairs import read_evaluation
from harness.pair import seen
from harness.pair.given import saw_middle_alone
from harness.pair.session import Session
from harness.pair.start import Trained
from harness.pair.testset import alone
from harness.registry.catalog import catalog
from harness.results.store import RunFolder, Store
from harness.train.loop import Interrupted
from tests.stores import COST
from tests.test_bad_input import write_video
from tests.test_clips import scene, write
from tests.worlds import together


@pytest.fixture(autouse=True)
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting takes seconds, and has its own tests."""
    monkeypatch.setattr("harness.pair.given.cost_of", lambda arm, model: COST)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Small frames: what is looked at here does not depend on their size."""
    folder = tmp_path_factory.mktemp("videos")
    for seed in (0, 1):
        write_video(folder / f"clip{seed}.mp4", seed, 20)
    return f"clips:root={folder}"


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    out, err = capsys.readouterr()
    progress = (line for line in err.splitlines(keepends=True) if ": test" not in line)
    return int(exit_.value.code or 0), out + "".join(progress)


def test_an_official_checkpoint_is_evaluated_and_found_again(
    footage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, results = tmp_path / "IFRNet_S.pth", tmp_path / "results"
    state = harness.load("ifrnet-s").baseline.state_dict()
    torch.save({f"module.{name}": value for name, value in state.items()}, weights)
    common = ("eval", "--baseline", "ifrnet-s", "--weights", weights, "--data", footage)
    command = (*common, "--triplets", 1, "--results", results)
    code, said = call(monkeypatch, capsys, *command)
    assert code == 0, said
    assert "mean of the two frames" in said
    assert "ifrnet-s with IFRNet_S.pth on clips-" in said
    (rows,) = (results / "evaluations").glob("ifrnet-s.*.csv")
    before = rows.read_text()
    assert len(before.splitlines()) == 5
    assert call(monkeypatch, capsys, *command) == (0, said)
    assert rows.read_text() == before


def test_weights_that_have_seen_a_test_set_are_warned_of(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number in (0, 1):
        write(tmp_path / f"videos/clip{number}.mp4", scene(number, 20))
    benchmark = Clips(root=str(tmp_path / "videos"))
    data = ("--data", f"clips:root={tmp_path / 'videos'}", "--triplets", 1, "--metrics", "psnr")
    contents = benchmark.contents("test")
    monkeypatch.setattr(seen, "_contents", lambda word, known: contents if word == "clips:train" else ())
    command = ("eval", "--weights", "ifrnet-s-own", *data, "--results", tmp_path / "results")
    code, said = call(monkeypatch, capsys, *command)
    assert code == 0, said
    assert "ifrnet-s with ifrnet-s-own on clips-" in said  # whose network is in their name
    (line,) = (line for line in caplog.messages if "have seen answers" in line)
    assert line.endswith("clip clip1 (layers:train, clips:train), and clip clip1 of test set clips equals it")


def test_weights_that_know_the_middle_alone_are_named_where_other_times_are_tested(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = "the weights ifrnet-s-own were trained at t = 1/2 alone, and layers has other times"
    for t in ("0.5", "0.25"):
        data = f"layers:size=64,tests=1,t={t}"
        code, printed = call(monkeypatch, capsys, "eval", "--weights", "ifrnet-s-own", "--data", data)
        assert code == 0, printed
        assert (said in caplog.messages) == (t == "0.25")


@pytest.mark.parametrize(
    ("trained_on", "alone"),
    [
        (("layers:train",), True),
        (("layers:size=64:train", "layers:t=0.25:train"), False),
        (("layers:t=0:train",), False),
        (("layers:train", "nowhere:train"), False),
        (("layers:train", "ucf101:root=nowhere:train"), False),
        ((), False),
    ],
)
def test_what_a_run_was_trained_on_says_whether_it_knows_the_middle_alone(
    trained_on: tuple[str, ...], alone: bool, tmp_path: Path
) -> None:
    run = Trained("run", tmp_path, RunFolder(tmp_path))
    assert saw_middle_alone(run, trained_on, catalog()) is alone
    assert not saw_middle_alone(Trained("file", tmp_path), trained_on, catalog())
    assert saw_middle_alone(Trained("entry", tmp_path, times="middle"), (), catalog())


def test_weights_of_another_network_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(harness.load("ifrnet-s").baseline.state_dict(), tmp_path / "w.pth")
    command = ("eval", "--baseline", "rife", "--weights", tmp_path / "w.pth", "--results", tmp_path / "results")
    code, said = call(monkeypatch, capsys, *command)
    assert code == 2
    assert "not weights of rife: " in said
    assert not (tmp_path / "results").exists()


def test_rows_of_other_options_or_masks_are_not_reused(
    footage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "model.pth"
    torch.save(harness.load("ifrnet-s", plugins=["hir"]).state_dict(), weights)
    given = ("eval", "--baseline", "ifrnet-s", "--weights", weights, "--data", footage)
    common = (*given, "--triplets", 1, "--results", tmp_path / "r")
    for more in (("--with", "hir"), ("--with", "hir:inject=replace"), ("--with", "hir", "--masks", "global")):
        code, said = call(monkeypatch, capsys, *common, *more)
        assert code == 0, said
    assert len(list((tmp_path / "r" / "evaluations").glob("*.csv"))) == 3


def test_masks_of_a_network_that_takes_none_part_what_is_measured_as_in_run(
    footage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(harness.load("ifrnet-s").baseline.state_dict(), tmp_path / "w.pth")
    given = ("eval", "--baseline", "ifrnet-s", "--weights", tmp_path / "w.pth", "--data", footage, "--triplets", 1)
    code, said = call(monkeypatch, capsys, *given, "--masks", "global", "--results", tmp_path / "r")
    assert code == 0, said
    assert "; masks" not in said
    store = Store(tmp_path / "r")
    (name,) = store.evaluations()
    record, rows = read_evaluation(store, name).record, store.evaluation_rows(name)
    assert record.network_masks == ("none",)
    assert record.regions != "none"
    assert {(row.masks, row.regions, row.has(MASK_COLUMNS)) for row in rows} == {("none", record.regions, True)}


@pytest.mark.parametrize("baseline", ["rife", "ema"])
def test_the_harnesss_own_weights_keep_their_colours(baseline: str, tmp_path: Path) -> None:
    model = harness.load(baseline)
    torch.save(model.state_dict(), tmp_path / "own.pth")
    again = harness.load(baseline, weights=str(tmp_path / "own.pth"))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def test_processes_share_an_evaluation(footage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row for row what one measures, in the same order; the first process alone prints."""
    weights = tmp_path / "IFRNet_S.pth"
    torch.save(harness.load("ifrnet-s").baseline.state_dict(), weights)
    common = ["harness", "eval", "--baseline", "ifrnet-s", "--weights", str(weights), "--data", footage]

    def measured(world: World) -> tuple[int, str]:
        out = io.StringIO()
        results = tmp_path / f"of{world.size}"
        monkeypatch.setattr("harness.distributed.joined", lambda device: nullcontext(world))
        monkeypatch.setattr(sys, "argv", [*common, "--triplets", "1", "--results", str(results)])
        with pytest.raises(SystemExit) as ended, redirect_stdout(out):
            main()
        return int(ended.value.code or 0), out.getvalue()

    (alone,) = together(1, measured)
    first, second = together(2, measured)
    assert alone[0] == first[0] == second[0] == 0
    assert alone[1]
    assert (first[1], second[1]) == (alone[1], "")
    one, two = ((tmp_path / f"of{size}" / "evaluations").glob("ifrnet-s.*.csv") for size in (1, 2))
    assert next(one).read_text() == next(two).read_text()


def test_a_wait_for_rows_that_another_process_writes_is_said_once_and_can_be_stopped(tmp_path: Path) -> None:
    rows, said, asked = tmp_path / "rows.csv", list[str](), iter([False, False, True])
    world = World(0, 1, torch.device("cpu"))
    session = Session(Store(tmp_path), lambda *of, **facts: None, said.append, lambda: next(asked), world)
    lock, stopped = FileLock(rows.with_suffix(".lock")), pytest.raises(Interrupted, match="while another process")
    with lock, stopped, alone(rows, session):
        pass
    assert said == [f"waiting for another process that writes {rows}"]
    with alone(rows, session), pytest.raises(Timeout):
        FileLock(rows.with_suffix(".lock")).acquire(timeout=0)
    assert len(said) == 1
