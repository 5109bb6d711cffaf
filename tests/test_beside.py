"""Sets of images for networks that take four frames: which have such frames on disk, and that two see no change."""

from __future__ import annotations

import logging
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.around import seen_by
from harness.data.benchmark import Benchmark, Triplet
from harness.data.beside import _paths
from harness.data.frames import frames_of
from harness.data.sets.eightfold import TEST_VIDEOS, Adobe240, GoPro
from harness.data.sets.middlebury import Middlebury
from harness.data.sets.snu_film import SNUFilm
from harness.data.sets.vimeo90k_septuplet import Vimeo90KSeptuplet
from harness.data.sets.xiph import Xiph2K, Xiph4K
from harness.errors import HarnessError
from harness.evaluate.testset import TripletSet
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.specs import BenchmarkSpec
from tests import miniatures
from tests.miniatures import frame


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own folders are out of sight."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def shows(benchmark: Benchmark, triplet: Triplet, *numbers: int) -> bool:
    """Whether the triplet's frames are those of the clip, in this order."""
    read = frames_of(benchmark, triplet)
    return np.array_equal(read, np.stack([frame(number, read.shape[2], read.shape[1]) for number in numbers]))


# --- septuplets of Vimeo90K


def test_septuplets_as_two_and_as_four_inputs_see_them(tmp_path: Path) -> None:
    data = Vimeo90KSeptuplet(root=str(miniatures.vimeo90k_septuplet(tmp_path / "vimeo_septuplet").parent), partial=True)
    assert [(each.id, each.clip, each.level, each.t) for each in data.train] == [
        ("00001/0001", "00001", "train", 0.5),
        ("00001/0002", "00001", "train", 0.5),
    ]
    assert [each.id for each in data.test] == ["00002/0001", "00002/0002", "00003/0001"]
    assert data.partial == "2 of 64612 train triplets, 3 of 7824 test triplets"
    assert shows(data, data.train[1], 4, 5, 6)
    four = seen_by(data, 4, "vimeo90k-septuplet", "test")
    for split, n in (("train", 1), ("test", 2)):
        triplet = getattr(four, split)[1 if split == "train" else 0]
        assert (triplet.frames, triplet.around) == ((3, 4, 5), (1, 7))
        assert shows(four, triplet, n + 1, n + 3, n + 4, n + 5, n + 7)
    assert (len(four.train), len(four.test), four.levels, four.partial) == (2, 3, ("test",), data.partial)


@pytest.mark.parametrize("image", ["im1", "im3", "im4", "im7"])
def test_a_septuplet_that_is_not_whole_is_missing(tmp_path: Path, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For networks of two inputs too: it is the data set that is not whole."""
    monkeypatch.setattr(Vimeo90KSeptuplet, "totals", {"train": 2, "test": 3})
    root = miniatures.vimeo90k_septuplet(tmp_path)
    assert Vimeo90KSeptuplet(root=str(root)).partial == ""
    (root / "sequences" / "00002" / "0002" / f"{image}.png").unlink()
    with pytest.raises(HarnessError, match=rf"00002/0002/{image}\.png: no such file.*: only 2 of 3 test triplets"):
        Vimeo90KSeptuplet(root=str(root))
    data = Vimeo90KSeptuplet(root=str(root), partial=True)
    assert (data.partial, [each.id for each in data.test]) == ("2 of 3 test triplets", ["00002/0001", "00003/0001"])
    assert len(data.files()) == len({each.path for each in data.files()}) == 25
    assert root / "sequences" / "00002" / "0002" / f"{image}.png" in {each.path for each in data.files()}


def test_images_that_are_not_used_may_be_missing_and_so_may_a_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vimeo90KSeptuplet, "totals", {"train": 2, "test": 3})
    root = miniatures.vimeo90k_septuplet(tmp_path)
    (root / "sequences" / "00002" / "0002" / "im2.png").unlink()
    shutil.rmtree(root / "sequences" / "00001")
    data = Vimeo90KSeptuplet(root=str(root))
    assert (len(data.train), len(data.test), data.partial, len(data.files())) == (0, 3, "", 15)
    (root / "sep_trainlist.txt").unlink()
    assert len(Vimeo90KSeptuplet(root=str(root)).test) == 3


def test_lists_of_septuplets_that_make_no_sense(tmp_path: Path) -> None:
    root = miniatures.vimeo90k_septuplet(tmp_path, train=1, test=1)
    (root / "sep_testlist.txt").write_text("00001/0001/im1.png\n")
    with pytest.raises(HarnessError, match=r"sep_testlist\.txt:1: '00001/0001/im1\.png' is no septuplet"):
        Vimeo90KSeptuplet(root=str(root), partial=True)
    for name in ("sep_testlist.txt", "sep_trainlist.txt"):
        (root / name).unlink()
    with pytest.raises(HarnessError, match=r"neither sep_trainlist\.txt nor sep_testlist\.txt in it"):
        Vimeo90KSeptuplet(root=str(root))


# --- sets whose folders hold more than the triplets


def test_snu_film(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nine frames, of which those of the easy triplets alone have room around them."""
    data = SNUFilm(root=str(miniatures.snu_film(tmp_path)), partial=True)
    with caplog.at_level(logging.WARNING):
        four = seen_by(data, 4, "snu-film", "test")
    assert caplog.messages[0].startswith("snu-film: 4 of 6 test triplets are left out: no frame of their shot")
    assert four.levels == ("easy",)
    assert {(each.frames, each.around) for each in four.test} == {((4, 5, 6), (2, 8))}
    assert [each.clip for each in four.test] == ["GOPRO_test/GOPR0384_11_00", "YouTube_test/0000"]
    assert all(shows(four, triplet, 2, 4, 5, 6, 8) for triplet in four.test)
    (tmp_path / "YouTube_test/0000/00008.png").unlink()
    four = seen_by(SNUFilm(root=str(tmp_path), partial=True), 4, "snu-film", "test")
    assert [each.clip for each in four.test] == ["GOPRO_test/GOPR0384_11_00"]


def test_gopro_has_the_groups_before_and_after(tmp_path: Path) -> None:
    """33 frames from 47 on: four groups, and those at the ends have none before or none after. It may be trained on."""
    for split, video in (("test", TEST_VIDEOS[0]), ("train", "GOPR0372_07_00")):
        miniatures.video(tmp_path / split / video, 33, first=47)
    data = GoPro(root=str(tmp_path), partial=True, crop=64)
    for split in ("train", "test"):
        four = seen_by(data, 4, "gopro", split)  # type: ignore[arg-type]
        triplets = getattr(four, split)
        assert [(each.frames, each.t) for each in triplets[7:]] == [((63, 63 + k, 71), k / 8) for k in range(1, 8)]
        assert [each.around for each in triplets] == [(47, 71)] * 7 + [(55, 79)] * 7
    five = frames_of(four, four.test[0])
    assert np.array_equal(five, np.stack([frame(n, 96, 80)[8:72, 16:80] for n in (47, 55, 56, 63, 71)]))


def test_numbers_without_leading_zeros(tmp_path: Path) -> None:
    miniatures.video(tmp_path / "IMG_0028", 25, first=5, digits=1)
    four = seen_by(Adobe240(root=str(tmp_path), crop=0), 4, "adobe240", "test")
    assert [each.around for each in four.test] == [(5, 29)] * 7
    assert shows(four, four.test[2], 5, 13, 16, 21, 29)


@pytest.mark.parametrize("mark", ["/", "-"])
def test_xiph(tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 8):
        miniatures.write(tmp_path / f"Tango{mark}{number:03d}.png", frame(number, *miniatures.SMALL))
    for kind in (Xiph2K, Xiph4K):
        monkeypatch.setattr(kind, "size", miniatures.SMALL)
        data = kind(root=str(tmp_path), partial=True)
        four = seen_by(data, 4, kind.name, "test")
        (triplet,) = four.test
        assert (len(data.test), triplet.id, triplet.around) == (3, "Tango/004", (1, 7))
        expected = [data.view(frame(n, *miniatures.SMALL), triplet) for n in (1, 3, 4, 5, 7)]
        assert np.array_equal(frames_of(four, triplet), np.stack(expected))


def test_middlebury_where_all_frames_are_there(tmp_path: Path) -> None:
    root = miniatures.middlebury(tmp_path)
    for number, shown in ((9, 4), (12, 5)):
        miniatures.write(root / f"other-data/Beanbags/frame{number:02d}.png", frame(shown, 640, 480))
    four = seen_by(Middlebury(root=str(root), partial=True), 4, "middlebury", "test")
    assert [(each.id, each.around) for each in four.test] == [("Beanbags", (-2, 4))]
    assert shows(four, four.test[0], 4, 0, 1, 2, 5)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("vimeo90k", "im-1.png and im5.png beside sequences/00002/0001/im1.png"),
        ("ucf101", "frame_-2.png and frame_04.png beside 1/frame_00.png"),
        ("x4k1000fps", "-032.png and 0064.png beside test/Type1/TEST01/0000.png"),
        ("middlebury", "frame09.png and frame12.png beside other-data/Beanbags/frame10.png"),
    ],
)
def test_what_has_no_such_files_is_refused_and_named(tmp_path: Path, name: str, files: str) -> None:
    root = getattr(miniatures, name)(tmp_path)
    chosen = catalog().choose(BenchmarkSpec, parse_choice(f"{name}:partial=true,root={root}"))
    with pytest.raises(HarnessError, match=rf"^{name}\(.*\): no test triplet has a frame before and one after") as line:
        TripletSet.of(chosen, None, inputs=4)
    assert f"its inputs (such as {files}), and the network takes four" in str(line.value)
    assert "\n" not in str(line.value)
    assert TripletSet.of(chosen, None, inputs=2).triplets


# --- what decides a number


def test_the_digest_of_four_is_of_five_files_and_that_of_two_of_three(tmp_path: Path) -> None:
    root = miniatures.snu_film(tmp_path / "data")

    def digests() -> tuple[str, str]:
        """Of two inputs and of four."""
        data = SNUFilm(root=str(root), partial=True)
        return data.digest("test"), seen_by(data, 4, "snu-film", "test").digest("test")

    first = digests()
    assert digests() == first
    outer = root / "YouTube_test/0000/00008.png"
    miniatures.write(outer, frame(3, 160, 96))
    other = digests()
    assert other[0] == first[0]
    assert other[1] != first[1]
    outer.unlink()
    assert digests()[0] == first[0]
    assert digests()[1] not in (first[1], other[1])
    (root / "GOPRO_test/GOPR0384_11_00/000002.png").rename(root / "kept.png")
    with pytest.raises(HarnessError, match=r"no test triplet has a frame before"):
        digests()


def test_digests_of_a_split_are_of_its_files(tmp_path: Path) -> None:
    root = miniatures.vimeo90k_septuplet(tmp_path)

    def digests() -> list[str]:
        four = seen_by(Vimeo90KSeptuplet(root=str(root), partial=True), 4, "vimeo90k-septuplet", "train")
        return [four.digest("train"), four.digest("test")]

    before = digests()
    miniatures.write(root / "sequences/00001/0001/im7.png", frame(0, 448, 256))
    after = digests()
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_two_inputs_are_given_the_set_itself(tmp_path: Path) -> None:
    data = SNUFilm(root=str(miniatures.snu_film(tmp_path)), partial=True)
    assert seen_by(data, 2, "snu-film", "test") is data
    assert {each.around for each in data.test} == {None}


def test_a_frame_of_another_size_is_named(tmp_path: Path) -> None:
    root = miniatures.snu_film(tmp_path)
    path = miniatures.write(root / "YouTube_test/0000/00008.png", frame(8, 160, 90))
    four = seen_by(SNUFilm(root=str(root), partial=True), 4, "snu-film", "test")
    with pytest.raises(HarnessError) as wrong:
        frames_of(four, four.test[1])
    assert str(wrong.value) == f"{path}: is 160x90; expected 160x96"


def test_a_copy_from_a_pickle_reads_the_same(tmp_path: Path) -> None:
    four = seen_by(SNUFilm(root=str(miniatures.snu_film(tmp_path)), partial=True), 4, "snu-film", "test")
    copy = pickle.loads(pickle.dumps(four))
    assert np.array_equal(frames_of(copy, copy.test[0]), frames_of(four, four.test[0]))


# --- names of files


@given(
    st.integers(0, 2000), st.integers(1, 500), st.integers(1, 6), st.sampled_from(["a/im{}.png", "b-{}.jpg", "{}.PNG"])
)
def test_the_frame_before_the_one_after_is_the_first(start: int, gap: int, width: int, name: str) -> None:
    """With leading zeros, whatever the width, and without."""
    one, two, three = (name.format(f"{start + at * gap:0{width}d}") for at in range(3))
    assert three in _paths((one, "", two), 2)
    assert one in _paths((two, "", three), -1)


@pytest.mark.parametrize("last", ["a/im.png", "b/im3.png", "a/frame3.png", "a/im3.jpg"])
def test_what_is_not_numbered_alike_has_nothing_around_it(last: str) -> None:
    assert _paths(("a/im1.png", "", last), -1) == ()
