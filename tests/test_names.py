"""Names of clips, folders and triplets: two things are never taken for one, and odd names work or are refused."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.data.benchmark import Benchmark, Triplet
from harness.data.folder import short_names
from harness.data.names import check_name, escaped
from harness.data.sets.clips import Clips
from harness.data.sets.eightfold import TEST_VIDEOS, TRAIN_VIDEOS, Adobe240, GoPro
from harness.data.sets.middlebury import Middlebury
from harness.data.sets.snu_film import SNUFilm
from harness.data.sets.ucf101 import UCF101
from harness.data.sets.vimeo90k import Vimeo90K
from harness.data.sets.x4k1000fps import X4K1000FPS
from harness.data.sets.xiph import Xiph2K
from harness.errors import HarnessError
from harness.evaluate.runner import Evaluation
from harness.masks.build import pairs_of
from tests import miniatures
from tests.test_clips import scene, write
from tests.test_evaluation import done, evaluation, listed  # noqa: F401 - a fixture

ODD = {"a newline": b"a\nb", "a return": b"a\rb", "an escape": b"a\x1b[2Jb", "no UTF-8": b"a\xff\xfeb"}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def refused(error: HarnessError) -> bool:
    """In one line that can be printed anywhere."""
    odd = [letter for letter in str(error) if category(letter) in ("Cc", "Cs", "Zl", "Zp")]
    return not odd and "rename it" in str(error)


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_videos_with_odd_names_are_refused(tmp_path: Path, name: bytes) -> None:
    write(tmp_path / "clip.mp4", scene(0, 20))
    write(tmp_path / "other.mp4", scene(1, 20)).rename(tmp_path / os.fsdecode(name + b".mp4"))
    with pytest.raises(HarnessError) as error:
        Clips(root=str(tmp_path))
    assert refused(error.value)


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_folders_of_images_with_odd_names_are_refused(tmp_path: Path, name: bytes) -> None:
    miniatures.ucf101(tmp_path, ("1", os.fsdecode(name)))
    with pytest.raises(HarnessError) as error:
        UCF101(root=str(tmp_path), partial=True)
    assert refused(error.value)


def test_a_level_with_a_line_end_is_refused(tmp_path: Path) -> None:
    for n in range(2):
        write(tmp_path / f"clip{n}.mp4", scene(n, 20))
    (tmp_path / "list.csv").write_text('level,clip,frame0,frame_gt,frame1\n"ea\nsy",clip0,0,1,2\n')
    with pytest.raises(HarnessError, match=r"list\.csv:3: the name 'ea\\nsy' has") as error:
        Clips(root=str(tmp_path), list="list.csv")
    assert refused(error.value)


def test_commas_quotes_spaces_and_any_script_work(tmp_path: Path) -> None:
    names = ["a,b", 'say "x"', " c ", "=1+1", "日本　語", "a|b\\c", "%s{}"]
    for n, name in enumerate(names):
        write(tmp_path / "test" / f"{name}.mp4", scene(n, 20))
    write(tmp_path / "train" / "t.mp4", scene(50, 20))
    assert {triplet.clip for triplet in Clips(root=str(tmp_path)).test} == set(names)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(), min_size=1))
def test_a_triplet_of_any_name_is_read_back_or_refused(
    tmp_path: Path,
    evaluation: Evaluation,  # noqa: F811
    name: str,
) -> None:
    path = tmp_path / "rows.csv"
    path.unlink(missing_ok=True)
    triplet = Triplet(name, clip=name, level=name, frames=(0, 1, 2))
    benchmark = evaluation.tests.benchmark
    zero = Triplet("t0", clip="", level="", frames=(0, 1, 2))
    benchmark.read = lambda triplet: type(benchmark).read(benchmark, zero)  # type: ignore[method-assign]
    one = listed(evaluation, [triplet])
    if escaped(name) != name:
        with pytest.raises(HarnessError) as error:
            done(one, path)
        assert refused(error.value)
        assert not path.exists()
    else:
        rows = done(one, path)
        assert [(row.triplet, row.clip, row.level) for row in rows] == [(name, name, name)]
        assert rows[0].has(["psnr"])
        with path.open(newline="") as file:
            assert len(list(csv.reader(file))) == 2  # as other programs read it


def test_names_are_escaped_where_they_do_not_show() -> None:
    assert escaped("a\nb\udcff\x1b") == "a\\nb\\udcff\\x1b"
    check_name("a b,c", "x")
    with pytest.raises(HarnessError, match=r"^in\\na: the name 'b\\r' has"):
        check_name("b\r", "in\na")


# --- two are never one


def test_clips_that_differ_in_their_suffixes_are_clips_of_their_own(tmp_path: Path) -> None:
    """a.mp4 and a.mov have one stem, and that of a.mp4.mp4 is the name of the first."""
    for n, name in enumerate(("a.mp4", "a.mov", "a.mp4.mp4")):
        write(tmp_path / name, scene(n, 20))
    clips = Clips(root=str(tmp_path))
    triplets = [*clips.train, *clips.test]
    assert {triplet.clip for triplet in triplets} == {"a.mp4", "a.mov", "a.mp4.mp4"}
    first = {each.clip: clips.read(each)[0].tobytes() for each in triplets if each.frames[0] == 0}
    assert len(set(first.values())) == len(first) == 3


PATHS = [f"{folder}{name}{suffix}" for folder in ("", "test/", "train/") for name in ("a", "a.mp4", "test")
         for suffix in (".mp4", ".mov", ".mp4.mp4")]  # fmt: skip


@given(st.sets(st.sampled_from(PATHS), min_size=1))
def test_short_names_are_unique(paths: set[str]) -> None:
    videos = {path: Path(path) for path in sorted(paths)}
    assert len(set(short_names(videos).values())) == len(videos)


def test_pairs_of_two_folders_of_one_name_are_two() -> None:
    """Numbers alone would take one for the other; the same triplet of another level is the same pair."""
    triplets = [
        Triplet("A/vid/1", clip="vid", level="easy", frames=(0, 1, 2)),
        Triplet("B/vid/1", clip="vid", level="easy", frames=(0, 1, 2)),
        Triplet("A/vid/1", clip="vid", level="hard", frames=(0, 1, 2)),
        Triplet("C/2", clip="C", level="8x", frames=(0, 1, 8)),
        Triplet("C/3", clip="C", level="8x", frames=(0, 2, 8)),
    ]
    found = {(pair.clip, pair.first, pair.last): pair.triplet.id for pair in pairs_of(triplets)}
    assert found == {("A/vid/1", 0, 2): "A/vid/1", ("B/vid/1", 0, 2): "B/vid/1", ("C", 0, 8): "C/3"}


def test_every_triplet_of_vimeo90k_is_a_pair_of_its_own(tmp_path: Path) -> None:
    data = Vimeo90K(root=str(miniatures.vimeo90k(tmp_path)), partial=True)
    pairs = pairs_of([*data.train, *data.test])
    assert [(pair.clip, pair.first, pair.last) for pair in pairs] == [
        (name, 1, 3) for name in ("00001/0001", "00001/0002", "00002/0001", "00002/0002", "00003/0001")
    ]


def test_folders_of_snu_film_with_the_same_last_two_parts_are_two_clips(tmp_path: Path) -> None:
    for n, top in enumerate("AB"):
        for number in (1, 2, 3):
            miniatures.write(tmp_path / top / "x/vid" / f"{number:05d}.png", miniatures.frame(n + number, 32, 32))
        line = " ".join(f"{top}/x/vid/{number:05d}.png" for number in (1, 2, 3))
        (tmp_path / f"test-{('easy', 'hard')[n]}.txt").write_text(line)
    data = SNUFilm(root=str(tmp_path), partial=True)
    assert [(each.clip, each.id) for each in data.test] == [("A/x/vid", "A/x/vid/00002"), ("B/x/vid", "B/x/vid/00002")]
    assert len(pairs_of(data.test)) == 2


def numbered(benchmark: Benchmark) -> dict[tuple[str, int], set[str]]:
    """The files that each number means, by what it counts in."""
    found: dict[tuple[str, int], set[str]] = {}
    for triplet in (*benchmark.train, *benchmark.test):
        files = benchmark._files[triplet.level, triplet.id]  # type: ignore[attr-defined]
        for number, file in zip(triplet.frames, files, strict=True):
            found.setdefault((triplet.within or triplet.clip, number), set()).add(file)
    return found


def test_a_number_means_one_frame_in_every_image_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks that a user brings are found by clip and number."""
    monkeypatch.setattr(GoPro, "totals", {})
    for name in (TEST_VIDEOS[0], TRAIN_VIDEOS[0]):
        miniatures.video(tmp_path / "gopro" / name, 17)
        miniatures.video(tmp_path / "adobe" / name, 17)
    sets: list[Benchmark] = [
        Vimeo90K(root=str(miniatures.vimeo90k(tmp_path / "vimeo")), partial=True),
        SNUFilm(root=str(miniatures.snu_film(tmp_path / "snu")), partial=True),
        UCF101(root=str(miniatures.ucf101(tmp_path / "ucf")), partial=True),
        Middlebury(root=str(miniatures.middlebury(tmp_path / "middlebury")), partial=True),
        Xiph2K(root=str(miniatures.xiph(tmp_path / "xiph", "-")), partial=True),
        X4K1000FPS(root=str(miniatures.x4k1000fps(tmp_path / "x4k")), partial=True),
        GoPro(root=str(tmp_path / "gopro"), partial=True),
        Adobe240(root=str(tmp_path / "adobe"), crop=0),
    ]
    for each in sets:
        found = numbered(each)
        assert found
        assert all(len(files) == 1 for files in found.values()), type(each).__name__
        assert len(set.union(*found.values())) == len(found), type(each).__name__
