"""What a folder holds: videos by their content, folders of numbered images, and what is passed over or refused."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.data import video
from harness.data.framecache import content_of, decode
from harness.data.holdings import find
from harness.data.sets.clips import Clips
from harness.errors import HarnessError
from tests.test_clips import HEADER, all_of, manifest, of, scene, write


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def still(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene(0, 1)[0]).save(path)
    return path


def images(folder: Path, frames: NDArray[np.uint8], names: Iterable[str] = ()) -> Path:
    """A folder of PNGs; `names` without suffix, else 000000 and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame, name in zip(frames, names or (f"{i:06d}" for i in range(len(frames))), strict=True):
        Image.fromarray(frame).save(folder / f"{name}.png")
    return folder


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


# --- videos


def test_what_ffmpeg_reads_is_read_whatever_it_is_called(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    kinds = {
        "a.mp4": "libx264", "b.mts": "libx264", "c.ts": "mpeg2video", "d.flv": "flv", "e.3gp": "mpeg4",
        "f.vob": "mpeg2video", "class1/g.avi": "mpeg4", "train/deeper/h.mov": "libx264",
    }  # fmt: skip
    for i, (name, codec) in enumerate(kinds.items()):
        write(root / name, scene(i, 20), codec)
    write(root / "i.gif", scene(9, 20), "gif", "rgb8")
    write(root / "j.mkv", scene(10, 20)).rename(root / "no suffix")
    write(root / "k.mp4", scene(11, 20)).rename(root / "text.txt")
    assert list(find(root)) == sorted([*kinds, "i.gif", "no suffix", "text.txt"])
    assert not said(caplog)
    (root / "test").mkdir()
    (root / "a.mp4").rename(root / "test/a.mp4")
    benchmark = Clips(root=str(root), gaps="1")
    assert of(benchmark, benchmark.test) == {"a"}
    assert of(benchmark, benchmark.train) == {"b", "c", "d", "e", "f", "g", "h", "i", "no suffix", "text"}


def test_what_is_passed_over_is_said_once_by_reason(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(2):
        write(root / f"{i}.mp4", scene(i, 20))
    for name in ("README.md", "a/notes.txt", "a/b.py", "a/c.ini"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("nothing to see\n" * 9)
    (root / "a/list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\n../0.mp4\n")
    (root / "list.csv").write_text(HEADER + "easy,1,0,1,2,\n")
    manifest(root, **{"0_mp4": {"matrix": "bt601"}, "1_mp4": {"matrix": "bt601"}})
    sound(root / "song.m4a")
    sound(root / "speech.mp4")
    still(root / "poster.jpg")
    still(root / "logo.gif")
    (root / ".hidden").mkdir()
    (root / ".hidden/x.txt").touch()
    benchmark = Clips(root=str(root), list="list.csv")
    assert of(benchmark, benchmark.test) == {"1"}
    (line,) = said(caplog)
    assert line == (
        f"{root}: passed over: 5 files that are no video (README.md, a/b.py, a/c.ini, ...); 1 single pictures "
        "(logo.gif); 2 files without moving pictures (song.m4a, speech.mp4); 1 images that are no frames (a video is a "
        "folder of its own, of 3 or more that differ in their number) (poster.jpg)"
    )
    caplog.clear()
    assert list(find(root, say=False)) == ["0.mp4", "1.mp4"]
    assert not said(caplog)


def test_a_folder_without_videos_says_what_there_is(root: Path) -> None:
    (root / "README").write_text("nothing to see")
    with pytest.raises(
        HarnessError, match=r"no video in this folder .*; there are 1 files that are no video \(README\)"
    ):
        find(root)


@pytest.mark.parametrize("suffix", [".ts", ".flv", ".gif", ".vob", ".mts", ".3gp", ".mkv"])
def test_what_is_called_a_video_and_is_none_is_refused(root: Path, suffix: str) -> None:
    write(root / "a.mp4", scene(0, 20))
    (root / f"b{suffix}").write_bytes(b"\x01\x02damaged" * 300)
    with pytest.raises(HarnessError, match=rf"b\{suffix}: cannot be decoded from the start .* damaged, copy it anew"):
        Clips(root=str(root))


REFERRING = {
    "an ffconcat list": "ffconcat version 1.0\nfile a.mp4\n",
    "an HLS playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n",
    "an SDP file": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
}


@pytest.mark.parametrize("what", REFERRING)
@pytest.mark.parametrize("known", [True, False])
def test_text_that_names_other_files_is_refused(
    root: Path, what: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words; and what nobody knows by its first line is within reach of nothing either."""
    write(root / "a.mp4", scene(0, 20))
    (root / "b.mp4").write_text(REFERRING[what])
    monkeypatch.chdir(root)
    if not known:
        monkeypatch.setattr(video, "_REFERRING", {})
    with pytest.raises(
        HarnessError, match=rf"b\.mp4: is no video but {what}" if known else r"b\.mp4: cannot be decoded"
    ):
        Clips(root=str(root))


def test_train_and_test_are_the_folders_at_the_top(root: Path) -> None:
    for i, name in enumerate(("train/x/test/a", "test/y/train/b", "z/test/c", "d")):
        write(root / f"{name}.mp4", scene(i, 20))
    benchmark = Clips(root=str(root))
    assert (of(benchmark, benchmark.train), of(benchmark, benchmark.test)) == ({"a", "c", "d"}, {"b"})


def test_links_are_followed_and_end(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/a.mp4", scene(0, 20))
    (root / "train").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(root)
    write(root / "b.mp4", scene(1, 20))
    assert list(find(root)) == ["b.mp4", "train/a.mp4"]


def test_the_cache_is_no_footage(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(root / "cache"))
    write(root / "a.mp4", scene(0, 20))
    write(root / "cache/b.mp4", scene(1, 20))
    assert list(find(root)) == ["a.mp4"]


# --- folders of numbered images


def test_folders_of_numbered_images_are_clips(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = scene(0, 20)
    images(root / "train/scene.1", frames, [f"im{i}" for i in range(20)])  # im10 is before im2 by name
    images(root / "test/b", scene(1, 20))
    benchmark = Clips(root=str(root))
    assert (of(benchmark, benchmark.train), of(benchmark, benchmark.test)) == ({"scene.1"}, {"b"})
    assert {t.t for t in (*benchmark.train, *benchmark.test)} == {0.5}
    triplet = next(t for t in benchmark.train if t.frames == (1, 6, 11))
    np.testing.assert_array_equal(benchmark.read(triplet), frames[[1, 6, 11]])
    assert not said(caplog)
    manifest(root, **{"train/scene_1": {"frame_step": 3}, "test/b": {"shots": [[0, 17]]}})
    assert {n for t in Clips(root=str(root)).train for n in t.frames} == set(range(0, 20, 3))


def test_numbers_that_are_left_out_are_named_and_no_triplet_crosses_them(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = scene(0, 21)
    images(root / "train/a", np.delete(frames, 12, 0), [f"{3 * i:04d}" for i in range(21) if i != 12])
    images(root / "test/b", scene(1, 20))
    benchmark = Clips(root=str(root), gaps="1")
    assert [t.frames[1] for t in benchmark.train] == [*range(1, 11), *range(13, 19)]
    assert said(caplog) == [
        f"{root}/train/a: numbers are left out after 33; frames there are further apart in time",
        "clip a: 2 of 18 triplets are left out: by time stamps, t is not 1/2 but up to 0.167 off (more than 0.02); "
        "its frames are unevenly spaced, or some are lost or repeated",
    ]


def test_images_that_are_no_frames_are_passed_over(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Named apart, too few, beside videos, or not in a folder of their own."""
    for i in range(2):
        write(root / f"v{i}/{i}.mp4", scene(i, 20))
    images(root / "v0", scene(2, 4))
    images(root / "few", scene(2, 2))
    images(root / "apart", scene(2, 3), ["a1", "a2", "b3"])
    images(root / "unnumbered", scene(2, 3), ["one", "two", "three"])
    images(root, scene(2, 4))
    images(root / "train", scene(2, 4))
    assert list(find(root)) == ["v0/0.mp4", "v1/1.mp4"]
    (line,) = said(caplog)
    assert "20 images that are no frames" in line


def test_sizes_must_agree_and_images_be_sound(root: Path) -> None:
    images(root / "b", scene(1, 20))
    images(root / "a", scene(0, 20))
    odd = root / "a/000007.png"
    Image.fromarray(scene(0, 1, height=32)[0]).save(odd)
    with pytest.raises(HarnessError, match=r"a/000007\.png: is 96x32; expected 96x64"):
        Clips(root=str(root))
    odd.write_bytes(odd.read_bytes()[: odd.stat().st_size // 2])
    with pytest.raises(HarnessError, match=r"a/000007\.png: .*damaged"):
        Clips(root=str(root))
    shutil.copy(root / "a/000006.png", root / "a/06.png")
    with pytest.raises(HarnessError, match=r"a/06\.png: has the number of 000006\.png; remove one"):
        Clips(root=str(root))


def test_frames_in_a_folder_are_known_by_what_is_in_them(root: Path, tmp_path: Path) -> None:
    """Not by where they are or what they are called."""
    folder, other = images(root / "a", scene(0, 5)), images(tmp_path / "b", scene(0, 5), [f"x{i}" for i in range(5)])
    before = content_of(folder)
    assert content_of(other) == before
    assert decode(folder, before).file == decode(other, before).file
    Image.fromarray(scene(1, 1)[0]).save(folder / "000003.png")
    os.utime(folder / "000003.png", ns=(0, 0))
    assert content_of(folder) != before
    np.testing.assert_array_equal(all_of(decode(folder, content_of(folder)))[3], scene(1, 1)[0])


def test_damaged_cached_frames_of_images_are_made_anew(root: Path) -> None:
    folder = images(root / "a", scene(0, 5))
    decoded = decode(folder, content_of(folder))
    decoded.file.write_bytes(bytes(decoded.file.stat().st_size))
    np.testing.assert_array_equal(all_of(decoded), scene(0, 5))
