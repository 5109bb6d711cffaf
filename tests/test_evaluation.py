"""Rows: one a triplet, the same however they were made, never lost, never taken for those of something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils._python_dispatch import TorchDispatchMode

from harness.data import Benchmark, Triplet
from harness.data.benchmark import frames_hash
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.plan import EvalPlan
from harness.evaluate.protocol import mean_of_frames
from harness.evaluate.regions import ByMasks, ByMotion
from harness.evaluate.runner import Evaluation, evaluate, read
from harness.evaluate.testset import TripletSet
from harness.masks.cache import MaskCache
from harness.masks.source import MaskSource, maps_hash
from harness.metrics.given import Predicted
from harness.metrics.pixelwise import PSNR, psnr
from harness.metrics.ssim import SSIM
from harness.model import Frames
from harness.registry.protocol import UNIFIED, Settings
from harness.results.lines import text_of
from harness.results.rows import KEYS, SEEN, Row, append_row, merged, prepare, read_rows, write_rows
from tests.worlds import together


class Noise(Benchmark):
    levels = ("only",)
    train: tuple[Triplet, ...] = ()

    def __init__(self) -> None:
        self.test = [Triplet(f"t{i}", clip=f"clip{i // 2}", level="only", frames=(0, 1, 2)) for i in range(6)]
        self.reads: list[str] = []

    def read(self, triplet: Triplet) -> NDArray[np.uint8]:
        self.reads.append(triplet.id)
        if triplet.id == "broken":
            raise HarnessError("broken.png: cannot be read")
        rng = np.random.default_rng(int(triplet.id[1:]))
        return rng.integers(0, 256, (3, 24, 32, 3), np.uint8)

    def digest(self, split: Literal["train", "test"]) -> str:
        return "noise"


class LeftHalf(MaskSource):
    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        maps = np.zeros((2, *img0.shape[:2]), np.uint16)
        maps[:, :, : img0.shape[1] // 2] = 1
        return maps


@pytest.fixture
def evaluation() -> Evaluation:
    noise = Noise()
    plan = EvalPlan(UNIFIED, {"psnr": PSNR()}, {})
    tests = TripletSet(noise, "noise-1234", list(noise.test))
    return Evaluation(plan, tests, [], None, "none", "none", World(0, 1, torch.device("cpu")))


def planned(evaluation: Evaluation, **changes: Any) -> Evaluation:
    """The same by another plan."""
    return replace(evaluation, plan=replace(evaluation.plan, **changes))


def listed(evaluation: Evaluation, triplets: list[Triplet]) -> Evaluation:
    """The same of other triplets."""
    return replace(evaluation, tests=replace(evaluation.tests, triplets=triplets))


def done(evaluation: Evaluation, path: Path, stop: Callable[[], bool] = lambda: False) -> list[Row]:
    evaluate(evaluation, mean_of_frames, path, stop, lambda done, total: None)
    return read_rows(path, "")


def test_values_are_those_of_the_frames(evaluation: Evaluation, tmp_path: Path) -> None:
    rows = done(evaluation, tmp_path / "rows.csv")
    assert [row.triplet for row in rows] == [t.id for t in evaluation.tests.triplets]
    for row, triplet in zip(rows, evaluation.tests.triplets, strict=True):
        frames = torch.from_numpy(evaluation.tests.benchmark.read(triplet)).permute(0, 3, 1, 2).float() / 255
        expected = psnr(((frames[0] + frames[2]) / 2)[None], frames[1][None])
        assert float(row.values["psnr"]) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_rows_are_the_same_for_any_number_of_workers(evaluation: Evaluation, tmp_path: Path, workers: int) -> None:
    done(evaluation, tmp_path / "one.csv")
    done(planned(evaluation, workers=workers), tmp_path / "many.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "many.csv").read_bytes()


def test_a_stopped_evaluation_goes_on(evaluation: Evaluation, tmp_path: Path) -> None:
    path, whole = tmp_path / "rows.csv", tmp_path / "whole.csv"
    done(evaluation, whole)
    asked = iter([False, False, True])
    assert len(done(evaluation, path, lambda: next(asked))) == 2
    path.write_text(path.read_text() + "noise-1234,only,t2,to")  # and a crash tore a row
    evaluation.tests.benchmark.reads.clear()  # type: ignore[attr-defined]
    done(evaluation, path)
    assert set(evaluation.tests.benchmark.reads) == {"t2", "t3", "t4", "t5"}  # type: ignore[attr-defined]
    assert path.read_bytes() == whole.read_bytes()


def test_a_metric_that_is_added_is_measured_and_the_others_are_kept(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    before = [row.values["psnr"] for row in done(evaluation, path)]
    more = planned(evaluation, metrics={"psnr": PSNR(), "ssim": SSIM()})
    rows = done(more, path)
    latest = merged(rows)
    assert [row.values["psnr"] for row in latest.values()] == before
    assert all(row.has(["ssim"]) for row in latest.values())
    size = len(rows)
    assert len(done(evaluation, path)) == len(done(more, path)) == size  # nothing is measured again


def test_metrics_measured_in_turn_all_stay(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    other = planned(evaluation, metrics={"ssim": SSIM()})
    done(evaluation, path)
    size = len(done(other, path))
    assert len(done(evaluation, path)) == size
    assert all(row.has(["psnr", "ssim"]) for row in merged(read_rows(path, "")).values())


def test_rows_are_the_same_for_any_number_of_processes(evaluation: Evaluation, tmp_path: Path) -> None:
    """Also where the file has more columns than are asked for, in another order; and of a metric of whole sets."""
    from tests.test_wide_metrics import Spread, of_sets

    metrics = {"psnr": PSNR(), "ssim": SSIM(), "spread": of_sets(Spread())}

    def work(world: World) -> None:
        for measured in (metrics, {"psnr": PSNR()}):
            shared = replace(planned(evaluation, metrics=measured), world=world)
            evaluate(shared, mean_of_frames, path, lambda: False, lambda done, total: None)

    made = []
    for count in (1, 2, 4):
        path = tmp_path / f"{count}.csv"
        path.write_text(text_of([*KEYS, *SEEN, "ie", "ssim"], []))
        assert together(count, work) == [None] * count
        made.append(path.read_bytes())
        assert [file.name for file in tmp_path.glob("*part*")] == []
    assert made[0] == made[1] == made[2]
    rows = merged(read_rows(path, ""))
    alone = merged(done(planned(evaluation, metrics=metrics), tmp_path / "alone.csv"))
    assert len(alone) == 7
    assert {of: row.values for of, row in rows.items()} == {of: row.values for of, row in alone.items()}


@pytest.mark.parametrize(
    "change",
    [
        lambda it: replace(it, tests=replace(it.tests, data_id="noise-5678")),
        lambda it: replace(it, weights="abc"),
        lambda it: replace(it, regions="other"),
        lambda it: planned(it, protocol=replace(UNIFIED, version=9)),
    ],
)
def test_rows_of_something_else_are_never_reused(
    evaluation: Evaluation, tmp_path: Path, change: Callable[[Evaluation], Evaluation]
) -> None:
    path = tmp_path / "rows.csv"
    done(evaluation, path)
    assert len(done(change(evaluation), path)) == 12


def test_masks_that_the_network_is_given_are_in_the_key(evaluation: Evaluation, tmp_path: Path) -> None:
    path, seen = tmp_path / "rows.csv", []

    def predict(frames: Frames, t: float, maps: NDArray[np.integer] | None) -> Predicted:
        seen.append(maps)
        return Predicted(frame=frames.img0)

    masks = replace(evaluation, masks=MaskCache(LeftHalf(), "left"))
    first = evaluation.tests.triplets[0]
    assert masks.row(first).masks != evaluation.row(first).masks
    evaluate(masks, predict, path, lambda: False, lambda done, total: None)
    assert all(maps is not None and maps.shape == (2, 24, 32) for maps in seen)


def test_regional_values_add_up_to_the_whole(evaluation: Evaluation, tmp_path: Path) -> None:
    groupings = [ByMasks(MaskCache(LeftHalf(), "left")), ByMotion()]
    rows = done(replace(evaluation, groupings=groupings), tmp_path / "rows.csv")
    assert set(rows[0].values) == {"psnr", *groupings[0].columns, *groupings[1].columns}
    for row in rows:
        inside, outside = (10 ** (-row.values[f"psnr@{name}"] / 10) for name in ("inside", "outside"))
        assert (inside + outside) / 2 == pytest.approx(10 ** (-row.values["psnr"] / 10), rel=1e-9)
        assert row.has(groupings[1].columns)  # nan, not empty, where nothing moves like that


def test_a_thread_that_reads_leaves_torchs_workers_alone(evaluation: Evaluation) -> None:
    """Beside a second thread that uses them, those of the network sleep after each of its operations."""

    class Operations(TorchDispatchMode):
        names: ClassVar[list[str]] = []

        def __torch_dispatch__(self, of: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.names.append(str(of))
            return of(*args, **(kwargs or {}))

    groupings = [ByMasks(MaskCache(LeftHalf(), "left")), ByMotion()]
    with Operations():
        sample = read(replace(evaluation, groupings=groupings), evaluation.tests.triplets[0])
        assert not Operations.names
        assert [groups.shape for groups in sample.groups] == [(24, 32), (24, 32)]
        assert Operations.names


def test_motion_is_estimated_once(evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_motion = replace(evaluation, groupings=[ByMotion()])
    done(with_motion, tmp_path / "one.csv")
    monkeypatch.setattr("harness.metrics.motion.motion_magnitude", None)
    done(with_motion, tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_motion_that_is_damaged_on_disk_is_estimated_anew(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bit of each exponent: still finite numbers of the right shape, and other bins."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with_motion = replace(evaluation, groupings=[ByMotion()])
    done(with_motion, tmp_path / "one.csv")
    kept = {path: path.read_bytes() for path in (tmp_path / "cache" / "motion").rglob("*") if path.is_file()}
    assert len(kept) == 6
    for path, content in kept.items():
        damaged = bytearray(content)
        for at in range(len(content) - 24 * 32 * 4 + 3, len(content), 4):
            damaged[at] ^= 0x04
        path.write_bytes(damaged)
    done(with_motion, tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert {path: path.read_bytes() for path in kept} == kept


def test_rounding_concerns_every_row(evaluation: Evaluation, tmp_path: Path) -> None:
    rounded = replace(UNIFIED, settings=Settings(rounding=True))
    one, other = (
        done(evaluation, tmp_path / "one.csv"),
        done(planned(evaluation, protocol=rounded), tmp_path / "two.csv"),
    )
    differences = [abs(a.values["psnr"] - b.values["psnr"]) for a, b in zip(one, other, strict=True)]
    assert 0 < max(differences) < 0.01


def test_a_bad_image_is_named_and_nothing_is_lost(evaluation: Evaluation, tmp_path: Path) -> None:
    whole = evaluation.tests.triplets
    triplets = [*whole[:3], Triplet("broken", clip="c", level="only", frames=(0, 1, 2)), whole[4]]
    with pytest.raises(HarnessError, match=r"broken\.png: cannot be read"):
        done(listed(evaluation, triplets), tmp_path / "rows.csv")
    assert [row.triplet for row in read_rows(tmp_path / "rows.csv", "")] == ["t0", "t1", "t2"]


def test_a_result_that_is_not_finite_is_named(evaluation: Evaluation, tmp_path: Path) -> None:
    def fails(*_: object) -> Predicted:
        raise ValueError("the result is not finite")

    with pytest.raises(HarnessError, match="noise-1234, only t0: the result is not finite"):
        evaluate(evaluation, fails, tmp_path / "rows.csv", lambda: False, lambda done, total: None)


def test_a_file_of_rows_that_is_none_is_moved_aside(
    evaluation: Evaluation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for content in (b"data,level\n\xff\xfe\n", b"data,level\nx,y\n"):
        path = tmp_path / "rows.csv"
        path.write_bytes(content)
        assert len(done(evaluation, path)) == 6
        assert (tmp_path / "rows.csv.damaged").read_bytes() == content
        assert "rows.csv: no such table" in caplog.text


def test_a_damaged_row_is_named_and_measured_again(
    evaluation: Evaluation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rows.csv"
    before = done(evaluation, path)
    path.write_text(path.read_text().replace("t1", "t9", 1))
    with pytest.raises(HarnessError, match=r"rows\.csv: damaged \(line 3 is not as it was written\)"):
        read_rows(path, "")
    assert sorted(map(repr, done(evaluation, path))) == sorted(map(repr, before))
    assert "1 damaged lines are left out" in caplog.text


def test_rows_of_another_version_stay_but_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    keys = dict.fromkeys(KEYS, "x")
    append_row(path, prepare(path, ["psnr"]), Row(**keys, values={"psnr": 1.0}))
    append_row(path, prepare(path, ["psnr", "ssim"]), Row(**keys, frames="other", values={"ssim": 0.5}))
    old, new = read_rows(path, "")
    assert (old.values, new.values) == ({"psnr": 1.0}, {"ssim": 0.5})
    assert merged([old, new])[old.key].values == {"ssim": 0.5}  # of other frames: nothing of the old one is kept


# --- what was really read


def test_rows_have_the_hashes_of_their_frames_and_label_maps(evaluation: Evaluation, tmp_path: Path) -> None:
    masks = replace(evaluation, masks=MaskCache(LeftHalf(), "left"))
    rows = done(evaluation, tmp_path / "none.csv"), done(masks, tmp_path / "left.csv")
    for plain, masked, triplet in zip(*rows, evaluation.tests.triplets, strict=True):
        frames = evaluation.tests.benchmark.read(triplet)
        assert plain.frames == masked.frames == frames_hash(frames, 0.5)
        assert (plain.maps, masked.maps) == ("none", maps_hash(LeftHalf().label_maps(frames[0], frames[2])))
    assert len({row.frames for row in rows[0]}) == len(rows[0])


def test_a_row_has_the_hash_of_the_parts_that_it_is_measured_by(evaluation: Evaluation, tmp_path: Path) -> None:
    halves = replace(evaluation, groupings=[ByMasks(MaskCache(LeftHalf(), "left"))])
    (plain, *_), (grouped, *_) = done(evaluation, tmp_path / "none.csv"), done(halves, tmp_path / "left.csv")
    assert plain.groups == "none" != grouped.groups


def test_a_hash_tells_one_bit_the_shape_and_the_time() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 3), np.uint8)
    flipped = frames.copy()
    flipped[1, 2, 3, 1] ^= 1
    hashes = {frames_hash(frames, 0.5), frames_hash(flipped, 0.5), frames_hash(frames, 0.25)}
    assert len(hashes | {frames_hash(frames.reshape(3, 6, 4, 3), 0.5)}) == 4
    assert frames_hash(np.asfortranarray(frames), 0.5) == frames_hash(frames, 0.5)
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in hashes)
    maps = np.arange(48, dtype=np.uint16).reshape(2, 4, 6)
    assert maps_hash(maps) == maps_hash(maps.astype(np.int64))
    assert len({maps_hash(maps), maps_hash(maps + 1), maps_hash(maps.reshape(2, 6, 4)), maps_hash(None)}) == 4


def test_values_of_other_frames_are_not_of_the_same_row(evaluation: Evaluation, tmp_path: Path) -> None:
    """A file that changed unnoticed is read again for a metric that was added: earlier values are of others."""
    path = tmp_path / "rows.csv"
    done(planned(evaluation, metrics={"psnr": PSNR(), "ssim": SSIM()}), path)
    read = evaluation.tests.benchmark.read

    def changed(triplet: Triplet) -> NDArray[np.uint8]:
        frames = read(triplet)
        return frames ^ np.uint8(triplet.id == "t3")

    evaluation.tests.benchmark.read = changed  # type: ignore[method-assign]
    done(planned(evaluation, metrics={"other": PSNR()}), path)
    rows = {row.triplet: row.values for row in merged(read_rows(path, "")).values()}
    assert [name for name, values in rows.items() if "ssim" not in values] == ["t3"]
    done(planned(evaluation, metrics={"psnr": PSNR(), "ssim": SSIM()}), path)
    rows = {row.triplet: row.values for row in merged(read_rows(path, "")).values()}
    assert all(values["other"] == values["psnr"] and "ssim" in values for values in rows.values())


@pytest.mark.parametrize("name", ["frames", "maps", "groups", "psnr", "ssim"])
def test_a_row_that_lacks_a_value_is_measured_again_and_no_other(
    evaluation: Evaluation, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "rows.csv"
    both = planned(evaluation, metrics={"psnr": PSNR(), "ssim": SSIM()})
    whole = merged(done(both, path))
    rows = read_rows(path, "")
    less = {key: value for key, value in rows[2].values.items() if key != name}
    rows[2] = rows[2].model_copy(update={"values": less} if name in rows[2].values else {name: ""})
    write_rows(path, prepare(path, []), rows)
    evaluation.tests.benchmark.reads.clear()  # type: ignore[attr-defined]
    assert merged(done(both, path)) == whole
    assert evaluation.tests.benchmark.reads == ["t2"]  # type: ignore[attr-defined]


def test_what_is_not_finite_is_a_value_and_is_kept_as_it_is(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    values = iter([float("nan"), float("inf"), float("-inf"), 1.0, 2.0, 3.0])
    odd = planned(evaluation, metrics={"odd": lambda frame, truth: torch.tensor([next(values)])})
    written = [repr(row.values["odd"]) for row in done(odd, path)]
    assert written == ["nan", "inf", "-inf", "1.0", "2.0", "3.0"]
    assert [repr(row.values["odd"]) for row in done(odd, path)] == written  # nothing is measured again: no next value


# --- nothing measured is no success


def test_an_evaluation_of_nothing_is_refused(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"^noise-1234: no triplet to measure$"):
        done(listed(evaluation, []), tmp_path / "rows.csv")


def test_triplets_of_one_name_are_refused(evaluation: Evaluation, tmp_path: Path) -> None:
    twins = [*evaluation.tests.triplets, replace(evaluation.tests.triplets[1], clip="another")]
    with pytest.raises(HarnessError, match=r"^noise-1234: 2 triplets are called only t1; each needs its own name$"):
        done(listed(evaluation, twins), tmp_path / "rows.csv")


def test_rows_that_cannot_be_read_back_are_an_error(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loses(path: Path, columns: Sequence[str], row: Row) -> None:
        if row.triplet != "t4":
            append_row(path, columns, row)

    monkeypatch.setattr("harness.evaluate.runner.append_row", loses)
    with pytest.raises(HarnessError, match=r"rows\.csv: 1 of 6 rows cannot be read back, the first of only t4"):
        done(evaluation, tmp_path / "rows.csv")
