"""Images decoded once: the very frames of the files, never those of others, and no copy."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.cli.main import main
from harness.data import mapped
from harness.data.augment import Augment
from harness.data.benchmark import Triplet
from harness.data.images import halved
from harness.data.imageset import ImageSet
from harness.data.loader import Samples, batches
from harness.data.order import Order
from harness.data.sets.vimeo90k import Vimeo90K
from harness.data.sets.vimeo90k_septuplet import Vimeo90KSeptuplet
from harness.data.verify import Stopped
from harness.errors import HarnessError
from tests import miniatures


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return miniatures.vimeo90k(tmp_path / "vimeo90k")


class Half(Vimeo90K):
    def view(self, frame: NDArray[np.uint8], triplet: Triplet) -> NDArray[np.uint8]:
        return halved(frame)


def vimeo(root: Path) -> Vimeo90K:
    return Vimeo90K(root=str(root), partial=True)


def decoded(benchmark: ImageSet) -> Path:
    return benchmark.decode("train", lambda: False, lambda done, total: None)


def opened(benchmark: ImageSet) -> ImageSet:
    """As a training opens it."""
    benchmark.digest("train")
    return benchmark


def only_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.data.imageset.read_image", lambda *_: pytest.fail("a file was decoded"))


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (Vimeo90K, miniatures.vimeo90k),
        (Vimeo90KSeptuplet, miniatures.vimeo90k_septuplet),
        (Half, miniatures.vimeo90k),
    ],
)
def test_the_frames_of_the_files(
    kind: Callable[..., ImageSet], make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of sets whose triplets share frames, or show a part of them."""
    root = str(make(tmp_path / "set"))
    first = kind(root=root, partial=True)
    frames = [first.read(triplet) for triplet in first.train]
    decoded(kind(root=root, partial=True))
    only_mapped(monkeypatch)
    again = opened(kind(root=root, partial=True))
    assert len(again.train)
    for triplet, expected in zip(again.train, frames, strict=True):
        np.testing.assert_array_equal(again.read(triplet), expected)


def test_nothing_is_copied(root: Path) -> None:
    """Nor does what is written to a frame reach others."""
    file = decoded(vimeo(root))
    benchmark, before = opened(vimeo(root)), file.read_bytes()
    one, two = (benchmark.read(benchmark.train[0]) for _ in range(2))
    assert np.shares_memory(one, two)
    one[0, 0, 0, 0] += 1
    assert file.read_bytes() == before


def test_batches_are_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(benchmark: ImageSet) -> list[bytes]:
        samples = Samples({"v": benchmark}, Order(2, 1, 0), Augment(crop=64), None)
        return [batch.frames.numpy().tobytes() for batch in batches(samples, 0, 6, workers=0)]

    files = drawn(vimeo(root))
    decoded(vimeo(root))
    only_mapped(monkeypatch)
    assert drawn(opened(vimeo(root))) == files


def test_other_files_are_not_shown(root: Path) -> None:
    """Nor those of another split."""
    decoded(vimeo(root))
    first = root / "sequences/00001/0001/im1.png"
    Image.fromarray(miniatures.frame(9, 448, 256)).save(first)
    other = opened(vimeo(root))
    np.testing.assert_array_equal(other.read(other.train[0])[0], miniatures.frame(9, 448, 256))
    assert not other._mapped
    other.digest("test")
    assert not other._mapped


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped bit": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 3),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_images_are_named_once_and_not_used(how: str, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also where that happens while they are in use."""
    file = decoded(vimeo(root))
    benchmark = opened(vimeo(root))
    benchmark.read(benchmark.train[1])
    DAMAGE[how](file)
    expected = vimeo(root).read(benchmark.train[0])
    for _ in range(2):
        np.testing.assert_array_equal(benchmark.read(benchmark.train[0]), expected)
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "is damaged, and not used; `harness data decode` makes it anew" in warning.getMessage()
    decoded(vimeo(root))
    again = opened(vimeo(root))
    np.testing.assert_array_equal(again.read(again.train[0]), expected)
    assert again._mapped["train"]._sound


def test_what_is_sound_is_not_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = decoded(vimeo(root))
    monkeypatch.setattr(mapped, "decode", lambda *_: pytest.fail("a file was decoded"))
    assert decoded(vimeo(root)) == file


def test_another_process_maps_the_file_itself(root: Path) -> None:
    decoded(vimeo(root))
    benchmark = opened(vimeo(root))
    expected = benchmark.read(benchmark.train[0])
    sent = pickle.dumps(benchmark)
    assert len(sent) < expected.nbytes / 20
    np.testing.assert_array_equal(pickle.loads(sent).read(benchmark.train[0]), expected)


def test_what_is_stopped_leaves_nothing(root: Path, cache: Path) -> None:
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        vimeo(root).decode("train", lambda: next(asked), lambda done, total: None)
    assert not [*cache.glob("*.rgb*"), *cache.glob("*.json")]


def test_what_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 10**6))
    with pytest.raises(HarnessError, match=r"0\.0 GB are needed and 0\.0 GB are free; free some space"):
        decoded(vimeo(root))
    monkeypatch.undo()
    image = root / "sequences/00001/0002/im3.png"
    miniatures.write(image, miniatures.frame(0, 96, 64))
    with pytest.raises(HarnessError, match=r"im3\.png: has another size than the first image"):
        decoded(vimeo(root))
    Image.fromarray(miniatures.frame(0, 448, 256)).save(image, "BMP")
    with pytest.raises(HarnessError, match=r"im3\.png: is no PNG file"):
        decoded(vimeo(root))


class OfAnySize(Vimeo90K):
    size = None  # type: ignore[assignment]


def test_images_of_another_size_than_published_are_refused_as_those_of_files_are(root: Path) -> None:
    """Also where another set, of any size, has decoded the very same files."""
    for image in root.rglob("*.png"):
        miniatures.write(image, miniatures.frame(0, 96, 64))
    line = r"im1\.png: is 96x64; expected 448x256"
    with pytest.raises(HarnessError, match=line):
        decoded(vimeo(root))
    decoded(OfAnySize(root=str(root), partial=True))
    benchmark = opened(vimeo(root))
    with pytest.raises(HarnessError, match=line):
        benchmark.read(benchmark.train[0])


def test_the_command(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def call(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", "data", "decode", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return (ended.value.code or 0, *capsys.readouterr())

    code, out, _ = call("vimeo90k", "--root", str(root))
    assert (code, out.split(" in ")[0]) == (0, "vimeo90k: 0.00 GB")
    assert Path(out.split(" in ")[1].strip()).stat().st_size == 6 * 448 * 256 * 3
    assert "layers: its frames are no image files" in call("layers")[2]
