"""Pictures as players show them: the right way up, whole, from the right stream, in the colours that are stated."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from harness.data.framecache import decode
from harness.data.sets.clips import Clips
from harness.errors import HarnessError
from tests.test_clips import all_of, content, manifest, scene, write, write_exact

ONE = 1 << 16


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def made(
    path: Path,
    frames: NDArray[np.uint8],
    codec: str = "ffv1",
    pix_fmt: str = "bgr0",
    *,
    display: Sequence[int] = (),
    tags: dict[str, int] | None = None,
    matrix: int | None = None,
    **options: str,
) -> Path:
    """A video; `display` its display matrix, `tags` what is stated of its colours, `matrix` how they are made."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pix_fmt
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if display:
            stream.set_display_matrix(list(display))
        for each in frames:
            frame = av.VideoFrame.from_ndarray(each, format="rgb24")
            if matrix:
                frame = frame.reformat(format=pix_fmt, dst_colorspace=matrix)
                for name, value in {"colorspace": 2, **(tags or {})}.items():
                    setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def shown(file: Path, **how: Any) -> NDArray[np.uint8]:
    return all_of(decode(file, content(file), 1.0, **how))


# --- the way up

EIGHT: dict[str, tuple[Callable[[NDArray[np.uint8]], NDArray[np.uint8]], tuple[int, int, int, int]]] = {
    "as stored": (lambda image: image, (1, 0, 0, 1)),
    "a quarter to the right": (lambda image: np.rot90(image, -1), (0, 1, -1, 0)),
    "upside down": (lambda image: np.rot90(image, 2), (-1, 0, 0, -1)),
    "a quarter to the left": (lambda image: np.rot90(image), (0, -1, 1, 0)),
    "mirrored": (np.fliplr, (-1, 0, 0, 1)),
    "mirrored, and upside down": (np.flipud, (1, 0, 0, -1)),
    "mirrored along one diagonal": (lambda image: image.swapaxes(0, 1), (0, 1, 1, 0)),
    "mirrored along the other": (lambda image: np.rot90(image, 2).swapaxes(0, 1), (0, -1, -1, 0)),
}
"""How a frame is shown, and a, b, c, d of the matrix: a pixel (x, y) at (a * x + c * y, b * x + d * y)."""


@pytest.mark.parametrize("way", EIGHT)
def test_frames_are_upright(tmp_path: Path, way: str) -> None:
    turned, (a, b, c, d) = EIGHT[way]
    frames = scene(1, 2, height=32, width=48)
    display = (a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    file = made(tmp_path / "a.mp4", frames, "libx264rgb", "bgr0", display=display, qp="0")
    np.testing.assert_array_equal(shown(file), np.stack([turned(frame) for frame in frames]))


@pytest.mark.parametrize("degrees", [90.0, 180.0, -90.0])
def test_turns_of_a_phone_are_those_that_ffmpeg_means(tmp_path: Path, degrees: float) -> None:
    """Against FFmpeg's own making of the matrix, which turns counterclockwise."""
    frames = scene(1, 2, height=32, width=48)
    file = tmp_path / "a.mov"
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream("libx264rgb", rate=25, options={"qp": "0"})
        stream.height, stream.width, stream.pix_fmt = 32, 48, "bgr0"
        stream.set_display_rotation(degrees)
        for each in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24")))
        container.mux(stream.encode())
    with av.open(str(file)) as container:
        counterclockwise = next(container.decode(video=0)).rotation
    np.testing.assert_array_equal(shown(file), np.stack([np.rot90(frame, counterclockwise // 90) for frame in frames]))


def test_a_turn_by_no_right_angle_is_refused(tmp_path: Path) -> None:
    display = (56756, 32768, 0, -32768, 56756, 0, 0, 0, 1 << 30)
    file = made(tmp_path / "a.mp4", scene(1, 2), "libx264rgb", "bgr0", display=display)
    with pytest.raises(HarnessError, match=r"a\.mp4: is shown turned by no right angle"):
        shown(file)


# --- the stream


def several(path: Path, *parts: tuple[NDArray[np.uint8], str, str, Any]) -> Path:
    """A file of several streams of video: frames, codec, pixel format and disposition of each."""
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for frames, codec, pix_fmt, disposition in parts:
            stream: Any = container.add_stream(codec, rate=25)
            stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pix_fmt
            if disposition is not None:
                stream.disposition = disposition
            streams.append(stream)
        for stream, (frames, *_) in zip(streams, parts, strict=True):
            for each in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24")))
            container.mux(stream.encode())
    return path


def test_a_cover_is_not_the_video(tmp_path: Path) -> None:
    """Also where it is the first stream, as taggers leave it, and larger."""
    cover, frames = scene(0, 1, height=128, width=160), scene(1, 5)
    file = several(
        tmp_path / "a.mp4",
        (frames, "libx264", "yuv420p", None),
        (cover, "png", "rgb24", av.stream.Disposition.attached_pic),
    )
    data = file.read_bytes()
    moov, trak, udta = (data.rindex(name) - 4 for name in (b"moov", b"trak", b"udta"))  # the last runs to the end
    assert moov + struct.unpack(">I", data[moov : moov + 4])[0] == len(data)
    file.write_bytes(data[:trak] + data[udta:] + data[trak:udta])
    with av.open(str(file)) as container:
        assert container.streams.video[0].codec_context.name == "png"
    assert shown(file).shape == frames.shape


def test_of_several_videos_it_is_the_one_that_ffmpeg_chooses(tmp_path: Path) -> None:
    marked = av.stream.Disposition.default
    for name, first, second in (("a", None, marked), ("b", marked, None)):
        file = several(
            tmp_path / f"{name}.mkv",
            (scene(0, 5), "libx264", "yuv420p", first or av.stream.Disposition(0)),
            (scene(1, 5, height=32, width=48), "libx264", "yuv420p", second or av.stream.Disposition(0)),
        )
        with av.open(str(file)) as container:
            best: Any = container.streams.best("video")
            size = best.height, best.width
        assert shown(file).shape[1:3] == size


# --- whole frames


def combing(frames: NDArray[np.uint8]) -> float:
    """Differences of neighbouring rows over those of every second: far above 1 where two times are interleaved."""
    values = frames.astype(int)
    return float(np.abs(np.diff(values, axis=1)).mean() / np.abs(values[:, 2:] - values[:, :-2]).mean())


def interlaced(path: Path) -> Path:
    fields = scene(1, 40, speed=4)
    frames = fields[::2].copy()
    frames[:, 1::2] = fields[1::2, 1::2]
    return write(path, frames, qp="0", **{"x264-params": "interlaced=1:tff=1"})


def test_interlaced_video_is_refused_or_made_whole(tmp_path: Path) -> None:
    file = interlaced(tmp_path / "train/a.mp4")
    write(tmp_path / "test/b.mp4", scene(2, 20))
    with pytest.raises(HarnessError, match=r"a\.mp4: frame 0 is interlaced; .*clips:deinterlace=yadif.*setfield=prog"):
        Clips(root=str(tmp_path))
    benchmark = Clips(root=str(tmp_path), deinterlace="yadif")
    clip = benchmark._clips["a"]
    assert clip.times == tuple(range(20))
    whole = scene(1, 40, speed=4)[::2]
    assert combing(whole) < 1.1
    assert combing(all_of(clip.decoded)) < 1.2
    assert clip.decoded.source.key() != decode(file, content(file), deinterlace="yadif", scale=1.0).source.key()


def test_deinterlacing_leaves_whole_frames_as_they_are(tmp_path: Path) -> None:
    file = write(tmp_path / "a.mp4", scene(1, 10))
    for step in (1, 3):
        plain, filtered = (decode(file, content(file), 1.0, step, deinterlace=how) for how in ("no", "yadif"))
        assert plain.file != filtered.file
        assert (plain.sums, plain.stamps) == (filtered.sums, filtered.stamps)


def test_deinterlacing_keeps_colours_and_the_way_up(tmp_path: Path) -> None:
    display = (0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30)
    frames = scene(1, 4)
    file = made(
        tmp_path / "a.mp4", frames, "libx264", "yuv444p", display=display, tags={"colorspace": 1}, matrix=1, qp="0"
    )
    np.testing.assert_array_equal(shown(file), shown(file, deinterlace="yadif"))


# --- pixels


def test_pixels_that_are_not_square_stay_as_stored(tmp_path: Path) -> None:
    file = write(tmp_path / "a.mp4", scene(1, 3))
    with av.open(str(file)) as container, av.open(str(tmp_path / "wide.mkv"), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for frame in container.decode(video=0):
            out.mux(stream.encode(frame.reformat()))
        out.mux(stream.encode())
    with av.open(str(tmp_path / "wide.mkv")) as container:
        assert container.streams.video[0].sample_aspect_ratio == 2
    assert shown(tmp_path / "wide.mkv").shape == (3, 64, 96, 3)


def test_what_the_stream_crops_is_cropped(tmp_path: Path) -> None:
    """H.264 stores blocks of 16 pixels."""
    frames = scene(1, 3, height=40, width=56)[:, :38, :54]
    np.testing.assert_array_equal(shown(made(tmp_path / "a.mp4", frames, "libx264rgb", "bgr0", qp="0")), frames)


def test_transparency_is_dropped(tmp_path: Path) -> None:
    frames = scene(1, 3)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "bgra"
        for each in frames:
            clear = np.concatenate([each, np.zeros_like(each[..., :1])], axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(clear, format="rgba")))
        container.mux(stream.encode())
    np.testing.assert_array_equal(shown(tmp_path / "a.mkv"), frames)


# --- colours


def error(file: Path, frames: NDArray[np.uint8], **how: Any) -> float:
    return float(np.abs(shown(file, **how).astype(int) - frames).mean())


def flat(height: int) -> NDArray[np.uint8]:
    """Patches of 16 pixels: what encoding does at edges is little."""
    return np.random.default_rng(0).integers(40, 216, (2, height // 16, 4, 3), np.uint8).repeat(16, 1).repeat(16, 2)


STATED = {"bt709": 1, "bt601": 6, "bt2020": 9}


@pytest.mark.parametrize("matrix", STATED)
def test_stated_colours_are_right_whatever_the_size(tmp_path: Path, matrix: str) -> None:
    for height in (64, 720):
        frames, number = flat(height), STATED[matrix]
        file = made(tmp_path / f"{height}.mkv", frames, "ffv1", "yuv444p", matrix=number, tags={"colorspace": number})
        assert error(file, frames) < 1
        assert not decode(file, content(file), 1.0).unstated


@pytest.mark.parametrize(
    ("pixels", "height"),
    [(pixels, 64) for pixels in ("yuv420p10le", "yuv422p10le", "yuv420p12le", "yuv444p10le", "yuv411p", "yuv444p")]
    + [("yuv420p", 63), ("yuv420p10le", 63)],
)
def test_greys_are_right_in_every_layout(tmp_path: Path, pixels: str, height: int) -> None:
    """FFmpeg's own default makes 253 of white, but for the layout that is usual."""
    greys = np.repeat(np.tile(np.arange(256, dtype=np.uint8), (height, 1))[None, ..., None], 3, 3)
    file = made(tmp_path / "a.mkv", greys, "ffv1", pixels, tags={"colorspace": 1, "color_range": 1}, matrix=1)
    assert np.abs(shown(file).astype(int) - greys).max() <= 1


@pytest.mark.parametrize(("height", "true"), [(704, "bt601"), (720, "bt709")])
def test_colours_that_are_not_stated_go_by_the_size_as_in_players(tmp_path: Path, height: int, true: str) -> None:
    frames = flat(height)
    for matrix in ("bt601", "bt709"):
        file = made(tmp_path / f"{matrix}.mkv", frames, "ffv1", "yuv444p", matrix=STATED[matrix])
        assert (error(file, frames) < 1) == (matrix == true)
        assert error(file, frames, matrix=matrix) < 1
        assert decode(file, content(file), 1.0).unstated


def test_a_stated_matrix_goes_before_a_tag_that_lies(tmp_path: Path) -> None:
    frames = flat(64)
    file = made(tmp_path / "a.mkv", frames, "ffv1", "yuv444p", matrix=1, tags={"colorspace": 6})
    assert error(file, frames) > 3
    assert error(file, frames, matrix="bt709") < 1


def test_what_states_no_colours_is_said_once_with_all_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i, name in enumerate(("train/a", "train/b", "test/c")):
        write(tmp_path / f"{name}.mp4", scene(i, 20))
    write_exact(tmp_path / "train/rgb", scene(4, 20))
    Clips(root=str(tmp_path))
    (said,) = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert said.startswith(
        "3 clips state no colour matrix: taken for BT.601 below 720 lines, else for BT.709 (c, a, b)"
    )
    caplog.clear()
    manifest(tmp_path, **{name: {"matrix": "bt601"} for name in ("train/a_mp4", "train/b_mp4", "test/c_mp4")})
    Clips(root=str(tmp_path))
    assert not caplog.records


@pytest.mark.parametrize(("transfer", "kind"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused_in_words(tmp_path: Path, transfer: int, kind: str) -> None:
    file = made(
        tmp_path / "a.mp4",
        scene(1, 3),
        "libx264",
        "yuv420p10le",
        tags={"color_trc": transfer, "color_primaries": 9, "colorspace": 9},
    )
    with pytest.raises(HarnessError, match=rf"a\.mp4: is HDR \({kind}\), .*tone-map it to BT\.709 first"):
        shown(file)


def test_a_matrix_that_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    file = made(tmp_path / "a.mp4", scene(1, 3), "libx264", "yuv444p", tags={"colorspace": 8})
    with pytest.raises(HarnessError, match=r"a\.mp4: its colour matrix \(H\.273: 8\) cannot be converted"):
        shown(file)
    assert shown(file, matrix="bt709").shape == (3, 64, 96, 3)
