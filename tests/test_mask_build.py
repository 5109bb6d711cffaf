"""Making maps in bulk: stopped, killed, shared among processes, nothing is lost, wrong or made twice. And files that a
user brings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.data.benchmark import Triplet
from harness.errors import HarnessError
from harness.masks import MaskSource
from harness.masks.build import Pair, build, pairs_of
from harness.masks.cache import MaskCache
from harness.masks.claims import Claims
from harness.masks.precomputed import Precomputed
from harness.masks.workers import share

SIDE = 12


class Slow(MaskSource):
    """Brightness in steps of 10; each pair that it is asked for is a line in a log, and takes a while."""

    def __init__(self, log: Path, seconds: float = 0.0, raises_at: int = -1, dies_at: int = -1) -> None:
        self.log, self.seconds, self.raises_at, self.dies_at = log, seconds, raises_at, dies_at

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> NDArray[np.uint16]:
        return np.stack([img0, img1]).mean(-1).astype(np.uint16) // 10

    def maps_of(
        self, clip: str, first: int, last: int, img0: NDArray[np.uint8], img1: NDArray[np.uint8]
    ) -> NDArray[np.uint16]:
        threading.Event().wait(self.seconds)
        with self.log.open("a") as log:
            log.write(f"{clip} {first} {last}\n")
        if first == self.raises_at:
            raise HarnessError(f"frame {first} cannot be segmented")
        if first == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.label_maps(img0, img1)


def read(number: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)


def pairs(count: int) -> list[Pair]:
    return [Pair("clip", number, number + 2, number) for number in range(count)]


def never() -> bool:
    return False


def right(cache: MaskCache, count: int) -> bool:
    """Whether every entry is there and as the source makes it."""
    found = [(cache.read(*read(number)[[0, -1]]), read(number)[[0, -1]]) for number in range(count)]
    return all(kept is not None and (kept.maps == cache.source.label_maps(*pair)).all() for kept, pair in found)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def test_pairs_of_frames_come_once_and_clip_by_clip() -> None:
    triplets = [
        Triplet("b/2", clip="b", level="easy", frames=(2, 3, 4)),
        Triplet("a/5", clip="a", level="easy", frames=(5, 6, 7)),
        Triplet("b/2", clip="b", level="hard", frames=(2, 3, 4)),
        Triplet("a/10", clip="a", level="easy", frames=(10, 11, 12)),
    ]
    found = pairs_of(triplets)
    assert [(pair.clip, pair.first, pair.last) for pair in found] == [("a", 5, 7), ("a", 10, 12), ("b", 2, 4)]


def test_a_stopped_build_goes_on_and_makes_nothing_twice(tmp_path: Path) -> None:
    cache = MaskCache(Slow(tmp_path / "log"), "x")
    told = iter([False] * 3 + [True])
    assert len(list(build(cache, pairs(8), read, lambda: next(told)))) == 3
    made = list(build(cache, pairs(8), read, never))
    assert [bool(each.size) for each in made] == [False] * 3 + [True] * 5
    assert len((tmp_path / "log").read_text().splitlines()) == 8
    assert right(cache, 8)
    assert all(each.size == cache.file(*read(at)[[0, -1]]).stat().st_size for at, each in enumerate(made) if each.size)


def test_damaged_entries_are_made_anew(tmp_path: Path) -> None:
    cache = MaskCache(Slow(tmp_path / "log"), "x")
    list(build(cache, pairs(3), read, never))
    cache.file(*read(1)[[0, -1]]).write_bytes(b"torn")
    assert [bool(each.size) for each in build(cache, pairs(3), read, never)] == [False, True, False]
    assert right(cache, 3)


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_mask_build import *
cache = MaskCache(Slow(Path({log!r}), 0.02), "x")
for made in build(cache, pairs({count}), read, never):
    print(made.size, flush=True)
"""


def child(tmp_path: Path, count: int) -> subprocess.Popen[str]:
    code = CHILD.format(tests=str(Path(__file__).parent), log=str(tmp_path / "log"), count=count)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_killed_build_loses_nothing(tmp_path: Path) -> None:
    first = child(tmp_path, 30)
    assert first.stdout is not None
    for _ in range(5):
        first.stdout.readline()
    first.send_signal(signal.SIGKILL)
    first.wait()
    cache = MaskCache(Slow(tmp_path / "log"), "x")
    there = [bool(each.size) for each in build(cache, pairs(30), read, never)].count(False)
    assert 5 <= there < 30
    assert right(cache, 30)


def test_two_processes_share_the_work(tmp_path: Path) -> None:
    both = [child(tmp_path, 30) for _ in range(2)]
    made = [sum(int(line) > 0 for line in process.communicate(timeout=60)[0].split()) for process in both]
    assert sum(made) == 30
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 30
    assert right(MaskCache(Slow(tmp_path / "log"), "x"), 30)


def test_a_claim_is_one_process_s_until_it_ends(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from harness.masks.claims import Claims
claims = Claims(Path({str(tmp_path / "claims")!r}))
print(claims.claim(7), flush=True)
input()
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"
    with Claims(tmp_path / "claims") as claims:
        assert not claims.claim(7)
        assert claims.claim(8)
        other.kill()
        other.wait()
        assert claims.claim(7)


def test_workers(tmp_path: Path) -> None:
    cache = MaskCache(Slow(tmp_path / "log"), "x")
    made = list(share(cache, pairs(20), read, never, 2, "cpu"))
    assert len(made) == 20
    assert all(each.size for each in made)
    assert len((tmp_path / "log").read_text().splitlines()) == 20
    assert right(cache, 20)


def test_what_a_worker_raises_is_raised(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="frame 4 cannot be segmented"):
        list(share(MaskCache(Slow(tmp_path / "log", raises_at=4), "x"), pairs(8), read, never, 2, "cpu"))


def test_a_killed_worker_is_said(tmp_path: Path) -> None:
    cache = MaskCache(Slow(tmp_path / "log", dies_at=4), "x")
    with pytest.raises(HarnessError, match=r"killed: try fewer --workers; what was made is kept"):
        list(share(cache, pairs(8), read, never, 2, "cpu"))
    assert right(cache, 4)


# --- files that a user brings


def brought(root: Path, name: str, labels: NDArray[np.uint16]) -> Path:
    path = root / "clip" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, labels)
    else:
        Image.fromarray(labels).save(path)
    return path


def some(seed: int, highest: int = 5) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, highest, (SIDE, SIDE), np.uint16)


@pytest.mark.parametrize(("first", "last"), [("3.png", "00005.npz"), ("0003.npz", "5.png")])
def test_brought_maps_are_taken_as_they_are(tmp_path: Path, first: str, last: str) -> None:
    brought(tmp_path, first, some(0))
    brought(tmp_path, last, some(1).astype(np.uint16))
    brought(tmp_path, "4.png", some(2).astype(np.uint8))
    source = Precomputed(root=str(tmp_path))
    np.testing.assert_array_equal(source.maps_of("clip", 3, 5, *read(0)[[0, -1]]), [some(0), some(1)])
    np.testing.assert_array_equal(source.maps_of("clip", 4, 4, *read(0)[[0, -1]]), [some(2), some(2)])


def test_a_label_that_one_frame_lacks_is_the_rest(tmp_path: Path) -> None:
    brought(tmp_path, "1.png", some(0) + np.uint16(300))
    brought(tmp_path, "2.png", (some(1) + np.uint16(302)))
    maps = Precomputed(root=str(tmp_path)).maps_of("clip", 1, 2, *read(0)[[0, -1]])
    assert set(np.unique(maps[0])) == set(np.unique(maps[1])) == {0, 302, 303, 304}
    np.testing.assert_array_equal(maps[0] == 0, some(0) < 2)


def test_a_changed_file_changes_the_identity(tmp_path: Path) -> None:
    path = brought(tmp_path, "1.png", some(0))
    before = Precomputed(root=str(tmp_path)).content()
    assert Precomputed(root=str(tmp_path)).content() == before
    Image.fromarray(some(1)).save(path)
    assert Precomputed(root=str(tmp_path)).content() != before


@pytest.mark.parametrize(
    ("name", "labels", "complaint"),
    [
        ("9.png", some(0), r"clip/00001.png: no label map of that frame"),
        ("1.png", some(0)[:5], r"1.png: is \(5, 12\) high and wide, its frame \(12, 12\)"),
        ("1.png", np.zeros((SIDE, SIDE, 3), np.uint8), "1.png: not a label map: mode RGB; grey"),
        ("1.npz", some(0).astype(np.float32), r"1.npz: not a label map: float32 .*; integers"),
        ("1.npz", some(0).astype(np.int32) + 65535, "labels 65535 to 65539; 0 to 65535"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, name: str, labels: NDArray[np.uint16], complaint: str) -> None:
    brought(tmp_path, name, labels)
    with pytest.raises(HarnessError, match=complaint):
        Precomputed(root=str(tmp_path)).maps_of("clip", 1, 1, *read(0)[[0, -1]])


@pytest.mark.parametrize("names", [("00001.npz", "1.png"), ("01.png", "1.png")])
def test_two_files_of_one_frame_are_named(tmp_path: Path, names: tuple[str, str]) -> None:
    for seed, name in enumerate(names):
        brought(tmp_path, name, some(seed))
    with pytest.raises(HarnessError, match=f"clip/{names[0]}: {names[1]} is of that frame, too; remove the one"):
        Precomputed(root=str(tmp_path)).maps_of("clip", 1, 1, *read(0)[[0, -1]])


@pytest.mark.parametrize("name", ["1.png", "1.npz"])
def test_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    path = brought(tmp_path, name, some(0))
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(HarnessError, match=f"{name}: not a label map"):
        Precomputed(root=str(tmp_path)).maps_of("clip", 1, 1, *read(0)[[0, -1]])


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"root=.*nowhere: no such folder"):
        Precomputed(root=str(tmp_path / "nowhere"))
