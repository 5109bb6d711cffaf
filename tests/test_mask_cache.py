"""The mask cache: lossless, keyed by frames and identity, and never misled by a damaged file."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from harness.errors import HarnessError
from harness.masks import Masks, MaskSource
from harness.masks.cache import MaskCache
from harness.masks.png import pack


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


numbers = count()


class Given(MaskSource):
    """Returns what it was given, and counts."""

    def __init__(self, maps: Any) -> None:
        self.returned, self.calls = maps, 0

    def label_maps(self, img0: NDArray[np.uint8], img1: NDArray[np.uint8]) -> Any:
        self.calls += 1
        return self.returned


def frames(seed: int = 0, height: int = 10, width: int = 14) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), np.uint8)


def labels(highest: int = 3, height: int = 10, width: int = 14) -> NDArray[np.uint16]:
    return np.random.default_rng(9).integers(0, highest + 1, (2, height, width), np.uint16)


def files() -> list[Path]:
    return sorted(path for path in Path(os.environ["HARNESS_CACHE"]).rglob("*") if path.is_file())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_comes_back_is_what_went_in(data: st.DataObject) -> None:
    shape = (2, data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)))
    maps = data.draw(arrays(np.uint16, shape))
    pair = data.draw(arrays(np.uint8, (*shape, 3)))
    source = Given(maps)
    cache = MaskCache(source, str(next(numbers)))
    for _ in range(2):
        found = cache.maps(*pair)
        np.testing.assert_array_equal(found, maps)
        assert found.dtype == np.uint16
    assert source.calls == 1


def test_every_frame_pair_has_its_own_entry() -> None:
    source = Given(labels())
    cache = MaskCache(source, "x")
    a, b = frames()
    cache.maps(a, b)
    cache.maps(b, a)
    changed = a.copy()
    changed[0, 0, 0] ^= 1
    cache.maps(changed, b)
    assert (source.calls, len(files())) == (3, 3)
    source.returned = labels(height=14, width=10)
    assert cache.maps(a.reshape(14, 10, 3), b.reshape(14, 10, 3)).shape == (2, 14, 10)  # the same bytes
    assert len(files()) == 4


@pytest.mark.parametrize(
    ("one", "other"), [("a", "b"), ({"name": "a", "version": 1}, {"name": "a", "version": 2}), ({"n": 1}, {"n": "1"})]
)
def test_other_identities_have_other_entries(one: Any, other: Any) -> None:
    first, second = Given(labels(3)), Given(labels(4))
    MaskCache(first, one).maps(*frames())
    np.testing.assert_array_equal(MaskCache(second, other).maps(*frames()), second.returned)
    assert (first.calls, second.calls) == (1, 1)


def test_the_order_of_an_identity_does_not_matter() -> None:
    source = Given(labels())
    MaskCache(source, {"a": 1, "b": 2}).maps(*frames())
    MaskCache(source, {"b": 2, "a": 1}).maps(*frames())
    assert source.calls == 1


def test_entries_are_small_and_in_their_place() -> None:
    maps = np.zeros((2, 360, 640), np.uint16)
    maps[:, 100:200, 100:300] = 1
    MaskCache(Given(maps), "x").maps(*frames(0, 360, 640))
    (file,) = files()
    assert file.stat().st_size < 5000
    folder, identity, start, name = file.relative_to(os.environ["HARNESS_CACHE"]).parts
    assert (folder, len(identity), len(start), name[-4:]) == ("masks", 16, 2, ".png")


def test_other_kinds_of_integers_are_taken() -> None:
    maps = labels().astype(np.int64)
    maps[0, 0, 0] = 65535
    found = MaskCache(Given(maps), "x").maps(*frames())
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, maps)
    strided = np.asfortranarray(labels())
    np.testing.assert_array_equal(MaskCache(Given(strided), "y").maps(*frames()), strided)


@pytest.mark.parametrize(
    ("maps", "complaint"),
    [
        (labels()[:1], r"maps of shape \(1, 10, 14\); frames of this size need \(2, 10, 14\)"),
        (labels().astype(np.float32), "float32, not an array of integers"),
        (labels().astype(bool), "bool, not an array of integers"),
        (None, "NoneType, not an array of integers"),
        (labels().astype(np.int32) - 1, "labels -1 to 2; they must be 0 to 65535"),
        (labels().astype(np.int32) + 65535, "labels 65535 to 65538; they must be 0 to 65535"),
    ],
)
def test_wrong_maps_are_refused_and_not_kept(maps: Any, complaint: str) -> None:
    with pytest.raises(HarnessError, match=rf"mask source .*:Given returns {complaint}"):
        MaskCache(Given(maps), "x").maps(*frames())
    assert files() == []


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data[:60] + bytes([data[60] ^ 255]) + data[61:]


@pytest.mark.parametrize("damage", [cut, flipped, lambda data: b"", lambda data: b"text"])
def test_damaged_entries_are_made_anew(damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture) -> None:
    source = Given(labels(60000))
    cache = MaskCache(source, "x")
    cache.maps(*frames())
    (file,) = files()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    np.testing.assert_array_equal(cache.maps(*frames()), source.returned)
    assert (source.calls, files(), file.read_bytes()) == (2, [file], whole)
    assert "damaged label maps" in caplog.text
    assert str(file) in caplog.text


def test_entries_of_another_shape_are_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    source = Given(labels())
    cache = MaskCache(source, "x")
    cache.maps(*frames(0))
    (first,) = files()
    source.returned = labels(height=6, width=6)
    cache.maps(*frames(1, 6, 6))
    (other,) = (file for file in files() if file != first)
    first.write_bytes(other.read_bytes())
    source.returned = labels()
    np.testing.assert_array_equal(cache.maps(*frames(0)), source.returned)
    assert source.calls == 3
    assert "instead of maps (2, 10, 14)" in caplog.text


def test_pickles() -> None:
    source = Given(labels())
    cache = MaskCache(source, {"name": "x"})
    cache.maps(*frames())
    again = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(again.maps(*frames()), source.returned)
    assert again.source.calls == 1


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file/cache"))
    with pytest.raises(HarnessError, match=r"file/cache/masks.*HARNESS_CACHE"):
        MaskCache(Given(labels()), "x").maps(*frames())


def test_processes_may_race(tmp_path: Path) -> None:
    code = """
import numpy as np
from harness.masks.cache import MaskCache
from harness.masks.source import MaskSource

class Threshold(MaskSource):
    def label_maps(self, img0, img1):
        return (np.stack([img0, img1]).sum(-1) // 100).astype(np.uint16)

cache = MaskCache(Threshold(), "threshold")
for seed in range(100):
    pair = np.random.default_rng(seed).integers(0, 256, (2, 20, 20, 3), np.uint8)
    assert (cache.maps(*pair) == Threshold().label_maps(*pair)).all()
"""
    racing = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in racing] == [0, 0, 0]
    assert len(files()) == 100


def test_names_and_dropped_tags_are_kept() -> None:
    masks = Masks(labels(2), tags=("cat", "dog, wet"), dropped=("cow: in one frame only",))
    source = Given(masks)
    for _ in range(2):
        found = MaskCache(source, "x").masks(*frames())
        np.testing.assert_array_equal(found.maps, masks.maps)
        assert (found.tags, found.dropped) == (masks.tags, masks.dropped)
    assert source.calls == 1
    (file,) = files()
    with Image.open(file) as image:
        image.load()
        assert json.loads(image.info["vfi-masks"]) == {
            "tags": ["cat", "dog, wet"],
            "dropped": ["cow: in one frame only"],
        }


def test_more_labels_than_names_are_refused() -> None:
    with pytest.raises(HarnessError, match="label 3 and 2 names"):
        MaskCache(Given(Masks(labels(3), tags=("cat", "dog"))), "x").maps(*frames())


def test_an_entry_with_other_names_than_labels_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    cache = MaskCache(Given(Masks(labels(3), tags=("a", "b", "c"))), "x")
    cache.maps(*frames())
    (file,) = files()
    file.write_bytes(pack(Masks(labels(3), tags=("a",))))
    assert cache.masks(*frames()).tags == ("a", "b", "c")
    assert "label 3 of 1 names" in caplog.text


def test_what_a_command_makes_is_made_by_nothing_else() -> None:
    source = Given(labels())
    cache = MaskCache(source, "x", "harness masks build BENCHMARK --source x")
    with pytest.raises(HarnessError, match=r"no label maps .* harness masks build BENCHMARK --source x"):
        cache.maps(*frames())
    assert source.calls == 0
    cache.make("clip", 1, 3, *frames())
    np.testing.assert_array_equal(cache.maps(*frames()), source.returned)
