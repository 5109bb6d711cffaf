"""`harness interpolate` and `harness compare`: what a network gets and what comes out, whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import sys
import weakref
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import safetensors.torch
import torch
import vfi_own
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

import harness
from harness.cli.main import main
from harness.data.picture import way_up
from harness.errors import HarnessError
from harness.evaluate.protocol import mean_of_frames, predictor
from harness.files import remove_abandoned
from harness.interpolate import footage as footages
from harness.interpolate import making, writing
from harness.interpolate import network as networks
from harness.interpolate.compare import Triplet, compare, triplets
from harness.interpolate.footage import Footage, Look, look_through
from harness.interpolate.making import Asked, interpolate, plan
from harness.interpolate.network import Between, Network
from harness.interpolate.plan import Wanted
from harness.interpolate.threads import AHEAD, Behind, ahead
from harness.interpolate.tiles import places, tiled
from harness.interpolate.writing import Output
from harness.masks.cache import MaskCache
from harness.masks.source import MaskSource
from harness.metrics.given import Predicted
from harness.model import Baseline, Composed, Features, Frames, MotionPrior, Prediction
from harness.registry.catalog import catalog
from harness.registry.protocol import Protocol
from harness.results.store import Store
from harness.train.engine import Engine
from tests.stores import COST
from tests.test_clips import scene, write, write_exact
from tests.test_picture import interlaced
from tests.test_picture import made as picture

Images = NDArray[np.uint8]
CPU = torch.device("cpu")
TONE = 48_000


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)


def mean(times: str = "any", inputs: int = 2, predict: Any = mean_of_frames, trained: str = "any") -> Network:
    """A network that is none: exact, and as fast as can be."""
    baseline = SimpleNamespace(name="mean")
    arm: Any = SimpleNamespace(baseline=baseline, middle_only=times == "middle", inputs=inputs)
    return Network("mean", arm, predict, None, CPU, rounding=False, times=trained)


def made(source: Path, out: Path, asked: Asked | None = None, network: Network | None = None, **how: Any) -> Footage:
    """Interpolated as the command does it, by the mean of two frames."""
    network = network or mean()
    output = Output.of(str(out), how.pop("codec", ""))
    footage = look_through(source, "no", how.pop("source_fps", None))
    planned = plan(footage, asked or Asked(), network, output.as_images)
    interpolate(footage, planned, network, output, lambda count: None, **how)
    return footage


def images(folder: Path, frames: Sequence[Images], first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, start=first):
        Image.fromarray(frame).save(folder / f"{number:03d}.png")
    return folder


def of_folder(folder: Path) -> Images:
    return np.stack([np.asarray(Image.open(file)) for file in sorted(folder.iterdir())])


def decoded(video: Path) -> tuple[Images, list[Fraction]]:
    with av.open(str(video)) as container:
        frames = list(container.decode(video=0))
        return np.stack([f.to_ndarray(format="rgb24") for f in frames]), [f.pts * f.time_base for f in frames]


def halfway(first: Images, last: Images) -> Images:
    """What `mean` makes of two."""
    sums = first.astype(np.float32) / 255 * 0.5 + last.astype(np.float32) / 255 * 0.5
    return (sums * 255).round().astype(np.uint8)


def weights_in(folder: Path, plugins: str = "") -> Path:
    """Of no use, but of a network with all of its parts at work."""
    model = harness.load("ifrnet-s", plugins=tuple(filter(None, [plugins])))
    generator = torch.Generator().manual_seed(1)
    state = {
        name: value + 0.01 * torch.randn(value.shape, generator=generator) for name, value in model.state_dict().items()
    }
    safetensors.torch.save_file(state, folder / "w")
    return folder / "w"


def left_behind(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if ".tmp" in each.name or "out" in each.name)


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    out, err = capsys.readouterr()
    return int(exit_.value.code or 0), out + err


# --- what a network gets


@pytest.mark.parametrize("plugins", ["", "hce"])
def test_a_frame_is_that_of_eval_bit_for_bit(
    plugins: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of lossless frames whose sides the network does not take as they are; with label maps where a plug-in needs
    them."""
    frames = scene(1, 3, speed=1, height=56, width=88)
    images(tmp_path / "videos/clip", frames)
    images(tmp_path / "videos/other", scene(2, 3))
    images(tmp_path / "two", frames[::2])
    (tmp_path / "videos/list.csv").write_text("level,clip,frame0,frame_gt,frame1\nonly,clip,0,1,2\n")
    weights = ("--baseline", "ifrnet-s", "--weights", weights_in(tmp_path, plugins))
    weights += ("--with", plugins) if plugins else ()
    seen: list[Predicted] = []

    def watched(*given: Any) -> Callable[..., Predicted]:
        predict = predictor(*given)

        def run(*what: Any) -> Predicted:
            seen.append(predict(*what))
            return seen[-1]

        return run

    monkeypatch.setattr("harness.pair.given.predictor", watched)
    monkeypatch.setattr("harness.pair.given.cost_of", lambda arm, model: COST)
    data = f"clips:root={tmp_path / 'videos'},list=list.csv,half=false,gaps=1"
    command = ("eval", *weights, "--data", data, "--metrics", "psnr", "--results", tmp_path / "results")
    code, said = call(monkeypatch, capsys, *command)
    assert code == 0, said
    code, said = call(monkeypatch, capsys, "interpolate", tmp_path / "two", "-o", tmp_path / "out", *weights)
    assert code == 0, said
    (evaluated,) = seen
    found = of_folder(tmp_path / "out")
    np.testing.assert_array_equal(found[::2], frames[::2])
    np.testing.assert_array_equal(found[1], networks.rounded(evaluated.frame))
    assert len(np.unique(found[1])) > 9


def test_compare_measures_as_eval_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images(tmp_path / "videos/clip", scene(1, 3, speed=1))
    images(tmp_path / "videos/other", scene(2, 3))
    (tmp_path / "videos/list.csv").write_text("level,clip,frame0,frame_gt,frame1\nonly,clip,0,1,2\n")
    monkeypatch.setattr("harness.pair.given.cost_of", lambda arm, model: COST)
    data = f"clips:root={tmp_path / 'videos'},list=list.csv,half=false,gaps=1"
    weights = weights_in(tmp_path)
    command = ("eval", "--baseline", "ifrnet-s", "--weights", weights, "--data", data, "--metrics", "psnr")
    code, said = call(monkeypatch, capsys, *command, "--results", tmp_path / "results")
    assert code == 0, said
    (rows,) = (tmp_path / "results/evaluations").glob("ifrnet-s.*.csv")
    header, row = (line.split(",") for line in rows.read_text().splitlines()[:2])
    of_eval = float(dict(zip(header, row, strict=True))["psnr"])
    out = tmp_path / "out.mkv"
    runs = ("--runs", f"{weights},{weights}", "--baseline", "ifrnet-s", "--codec", "ffv1")
    code, said = call(monkeypatch, capsys, "compare", tmp_path / "videos/clip", *runs, "-o", out)
    assert code == 0, said
    assert said.splitlines() == [f"ifrnet-s (w): {of_eval:.2f} dB, the mean of 1 frames"] * 2 + [f"{out}: 3 frames"]
    shown, _ = decoded(out)
    assert shown.shape == (3, 64, 192, 3)
    np.testing.assert_array_equal(shown[1, 24:, :96], shown[1, 24:, 96:])
    np.testing.assert_array_equal(shown[::2, 24:, :96], scene(1, 3, speed=1)[::2, 24:])
    assert (shown[1, 24:, :96] != scene(1, 3, speed=1)[1, 24:]).any()


# --- what a video keeps


def film(
    path: Path,
    frames: Images,
    rate: Fraction = Fraction(25),
    *,
    stamps: Sequence[int] = (),
    sound: str = "",
    late: int = 0,
    display: Sequence[int] = (),
    aspect: Fraction | None = None,
    tags: dict[str, int] | None = None,
    codec: str = "libx264",
) -> Path:
    """A video, with a tone as long; `stamps` in thousandths of a second, all of them `late` by so many frames."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, 1000) if len(stamps) else 1 / rate
        if aspect:
            context.sample_aspect_ratio = aspect
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        if display:
            stream.set_display_matrix(list(display))
        tone: Any = container.add_stream(sound, rate=TONE) if sound else None
        if tone:
            tone.bit_rate = 96_000
        for count, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if tags:
                frame = frame.reformat(
                    format="yuv420p", dst_colorspace=tags["colorspace"], dst_color_range=tags["color_range"]
                )
                for name, value in tags.items():
                    setattr(frame, name, value)
            frame.pts, frame.time_base = stamps[count] if len(stamps) else count + late, context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound:
            length = int(TONE * len(frames) / rate)
            wave = (0.3 * np.sin(np.arange(length) / 20)).astype(np.float32)
            for at in range(0, length, 1024):
                part = av.AudioFrame.from_ndarray(wave[None, at : at + 1024], format="fltp", layout="mono")
                part.sample_rate, part.pts, part.time_base = TONE, at, Fraction(1, TONE)
                container.mux(tone.encode(part))
            container.mux(tone.encode())
    return path


def heard(video: Path) -> tuple[list[bytes], Fraction, Fraction]:
    """Packets of sound, and when they begin and end."""
    with av.open(str(video)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.pts is not None]
    ends = packets[-1].pts + (packets[-1].duration or 0)
    return [bytes(packet) for packet in packets], packets[0].pts * packets[0].time_base, ends * packets[0].time_base


NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("times", [2, 4])
def test_times_are_exact_and_sound_is_copied(tmp_path: Path, suffix: str, times: int) -> None:
    source = film(tmp_path / f"in{suffix}", scene(1, 9), NTSC, sound="aac")
    footage = made(source, tmp_path / f"out{suffix}", Asked(times=times))
    assert footage.shown == tuple(i / NTSC for i in range(9))
    assert footage.end == 9 / NTSC
    frames, at = decoded(tmp_path / f"out{suffix}")
    exact = [Fraction(i) / NTSC / times for i in range(9 * times)]
    if suffix == ".mkv":  # which has milliseconds
        assert all(abs(found - wanted) <= Fraction(1, 1000) for found, wanted in zip(at, exact, strict=True))
    else:
        assert at == exact
    given, begins, ends = heard(source)
    assert heard(tmp_path / f"out{suffix}") == (given, begins, ends)
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert container.streams.video[0].guessed_rate == pytest.approx(NTSC * times, rel=1e-6)
        lasts = Fraction(container.duration or 0, 1_000_000)
    with av.open(str(source)) as container:  # a packet of sound: Matroska's writer counts what primes it in
        assert abs(lasts - Fraction(container.duration or 0, 1_000_000)) <= Fraction(1024, TONE)
    assert abs(at[-1] + 1 / NTSC / times - 9 / NTSC) <= Fraction(1, 1000)
    assert len(frames) == 9 * times


@pytest.mark.parametrize("rate", [Fraction(60000, 1001), Fraction(120000, 1001), Fraction(24000, 1001), Fraction(48)])
def test_a_rate_that_matroska_rounds_is_the_one_that_was_meant(tmp_path: Path, rate: Fraction) -> None:
    """60000/1001 is read back as 19001/317."""
    footage = look_through(film(tmp_path / "in.mkv", scene(1, 30), rate), "no", None)
    assert footage.shown == tuple(i / rate for i in range(30))


def test_sound_that_begins_first_stays_in_step(tmp_path: Path) -> None:
    """A video whose pictures come three frames after the sound."""
    source = film(tmp_path / "in.mp4", scene(1, 5), sound="aac", late=3)
    made(source, tmp_path / "out.mp4")
    _, at = decoded(tmp_path / "out.mp4")
    assert at == [Fraction(3, 25) + Fraction(i, 50) for i in range(10)]
    assert heard(tmp_path / "out.mp4") == heard(source)


def test_times_that_begin_late_as_a_recorders_do_begin_at_0(tmp_path: Path) -> None:
    source = film(tmp_path / "in.ts", scene(1, 5), sound="aac")
    _, given = decoded(source)
    assert given[0] > 0
    made(source, tmp_path / "out.mp4")
    _, at = decoded(tmp_path / "out.mp4")
    begins = min(given[0], heard(source)[1])
    assert begins > 0
    assert [each - at[0] for each in at] == [Fraction(i, 50) for i in range(10)]
    assert abs(at[0] - (given[0] - begins)) < Fraction(1, 1000)  # of the edit list
    assert abs(heard(tmp_path / "out.mp4")[1] - (heard(source)[1] - begins)) < Fraction(1, 1000)


def test_a_slow_video_is_longer_and_has_no_sound(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", scene(1, 5), sound="aac")
    made(source, tmp_path / "out.mp4", Asked(times=4, slow=4))
    _, at = decoded(tmp_path / "out.mp4")
    assert at == [Fraction(i, 25) for i in range(20)]
    footage = look_through(source, "no", None)
    (note,) = plan(footage, Asked(times=4, slow=4), mean(), as_images=False).notes
    assert note == "sound left out: out of step with a slower video"
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio


def titled(path: Path, suffix: str) -> Path:
    """The video with a subtitle and two chapters beside it."""
    text = path.with_suffix(".srt")
    text.write_text("1\n00:00:00,040 --> 00:00:00,120\nHello\n\n")
    whole = path.with_name(f"titled{suffix}")
    with av.open(str(path)) as video, av.open(str(text)) as subtitles, av.open(str(whole), "w") as container:
        for given in (video, subtitles):
            for stream in given.streams:
                stream.metadata["there"] = str(container.add_stream_from_template(stream).index)
        container.streams.subtitles[0].metadata["language"] = "fra"
        halves = [(0, 80, "One"), (80, 160, "Two")]
        container.set_chapters(
            [
                {"id": i, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                for i, (start, end, title) in enumerate(halves, start=1)
            ]
        )
        for given in (video, subtitles):
            for packet in given.demux():
                if packet.dts is not None:
                    packet.stream = container.streams[int(packet.stream.metadata["there"])]
                    container.mux(packet)
    return whole


def beside(video: Path) -> tuple[list[tuple[str, bytes, Fraction, Fraction]], list[tuple[Fraction, Fraction, str]]]:
    """Subtitles with their language, beginning and length; chapters."""
    with av.open(str(video)) as container:
        chapters = [
            (each["start"] * each["time_base"], each["end"] * each["time_base"], each["metadata"]["title"])
            for each in container.chapters()
        ]
        texts = [
            (
                packet.stream.metadata["language"],
                bytes(packet),
                packet.pts * packet.time_base,
                packet.duration * packet.time_base,
            )
            for packet in (container.demux(subtitles=0) if container.streams.subtitles else ())
            if packet.pts is not None
        ]
    return texts, chapters


def test_subtitles_and_chapters_are_copied(tmp_path: Path) -> None:
    source = titled(film(tmp_path / "in.mp4", scene(1, 4), sound="aac"), ".mkv")
    texts, chapters = beside(source)
    assert [text[:2] for text in texts] == [("fra", b"Hello")]
    assert [title for *_, title in chapters] == ["One", "Two"]
    said: list[str] = []
    made(source, tmp_path / "out.mkv", note=said.append)
    assert (beside(tmp_path / "out.mkv"), said) == ((texts, chapters), [])
    assert heard(tmp_path / "out.mkv") == heard(source)
    made(source, tmp_path / "out.mp4", note=said.append)
    assert beside(tmp_path / "out.mp4") == ([], chapters)
    assert said == [f"{source}: left out: subtitles (subrip), which mp4 files do not take"]


def test_a_chapter_that_ends_before_the_pictures_begin_is_left_out(tmp_path: Path) -> None:
    source = titled(film(tmp_path / "in.mp4", scene(1, 4), late=3), ".mkv")
    made(source, tmp_path / "out.mp4")
    assert beside(tmp_path / "out.mp4")[1] == [(0, Fraction(1, 25), "Two")]


def test_what_is_beside_pictures_is_left_out_and_said_where_it_would_not_fit(tmp_path: Path) -> None:
    footage = look_through(titled(film(tmp_path / "in.mp4", scene(1, 4), sound="aac"), ".mkv"), "no", None)
    slow, as_images = (plan(footage, Asked(slow=count), mean(), as_images=count == 1).notes for count in (2, 1))
    assert slow == ("sound, subtitles, chapters left out: out of step with a slower video",)
    assert as_images == ("sound, subtitles, chapters left out: images have none",)


def test_a_rate_is_what_is_asked_for(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", scene(1, 6), Fraction(24))
    made(source, tmp_path / "out.mp4", Asked(fps=Fraction(60)))
    _, at = decoded(tmp_path / "out.mp4")
    assert at == [Fraction(i, 60) for i in range(15)]


def test_images_of_a_rate_end_with_the_last_frame(tmp_path: Path) -> None:
    frames = scene(1, 3)
    made(images(tmp_path / "in", frames), tmp_path / "out", Asked(fps=Fraction(100)))
    found = of_folder(tmp_path / "out")
    assert len(found) == 9
    np.testing.assert_array_equal(found[::4], frames)


def test_a_stray_number_is_no_day_of_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose times alone would fill the memory."""
    Image.fromarray(scene(1, 1)[0]).save(images(tmp_path / "in", scene(1, 3)) / "20230101.png")
    monkeypatch.setattr(making, "regular", None)
    with pytest.raises(HarnessError, match=r"in: lasts 1,618,408 s by its times or numbers: 97,104,480 frames at"):
        made(tmp_path / "in", tmp_path / "out.mp4", Asked(fps=Fraction(60)))


def test_images_that_are_numbered_in_steps_are_one_frame_apart(tmp_path: Path) -> None:
    """As 0010, 0020, 0040 are, of which one is left out."""
    (tmp_path / "in").mkdir()
    for number, frame in zip((10, 20, 40, 50), scene(1, 4), strict=True):
        Image.fromarray(frame).save(tmp_path / "in" / f"{number:04d}.png")
    footage = made(tmp_path / "in", tmp_path / "out.mp4", source_fps=Fraction(30))
    assert [moment - footage.shown[0] for moment in footage.shown] == [Fraction(i, 30) for i in (0, 1, 3, 4)]
    assert decoded(tmp_path / "out.mp4")[1] == [Fraction(i, 60) for i in (0, 1, 2, 4, 6, 7, 8, 9)]


@pytest.mark.parametrize("full", [False, True])
def test_greys_stay_grey(full: bool, tmp_path: Path) -> None:
    grey = scene(1, 2)[..., :1].repeat(3, -1)
    footage = replace(look_through(images(tmp_path / "in", grey), "no", None), look=Look(1, full=full))
    output = Output.of(str(tmp_path / "out.mp4"), "libx264:qp=0")
    interpolate(footage, plan(footage, Asked(), mean(), as_images=False), mean(), output, lambda count: None)
    with av.open(str(output.path)) as container:
        for frame in container.decode(video=0):
            assert frame.color_range == (2 if full else 1)
            assert np.unique(frame.to_ndarray()[64:]).tolist() == [128]
    assert np.abs(decoded(output.path)[0][0].astype(int) - grey[0]).max() <= 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_come_out_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    """A folder of images has no other place to say it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(scene(1, 3)):
        Image.fromarray(frame).save(tmp_path / "in" / f"{number}.{suffix}", exif=exif)
    footage = made(tmp_path / "in", tmp_path / "out")
    files = (tmp_path / f"in/{i}.{suffix}" for i in range(3))
    shown = np.stack([np.asarray(ImageOps.exif_transpose(Image.open(file))) for file in files])
    assert footage.size == shown.shape[1:3] == ((64, 96) if orientation < 5 else (96, 64))
    assert footage.notes == ()
    found = of_folder(tmp_path / "out")
    np.testing.assert_array_equal(found[::2], shown)
    np.testing.assert_array_equal(found[1], halfway(shown[0], shown[1]))


def test_photographs_of_which_some_are_turned_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(scene(1, 3)):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 1 if number < 2 else 6
        Image.fromarray(frame).save(tmp_path / "in" / f"{number}.jpg", exif=exif)
    with pytest.raises(HarnessError, match="in: the frame size changes within the video"):
        look_through(tmp_path / "in", "no", None)


def test_photographs_that_say_nothing_that_can_be_read_are_as_stored(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(scene(1, 3)):
        Image.fromarray(frame).save(tmp_path / "in" / f"{number}.jpg", exif=b"Exif\0\0" + b"nothing" * 9)
    assert look_through(tmp_path / "in", "no", None).size == (64, 96)


def test_images_of_variable_times_are_said_to_be_uneven(tmp_path: Path) -> None:
    """Numbered one after the other they would be shown as if they were not."""
    footage = look_through(film(tmp_path / "in.mp4", scene(1, 4), stamps=[0, 40, 80, 200]), "no", None)
    (note,) = plan(footage, Asked(), mean(), as_images=True).notes
    assert note == "frames are unevenly spaced in time, which images do not tell: --fps makes even ones"
    assert plan(footage, Asked(fps=Fraction(50)), mean(), as_images=True).notes == ()
    assert plan(footage, Asked(), mean(), as_images=False).notes == ()


@pytest.mark.parametrize("times", ["any", "middle"])
def test_frames_of_the_source_remain_at_a_rate_that_their_stamps_all_but_fall_on(times: str, tmp_path: Path) -> None:
    """In thousandths of a second, with one frame lost; a network for the middle alone reaches all others, too."""
    stamps = [round(i * 1000 / 30) for i in range(12) if i != 5]
    footage = look_through(film(tmp_path / "in.mkv", scene(1, 11), Fraction(30), stamps=stamps), "no", None)
    assert footage.shown == tuple(Fraction(each, 1000) for each in stamps)
    wanted = plan(footage, Asked(fps=Fraction(60)), mean(times), as_images=True).wanted
    found = [each.first + each.t * (each.last - each.first) for each in wanted]
    around = [4 + Fraction(part, 4) for part in (1, 2, 3)]
    assert found == [*(Fraction(i, 2) for i in range(9)), *around, *(Fraction(i, 2) for i in range(10, 20)), 10]
    assert [each.at for each in wanted] == [Fraction(i, 60) for i in range(len(wanted))]


def test_variable_times_stay_and_each_gap_is_halved(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 200, 240, 360, 400]
    source = film(tmp_path / "in.mp4", scene(1, 7), stamps=stamps)
    made(source, tmp_path / "out.mp4")
    _, at = decoded(tmp_path / "out.mp4")
    assert at[::2] == [Fraction(each, 1000) for each in stamps]
    assert at[1:-1:2] == [Fraction(a + b, 2000) for a, b in pairwise(stamps)]


@pytest.mark.parametrize(("matrix", "full"), [(1, 1), (5, 2), (1, 2), (6, 1), (9, 1)])
def test_colours_and_their_tags_stay(tmp_path: Path, matrix: int, full: int) -> None:
    flat = np.zeros((4, 32, 48, 3), np.uint8)
    flat[:, :16], flat[:, 16:] = (200, 40, 30), (20, 60, 220)
    tags = {"colorspace": matrix, "color_range": full, "color_primaries": 9 if matrix == 9 else 1, "color_trc": 1}
    source = film(tmp_path / "in.mp4", flat, tags=tags)
    footage = made(source, tmp_path / "out.mp4")
    before = next(footage.frames()).astype(int)
    after = next(look_through(tmp_path / "out.mp4", "no", None).frames()).astype(int)
    with av.open(str(tmp_path / "out.mp4")) as container:
        context: Any = container.streams.video[0].codec_context
        assert {name: int(getattr(context, name)) for name in tags} == tags
    for part in (np.s_[4:12], np.s_[20:28]):  # colours at half size mix at the border
        assert np.abs(before[part] - after[part]).max() <= 6  # of another matrix or range more than 15
        assert np.abs(before[part] - flat[0][part]).max() <= 4


def test_colours_that_nothing_states_are_stated(tmp_path: Path) -> None:
    """As they were taken: a player goes by the size, which a turn changes."""
    made(film(tmp_path / "in.mp4", scene(1, 3)), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert int(container.streams.video[0].codec_context.colorspace) == 5


ONE = 1 << 16


def test_a_turned_video_comes_out_upright_with_its_pixels_turned(tmp_path: Path) -> None:
    turned = (0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30)
    frames = scene(1, 3, height=32, width=48)
    source = film(tmp_path / "in.mp4", frames, display=turned, aspect=Fraction(4, 3))
    made(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        first = next(container.decode(video=0))
        assert (first.width, first.height) == (32, 48)
        assert way_up(first, source) == (1, 0, 0, 1)
        assert container.streams.video[0].sample_aspect_ratio == Fraction(3, 4)
        assert np.abs(first.to_ndarray(format="rgb24").astype(int) - np.rot90(frames[0], -1)).mean() < 12


def test_odd_sides_and_whole_colours_lose_nothing(tmp_path: Path) -> None:
    images(tmp_path / "in", scene(1, 3)[:, :63, :95])
    made(tmp_path / "in", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height, context.pix_fmt) == (95, 63, "yuv444p")


@pytest.mark.parametrize(
    ("name", "codec", "found"),
    [
        ("out.webm", "", "vp9"),
        ("out.mkv", "ffv1", "ffv1"),
        ("out.mp4", "libx265:crf=30,preset=ultrafast", "hevc"),
    ],
)
def test_the_suffix_and_the_codec_say_what_is_written(tmp_path: Path, name: str, codec: str, found: str) -> None:
    frames = scene(1, 3)
    made(write_exact(tmp_path / "in", frames), tmp_path / name, codec=codec)
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == found
    if codec == "ffv1":
        shown, _ = decoded(tmp_path / name)
        np.testing.assert_array_equal(shown[::2], frames)
        np.testing.assert_array_equal(shown[1], halfway(frames[0], frames[1]))


@pytest.mark.parametrize(
    ("name", "codec"), [("out.mp4", "libx264:qp=0"), ("out.mkv", "libx265:qp=0"), ("out.webm", "libvpx-vp9:lossless=1")]
)
def test_what_a_user_says_of_bits_is_not_overruled(tmp_path: Path, name: str, codec: str) -> None:
    """Where nothing is said, a `crf` is given, which encoders follow rather than these."""
    frames = np.random.default_rng(1).integers(0, 256, (3, 64, 96, 3), np.uint8)
    source = write_exact(tmp_path / "in", frames)
    made(source, tmp_path / name, codec=codec)
    made(source, tmp_path / f"said-{name}", codec=f"{codec.partition(':')[0]}:crf=10")
    assert (tmp_path / name).stat().st_size > 1.2 * (tmp_path / f"said-{name}").stat().st_size


# --- cuts, copies, halves


def test_label_maps_are_made_once_for_all_frames_between_two(tmp_path: Path) -> None:
    asked: list[Images] = []

    class Counted(MaskSource):
        def label_maps(self, img0: Images, img1: Images) -> NDArray[np.uint16]:
            asked.extend((img0, img1))
            return np.full((2, *img0.shape[:2]), len(asked), np.uint16)

    network, given = mean(), list[int]()
    network.masks = MaskCache(Counted(), "counted")
    predict = network.predict

    def noted(frames: Frames, t: float, maps: NDArray[np.integer] | None) -> Predicted:
        given.append(0 if maps is None else int(maps[0, 0, 0]))
        return predict(frames, t, maps)

    network.predict = noted
    frames = scene(1, 3)
    made(images(tmp_path / "in", frames), tmp_path / "out", Asked(times=4), network)
    np.testing.assert_array_equal(asked, frames[[0, 1, 1, 2]])
    assert given == [2, 2, 2, 4, 4, 4]


def test_no_frame_is_made_across_a_cut(tmp_path: Path) -> None:
    frames = np.concatenate([scene(1, 12), 255 - scene(2, 12) // 3])
    source = write_exact(tmp_path / "in", frames)
    assert made(source, tmp_path / "out").cuts == {12}
    found = of_folder(tmp_path / "out")
    np.testing.assert_array_equal(found[23], frames[11])
    np.testing.assert_array_equal(found[25], halfway(frames[12], frames[13]))


def test_copies_are_replaced_or_kept(tmp_path: Path) -> None:
    moving = scene(1, 10, speed=3)
    frames = np.concatenate([moving[:5], moving[4:]])
    source = write_exact(tmp_path / "in", frames)
    assert made(source, tmp_path / "new").copies == {5}
    new = of_folder(tmp_path / "new")
    np.testing.assert_array_equal(new[10], halfway(moving[4], moving[5]))
    made(source, tmp_path / "kept", Asked(copies=False))
    kept = of_folder(tmp_path / "kept")
    for at, frame in {8: moving[4], 9: moving[4], 10: moving[4], 11: halfway(moving[4], moving[5])}.items():
        np.testing.assert_array_equal(kept[at], frame)


def test_a_network_for_the_middle_makes_halves_of_halves(tmp_path: Path) -> None:
    """Four times as many are those of the command that is given its own output of twice as many, bit for bit."""
    images(tmp_path / "in", scene(1, 4, speed=3))
    asked: list[float] = []

    def watched(frames: Frames, t: float, maps: Any) -> Predicted:
        asked.append(t)
        return mean_of_frames(frames, t, maps)

    made(tmp_path / "in", tmp_path / "four", Asked(times=4), mean("middle", predict=watched))
    made(tmp_path / "in", tmp_path / "two", Asked(times=2), mean("middle"))
    made(tmp_path / "two", tmp_path / "again", Asked(times=2), mean("middle"))
    np.testing.assert_array_equal(of_folder(tmp_path / "four"), of_folder(tmp_path / "again"))
    assert asked == [0.5] * 9
    assert len(of_folder(tmp_path / "four")) == 4 * 3 + 1


def test_a_network_for_any_time_is_asked_for_each_at_once(tmp_path: Path) -> None:
    images(tmp_path / "in", scene(1, 2, speed=3))
    asked: list[float] = []

    def watched(frames: Frames, t: float, maps: Any) -> Predicted:
        asked.append(t)
        return mean_of_frames(frames, t, maps)

    made(tmp_path / "in", tmp_path / "four", Asked(times=4), mean(predict=watched))
    assert asked == [0.25, 0.5, 0.75]


def test_weights_that_know_the_middle_alone_are_asked_for_no_other_frame(tmp_path: Path) -> None:
    """Of a network for any time: at another it would make the same frame again and again."""
    images(tmp_path / "in", scene(1, 4, speed=3))
    asked: list[float] = []

    def watched(frames: Frames, t: float, maps: Any) -> Predicted:
        asked.append(t)
        return mean_of_frames(frames, t, maps)

    network = mean(predict=watched, trained="middle")
    made(tmp_path / "in", tmp_path / "four", Asked(times=4), network)
    assert asked == [0.5] * 9
    made(tmp_path / "in", tmp_path / "same", Asked(times=4), mean("middle"))
    np.testing.assert_array_equal(of_folder(tmp_path / "four"), of_folder(tmp_path / "same"))


def test_times_that_weights_never_saw_are_said(tmp_path: Path) -> None:
    footage = look_through(images(tmp_path / "in", scene(1, 4, speed=3)), "no", None)

    def notes(asked: Asked, network: Network) -> tuple[str, ...]:
        return plan(footage, asked, network, as_images=True).notes

    unreachable = Asked(fps=Fraction(40))  # of 25: at 1/40 s, t is 5/8; at 2/40, 1/4; then 7/8, 1/2, 1/8
    thirds = Asked(fps=Fraction(75))
    for asked, trained, said in (
        (Asked(times=4), "any", ""),
        (Asked(times=4), "", "give --halve if it was trained at the middle alone"),
        (Asked(times=2), "", ""),
        (Asked(times=8), "middle", ""),
        (unreachable, "middle", ""),
        (thirds, "middle", "trained at the middle alone, and 6 frames are at times that halving does not reach"),
    ):
        found = notes(asked, mean(trained=trained))
        assert bool(said) == len(found) == sum(said in each for each in found)
    assert notes(Asked(times=2), mean("middle", trained="")) == ()


def test_shipped_weights_are_known_to_know_the_middle_alone(tmp_path: Path) -> None:
    network = Network.of(networks.Given("ifrnet-s-own"), catalog(), Store(tmp_path), Engine(CPU))
    assert (network.arm.middle_only, network.times) == (False, "middle")
    (tmp_path / "w").write_bytes((Path(vfi_own.__file__).parent / "ifrnet-s-own.safetensors").read_bytes())
    for halve, times in ((False, ""), (True, "middle")):
        given = networks.Given(str(tmp_path / "w"), "ifrnet-s", halve=halve)
        assert Network.of(given, catalog(), Store(tmp_path), Engine(CPU)).times == times


def test_a_network_of_four_inputs_sees_the_frames_around(tmp_path: Path) -> None:
    frames = scene(1, 4, speed=3)
    images(tmp_path / "in", frames)
    seen: list[list[int]] = []

    def watched(given: Frames, t: float, maps: Any) -> Predicted:
        four = (given.before, given.img0, given.img1, given.after)
        shown = [networks.rounded(each) for each in four if each is not None]
        seen.append([next(i for i, frame in enumerate(frames) if (frame == each).all()) for each in shown])
        return mean_of_frames(given, t, maps)

    made(tmp_path / "in", tmp_path / "out", network=mean(inputs=4, predict=watched))
    assert seen == [[0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 3]]


# --- large frames


@pytest.mark.parametrize("length", [1, 63, 64, 65, 100, 111, 112, 113, 500, 4096])
def test_tiles_cover_a_side_and_share_a_quarter(length: int) -> None:
    starts = places(length, 64)
    assert starts[0] == 0
    assert starts[-1] + min(64, length) == length
    assert all(0 < b - a <= 48 for a, b in pairwise(starts))


def test_tiles_are_blended_to_what_the_whole_frame_gives(tmp_path: Path) -> None:
    one, two = (torch.rand(1, 3, 150, 90, generator=torch.Generator().manual_seed(i)) for i in (1, 2))
    frames, sizes, maps = Frames(img0=one, img1=two), [], np.arange(2 * 150 * 90).reshape(2, 150, 90)
    seen = []

    def watched(given: Frames, t: float, labels: Any) -> Predicted:
        sizes.append(given.img0.shape[-2:])
        seen.append(labels)
        return mean_of_frames(given, t, labels)

    found = tiled(watched, 64)(frames, 0.25, maps).frame
    torch.testing.assert_close(found, mean_of_frames(frames, 0.25, None).frame, rtol=0, atol=1e-6)
    assert set(sizes) == {(64, 64)}
    assert len(sizes) == 6
    np.testing.assert_array_equal(seen[0], maps[:, :64, :64])
    np.testing.assert_array_equal(seen[-1], maps[:, -64:, -64:])
    whole = tiled(watched, 150)(frames, 0.25, None).frame
    assert torch.equal(whole, mean_of_frames(frames, 0.25, None).frame)


def test_a_network_in_half_precision_makes_nearly_the_same(tmp_path: Path) -> None:
    first, last = scene(1, 2, speed=3)
    given = networks.Given("ifrnet-s-own")
    full, half = (
        Network.of(given, catalog(), Store(tmp_path), Engine(CPU, precision)).between((first, last), 0.5)
        for precision in ("float32", "bfloat16")
    )
    assert half.dtype == full.dtype == torch.float32
    assert 0 < (half - full).abs().mean() < 0.01


def test_a_network_that_cannot_be_compiled_is_refused_in_a_line() -> None:
    def failing(*given: Any) -> Predicted:
        raise torch._dynamo.exc.TorchDynamoException("No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE")

    said = "^mean: cannot be compiled here: No working C\\+\\+ compiler found; leave out --compile$"
    with pytest.raises(HarnessError, match=said):
        mean(predict=failing).between(tuple(scene(1, 2)), 0.5)

    def otherwise(*given: Any) -> Predicted:
        raise RuntimeError("of another kind")

    with pytest.raises(RuntimeError, match="of another kind"):
        mean(predict=otherwise).between(tuple(scene(1, 2)), 0.5)


class Narrow(Baseline):
    """One convolution, which autocast computes in fewer bits."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 3, 1)

    def encode(self, frames: Frames) -> Features:
        return Features(f0=frames.img0, f1=frames.img1)

    def decode(self, frames: Frames, features: Features, t: torch.Tensor, prior: MotionPrior | None) -> Prediction:
        return Prediction(frame=self.convolution(features.f0))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_frames_are_float32_whatever_they_are_computed_in(precision: Any) -> None:
    model = networks._in_precision(Composed(Narrow()), Engine(CPU, precision))
    image = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        found = model(Frames(img0=image, img1=image), torch.full((1, 1, 1, 1), 0.5)).frame
        exact = model.baseline.convolution(image)
    assert found.dtype == torch.float32
    assert 0 < (found - exact).abs().max() < 0.02


class Timed(Narrow):
    def encode(self, frames: Frames) -> Features:
        return Features(f0=frames.img0 * 2, f1=frames.img1)

    def decode(self, frames: Frames, features: Features, t: torch.Tensor, prior: MotionPrior | None) -> Prediction:
        return Prediction(frame=(self.convolution(features.f0) * t).sigmoid())


def test_a_compiled_network_makes_the_same_and_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both halves, whatever t and the frames. No code is generated: that takes minutes and is Inductor's matter."""
    compiled = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    model, settings = Composed(Timed()), catalog().find(Protocol, "unified").spec.settings
    pairs = [Frames(img0=torch.rand(1, 3, 10, 14), img1=torch.rand(1, 3, 10, 14)) for _ in range(2)]
    asked = [(pair, t) for pair in pairs for t in (0.5, 0.25)]

    def frames(engine: Engine) -> list[torch.Tensor]:
        predict = predictor(networks._in_precision(model, engine), settings)
        return [predict(pair, t, None).frame for pair, t in asked]

    torch.testing.assert_close(frames(Engine(CPU)), frames(Engine(CPU, compiled=True)), rtol=0, atol=1e-6)
    assert len(compiled) == 2


# --- what is kept of a source


class Watched(Footage):
    """Frames of noise, and how many of them there were at most at once."""

    at_once = 0

    def frames(self) -> Generator[Images, None, None]:
        alive: list[Any] = []
        for number in range(len(self.shown)):
            frame = np.full((*self.size, 3), number % 200, np.uint8)
            alive = [each for each in alive if each() is not None] + [weakref.ref(frame)]
            Watched.at_once = max(Watched.at_once, len(alive))
            yield frame


def watched(copies: Iterable[int] = ()) -> Footage:
    """240 frames, of which these show nothing new."""
    Watched.at_once = 0
    shown = tuple(Fraction(number, 24) for number in range(240))
    look = footages.Look(1)
    return Watched(Path("in"), "no", (16, 16), shown, Fraction(10), frozenset(copies), frozenset(), look, (), ())


FEW = 2 * AHEAD + 12  # what waits to be read and to be written, and a gap with the frames around it


@pytest.mark.parametrize(
    ("copies", "asked", "inputs"),
    [((), Asked(fps=Fraction(12)), 2), ((), Asked(fps=Fraction(1, 9)), 2), (range(9, 240), Asked(), 4)],
)
def test_of_a_source_a_few_frames_are_kept(tmp_path: Path, copies: Sequence[int], asked: Asked, inputs: int) -> None:
    """Also where none is made for long: all are shown as they are, or the picture stands still."""
    footage, network, output = watched(copies), mean(inputs=inputs), Output.of(str(tmp_path / "out.mkv"), "ffv1")
    planned = plan(footage, asked, network, as_images=False)
    interpolate(footage, planned, network, output, lambda count: None)
    assert planned.made == (8 if copies else 0)
    assert Watched.at_once <= FEW


@pytest.mark.parametrize(("copies", "off", "scores"), [(range(7, 233), 0, 5), ((), 1, 1)])
def test_of_a_source_that_is_compared_a_few_frames_are_kept(
    tmp_path: Path, copies: Sequence[int], off: int, scores: int
) -> None:
    """Also where none is left out for long: the picture stands still, or no frame is in the middle."""
    footage = watched(copies)
    shown = tuple(each + Fraction(off * (row > 2) * (row % 2), 100) for row, each in enumerate(footage.shown))
    footage = replace(footage, shown=shown)
    left_out, network = triplets(footage, middle_only=True), mean(inputs=4)
    output = Output.of(str(tmp_path / "out.mkv"), "ffv1", images=False)
    made = compare(footage, left_out, [network, network], output, False, lambda count: None)
    assert len(made.psnr[0]) == len(left_out) == scores
    assert Watched.at_once <= FEW


# --- threads


def test_a_network_waits_neither_for_reading_nor_for_writing() -> None:
    """The next frame is read before it is asked for, and frames are handed on while one is being written."""
    read, written, done = Event(), Event(), []

    def numbers() -> Iterator[int]:
        yield 0
        read.set()
        yield 1

    given: Any = numbers()
    with ahead(given):
        assert read.wait(10)

    def write_when_it_may(item: int) -> None:
        written.wait(10)
        done.append(item)

    with Behind(write_when_it_may) as behind:
        for item in range(AHEAD):
            behind.put(item)
        assert done == []
        written.set()
    assert done == list(range(AHEAD))


def test_reading_ahead_is_bounded_and_ends_with_the_block() -> None:
    taken, closed = [], []

    def numbers() -> Iterator[int]:
        try:
            for number in range(10**9):
                taken.append(number)
                yield number
        finally:
            closed.append(True)

    given: Any = numbers()
    with ahead(given) as items:
        assert [next(items) for _ in range(3)] == [0, 1, 2]
    assert closed == [True]
    assert len(taken) <= 3 + 2 * (AHEAD + 2)


def test_what_fails_ahead_or_behind_is_raised_where_it_is_waited_for() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    given: Any = broken()
    with ahead(given) as items:
        assert next(items) == 1
        with pytest.raises(OSError, match="gone"):
            next(items)
    done: list[int] = []

    def work(item: int) -> None:
        if item == 2:
            raise OSError("full")
        done.append(item)

    def put_all(items: Sequence[int]) -> None:
        with Behind(work) as behind:
            for item in items:
                behind.put(item)

    for last in (3, 100):  # at the end of the block, and within it
        with pytest.raises(OSError, match="full"):
            put_all(range(last))
        assert done == [0, 1]
        done.clear()


# --- what is refused, and what is left


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return film(tmp_path / "in.mp4", scene(1, 4), sound="aac")


def refused(source: Path, out: Path, *options: object) -> Callable[..., str]:
    """What the command says, in one line, of a clip that is as it was; nothing is left."""

    def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
        before = source.read_bytes() if source.is_file() else b""
        code, said = call(monkeypatch, capsys, "interpolate", source, "-o", out, *options)
        assert code == 2, said
        lines = [line for line in said.splitlines() if line.startswith("harness: error: ")]
        assert len(lines) == 1
        assert "Traceback" not in said
        assert before == (source.read_bytes() if source.is_file() else b"")
        assert not [name for name in left_behind(out.parent) if name != out.name or not out.exists()]
        return lines[0].removeprefix("harness: error: ")

    return run


def no_video(folder: Path) -> Path:
    with av.open(str(folder / "in.mp4"), "w") as container:
        tone: Any = container.add_stream("aac", rate=TONE)
        part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        part.sample_rate, part.pts, part.time_base = TONE, 0, Fraction(1, TONE)
        container.mux([*tone.encode(part), *tone.encode()])
    return folder / "in.mp4"


def other_size(folder: Path) -> Path:
    """A stream of two parts, whose frames are of two sizes."""
    both = b"".join(
        write(folder / f"{i}.h264", scene(i, 4, height=side)).read_bytes() for i, side in enumerate((64, 80))
    )
    (folder / "in.h264").write_bytes(both)
    return folder / "in.h264"


def large(folder: Path) -> Path:
    """The header of a PNG is enough."""
    images(folder / "in", scene(1, 3))
    for file in (folder / "in").iterdir():
        content = bytearray(file.read_bytes())
        content[16:24] = (16384).to_bytes(4, "big") * 2
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
        file.write_bytes(content)
    return folder / "in"


def text(folder: Path) -> Path:
    (folder / "in.mp4").write_text("no video")
    return folder / "in.mp4"


SOURCES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing there": (lambda folder: folder / "in.mp4", "in.mp4: there is no such file"),
    "text": (text, "in.mp4: no video that can be read"),
    "sound alone": (no_video, "in.mp4: no video in this file"),
    "a device": (lambda folder: Path("/dev/zero"), "/dev/zero: is a device, a pipe or a socket; give a file"),
    "one frame": (lambda folder: write(folder / "in.mp4", scene(1, 1)), "in.mp4: has one frame"),
    "one image": (lambda folder: images(folder / "in", scene(1, 1)), "in: has one frame"),
    "no images": (lambda folder: images(folder / "in", []), "in: no frames of a video here"),
    "another size within": (other_size, "in.h264: the frame size changes within the video"),
    "interlaced": (
        lambda folder: interlaced(folder / "in.mp4"),
        "in.mp4: frame 0 is interlaced; deinterlace it by --deinterlace yadif, or where",
    ),
    "HDR": (
        lambda folder: picture(
            folder / "in.mp4", scene(1, 3), "libx264", "yuv420p10le", tags={"color_trc": 16, "colorspace": 9}
        ),
        "in.mp4: is HDR (PQ), of which 8 bits hold little; tone-map it",
    ),
    "colours of a matrix that FFmpeg does not convert": (
        lambda folder: picture(folder / "in.mp4", scene(1, 3), "libx264", "yuv444p", tags={"colorspace": 8}),
        "in.mp4: its colour matrix (H.273: 8) cannot be converted; re-encode it as BT.709",
    ),
    "images of 16k x 16k": (large, "000.png: is more than 67 million pixels"),
}


@pytest.mark.parametrize("what", SOURCES)
def test_a_source_that_is_none_is_refused(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, said = SOURCES[what]
    found = refused(make(tmp_path), tmp_path / "out.mp4")(monkeypatch, capsys)
    assert said in found
    assert "clips" not in found  # which is what the readers of benchmarks speak of
    assert "data set" not in found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--codec", "nothing"), "codec 'nothing': this FFmpeg has no encoder of videos of that name"),
        (("--codec", "aac"), "codec 'aac': this FFmpeg has no encoder of videos of that name"),
        (("--codec", "libvpx"), "codec 'libvpx': does not go into .mp4 files; give another, or .mkv"),
        (("--codec", "libx264:crf=12,nothing=1"), "codec 'libx264': has no option 'nothing'"),
        (("--codec", "libx264:preset=nothing"), "codec 'libx264': cannot make .mp4 of 96x64 here"),
        (("--times", "2", "--fps", "60"), "--times and --fps both say"),
        (("--weights", "nothing"), "'nothing' is no file, no run in"),
        (("--weights", "ifrnet-s-own", "--baseline", "rife"), "not weights of rife"),
        (("--with", "hce", "--masks", "truth"), "nobody knows the truth of this footage"),
        (("--protocol", "nothing"), "nothing"),
    ],
)
def test_what_cannot_be_is_refused(
    options: tuple[str, ...],
    said: str,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "--with" in options:
        options = (*options, "--baseline", "ifrnet-s", "--weights", str(weights_in(tmp_path, "hce")))
    assert said in refused(clip, tmp_path / "out.mp4", *options)(monkeypatch, capsys)


def test_masks_that_no_network_needs_are_said(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    assert "unknown mask source 'nothing'" in refused(clip, out, "--masks", "nothing")(monkeypatch, capsys)
    code, said = call(monkeypatch, capsys, "interpolate", clip, "-o", out, "--masks", "global")
    assert code == 0, said
    assert "--masks global changes nothing: ifrnet-s (ifrnet-s-own) takes none" in said


@pytest.mark.parametrize("fps", ["0", "-1", "nan", "1/0", "9" * 50, "60fps"])
def test_a_rate_that_is_none_is_refused(
    fps: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is no rate such as 60" in refused(clip, tmp_path / "out.mp4", "--fps", fps)(monkeypatch, capsys)


@pytest.mark.parametrize("out", ["in.mp4", "link.mp4", "dangling.mp4", "folder"])
def test_what_is_there_is_never_overwritten(
    out: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link.mp4").symlink_to(clip)
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    assert "is there already" in refused(clip, tmp_path / out)(monkeypatch, capsys)


def test_what_comes_to_be_there_meanwhile_is_not_overwritten(clip: Path, tmp_path: Path) -> None:
    out, footage = tmp_path / "out.mp4", look_through(clip, "no", None)
    output = Output.of(str(out), "")
    with pytest.raises(HarnessError, match="has come to be there meanwhile"):
        interpolate(footage, plan(footage, Asked(), mean(), False), mean(), output, lambda n: out.write_text("mine"))
    assert out.read_text() == "mine"
    assert left_behind(tmp_path) == ["out.mp4"]


def test_a_folder_that_takes_no_file_is_refused_before_the_source_is_read(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.cli.footage.How.look_through", None)
    for out in ("/proc/out.mp4", "/proc/out/"):
        code, said = call(monkeypatch, capsys, "interpolate", clip, "-o", out)
        assert code == 2
        assert said.startswith(f"harness: error: {out.rstrip('/')}: ")


def test_images_are_on_disk_before_their_folder_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut would leave some of them empty, in a folder that is there because it is whole."""
    kept: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: kept.append(Path(f"/proc/self/fd/{handle}").readlink().name))
    made(write_exact(tmp_path / "in", scene(1, 2)), tmp_path / "out")
    assert kept[:3] == ["00000.png", "00001.png", "00002.png"]
    assert kept[3].endswith(".tmp")
    assert kept[4:] == [tmp_path.name]


def test_images_are_written_beside_what_a_killed_process_of_that_number_left(tmp_path: Path) -> None:
    (tmp_path / f"out.{os.getpid()}.tmp").mkdir()
    with writing.images_to(Output(tmp_path / "out", as_images=True), 1) as put:
        put(Wanted(Fraction(0), Fraction(1), 0, 0, Fraction(0)), np.zeros((4, 4, 3), np.uint8))
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["00000.png"]


def test_what_a_killed_process_left_is_removed_and_nothing_of_the_users(tmp_path: Path) -> None:
    """Of images as of a video: an hour later, and by the names that are given here alone."""
    theirs = [tmp_path / name for name in ("out.mp4.old.tmp", "out.old.tmp", "other.0123456789ab.tmp")]
    torn = [tmp_path / name for name in ("out.0123456789ab.tmp", "out.mp4.0123456789ab.tmp", "out.ffffffffffff.tmp")]
    for folder in (*theirs, *torn):
        folder.mkdir()
        (folder / "00000.png").write_bytes(b"")
        if folder != torn[-1]:
            os.utime(folder, (0, 0))
    source = write_exact(tmp_path / "in", scene(1, 2))
    for name in ("out", "out.mp4"):
        made(source, tmp_path / name)
    assert [each.exists() for each in (*theirs, *torn)] == [True, True, True, False, False, True]


@pytest.mark.parametrize("name", ["out", "out.mp4"])
def test_what_is_being_written_is_left_alone_however_long_no_frame_came(name: str, tmp_path: Path) -> None:
    source, output = write_exact(tmp_path / "in", scene(1, 2)), Output.of(str(tmp_path / name), "")
    footage = look_through(source, "no", None)
    planned = plan(footage, Asked(), mean(), output.as_images)

    def progress(count: int) -> None:
        if count == 1:
            (begun,) = tmp_path.glob("out*.tmp")
            os.utime(begun, (0, 0))
            with pytest.raises(HarnessError, match=f"{name}: is being written by another process; wait for it"):
                Output.of(str(tmp_path / name), "")
            remove_abandoned(output.path)

    interpolate(footage, planned, mean(), output, progress)
    assert left_behind(tmp_path) == [name]


@pytest.mark.parametrize("suffix", [".txt", ".avi", ".mp4.part"])
def test_other_suffixes_are_refused(
    suffix: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(clip, tmp_path / f"out{suffix}")(monkeypatch, capsys)
    assert "give a name that ends in .mp4, .m4v, .mov, .mkv, .webm, or in / for a folder of images" in said


def test_frames_that_are_too_large_at_once_are_refused_with_what_to_do(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(networks, "MOST_AT_ONCE", 60 * 90)
    assert "96x64 are too large to be made at once: give --tile" in refused(clip, tmp_path / "out.mp4")(
        monkeypatch, capsys
    )
    seen: list[int] = []
    footage = look_through(clip, "no", None, seen.append)
    with pytest.raises(HarnessError, match="give --tile"):  # before all of it is read
        look_through(clip, "no", None, seen.append, lambda size: networks.check_size(size, tile=0))
    assert seen == [1, 2, 3, 4]
    networks.check_size(footage.size, tile=48)


def test_a_number_of_tiles_is_no_side_of_one(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(clip, tmp_path / "out.mp4", "--tile", 4)(monkeypatch, capsys)
    assert "'--tile': 4: a side in pixels, of 32 or more" in said


def test_frames_that_are_too_large_at_all_are_refused(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before one is decoded."""
    monkeypatch.setattr(footages, "MOST_PIXELS", 60 * 90)
    monkeypatch.setattr(footages, "images", lambda *given: pytest.fail("decoded"))
    said = refused(clip, tmp_path / "out.mp4", "--tile", 32)(monkeypatch, capsys)
    assert "in.mp4: frames of 96x64 are more than" in said


def test_sound_that_a_container_does_not_take_is_left_out_and_said(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = call(monkeypatch, capsys, "interpolate", clip, "-o", tmp_path / "out.webm")
    assert code == 0, said
    assert "in.mp4: left out: sound (aac), which webm files do not take; .mkv does" in said
    with av.open(str(tmp_path / "out.webm")) as container:
        assert not container.streams.audio


@pytest.mark.parametrize(
    ("name", "codec", "sound", "said"),
    [
        ("in.mkv", "libx264", "flac", "sound (flac), which mov files do not take; .mkv does"),
        ("in.wmv", "wmv2", "wmav2", "sound (wmav2), which mov files do not take"),
    ],
)
def test_sound_that_a_container_refuses_as_it_begins_is_left_out_too(
    name: str, codec: str, sound: str, said: str, tmp_path: Path
) -> None:
    """FLAC has a place in .mov, and is refused there; of .mkv nothing is said that is not so."""
    notes: list[str] = []
    source = film(tmp_path / name, scene(1, 4), codec=codec, sound=sound)
    made(source, tmp_path / "out.mov", note=notes.append)
    assert notes == [f"{source}: left out: {said}"]
    assert len(decoded(tmp_path / "out.mov")[0]) == 8


@pytest.mark.parametrize("out", ["out.mp4", "out.mkv", "out"])
@pytest.mark.parametrize("when", [0, 2])
def test_a_full_disk_leaves_nothing(
    out: str,
    when: int,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Early or late: a file that takes so many writes."""
    genuine = writing.replacing
    left = [when]

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, data: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(data)

    @contextmanager
    def full(path: Path) -> Iterator[Any]:
        with genuine(path) as file:
            yield Full(file)

    def save(image: Any, file: Any, *given: Any, **options: Any) -> None:
        Full(file).write(b"0")

    monkeypatch.setattr(writing, "replacing", full)
    monkeypatch.setattr("PIL.Image.Image.save", save)
    said = refused(clip, tmp_path / out)(monkeypatch, capsys)
    assert said == (
        f"{tmp_path / out}: No space left on device: nothing is left of what was written; free some space, or write "
        "elsewhere"
    )


def test_images_that_the_system_does_not_take_are_named(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As those that are larger than `ulimit -f` lets a file be."""

    def save(*given: Any, **options: Any) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr("PIL.Image.Image.save", save)
    assert refused(clip, tmp_path / "out")(monkeypatch, capsys) == f"{tmp_path / 'out'}: File too large"


@pytest.mark.parametrize("out", ["out.mp4", "out"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_nothing(
    out: str,
    number: signal.Signals,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    genuine = Between.at

    def at(self: Between, t: Fraction) -> NDArray[np.uint8]:
        os.kill(os.getpid(), number)
        return genuine(self, t)

    monkeypatch.setattr(Between, "at", at)
    code, said = call(monkeypatch, capsys, "interpolate", clip, "-o", tmp_path / out)
    assert code == 128 + number
    assert said.splitlines()[-2:] == ["", "harness: stopping; nothing is left of what was written"]
    assert left_behind(tmp_path) == []


def test_compare_is_refused_without_two_and_without_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = film(tmp_path / "in.mp4", scene(1, 2))
    command = ("compare", source, "-o", tmp_path / "out.mp4", "--runs")
    code, said = call(monkeypatch, capsys, *command, "ifrnet-s-own")
    assert (code, "give two, as in A,B" in said) == (2, True)
    code, said = call(monkeypatch, capsys, *command, "ifrnet-s-own,ifrnet-s-own")
    assert (code, "has no shot of three different frames" in said) == (2, True)


def test_weights_that_know_the_middle_alone_are_compared_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At t = 1/4, too, their network makes what they take for the frame in the middle."""
    source = film(tmp_path / "in.mkv", scene(1, 5), stamps=(0, 100, 400, 800, 1200))
    command = ("compare", source, "--runs", "ifrnet-s-own,ifrnet-s-own", "-o", tmp_path / "out.mkv")
    code, said = call(monkeypatch, capsys, *command)
    assert code == 0, said
    assert said.count("dB, the mean of 1 frames") == 2


def test_what_is_left_out_is_every_second_frame_of_a_shot(tmp_path: Path) -> None:
    frames = np.concatenate([scene(1, 13), 255 - scene(2, 12) // 3])
    footage = look_through(write_exact(tmp_path / "in", frames), "no", None)
    found = triplets(footage, middle_only=True)
    assert sorted(found) == [*range(1, 12, 2), *range(14, 24, 2)]
    assert found[3] == Triplet(2, 3, 4, Fraction(1, 2), (0, 2, 4, 6))
    assert found[14].around == (13, 13, 15, 17)
    uneven = replace(footage, shown=tuple(each + (each > 0.3) for each in footage.shown))
    assert set(found) - set(triplets(uneven, middle_only=True)) == {7}
    assert triplets(uneven, middle_only=False)[7].t == Fraction(1, 27)


def test_a_wipe_shows_one_network_left_of_the_line_and_the_other_right_of_it(tmp_path: Path) -> None:
    dark = mean(predict=lambda frames, t, maps: Predicted(frame=frames.img0 * 0))
    frames = np.full((5, 64, 96, 3), 200, np.uint8)
    frames[:, :, ::2] += np.arange(5, dtype=np.uint8)[:, None, None, None] * 8
    footage = look_through(film(tmp_path / "in.mp4", frames, Fraction(2)), "no", None)
    output = Output.of(str(tmp_path / "out.mkv"), "ffv1", images=False)
    compared = compare(footage, triplets(footage, False), [mean(), dark], output, True, lambda count: None)
    shown, _ = decoded(tmp_path / "out.mkv")
    assert shown.shape == (5, 64, 96, 3)
    assert shown[1, 30, :20].min() > 100  # half a second: a quarter of the way
    assert shown[1, 30, 30:].max() < 10
    assert shown[3, 30, :70].min() > 100
    assert [len(scores) for scores in compared.psnr] == [2, 2]
    assert min(compared.psnr[0]) > 40 > max(compared.psnr[1])
