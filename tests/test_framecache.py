"""Decoded frames on disk: those of another decoder, flipped, cut off or replaced ones are never used."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data import framecache, video
from harness.data.framecache import Decoded, decode
from harness.data.sets.clips import Clips
from harness.errors import HarnessError
from tests.test_clips import all_of, content, scene, write, write_exact

ROWS, HEIGHT, WIDTH = 6, 16, 24


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "clips"


@pytest.fixture
def frames() -> NDArray[np.uint8]:
    return scene(3, ROWS, height=HEIGHT, width=WIDTH)


@pytest.fixture
def file(tmp_path: Path, frames: NDArray[np.uint8]) -> Path:
    return write_exact(tmp_path / "a", frames)


def made(file: Path) -> Decoded:
    return decode(file, content(file))


def flip(file: Path, at: int, bit: int = 0) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([byte ^ 1 << bit]))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped bit": lambda path: flip(path, 2 * HEIGHT * WIDTH * 3 + 7),
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 3),
    "empty": lambda path: os.truncate(path, 0),
    "another file": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("running", [True, False])
def test_damaged_frames_are_named_once_and_made_anew(
    file: Path, frames: NDArray[np.uint8], how: str, running: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also in a process that has read them before: a file that is cut off does not end it."""
    decoded = made(file)
    opened = decoded.open()
    if running:
        np.testing.assert_array_equal(opened.read(2), frames[2])
    DAMAGE[how](decoded.file)
    opened = opened if running else made(file).open()
    for row in (2, 0, 5):
        np.testing.assert_array_equal(opened.read(row), frames[row])
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING] or [None]
    if warning is None:
        assert (how, running) == ("gone", False)  # as if it had never been decoded
    else:
        assert str(file) in warning.getMessage()
        assert "\n" not in warning.getMessage()
    np.testing.assert_array_equal(all_of(made(file)), frames)


def test_a_file_that_is_cut_off_at_the_very_moment_is_read_no_further(
    file: Path, frames: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it was looked at, before the frame is read."""
    opened = made(file).open()
    opened.read(4)
    unchanged = opened._state
    os.truncate(opened.decoded.file, 100)
    monkeypatch.setattr(framecache, "_state", lambda handle: unchanged)
    np.testing.assert_array_equal(opened.read(4), frames[4])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_bit_of_the_facts_is_believed(file: Path, data: st.DataObject) -> None:
    right = made(file)
    facts = right.file.with_suffix(".json")
    flip(facts, data.draw(st.integers(0, facts.stat().st_size - 1)), data.draw(st.integers(0, 7)))
    assert made(file) == right


def test_frames_of_another_decoder_are_not_used(
    file: Path, frames: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = made(file)

    def brighter(*_: Any) -> Iterator[video.Shown]:
        yield from (video.Shown(frame // 2, i) for i, frame in enumerate(frames))

    monkeypatch.setattr(framecache, "decoder", lambda: video.decoder() + " of somebody else")
    monkeypatch.setattr(framecache, "images", brighter)
    theirs = made(file)
    assert theirs.file != ours.file
    np.testing.assert_array_equal(all_of(theirs), frames // 2)
    np.testing.assert_array_equal(all_of(ours), frames)


def test_frames_of_another_decoder_are_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        write(tmp_path / "clips" / f"{name}.mp4", scene(ord(name), 20))
    before = Clips(root=str(tmp_path / "clips"))
    decoded = framecache.images
    monkeypatch.setattr(framecache, "decoder", lambda: "another that gives the same")
    same = Clips(root=str(tmp_path / "clips"))
    monkeypatch.setattr(framecache, "decoder", lambda: "another")
    monkeypatch.setattr(
        framecache, "images", lambda *how: (video.Shown(each.image ^ 1, each.stamp) for each in decoded(*how))
    )
    after = Clips(root=str(tmp_path / "clips"))
    for split in ("train", "test"):
        assert same.digest(split) == before.digest(split) != after.digest(split)


def test_the_decoder_is_named_with_its_libraries() -> None:
    assert video.decoder().startswith(f"av {av.__version__}, ")
    for name in ("libavcodec", "libswscale"):
        assert f"{name} {'.'.join(map(str, av.library_versions[name]))}" in video.decoder()


def test_an_old_decoder_is_refused_in_words(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(file)  # also where the frames are there
    monkeypatch.setattr(framecache, "decoder", video.decoder.__wrapped__)
    monkeypatch.setattr(av, "__version__", "16.1.0")
    with pytest.raises(HarnessError, match=r"^PyAV 16\.1\.0 converts the colours .* wrong, .*pip install 'av>=17'$"):
        made(file)


def test_damaged_frames_of_a_video_that_is_another_now_are_refused(file: Path) -> None:
    decoded = made(file)
    write_exact(file, scene(9, ROWS, height=HEIGHT, width=WIDTH))
    flip(decoded.file, 5)
    with pytest.raises(HarnessError, match=r"a\.mkv: is another file now, and its cached frames are damaged"):
        decoded.open().read(0)


def test_a_video_that_changes_while_it_is_decoded_is_refused(file: Path, cache: Path) -> None:
    with pytest.raises(HarnessError, match=r"a\.mkv: was changed while it was decoded"):
        decode(file, "0" * 64)
    assert not list(cache.glob("*.rgb"))


def test_a_frame_is_hashed_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = made(file).open()
    hashed = []
    sums = framecache._sum
    monkeypatch.setattr(framecache, "_sum", lambda frame: hashed.append(1) or sums(frame))
    for row in (0, 1, 0, 1, 0):
        opened.read(row)
    assert len(hashed) == 2
