"""Time stamps of footage: what is even, what is the middle, and which triplets are left out and named."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data.framecache import decode
from harness.data.sets.clips import LEVELS, Clips
from harness.data.times import TOLERANCE, tell, time_step, times_of
from harness.errors import HarnessError
from tests.test_clips import HEADER, content, manifest, scene, write

FEW = settings(max_examples=40, deadline=None)
RATES = st.sampled_from(
    [Fraction(r) for r in (10, 24, 25, 30, 50, 60)] + [Fraction(n * 1000, 1001) for n in (24, 30, 60)]
)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def stamped(
    path: Path, frames: NDArray[np.uint8], ticks: Sequence[int], base: Fraction, codec: str = "libx264", **options: str
) -> Path:
    """A video of which each frame has the time stamp given, in units of `base`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=Fraction(25), options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.time_base = stream.codec_context.time_base = base
        for rgb, tick in zip(frames, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = tick, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """All warnings, but for those of colours."""
    lines = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    return sorted(line for line in lines if "colour matrix" not in line)


def moving(seed: int, ticks: Sequence[int]) -> NDArray[np.uint8]:
    """At constant speed, captured at the ticks."""
    return scene(seed, max(ticks) + 1)[list(ticks)]


def true_t(file: Path, frames: tuple[int, int, int]) -> Fraction:
    """By the stamps of the file."""
    with av.open(str(file)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    first, middle, last = (times[number] for number in frames)
    return Fraction(middle - first, last - first)


# --- numbers


@FEW
@given(RATES, st.sampled_from([1000, 90_000, 12_288, 600]), st.integers(0, 10**6), st.integers(2, 100), st.booleans())
def test_stamps_that_a_container_rounded_are_even(rate: Fraction, base: int, start: int, count: int, cut: bool) -> None:
    exact = [start + i * base / rate for i in range(count)]
    stamps = [int(each) if cut else round(each) for each in exact]
    assert times_of(stamps) == tuple(range(count))


@FEW
@given(RATES, st.integers(0, 10**6), st.integers(2, 100))
def test_also_those_that_two_containers_rounded(rate: Fraction, start: int, count: int) -> None:
    stamps = [round(Fraction(int(start + i * 90_000 / rate), 90)) for i in range(count)]
    assert times_of(stamps) == tuple(range(count))


@FEW
@given(RATES, st.sampled_from([1000, 90_000, None]), st.integers(3, 60), st.data())
def test_a_lost_frame_is_never_rounding(rate: Fraction, base: int | None, count: int, data: st.DataObject) -> None:
    """Also where a tick is as long as a frame, as in AVI."""
    lost = data.draw(st.integers(1, count - 1))
    numbers = [i for i in range(count + 1) if i != lost]
    stamps = [round(number * (base / rate if base else 1)) for number in numbers]
    assert times_of(stamps) == tuple(stamps)
    for distance in range(1, 9):
        for i in range(distance, count - distance):
            three = numbers[i - distance], numbers[i], numbers[i + distance]
            is_middle = three[0] + three[2] == 2 * three[1]
            assert (time_step(*(stamps[numbers.index(number)] for number in three)) == Fraction(1, 2)) == is_middle


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 10**6))
def test_t_is_exact_but_close_to_the_middle(start: int, before: int, after: int) -> None:
    exact, t = Fraction(before, before + after), time_step(start, start + before, start + before + after)
    assert t == (Fraction(1, 2) if abs(exact - Fraction(1, 2)) <= TOLERANCE else exact)


def test_t_is_the_same_backwards_and_nowhere_between_equal_times() -> None:
    assert time_step(1000, 500, 1) == time_step(1, 500, 1000) == Fraction(1, 2)
    assert time_step(1000, 300, 0) == Fraction(7, 10)
    with pytest.raises(ZeroDivisionError):
        time_step(5, 5, 5)


@pytest.mark.parametrize("stamps", [[None] * 4, [0, None, 2, 3], [0, 1, 1, 2], [5, 6, 0, 1]])
def test_stamps_that_tell_nothing_are_even(stamps: list[int | None]) -> None:
    assert not tell(stamps)
    assert times_of(stamps) == (0, 1, 2, 3)


# --- footage


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [
        (".mkv", "libx264", Fraction(30000, 1001)),
        (".mp4", "libx264", Fraction(24000, 1001)),
        (".ts", "libx264", Fraction(60000, 1001)),
        (".avi", "mpeg4", Fraction(25)),
        (".mpg", "mpeg2video", Fraction(25)),
        (".h264", "libx264", Fraction(25)),
    ],
)
def test_even_footage_is_even_in_every_container(tmp_path: Path, suffix: str, codec: str, rate: Fraction) -> None:
    file = stamped(tmp_path / f"a{suffix}", scene(1, 40), range(40), 1 / rate, codec)
    assert times_of(decode(file, content(file)).stamps) == tuple(range(40))


def test_each_stamp_is_kept_as_it_is(tmp_path: Path) -> None:
    ticks = [0, 40, 77, 120, 161, 400, 403]
    file = stamped(tmp_path / "a.mkv", scene(1, 7), ticks, Fraction(1, 1000))
    assert decode(file, content(file)).stamps == tuple(ticks)
    assert decode(file, content(file)).stamps == tuple(ticks)  # from the cache
    assert decode(file, content(file), frame_step=3).stamps == (0, 120, 403)


def test_of_lost_frames_only_true_middles_are_taken_and_the_rest_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every fourth capture is lost, as by phones in dim light."""
    ticks = [tick for tick in range(60) if tick % 4 != 3]
    for seed, name in enumerate(("train/a", "test/b")):
        stamped(tmp_path / f"{name}.mp4", moving(seed, ticks), ticks, Fraction(1, 30))
    benchmark = Clips(root=str(tmp_path))
    for split, name in ((benchmark.train, "train/a"), (benchmark.test, "test/b")):
        assert {true_t(tmp_path / f"{name}.mp4", each.frames) for each in split[:: len(split) // 20]} == {
            Fraction(1, 2)
        }
        assert {each.t for each in split} == {0.5}
    assert {level: len([t for t in benchmark.test if t.level == level]) for level in LEVELS} == dict.fromkeys(LEVELS, 9)
    lines = said(caplog)
    possible = [ticks[c - d : c + d + 1] for d in range(1, 9) for c in range(d, 45 - d)]
    out = sum(three[0] + three[-1] != 2 * three[len(three) // 2] for three in possible)
    assert len(lines) == 2
    assert lines[0].startswith(f"clip a: {out} of {len(possible)} triplets are left out: by time stamps, t is not 1/2")
    assert "but up to 0.167 off (more than 0.02)" in lines[0]
    assert lines[1].startswith("clip b: 20 of 29 centre frames are left out")


def test_jitter_of_a_millisecond_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ticks = [400 * i + 12 * (i % 2) for i in range(40)]
    for seed, name in enumerate(("train/a", "test/b")):
        stamped(tmp_path / f"{name}.mp4", scene(seed, 40), ticks, Fraction(1, 10_000))
    benchmark = Clips(root=str(tmp_path))
    assert len(benchmark.train) == sum(40 - 2 * gap for gap in range(1, 9))
    assert not said(caplog)


def test_pulldown_goes_by_time(tmp_path: Path) -> None:
    """24 frames a second shown as 60: each twice or three times. Without the repeats, neighbours are 2 and 3 apart."""
    shown = [0, 2, 5, 7] + [10 * i + j for i in range(1, 10) for j in (0, 2, 5, 7)]
    stored = [sum(tick >= each for each in shown) - 1 for tick in range(100)]
    for seed, name in enumerate(("train/a", "test/b")):
        write(tmp_path / f"{name}.mkv", scene(seed, 40, speed=4)[stored], "ffv1", "bgr0")
    with pytest.raises(HarnessError, match="clip b: none of its 24 frames is the middle, by time stamps, at gaps of 2"):
        Clips(root=str(tmp_path))
    manifest(tmp_path, **{"test/b_mkv": {"times": "even"}})
    benchmark = Clips(root=str(tmp_path), gaps="1-2")
    assert {t.frames[1] - t.frames[0] for t in benchmark.train} == {5}
    assert {t.frames[2] - t.frames[1] for t in benchmark.train} == {5}
    assert {t.t for t in benchmark.test} == {0.5}
    assert next(t.frames for t in benchmark.test if t.level == "easy") == (17, 20, 22)


def test_a_list_gets_t_from_the_stamps(tmp_path: Path) -> None:
    ticks = [0, 1, 2, 4, 5, 9, 10, 11]
    file = stamped(tmp_path / "a.mp4", moving(1, ticks), ticks, Fraction(1, 30))
    (tmp_path / "list.csv").write_text(HEADER + "x,a,0,2,3,\nx,a,0,1,5,\nx,a,2,3,6,\nx,a,0,1,2,\n")
    benchmark = Clips(root=str(tmp_path), list="list.csv")
    assert [Fraction(t.t).limit_denominator(20) for t in benchmark.test] == [
        true_t(file, t.frames) for t in benchmark.test
    ]
    assert [t.t for t in benchmark.test] == [0.5, 1 / 9, 0.25, 0.5]
    manifest(tmp_path, a_mp4={"times": "even"})
    assert [t.t for t in Clips(root=str(tmp_path), list="list.csv").test] == [2 / 3, 0.2, 0.25, 0.5]


@pytest.mark.parametrize("frames", ["4,5,8", "3,4,5", "4,5,6"])
def test_a_list_that_names_a_frame_and_its_copy_is_refused(frames: str, tmp_path: Path) -> None:
    """Where copies take no time; also one that names a frame and two of its copies."""
    stored = [*range(5), 4, 4, *range(5, 12)]
    write(tmp_path / "a.mkv", scene(1, 12)[stored], "ffv1", "bgr0")
    manifest(tmp_path, a_mkv={"times": "even"})
    (tmp_path / "list.csv").write_text(HEADER + f"x,a,{frames},\n")
    with pytest.raises(HarnessError, match=r"list\.csv:2: one of frames .* of a repeats another"):
        Clips(root=str(tmp_path), list="list.csv")


def test_where_no_training_triplet_has_a_middle_the_error_says_so(tmp_path: Path) -> None:
    ticks = [i + i // 2 for i in range(20)]
    stamped(tmp_path / "train/a.mp4", moving(1, ticks), ticks, Fraction(1, 30))
    write(tmp_path / "test/b.mp4", scene(2, 20))
    with pytest.raises(HarnessError, match=r"no training triplet has its middle frame in the middle; .*times: even"):
        Clips(root=str(tmp_path), gaps="1")


def test_stamps_that_go_back_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two recordings, one after the other in one stream."""
    parts = [
        stamped(tmp_path / f"{i}.mpg", scene(i, 20), range(20), Fraction(1, 25), "mpeg2video").read_bytes()
        for i in range(2)
    ]
    for i in range(2):
        (tmp_path / f"{i}.mpg").unlink()
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.mpg").write_bytes(b"".join(parts))
    write(tmp_path / "test/b.mp4", scene(2, 20))
    benchmark = Clips(root=str(tmp_path), gaps="1")
    assert {t.t for t in benchmark.train} == {0.5}
    assert said(caplog) == ["clip a: its time stamps are missing or go back; its frames are taken for evenly spaced"]
