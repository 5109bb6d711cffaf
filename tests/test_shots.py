"""Copies, cuts and dissolves: what is found in synthetic frames and in bundled clips, joined, darkened, encoded."""

from __future__ import annotations

import functools
import itertools
import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from harness.cli.data import data
from harness.data.contents import sha256_of
from harness.data.framecache import decode
from harness.data.sets.clips import BUNDLED, Clips
from harness.data.shots import cells_of, change, find_repeats, find_shots, thumbnail
from harness.data.video import images
from tests.test_picture import interlaced

Video = NDArray[np.uint8]

FIRST, SECOND, FAST = "perception_v1.m4v", "coin_pen.mov", "rallye.mp4"


@functools.cache
def filmed(name: str, first: int, count: int) -> Video:
    """Frames of a bundled clip as (count, 180, 320, 3)."""
    taken = itertools.islice(images(BUNDLED / name, 1, 1, "", "no"), first, first + count)
    return np.stack([np.asarray(Image.fromarray(shown.image).resize((320, 180))) for shown in taken])


def written(path: Path, frames: Video, crf: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(50), options={"crf": str(crf)})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    return path


def encoded(path: Path, frames: Video, crf: int) -> Video:
    return np.stack([shown.image for shown in images(written(path, frames, crf), 1, 1, "", "no")])


def repeats(frames: Video) -> list[int]:
    cells = [cells_of(frame) for frame in frames]
    return find_repeats([change(after, before) for before, after in itertools.pairwise(cells)])


def shots(frames: Video) -> list[tuple[int, int]]:
    return find_shots([thumbnail(cells_of(frame)) for frame in frames])


def noisy(frames: Video, seed: int = 0, sigma: float = 2) -> Video:
    noise = np.random.default_rng(seed).normal(0, sigma, frames.shape)
    return np.rint(frames + noise).clip(0, 255).astype(np.uint8)


def darkened(frames: Video, factor: float) -> Video:
    return np.rint(frames * np.float32(factor)).astype(np.uint8)


def dissolved(before: Video, after: Video, length: int) -> Video:
    share = (np.arange(1, length + 1) / (length + 1))[:, None, None, None]
    mixed = np.rint((1 - share) * before[-length:] + share * after[:length]).astype(np.uint8)
    return np.concatenate([before[:-length], mixed, after[length:]])


# --- copies


def mover(speed: float, count: int, colour: tuple[int, int, int] = (200, 200, 200)) -> Video:
    """A square of 12x12 pixels before a still background of 640x360."""
    background = np.random.default_rng(1).integers(60, 120, (9, 16, 3)).repeat(40, 0).repeat(40, 1)
    video = np.repeat(background[None].astype(np.float32), count, 0)
    for frame, left in zip(video, 20 + speed * np.arange(count), strict=True):
        columns = np.arange(640)
        covered = np.clip(np.minimum(columns + 1, left + 12) - np.maximum(columns, left), 0, 1)[None, :, None]
        frame[180:192] += covered * (np.array(colour) - frame[180:192])
    return np.rint(video).astype(np.uint8)


@pytest.mark.parametrize("noise", [0, 2])
@pytest.mark.parametrize("speed", [4, 1, 0.25])
def test_what_moves_is_no_copy_however_small_and_slow(speed: float, noise: int) -> None:
    assert repeats(noisy(mover(speed, 24), sigma=noise)) == []


def test_a_change_of_colour_alone_is_no_copy() -> None:
    """Of the background only green is as it was."""
    video = mover(1, 12)
    still = video[:1].repeat(12, 0)
    still[:, 180:192, :, 0::2] = video[:, 180:192, :, 0::2]
    assert repeats(still) == []


def test_a_small_mover_is_kept_when_it_is_encoded(tmp_path: Path) -> None:
    for speed, crf in ((1, 30), (0.25, 18)):
        assert repeats(encoded(tmp_path / "a.mp4", noisy(mover(speed, 24), sigma=1), crf)) == []


def test_slow_motion_and_its_end_are_kept() -> None:
    """It slows down from 2 pixels a frame to a quarter; between the last two frames nothing moves."""
    places = np.cumsum([2, 2, 1.5, 1.5, 1, 1, 0.75, 0.5, 0.5, 0.25, 0.25, 0])
    frames = np.concatenate([mover(float(place), 2)[1:] for place in places])
    assert repeats(frames) == [11]


@pytest.mark.parametrize("noise", [0, 2])
@pytest.mark.parametrize("crf", [18, 24, 30])
def test_frames_stored_twice_are_copies_after_encoding(tmp_path: Path, crf: int, noise: int) -> None:
    source = noisy(filmed(FAST, 30, 14), sigma=noise)
    assert repeats(encoded(tmp_path / "a.mp4", source.repeat(2, 0), crf)) == list(range(1, 28, 2))


@pytest.mark.parametrize("times", [(3,), (4,), (3, 2), (1, 1, 1, 2)])
def test_every_pattern_of_copies(tmp_path: Path, times: tuple[int, ...]) -> None:
    """Thrice, four times, and as cinema is shown on television."""
    source = filmed(FAST, 34, 12)
    counts = [times[i % len(times)] for i in range(12)]
    first = set(np.cumsum([0, *counts[:-1]]).tolist())
    frames = encoded(tmp_path / "a.mp4", source.repeat(counts, 0), 18)
    assert repeats(frames) == sorted(set(range(sum(counts))) - first)


def test_a_passage_without_movement_consists_of_copies_unless_there_is_noise() -> None:
    still = filmed(FAST, 30, 1).repeat(8, 0)
    assert repeats(still) == list(range(1, 8))
    assert repeats(noisy(still)) == []


def test_a_clip_with_too_few_distinct_frames_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    film = filmed(FAST, 20, 30)
    written(tmp_path / "train/good.mp4", film, 18)
    written(tmp_path / "train/still.mp4", film[:1].repeat(20, 0), 0)
    written(tmp_path / "test/test.mp4", film[::-1], 18)
    with caplog.at_level(logging.WARNING):
        Clips(root=str(tmp_path))
    assert (
        "clip still: its longest shot has 1 distinct frames, a training clip needs 3 (of its 20 frames 19 are copies"
        in caplog.text
    )


# --- cuts and dissolves


@pytest.mark.parametrize("factor", [1, 0.5, 0.25, 0.15])
def test_a_cut_is_found_at_every_brightness(factor: float) -> None:
    video = np.concatenate([filmed(FIRST, 0, 30), filmed(SECOND, 60, 20), filmed(FAST, 20, 26)])
    assert shots(darkened(video, factor)) == [(0, 29), (30, 49), (50, 75)]


@pytest.mark.parametrize("factor", [1, 0.15])
@pytest.mark.parametrize("length", [1, 4, 8, 16, 24])
def test_frames_of_a_dissolve_are_in_no_shot(length: int, factor: float) -> None:
    video = dissolved(filmed(FIRST, 0, 60), filmed(SECOND, 60, 60), length)
    (start, last), (first, end) = shots(darkened(video, factor))
    assert (start, end) == (0, len(video) - 1)
    spared = (length + 1) // 10  # those in which nearly all is of one side
    assert 60 - length - 16 <= last < 60 - length + spared
    assert 60 - spared <= first < 60 + 16


def test_no_triplet_crosses_or_enters_a_dissolve(tmp_path: Path) -> None:
    film = dissolved(filmed(FIRST, 0, 40), filmed(FAST, 60, 40), 8)
    written(tmp_path / "train/film.mp4", darkened(film, 0.25), 16)
    written(tmp_path / "test/test.mp4", filmed(SECOND, 0, 20), 16)
    spans = {(t.frames[0], t.frames[2]) for t in Clips(root=str(tmp_path)).train}
    assert len(spans) > 100
    assert {last < 32 or first >= 40 for first, last in spans} == {True}


def test_a_pan_is_one_shot() -> None:
    """Six pixels of a thumbnail in four frames, over a picture that has nothing twice."""
    coarse = np.random.default_rng(3).integers(0, 256, (12, 100, 3), np.uint8)
    wide = np.asarray(Image.fromarray(coarse).resize((2000, 180), Image.Resampling.BICUBIC))
    assert shots(np.stack([wide[:, 15 * i : 15 * i + 320] for i in range(60)])) == [(0, 59)]


@pytest.mark.parametrize("flash", [(20,), (20, 21), (20, 22, 24)])
def test_a_flash_is_no_cut(flash: tuple[int, ...]) -> None:
    video = filmed(FAST, 0, 40).copy()
    for at in flash:
        video[at] = np.rint(video[at] * 0.3 + 178).astype(np.uint8)
    assert shots(video) == [(0, 39)]


def test_a_change_of_exposure_is_no_dissolve() -> None:
    gains = np.clip(np.linspace(2, -1, 50), 0.3, 1)[:, None, None, None]
    assert shots(np.rint(filmed(FIRST, 0, 50) * gains).astype(np.uint8)) == [(0, 49)]


def test_explosions_and_jumps_of_the_camera_are_no_cuts() -> None:
    """A car fills the picture and leaves dust; its shadow alters the exposure. A hand-held camera jumps."""
    assert shots(filmed("cockatoo.mp4", 120, 60)) == [(0, 59)]


# --- harness data shots


def test_the_command_prints_and_draws_every_passage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    film = dissolved(filmed(FIRST, 0, 40), filmed(FAST, 20, 40), 8)
    frames = np.concatenate([film[:10], film[9:10], film[10:]])
    path = written(tmp_path / "film.mp4", frames, 0)
    done = CliRunner().invoke(data, ["shots", str(path), "-o", str(tmp_path / "sheet.png")])
    assert done.exit_code == 0
    first, dissolve, second, name = done.output.splitlines()
    decoded = decode(path, sha256_of(path))
    (_, a), (b, _) = decoded.shots
    assert decoded.repeats == (10,)
    assert first == f"shot 1: frames 0 to {a}, {a} distinct, copies: 10"
    assert dissolve == f"dissolve, in no shot: frames {a + 1} to {b - 1}, {b - a - 1} distinct"
    assert second == f"shot 2: frames {b} to 72, {73 - b} distinct"
    with Image.open(name) as sheet:
        assert sheet.size[0] > 3 * 240
        colours = {colour for _, colour in sheet.getcolors(1 << 20) or []}  # type: ignore[misc]
        assert {(90, 140, 200), (240, 160, 40), (200, 60, 60)} <= colours


def test_the_command_takes_a_folder_of_numbered_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    frames = filmed(FIRST, 0, 6)
    for number, frame in enumerate([*frames[:3], *frames[2:]]):
        Image.fromarray(frame).save(tmp_path / f"{number}.png")
    done = CliRunner().invoke(data, ["shots", str(tmp_path)])
    assert done.output == "shot 1: frames 0 to 6, 6 distinct, copies: 3\n"
    done = CliRunner().invoke(data, ["shots", str(tmp_path.parent)])
    assert "holds no numbered images that are one video" in str(done.exception)


def test_the_command_takes_an_interlaced_video_as_the_benchmark_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says how in its own words."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    path = interlaced(tmp_path / "film.mp4")
    done = CliRunner().invoke(data, ["shots", str(path)])
    assert "frame 0 is interlaced; deinterlace it by --deinterlace yadif, or" in str(done.exception)
    done = CliRunner().invoke(data, ["shots", str(path), "--deinterlace", "yadif"])
    assert done.output == "shot 1: frames 0 to 19, 20 distinct\n"


def test_a_device_is_refused_before_it_is_read() -> None:
    """One like /dev/zero never ends."""
    done = CliRunner().invoke(data, ["shots", "/dev/null"])
    assert "/dev/null: is a device, a pipe or a socket; give a file" in str(done.exception)


def test_a_sheet_of_another_kind_is_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    done = CliRunner().invoke(data, ["shots", str(BUNDLED / FIRST), "-o", str(tmp_path / "sheet.gif")])
    assert "a contact sheet is written as png" in str(done.exception)
    assert done.output == ""
