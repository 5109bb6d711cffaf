"""The field's benchmarks on miniatures of their folders: triplets, frames, what is missing, what is refused."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from harness.data import contents
from harness.data.benchmark import Benchmark, Triplet
from harness.data.images import halved, read_image
from harness.data.imageset import ImageSet
from harness.data.roots import find_root, look
from harness.data.sets.eightfold import TEST_VIDEOS, TRAIN_VIDEOS, Adobe240, GoPro
from harness.data.sets.middlebury import Middlebury
from harness.data.sets.snu_film import SNUFilm
from harness.data.sets.ucf101 import UCF101
from harness.data.sets.vimeo90k import Vimeo90K
from harness.data.sets.x4k1000fps import X4K1000FPS
from harness.data.sets.xiph import Xiph2K, Xiph4K
from harness.distributed import World
from harness.errors import HarnessError
from harness.evaluate.plan import EvalPlan
from harness.evaluate.protocol import mean_of_frames
from harness.evaluate.runner import Evaluation, evaluate
from harness.evaluate.testset import TripletSet
from harness.metrics.pixelwise import PSNR
from harness.registry.benchmarks import FOLDERS, benchmarks
from harness.registry.catalog import catalog
from harness.registry.options import parse_choice
from harness.registry.protocol import UNIFIED
from harness.registry.specs import BenchmarkSpec
from harness.results.rows import Row, merged, read_rows
from tests import miniatures
from tests.miniatures import frame

LEVELS = ("easy", "medium", "hard", "extreme")


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own folders are out of sight."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def shows(benchmark: Benchmark, triplet: Triplet, numbers: tuple[int, int, int]) -> bool:
    """Whether the triplet's frames are those of the clip."""
    read = benchmark.read(triplet)
    assert read.dtype == np.uint8
    expected = np.stack([frame(number, read.shape[2], read.shape[1]) for number in numbers])
    return np.array_equal(read, expected)


def whole(monkeypatch: pytest.MonkeyPatch, kind: type[ImageSet], **totals: int) -> None:
    """The miniature is all there is."""
    monkeypatch.setattr(kind, "totals", totals)


# --- layouts


def test_vimeo90k(tmp_path: Path) -> None:
    data = Vimeo90K(root=str(miniatures.vimeo90k(tmp_path)), partial=True)
    assert [(each.id, each.clip, each.level, each.t) for each in data.train] == [
        ("00001/0001", "00001", "train", 0.5),
        ("00001/0002", "00001", "train", 0.5),
    ]
    assert [each.id for each in data.test] == ["00002/0001", "00002/0002", "00003/0001"]
    assert data.levels == ("test",)
    assert data.partial == "2 of 51313 train triplets, 3 of 3782 test triplets"
    assert shows(data, data.train[1], (1, 2, 3))
    assert shows(data, data.test[0], (2, 3, 4))


def test_vimeo90k_as_rife_hands_it_out_and_with_one_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole(monkeypatch, Vimeo90K, train=2, test=3)
    root = miniatures.vimeo90k(tmp_path, images="target")
    (root / "tri_trainlist.txt").unlink()
    data = Vimeo90K(root=str(root))
    assert (len(data.train), len(data.test), data.partial) == (0, 3, "")
    assert shows(data, data.test[0], (2, 3, 4))


def test_a_split_without_any_file_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole(monkeypatch, Vimeo90K, train=2, test=3)
    root = miniatures.vimeo90k(tmp_path)
    shutil.rmtree(root / "sequences" / "00001")
    data = Vimeo90K(root=str(root))
    assert (len(data.train), len(data.test), data.partial) == (0, 3, "")
    assert len(data.files()) == 9


@pytest.mark.parametrize(
    ("below", "lists", "prefix"),
    [
        ("data/SNU-FILM/test", "", "data/SNU-FILM/test/"),  # as it is, from the root
        ("test", "eval_modes", "data/SNU-FILM/test/"),  # as it is, from a folder that the root is in
        ("frames", "eval_modes", "SNU-FILM/frames/"),  # likewise
        ("", "eval_modes", "data/SNU-FILM/test/"),  # without the prefix
        ("more", "eval_modes", "data/SNU-FILM/test/more/"),  # likewise
        ("", "", "/home/someone/snufilm/"),  # by the last three parts
        ("test", "", "/home/someone/snufilm/"),  # these in the folder test
    ],
)
def test_snu_film(tmp_path: Path, below: str, lists: str, prefix: str) -> None:
    root = miniatures.snu_film(tmp_path / "data" / "SNU-FILM", below, lists, prefix)
    data = SNUFilm(root=str(root), partial=True)
    assert data.levels == ("easy", "medium", "hard")
    assert data.partial == ", ".join(
        f"{n} of 310 {level} triplets" for level, n in zip(LEVELS, (2, 2, 2, 0), strict=True)
    )
    assert [(each.level, each.frames, each.t) for each in data.test[::2]] == [
        ("easy", (4, 5, 6), 0.5),
        ("medium", (3, 5, 7), 0.5),
        ("hard", (1, 5, 9), 0.5),
    ]
    assert {each.clip for each in data.test} == {"GOPRO_test/GOPR0384_11_00", "YouTube_test/0000"}
    assert data.test[0].id == "GOPRO_test/GOPR0384_11_00/000005"
    assert shows(data, data.test[3], (3, 5, 7))


def test_snu_film_as_listed_comes_before_the_prefix_stripped(tmp_path: Path) -> None:
    root = miniatures.snu_film(tmp_path, "data/SNU-FILM/test")
    shutil.copytree(root / "data/SNU-FILM/test/GOPRO_test", root / "GOPRO_test")
    for file in (root / "GOPRO_test").rglob("*.png"):
        file.write_bytes(b"")
    data = SNUFilm(root=str(root), partial=True)
    assert shows(data, data.test[0], (4, 5, 6))


def test_the_real_lists_of_snu_film(tmp_path: Path, shared: Path) -> None:
    for source in (shared / "data" / "snu_film_lists").iterdir():
        shutil.copy(source, tmp_path)
    for file in {part for path in tmp_path.glob("*.txt") for part in path.read_text().split()}:
        path = tmp_path / file.removeprefix("data/SNU-FILM/test/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    data = SNUFilm(root=str(tmp_path))
    assert data.partial == ""
    assert [sum(each.level == level for each in data.test) for level in LEVELS] == [310] * 4
    assert {each.t for each in data.test} == {0.5}
    assert len({each.clip for each in data.test}) == 31
    for level, gap in zip(LEVELS, (2, 4, 8, 16), strict=True):
        assert {each.frames[2] - each.frames[0] for each in data.test if each.level == level} == {gap}


def test_ucf101(tmp_path: Path) -> None:
    miniatures.ucf101(tmp_path / "ucf101_interp_ours")
    data = UCF101(root=str(tmp_path), partial=True)
    assert [each.id for each in data.test] == ["1", "11", "21"]
    assert data.partial == "3 of 379 test triplets"
    assert shows(data, data.test[1], (1, 2, 3))


def test_middlebury(tmp_path: Path) -> None:
    data = Middlebury(root=str(miniatures.middlebury(tmp_path)), partial=True)
    assert [each.id for each in data.test] == ["Beanbags", "Venus"]
    assert data.partial == "2 of 12 test triplets"
    assert shows(data, data.test[1], (1, 2, 3))


@pytest.mark.parametrize("mark", ["/", "-"])
@pytest.mark.parametrize("kind", [Xiph2K, Xiph4K])
def test_xiph(tmp_path: Path, mark: str, kind: type[ImageSet], monkeypatch: pytest.MonkeyPatch) -> None:
    root = miniatures.xiph(tmp_path, mark)
    data = kind(root=str(root), partial=True)  # type: ignore[call-arg]
    (triplet,) = data.test
    assert (triplet.id, triplet.clip, triplet.frames, triplet.t) == ("Tango/002", "Tango", (1, 2, 3), 0.5)
    assert data.partial == "1 of 392 test triplets"
    with pytest.raises(HarnessError, match=r"Tango.001\.png: is 512x270; expected 4096x2160"):
        data.read(triplet)
    monkeypatch.setattr(kind, "size", miniatures.SMALL)
    assert np.array_equal(data.read(triplet)[2], data.view(frame(3, *miniatures.SMALL), triplet))


def test_what_xiph_uses_of_a_frame(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"Tango-00{number}.png").touch()
    two, four = (kind(root=str(tmp_path), partial=True) for kind in (Xiph2K, Xiph4K))
    image = np.tile(frame(0, 512, 270), (8, 8, 1))
    assert np.array_equal(four.view(image, four.test[0]), image[540:-540, 1024:-1024])
    blocks = image.reshape(1080, 2, 2048, 2, 3).sum((1, 3), np.uint16)
    assert np.array_equal(two.view(image, two.test[0]), (blocks + 2) // 4)
    assert two.digest("test") != four.digest("test")


def test_x4k1000fps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = X4K1000FPS(root=str(miniatures.x4k1000fps(tmp_path)), partial=True)
    assert [(each.frames, each.t) for each in data.test] == [((0, 4 * k, 32), k / 8) for k in range(1, 8)]
    assert (data.levels, data.test[0].clip) == (("8x",), "Type1/TEST01")
    assert len({each.id for each in data.test}) == 7
    assert data.partial == "7 of 105 8x triplets"
    with pytest.raises(HarnessError, match="is 512x270; expected 4096x2160"):
        data.read(data.test[0])
    monkeypatch.setattr(X4K1000FPS, "size", miniatures.SMALL)
    assert shows(data, data.test[2], (0, 3, 8))


@pytest.mark.parametrize("folders", [("train", "test"), ("", "")])
def test_gopro(tmp_path: Path, folders: tuple[str, str]) -> None:
    for video in TEST_VIDEOS:
        miniatures.video(tmp_path / folders[1] / video, 19 if video == TEST_VIDEOS[0] else 9, first=47)
    miniatures.video(tmp_path / folders[0] / TRAIN_VIDEOS[0], 9)
    data = GoPro(root=str(tmp_path), partial=True, crop=64)
    assert data.partial == "1 of 22 train videos"
    assert len(data.train) == 7
    assert len(data.test) == 12 * 7
    assert [(each.frames, each.t) for each in data.test[7:14]] == [((55, 55 + k, 63), k / 8) for k in range(1, 8)]
    assert len({each.id for each in data.test}) == len(data.test)
    middle = frame(48, 96, 80)[8:72, 16:80]
    assert np.array_equal(data.read(data.test[0])[1], middle)
    assert data.read(data.train[0]).shape == (3, 80, 96, 3)
    assert data.digest("test") != GoPro(root=str(tmp_path), partial=True, crop=0).digest("test")
    uncropped = GoPro(root=str(tmp_path), partial=True)
    with pytest.raises(HarnessError, match="96x80 are smaller than the crop of 512"):
        uncropped.read(uncropped.test[0])
    with pytest.raises(HarnessError, match="crop=-1: give the side"):
        GoPro(root=str(tmp_path), partial=True, crop=-1)


def test_gopro_names_a_missing_video(tmp_path: Path) -> None:
    for video in TEST_VIDEOS[1:]:
        miniatures.video(tmp_path / "test" / video, 9)
    with pytest.raises(HarnessError, match=rf"test/{TEST_VIDEOS[0]}: no such file: only 10 of 11 test videos"):
        GoPro(root=str(tmp_path))
    data = GoPro(root=str(tmp_path), partial=True)
    assert data.files()[0].path == tmp_path / "test" / TEST_VIDEOS[0]


def test_numbers_without_leading_zeros(tmp_path: Path) -> None:
    miniatures.video(tmp_path / "IMG_0028", 9, first=5, digits=1)
    data = Adobe240(root=str(tmp_path), crop=0)
    assert [each.frames for each in data.test] == [(5, 5 + k, 13) for k in range(1, 8)]
    assert shows(data, data.test[6], (5, 12, 13))


def test_adobe240_names_a_gap_in_the_numbers(tmp_path: Path) -> None:
    miniatures.video(tmp_path / "test_frames" / "GOPR9634", 20, first=0, digits=4)
    data = Adobe240(root=str(tmp_path), crop=0)
    assert [each.frames for each in data.test[::7]] == [(0, 1, 8), (8, 9, 16)]
    assert shows(data, data.test[7], (8, 9, 16))
    (tmp_path / "test_frames" / "GOPR9634" / "0009.png").unlink()
    with pytest.raises(HarnessError, match=r"GOPR9634/0009\.png: no such file: only 13 of 14 8x triplets"):
        Adobe240(root=str(tmp_path))
    assert len(Adobe240(root=str(tmp_path), partial=True).test) == 13
    miniatures.write(tmp_path / "test_frames" / "GOPR9634" / "9.png", frame(9, 96, 80))
    miniatures.write(tmp_path / "test_frames" / "GOPR9634" / "0009.png", frame(9, 96, 80))
    with pytest.raises(HarnessError, match=r"0009\.png and 9\.png have the same number"):
        Adobe240(root=str(tmp_path))


# --- what is missing


def test_a_missing_file_is_named_with_its_line_and_partial_leaves_its_triplet_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole(monkeypatch, Vimeo90K, train=2, test=3)
    root = miniatures.vimeo90k(tmp_path)
    assert Vimeo90K(root=str(root)).partial == ""
    (root / "sequences" / "00002" / "0002" / "im3.png").unlink()
    line = re.escape(f"{root / 'tri_testlist.txt'}:2 names it")
    with pytest.raises(HarnessError, match=rf"00002/0002/im3\.png: no such file \({line}\): only 2 of 3 test triplets"):
        Vimeo90K(root=str(root))
    data = Vimeo90K(root=str(root), partial=True)
    assert data.partial == "2 of 3 test triplets"
    assert [each.id for each in data.test] == ["00002/0001", "00003/0001"]
    assert len(data.files()) == 15


def test_a_short_or_long_list_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = miniatures.vimeo90k(tmp_path)
    with pytest.raises(HarnessError, match="only 2 of 51313 train triplets, 3 of 3782 test triplets"):
        Vimeo90K(root=str(root))
    whole(monkeypatch, Vimeo90K, train=2, test=2)
    with pytest.raises(HarnessError, match="3 test triplets, but 2 are published"):
        Vimeo90K(root=str(root), partial=True)


def test_lists_that_make_no_sense_are_named_by_line(tmp_path: Path) -> None:
    root = miniatures.vimeo90k(tmp_path / "vimeo")
    with (root / "tri_testlist.txt").open("a") as file:
        file.write("00003/0001/im1.png\n")
    with pytest.raises(HarnessError, match=r"tri_testlist\.txt:5: '00003/0001/im1\.png' is no triplet"):
        Vimeo90K(root=str(root), partial=True)
    (root / "tri_testlist.txt").write_text("00003/0001\n" * 2)
    with pytest.raises(HarnessError, match="test 00003/0001 is listed twice"):
        Vimeo90K(root=str(root), partial=True)
    (root / "tri_testlist.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HarnessError, match="is no list of paths"):
        Vimeo90K(root=str(root), partial=True)
    for name in ("tri_testlist.txt", "tri_trainlist.txt"):
        (root / name).unlink()
    with pytest.raises(HarnessError, match=r"neither tri_trainlist\.txt nor tri_testlist\.txt"):
        Vimeo90K(root=str(root))


def test_snu_film_entries_that_point_nowhere(tmp_path: Path) -> None:
    root = miniatures.snu_film(tmp_path)
    (root / "YouTube_test" / "0000" / "00003.png").unlink()
    with pytest.raises(HarnessError, match=r"0000/00003\.png: no such file \(.*test-medium\.txt:2 names it\): only"):
        SNUFilm(root=str(root))
    assert [each.level for each in SNUFilm(root=str(root), partial=True).test] == [
        "easy",
        "easy",
        "medium",
        "hard",
        "hard",
    ]
    (root / "test-easy.txt").unlink()
    with pytest.raises(HarnessError, match=r"test-easy\.txt: no such file: only 0 of 310 easy"):
        SNUFilm(root=str(root))
    path = "data/SNU-FILM/test/YouTube_test/0000/0000{}.png"
    (root / "test-hard.txt").write_text(" ".join(path.format(n) for n in (1, 9, 5)))
    with pytest.raises(HarnessError, match=r"test-hard\.txt:1: not first input, ground truth and second input"):
        SNUFilm(root=str(root), partial=True)
    (root / "test-hard.txt").write_text("one two")
    with pytest.raises(HarnessError, match=r"test-hard\.txt:1: expected three paths"):
        SNUFilm(root=str(root), partial=True)


def test_snu_film_without_its_frames_says_what_was_tried(tmp_path: Path) -> None:
    root = miniatures.snu_film(tmp_path)
    for folder in ("GOPRO_test", "YouTube_test"):
        shutil.rmtree(root / folder)
    with pytest.raises(
        HarnessError, match=r"test-easy\.txt:1: .*000004\.png: no such file .*tried data/SNU-FILM/test/GOPRO"
    ):
        SNUFilm(root=str(root), partial=True)


def test_nothing_there_is_never_partial(tmp_path: Path) -> None:
    with pytest.raises(
        HarnessError, match=r"Beanbags/frame10\.png: no such file: only 0 of 12 test triplets; copy the"
    ):
        Middlebury(root=str(tmp_path), partial=True)
    for kind in (UCF101, X4K1000FPS, GoPro, Adobe240, SNUFilm, Xiph2K):
        with pytest.raises(HarnessError, match=re.escape(str(tmp_path))):
            kind(root=str(tmp_path), partial=True)  # type: ignore[call-arg]


# --- images that are refused


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b""), "the file is empty (0 bytes)"),
        (lambda path: path.write_bytes(b"<html>404</html>"), "is no image; expected 8-bit RGB"),
        (lambda path: path.write_bytes(path.read_bytes()[:9000]), "cannot be decoded"),
        (lambda path: Image.open(path).convert("L").save(path), "is grey; expected 8-bit RGB"),
        (lambda path: Image.open(path).convert("RGBA").save(path), "is RGB with an alpha channel; expected"),
        (lambda path: Image.open(path).quantize().save(path), "is an image with a palette; expected"),
        (lambda path: Image.fromarray(np.zeros((256, 256), np.uint16)).save(path), "is 16-bit; expected"),
        (lambda path: path.write_bytes(deep_png()), "is 16-bit; expected 8-bit RGB"),
        (lambda path: miniatures.write(path, frame(0, 256, 240)), "is 256x240; expected 256x256"),
    ],
)
def test_a_wrong_image_is_named(tmp_path: Path, change: object, complaint: str) -> None:
    data = UCF101(root=str(miniatures.ucf101(tmp_path)), partial=True)
    path = tmp_path / "11" / "frame_01_gt.png"
    change(path)  # type: ignore[operator]
    with pytest.raises(HarnessError, match=re.escape(f"{path}: {complaint}")) as error:
        data.read(data.test[1])
    assert "\n" not in str(error.value)
    data.read(data.test[0])


def deep_png() -> bytes:
    """RGB of 16 bits, 1x1, which Pillow would hand out as 8 bits."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + struct.pack(">HHH", 1, 2, 3))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_three_frames_of_different_size(tmp_path: Path) -> None:
    data = Middlebury(root=str(miniatures.middlebury(tmp_path)), partial=True)
    path = miniatures.write(tmp_path / "other-gt-interp/Venus/frame10i11.png", frame(0, 640, 480))
    with pytest.raises(HarnessError, match=re.escape(f"{path}: is 640x480; expected 420x380")):
        data.read(data.test[1])


def test_a_folder_in_place_of_an_image(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="cannot be read: Is a directory"):
        read_image(tmp_path)


def test_halving_rounds_half_up() -> None:
    assert halved(np.array([[[0], [1]], [[0], [1]]], np.uint8)) == 1
    assert halved(np.array([[[0], [1]], [[0], [0]]], np.uint8)) == 0


# --- digests, pickling, roots


def test_digests(tmp_path: Path) -> None:
    first = Vimeo90K(root=str(miniatures.vimeo90k(tmp_path / "a")), partial=True)
    again = Vimeo90K(root=str(miniatures.vimeo90k(tmp_path / "b", images="target")), partial=True)
    for split in ("train", "test"):
        assert first.digest(split) == again.digest(split)
    assert first.digest("train") != first.digest("test")
    path = tmp_path / "a/sequences/00002/0001/im1.png"
    path.write_bytes(path.read_bytes() + b"\0")
    changed = Vimeo90K(root=str(tmp_path / "a"), partial=True)
    assert changed.digest("test") != first.digest("test")
    assert changed.digest("train") == first.digest("train")
    path.unlink()
    assert Vimeo90K(root=str(tmp_path / "a"), partial=True).digest("test") != first.digest("test")


@pytest.mark.parametrize(("split", "listed"), [("train", "tri_trainlist.txt"), ("test", "tri_testlist.txt")])
def test_the_order_of_a_list_decides_what_is_trained_on_and_no_row(tmp_path: Path, split: str, listed: str) -> None:
    """A sample is chosen by its place in the list."""
    root = miniatures.vimeo90k(tmp_path)
    before = Vimeo90K(root=str(root), partial=True)
    path = root / listed
    path.write_text("\n".join(reversed(path.read_text().split())) + "\n")
    after = Vimeo90K(root=str(root), partial=True)
    assert [triplet.id for triplet in getattr(after, split)] != [triplet.id for triplet in getattr(before, split)]
    assert (after.digest(split) == before.digest(split)) is (split == "test")  # type: ignore[arg-type]


def test_a_copy_from_a_pickle_reads_the_same(tmp_path: Path) -> None:
    data = UCF101(root=str(miniatures.ucf101(tmp_path)), partial=True)
    copy = pickle.loads(pickle.dumps(data))
    assert np.array_equal(copy.read(copy.test[2]), data.read(data.test[2]))


def test_five_thousand_triplets_are_neither_opened_nor_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{n // 1000 + 1:05d}/{n % 1000:04d}" for n in range(5000)]
    (tmp_path / "tri_trainlist.txt").write_text("\n".join(names))
    triplet = tmp_path / "triplet"
    triplet.mkdir()
    for k in (1, 2, 3):
        (triplet / f"im{k}.png").touch()
    for name in names:
        (tmp_path / "sequences" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sequences" / name).symlink_to(triplet)

    def refuse(*_: object) -> None:
        raise AssertionError("an image was read")

    monkeypatch.setattr("harness.data.imageset.read_image", refuse)
    data = Vimeo90K(root=str(tmp_path), partial=True)
    assert len(data.train) == 5000
    assert data.partial == "5000 of 51313 train triplets"


def test_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    (data / "UCF101" / "ucf101_interp_ours").mkdir(parents=True)
    (data / "vimeo_triplet").mkdir()
    (data / "snufilm").mkdir()
    (tmp_path / "own").mkdir()
    with pytest.raises(HarnessError, match=r"ucf101: no folder of it in HARNESS_DATA \(not set\).*VoxelFlow"):
        find_root("ucf101")
    config = tmp_path / "config" / "vfi-harness" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"data: {data}\nroots: {{snu-film: ../../own}}\n")
    assert find_root("ucf101") == data / "UCF101" / "ucf101_interp_ours"
    assert find_root("vimeo90k") == data / "vimeo_triplet"
    assert find_root("snu-film").samefile(tmp_path / "own")
    assert look("middlebury") is None
    monkeypatch.setenv("HARNESS_DATA", str(data))
    assert find_root("snu-film") == data / "snufilm"
    assert find_root("snu-film", str(tmp_path / "own")) == tmp_path / "own"
    monkeypatch.chdir(tmp_path)
    assert find_root("snu-film", "own") == tmp_path / "own"
    with pytest.raises(HarnessError, match=r"nowhere: no such folder; give the one of snu-film"):
        find_root("snu-film", "nowhere")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "gone"))
    with pytest.raises(HarnessError, match=r"HARNESS_DATA: .*gone is no folder"):
        find_root("ucf101")
    monkeypatch.delenv("HARNESS_DATA")
    config.write_text("dta: x\n")
    with pytest.raises(HarnessError, match=r"config\.yaml:1: unknown key 'dta'; did you mean 'data'"):
        find_root("ucf101")


def test_specs() -> None:
    specs = {spec.name: spec for spec in benchmarks()}
    assert set(specs) == set(FOLDERS)
    assert all(spec.source and spec.layout and spec.licence and spec.reference for spec in specs.values())
    code = (
        "import sys, importlib\nfrom harness.registry.benchmarks import benchmarks\n"
        "for spec in benchmarks():\n"
        "    module, _, name = spec.factory.partition(':')\n"
        "    getattr(importlib.import_module(module), name)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- images that change in place


def replaced_in_place(path: Path, image: np.ndarray[Any, Any]) -> None:
    """Another image of the same size in bytes, with the time of modification that the file had."""
    before = path.stat()
    content = encoded(image)
    assert len(content) <= before.st_size
    with path.open("r+b") as file:
        file.write(content.ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)


def encoded(image: np.ndarray[Any, Any]) -> bytes:
    out = BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def test_an_image_of_the_same_size_and_time_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the hash of the one before is remembered."""
    monkeypatch.setattr(contents, "RECENT", 0)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    root = miniatures.ucf101(tmp_path / "data")
    digest = UCF101(root=str(root), partial=True).digest("test")
    assert UCF101(root=str(root), partial=True).digest("test") == digest
    replaced_in_place(root / "11" / "frame_01_gt.png", np.zeros((256, 256, 3), np.uint8))
    assert UCF101(root=str(root), partial=True).digest("test") != digest


def test_rows_of_an_image_that_changed_are_not_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "RECENT", 0)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    root = miniatures.ucf101(tmp_path / "data")
    path = tmp_path / "rows.csv"
    cpu = World(0, 1, torch.device("cpu"))

    def rows() -> dict[str, Row]:
        chosen = catalog().choose(BenchmarkSpec, parse_choice(f"ucf101:root={root},partial=true"))
        tests = TripletSet.of(chosen, None)
        made = Evaluation(EvalPlan(UNIFIED, {"psnr": PSNR()}, {}), tests, [], None, "none", "none", cpu)
        evaluate(made, mean_of_frames, path, lambda: False, lambda done, total: None)
        found = merged(read_rows(path, "")).values()
        return {row.triplet: row for row in found if row.data == tests.data_id}

    before = rows()
    assert rows() == before
    assert len(read_rows(path, "")) == 3
    replaced_in_place(root / "11" / "frame_01_gt.png", np.zeros((256, 256, 3), np.uint8))
    after = rows()
    assert {name for name in before if before[name].values != after[name].values} == {"11"}
    assert {name for name in before if before[name].frames != after[name].frames} == {"11"}


def test_a_file_is_read_once_while_it_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "RECENT", 0)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    root = miniatures.ucf101(tmp_path / "data")
    seen: list[str] = []
    hashed = contents.sha256_of

    def counted(path: str | Path) -> str:
        seen.append(Path(path).relative_to(root).as_posix())
        return hashed(path)

    monkeypatch.setattr(contents, "sha256_of", counted)
    digest = UCF101(root=str(root), partial=True).digest("test")
    assert len(seen) == 9
    assert UCF101(root=str(root), partial=True).digest("test") == digest
    assert len(seen) == 9
    (root / "1" / "frame_00.png").touch()
    assert UCF101(root=str(root), partial=True).digest("test") == digest
    assert seen[9:] == ["1/frame_00.png"]
    (record,) = (tmp_path / "cache" / "contents").glob("*.csv")
    record.write_text(record.read_text()[:-30])  # as a crash leaves it
    assert UCF101(root=str(root), partial=True).digest("test") == digest
    assert len(seen) == 11


def test_a_file_that_was_only_just_written_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be written again before the clock of the file system ticks."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.png").write_bytes(b"one")
    stamp = f"3-5-{time.time_ns()}-7"
    monkeypatch.setattr(contents, "stamp_of", lambda path: stamp)
    before = contents.contents(tmp_path, ["a.png"])
    (tmp_path / "a.png").write_bytes(b"two")
    assert contents.contents(tmp_path, ["a.png"]) != before
