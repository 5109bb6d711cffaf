"""The benchmark `clips`: decoding, cache, splits, shots, triplets, lists, and what is refused."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from harness.data import Triplet, framecache
from harness.data.folder import TEST_EVERY
from harness.data.framecache import Decoded, decode
from harness.data.leaks import leaks
from harness.data.sets.clips import BUNDLED, Clips
from harness.errors import HarnessError


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if "HARNESS_CACHE" in os.environ:
            yield
            return
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("HARNESS_CACHE", str(folder))
        yield
        shutil.rmtree(folder)  # half a gigabyte, which pytest would keep


@pytest.fixture(scope="module")
def bundled(_cache: None) -> Clips:
    return Clips()


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, for tests that look into it or decode what is no real content hash."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def scene(seed: int, count: int, speed: int = 2, height: int = 64, width: int = 96) -> NDArray[np.uint8]:
    """A texture of 8-pixel squares that moves to the left by `speed` pixels a frame: (count, H, W, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, (width + speed * count) // 8 + 1, 3), np.uint8)
    fine = coarse.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([fine[:, i * speed : i * speed + width] for i in range(count)])


def write(
    path: Path, frames: NDArray[np.uint8], codec: str = "libx264", pix_fmt: str = "yuv420p", **options: str
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = {"movflags": options.pop("movflags")} if "movflags" in options else {}
    with av.open(str(path), "w", options=flags) as container:
        stream: Any = container.add_stream(codec, rate=Fraction(25), options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pix_fmt
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_exact(path: Path, frames: NDArray[np.uint8]) -> Path:
    return write(path.with_suffix(".mkv"), frames, "ffv1", "bgr0")


def folder_of(tmp_path: Path, count: int, length: int = 20) -> Path:
    for i in range(count):
        write(tmp_path / f"clip{i}.mp4", scene(i, length))
    return tmp_path


def manifest(folder: Path, **clips: dict[str, Any]) -> None:
    named = {key.replace("_", "."): value for key, value in clips.items()}
    (folder / "clips.yaml").write_text(yaml.safe_dump({"clips": named}))


def of(benchmark: Clips, split: Sequence[Triplet]) -> set[str]:
    return {triplet.clip for triplet in split}


# --- the bundled clips


def test_bundled_split_levels_and_sizes(bundled: Clips) -> None:
    assert of(bundled, bundled.test) == {"cockatoo", "coin_pen", "ocean_wave", "rallye"}
    assert len(of(bundled, bundled.train)) == 5
    assert bundled.levels == ("easy", "medium", "hard", "extreme")
    assert len(bundled.train) == sum(frames - 2 * gap for frames in (98, 100, 120, 149, 451) for gap in range(1, 9))
    sizes = {t.clip: bundled.read(t).shape for t in (*bundled.train, *bundled.test)[::50]}
    assert sizes == {
        "cockatoo": (3, 360, 640, 3),
        "coin_pen": (3, 320, 568, 3),
        "flowers": (3, 360, 640, 3),
        "ocean_wave": (3, 360, 640, 3),
        "rallye": (3, 360, 640, 3),
        "perception_v1": (3, 180, 320, 3),
        "perception_v2": (3, 180, 320, 3),
        "pose2sim_multi_cam01": (3, 960, 544, 3),
        "pose2sim_single_cam01": (3, 960, 540, 3),
    }
    ids = [triplet.id for triplet in (*bundled.train, *bundled.test)]
    assert len(ids) == len(set(ids))


def test_bundled_levels_have_the_same_centres_at_growing_gaps(bundled: Clips) -> None:
    centres = {level: [t.frames[1] for t in bundled.test if t.level == level] for level in bundled.levels}
    assert len(set(map(tuple, centres.values()))) == 1
    assert len(centres["easy"]) == 4 * 20
    assert (centres["easy"][0], centres["easy"][19]) == (8, 271)
    for level, distance in zip(bundled.levels, (1, 2, 4, 8), strict=True):
        for t in bundled.test:
            if t.level == level and t.clip != "coin_pen":  # which repeats frames
                assert t.frames == (t.frames[1] - distance, t.frames[1], t.frames[1] + distance)
    assert bundled.test[1].id == "cockatoo/00020-00021-00022"


def test_bundled_triplets_and_times_are_these(bundled: Clips) -> None:
    """Also coin_pen's, which stores a frame twice: its manifest says that its frames are even nevertheless."""
    found = [
        sha256(json.dumps([(t.id, t.level, t.clip, t.frames, t.t) for t in each]).encode()).hexdigest()[:16]
        for each in (bundled.train, bundled.test)
    ]
    assert found == ["a0a5cb18ec9c8a42", "be01d4f121e57dea"]
    sums = {clip.name: sha256("".join(clip.decoded.sums).encode()).hexdigest()[:16] for clip in bundled._clips.values()}
    assert sums == {
        "cockatoo": "15a175a96da6d2ef",
        "coin_pen": "b1c0f8930cc7d773",
        "flowers": "858866414459a3a5",
        "ocean_wave": "415941d6ec25a3ae",
        "perception_v1": "c1154ebd5bb6533a",
        "perception_v2": "8dc62ec7dfe22ed8",
        "pose2sim_multi_cam01": "666108f5813e4368",
        "pose2sim_single_cam01": "f7e6c0c68b807c13",
        "rallye": "9b49bca95b5d3363",
    }


def test_no_bundled_clip_is_taken_for_another(bundled: Clips) -> None:
    """perception_v2 goes on where v1 ends."""
    contents = [*bundled.contents("train"), *bundled.contents("test")]
    assert len(contents) == 9
    assert min(len(each.prints) for each in contents) >= 98
    for i, one in enumerate(contents):
        assert list(leaks([one], contents[i + 1 :])) == []
        assert [leak.equal for leak in leaks([one], [one])] == [True]


def test_bundled_clips_have_licence_texts() -> None:
    stated = yaml.safe_load((BUNDLED / "clips.yaml").read_text())["clips"]
    assert sorted(stated) == sorted(file.name for file in BUNDLED.iterdir() if file.suffix in (".mp4", ".m4v", ".mov"))
    for name, entry in stated.items():
        assert sha256((BUNDLED / name).read_bytes()).hexdigest() == entry["sha256"]
        package = entry["source"]["package"].removesuffix(" (npm)")
        text = (BUNDLED / "LICENSES" / f"{package}-{entry['source']['version']}.txt").read_text()
        said = {"Apache-2.0": "Apache License", "MIT": "MIT" if package != "opencv" else "Permission is hereby granted"}
        assert said.get(entry["licence"], "Redistribution and use") in text
    assert sum(file.stat().st_size for file in BUNDLED.iterdir()) < 8 << 20


def test_second_construction_decodes_nothing(bundled: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framecache, "images", lambda *_: pytest.fail("decoded again"))
    again = Clips()
    assert again.digest("train") == bundled.digest("train")
    assert again.train == bundled.train


def test_pickles_small_and_reads_the_same(bundled: Clips) -> None:
    triplet = bundled.test[7]
    before = bundled.read(triplet)
    data = pickle.dumps(bundled)
    assert len(data) < 2_000_000
    np.testing.assert_array_equal(pickle.loads(data).read(triplet), before)
    assert before.flags.owndata
    assert before.dtype == np.uint8


def test_reading_gives_the_frames_of_the_file(bundled: Clips) -> None:
    triplet = next(t for t in bundled.train if t.clip == "perception_v1" and t.frames == (3, 7, 11))
    with av.open(str(BUNDLED / "perception_v1.m4v")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(bundled.read(triplet), np.stack([frames[i] for i in (3, 7, 11)]))


def test_import_is_light() -> None:
    code = "import sys, harness.data.sets.clips, harness.masks.cache; print({'torch', 'av', 'PIL'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# --- decoding


def all_of(decoded: Decoded) -> NDArray[np.uint8]:
    frames = decoded.open()
    return np.stack([frames.read(row) for row in range(decoded.rows)])


def content(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def exact(tmp_path: Path, frames: NDArray[np.uint8], **options: Any) -> NDArray[np.uint8]:
    file = write_exact(tmp_path / f"v{len(list(tmp_path.iterdir()))}", frames)
    return all_of(decode(file, content(file), **options))


def test_scale_averages_squares(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 22, 34, 3), np.uint8)
    np.testing.assert_array_equal(exact(tmp_path, frames), frames)
    for side, scale in ((2, 0.5), (4, 0.25)):
        cut = frames[:, : 22 // side * side, : 34 // side * side].astype(float)
        means = cut.reshape(3, 22 // side, side, 34 // side, side, 3).mean(axis=(2, 4))
        np.testing.assert_array_equal(exact(tmp_path, frames, scale=scale), np.floor(means + 0.5))


@pytest.mark.parametrize(("size", "halved"), [((540, 700), False), ((541, 700), True), ((1200, 100), False)])
def test_only_large_frames_are_halved(tmp_path: Path, size: tuple[int, int], halved: bool) -> None:
    frames = np.zeros((2, *size, 3), np.uint8)
    side = 2 if halved else 1
    assert exact(tmp_path, frames).shape == (2, size[0] // side, size[1] // side, 3)
    assert exact(tmp_path, frames, scale=1.0).shape == frames.shape


def test_frame_step_takes_every_nth_frame(tmp_path: Path) -> None:
    frames = scene(0, 10)
    np.testing.assert_array_equal(exact(tmp_path, frames, frame_step=3), frames[::3])


def test_frames_do_not_depend_on_threads_or_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    for threads in (1, 4, 4):
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / str(len(seen))))
        decoded = decode(
            BUNDLED / "perception_v1.m4v", content(BUNDLED / "perception_v1.m4v"), scale=0.5, threads=threads
        )
        seen.append(decoded.file.read_bytes())
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".avi", "mpeg4"), (".mkv", "libx264"), (".mpg", "mpeg2video"), (".h264", "libx264"), (".mov", "mpeg4")],
)
def test_containers_that_state_less_are_accepted(tmp_path: Path, suffix: str, codec: str) -> None:
    file = write(tmp_path / f"a{suffix}", scene(1, 30), codec)
    assert decode(file, content(file)).rows == 30


def test_frames_that_an_edit_list_leaves_out_are_no_loss(bundled: Clips) -> None:
    with av.open(str(BUNDLED / "perception_v2.m4v")) as container:
        assert container.streams.video[0].frames == 287
    assert max(t.frames[2] for t in bundled.train if t.clip == "perception_v2") == 148


@pytest.mark.parametrize("percent", [0, 30, 60, 90])
@pytest.mark.parametrize("movflags", ["faststart", ""])
def test_cut_off_files_are_refused(tmp_path: Path, percent: int, movflags: str) -> None:
    options = {"movflags": movflags} if movflags else {}
    file = write(tmp_path / "a.mp4", scene(2, 100), **options)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * percent // 100])
    write(tmp_path / "b.mp4", scene(3, 20))
    with pytest.raises(HarnessError, match=r"a\.mp4: .*(empty|cut off|breaks off).*copy it anew"):
        Clips(root=str(tmp_path))


def test_a_file_cut_between_two_packets_is_refused(tmp_path: Path, empty_cache: Path) -> None:
    """No packet is damaged and decoding stops without a word."""
    file = write(tmp_path / "a.mp4", scene(2, 50), "mpeg4", movflags="faststart")
    with av.open(str(file)) as container:
        places: list[int] = [packet.pos for packet in container.demux(video=0) if packet.pos]
    file.write_bytes(file.read_bytes()[: sorted(places)[40]])
    with pytest.raises(HarnessError, match=r"a\.mp4: breaks off after"):
        decode(file, "cut between packets")


@pytest.mark.parametrize("percent", [30, 60, 90])
@pytest.mark.parametrize(("suffix", "codec"), [(".avi", "mpeg4"), (".mkv", "libx264"), (".webm", "libvpx")])
def test_what_states_no_number_of_frames_is_refused_when_cut_off(
    tmp_path: Path, empty_cache: Path, suffix: str, codec: str, percent: int
) -> None:
    """Of an AVI, whose demuxer takes the duration from the size of the file, only the last packet tells; of Matroska
    only the duration."""
    file = write(
        tmp_path / f"a{suffix}", scene(2, 60), codec, **({"qmin": "2", "qmax": "2"} if suffix == ".avi" else {})
    )
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * percent // 100])
    with pytest.raises(HarnessError, match=rf"a\{suffix}: (breaks off after|no frame can be decoded)"):
        decode(file, f"{suffix} {percent}")


def test_a_cut_off_wmv_is_refused(tmp_path: Path, empty_cache: Path) -> None:
    file = write(tmp_path / "a.wmv", scene(2, 60), "wmv2")
    assert decode(file, content(file)).rows == 60
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 6 // 10])
    with pytest.raises(HarnessError, match=r"a\.wmv: is shorter than its header says"):
        decode(file, "cut off")


def test_sound_may_last_longer_than_pictures(tmp_path: Path, empty_cache: Path) -> None:
    file = tmp_path / "a.mkv"
    with av.open(str(file), "w") as container:
        film: Any = container.add_stream("libx264", rate=Fraction(25))
        film.height, film.width, film.pix_fmt = *scene(2, 1).shape[1:3], "yuv420p"
        sound: Any = container.add_stream("aac", rate=8000)
        for number in range(40):
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            quiet.sample_rate, quiet.pts = 8000, 1024 * number
            container.mux(sound.encode(quiet))
        for frame in scene(2, 20):
            container.mux(film.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux([*film.encode(), *sound.encode()])
    assert decode(file, content(file)).rows == 20


def test_empty_packets_of_theora_are_no_end(empty_cache: Path) -> None:
    """Its encoder writes them for frames that repeat the one before. PyAV has no such encoder; the file is made by
    `ffmpeg -f lavfi -i testsrc2=s=64x48:r=10:d=1 -vf fps=15 -c:v libtheora repeats.ogv`."""
    file = Path(__file__).parent / "footage/repeats.ogv"
    with av.open(str(file)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
    assert [packet.size for packet in packets].count(0) == 7
    decoded = decode(file, content(file))
    assert decoded.rows == len(packets) - 7
    assert decoded.stamps == tuple(packet.pts for packet in packets if packet.size)


def test_zeros_inside_a_file_are_refused(tmp_path: Path, empty_cache: Path) -> None:
    file = write(tmp_path / "a.mp4", scene(2, 100), movflags="faststart")
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 6 // 10] + bytes(len(data) - len(data) * 6 // 10))
    with pytest.raises(HarnessError, match=r"a\.mp4: "):
        decode(file, "zeros")


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, 2)
    (tmp_path / "notes.mp4").write_text("this is text, not a video\n" * 100)
    with pytest.raises(HarnessError, match=r"notes\.mp4: cannot be decoded"):
        Clips(root=str(tmp_path))


# --- the cache


def test_an_interrupted_decode_leaves_nothing_behind(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "a.mp4", scene(0, 20))
    images = framecache.images

    def breaks(*args: Any) -> Iterator[NDArray[np.uint8]]:
        for i, image in enumerate(images(*args)):
            if i == 10:
                raise KeyboardInterrupt
            yield image

    with monkeypatch.context() as patch:
        patch.setattr(framecache, "images", breaks)
        with pytest.raises(KeyboardInterrupt):
            decode(file, content(file))
    assert not [left for left in (empty_cache / "clips").iterdir() if left.suffix != ".lock"]
    assert decode(file, content(file)).rows == 20


@pytest.mark.parametrize("suffix", [".rgb", ".json"])
def test_a_damaged_cache_is_rebuilt(tmp_path: Path, empty_cache: Path, suffix: str) -> None:
    file = write(tmp_path / "a.mp4", scene(0, 20))
    whole = all_of(decode(file, content(file)))
    part = next((empty_cache / "clips").glob(f"*{suffix}"))
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    np.testing.assert_array_equal(all_of(decode(file, content(file))), whole)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file/cache"))
    file = write(tmp_path / "a.mp4", scene(0, 20))
    with pytest.raises(HarnessError, match=r"file/cache/clips: the cache cannot be written .*HARNESS_CACHE"):
        decode(file, content(file))


def test_a_full_disk_is_named(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = write(tmp_path / "a.mp4", scene(0, 20))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HarnessError, match=r"cache/clips: .*free some space"):
        decode(file, content(file))
    assert not [left for left in (empty_cache / "clips").iterdir() if left.suffix != ".lock"]


def test_processes_may_race(tmp_path: Path, empty_cache: Path) -> None:
    folder = folder_of(tmp_path / "videos", 2, 60)
    code = f"from harness.data.sets.clips import Clips; print(Clips(root={str(folder)!r}).digest('test'))"
    racing = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    digests = {process.communicate(timeout=60)[0] for process in racing}
    assert [process.returncode for process in racing] == [0, 0, 0]
    assert len(digests) == 1
    kinds = sorted(file.suffix for file in (empty_cache / "clips").iterdir())
    assert [kind for kind in kinds if kind != ".lock"] == [".json", ".json", ".rgb", ".rgb"]


# --- splits


def test_by_name_order_every_fifth_clip_is_for_testing(tmp_path: Path) -> None:
    folder_of(tmp_path, 2 * TEST_EVERY + 1)
    benchmark = Clips(root=str(tmp_path))
    tested = sorted(f"clip{i}" for i in range(2 * TEST_EVERY + 1))[TEST_EVERY - 1 :: TEST_EVERY]
    assert of(benchmark, benchmark.test) == set(tested)
    assert not of(benchmark, benchmark.train) & set(tested)


def test_of_few_clips_the_last_is_for_testing(tmp_path: Path) -> None:
    benchmark = Clips(root=str(folder_of(tmp_path, 2)))
    assert (of(benchmark, benchmark.train), of(benchmark, benchmark.test)) == ({"clip0"}, {"clip1"})


def test_split_by_subfolder(tmp_path: Path) -> None:
    write(tmp_path / "train/001.mp4", scene(0, 20))
    write(tmp_path / "test/001.mp4", scene(1, 20))
    write(tmp_path / "test/002.avi", scene(2, 20), "mpeg4")
    (tmp_path / "train/._001.mp4").write_text("left by another file system")
    benchmark = Clips(root=str(tmp_path))
    assert of(benchmark, benchmark.train) == {"train/001.mp4"}
    assert of(benchmark, benchmark.test) == {"test/001.mp4", "002"}


def test_split_and_shots_by_manifest(tmp_path: Path) -> None:
    folder_of(tmp_path, 3, 40)
    manifest(tmp_path, clip0_mp4={"split": "test", "shots": [[0, 9], [10, 30]]}, clip2_mp4={"frame_step": 2})
    benchmark = Clips(root=str(tmp_path), centres=0)
    assert of(benchmark, benchmark.test) == {"clip0"}
    assert {t.frames for t in benchmark.test if t.level == "extreme"} == {(c - 8, c, c + 8) for c in range(18, 23)}
    frames = {n for t in benchmark.train if t.clip == "clip2" for n in t.frames}
    assert frames == set(range(0, 40, 2))


def test_the_same_video_on_both_sides_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train/a.mp4", scene(0, 20))
    (tmp_path / "test").mkdir()
    shutil.copy(tmp_path / "train/a.mp4", tmp_path / "test/b.mp4")
    with pytest.raises(HarnessError, match=r"same video as test/b\.mp4, once for training and once for testing"):
        Clips(root=str(tmp_path))


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"splitt": "test"}, r"clips\.yaml:\d+: unknown key 'clips\.clip0\.mp4\.splitt'"),
        ({"split": "val"}, r"clips\.clip0\.mp4\.split: .*'train' or 'test'"),
        ({"scale": 0.3}, r"clips\.clip0\.mp4\.scale: .*1, 1/2 or 1/4"),
        ({"frame_step": 0}, r"clips\.clip0\.mp4\.frame_step: "),
        ({"shots": [[5, 3]]}, r"shots: \[5, 3\] is out of order"),
        ({"shots": [[0, 9], [9, 19]]}, r"shots: \[9, 19\] is out of order"),
        ({"shots": [[0, 20]]}, r"clips\.clip0\.mp4\.shots: frame 20 is beyond the clip's 20"),
        ({"sha256": "0" * 64}, r"clip0\.mp4: sha256 is .* copy it anew"),
        ({"split": "test", "shots": [[0, 15]]}, r"clip clip0: its longest shot has 16 distinct frames, .* needs 17"),
    ],
)
def test_wrong_manifests_are_refused(tmp_path: Path, entry: dict[str, Any], complaint: str) -> None:
    folder_of(tmp_path, 2)
    manifest(tmp_path, clip0_mp4=entry)
    with pytest.raises(HarnessError, match=complaint):
        Clips(root=str(tmp_path))


def test_a_manifest_for_a_missing_video_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, 2)
    manifest(tmp_path, clip9_mp4={})
    with pytest.raises(HarnessError, match=r"clips\.clip9\.mp4: no such video; did you mean 'clip"):
        Clips(root=str(tmp_path))


def test_folders_without_use_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no such folder; give one of videos with root="):
        Clips(root=str(tmp_path / "absent"))
    (tmp_path / "cut, off").mkdir()
    with pytest.raises(HarnessError, match="cut: no such folder; a path with a comma goes in double quotes"):
        Clips(root=str(tmp_path / "cut"))
    (tmp_path / "cut, off").rmdir()
    with pytest.raises(HarnessError, match="no video in this folder"):
        Clips(root=str(tmp_path))
    folder_of(tmp_path, 1)
    with pytest.raises(HarnessError, match="one video cannot be split"):
        Clips(root=str(tmp_path))


def test_short_clips_are_left_out_where_others_remain(tmp_path: Path) -> None:
    write(tmp_path / "train/a.mp4", scene(0, 10))
    write(tmp_path / "test/b.mp4", scene(1, 16))
    with pytest.raises(HarnessError, match="clip b: its longest shot has 16 distinct frames"):
        Clips(root=str(tmp_path))
    write(tmp_path / "test/c.mp4", scene(2, 17))
    benchmark = Clips(root=str(tmp_path))
    assert [t.id for t in benchmark.test if t.level == "extreme"] == ["c/00000-00008-00016"]
    with pytest.raises(HarnessError, match="no training clip is long enough for gaps=5"):
        Clips(root=str(tmp_path), gaps="5")


# --- shots and repeats


@pytest.fixture(scope="module")
def cut_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In `train`: two shots of 25 and 30 frames; every frame twice, exactly; every frame twice, re-encoded."""
    folder = tmp_path_factory.mktemp("cut")
    write(folder / "train/cut.mp4", np.concatenate([scene(1, 25), scene(2, 30)]))
    write_exact(folder / "train/twice", scene(3, 20).repeat(2, axis=0))
    write(folder / "train/noisy.mp4", scene(4, 20, speed=4).repeat(2, axis=0), "mpeg4", qmin="8", qmax="8")
    write(folder / "test/test.mp4", scene(5, 20))
    return folder


def test_no_triplet_crosses_a_cut(cut_clips: Path) -> None:
    benchmark = Clips(root=str(cut_clips))
    spans = [(t.frames[0], t.frames[2]) for t in benchmark.train if t.clip == "cut"]
    assert {last < 25 or first >= 25 for first, last in spans} == {True}
    assert len(spans) == sum(n - 2 * gap for n in (25, 30) for gap in range(1, 9))


@pytest.mark.parametrize("clip", ["twice", "noisy"])
def test_repeats_do_not_count(cut_clips: Path, clip: str) -> None:
    benchmark = Clips(root=str(cut_clips), gaps="3")
    spans = [t.frames for t in benchmark.train if t.clip == clip]
    assert spans == [(2 * i, 2 * i + 6, 2 * i + 12) for i in range(14)]


def test_a_jump_of_the_camera_is_no_cut(bundled: Clips, tmp_path: Path) -> None:
    """Without its manifest, so that shots are detected: frames 134 and 157 of cockatoo look like cuts."""
    (tmp_path / "test").mkdir()
    shutil.copy(BUNDLED / "cockatoo.mp4", tmp_path / "test")
    detected = Clips(root=str(tmp_path))
    assert list(detected.test) == [triplet for triplet in bundled.test if triplet.clip == "cockatoo"]


# --- options


@pytest.mark.parametrize(
    ("gaps", "distances"), [("1-8", {1, 2, 3, 4, 5, 6, 7, 8}), ("2", {2}), ("1+4", {1, 4}), ("1-2+4", {1, 2, 4})]
)
def test_gaps(bundled: Clips, gaps: str, distances: set[int]) -> None:
    train = Clips(gaps=gaps).train
    assert {t.frames[2] - t.frames[1] for t in train} == {t.frames[1] - t.frames[0] for t in train} == distances
    assert {t.t for t in train} == {0.5}
    assert {t.level for t in train} == {"train"}


@pytest.mark.parametrize("gaps", ["", "0", "3-1", "a", "1-", "1.5", "1+", "-2"])
def test_wrong_gaps_are_refused(gaps: str) -> None:
    with pytest.raises(HarnessError, match="gaps="):
        Clips(gaps=gaps)


def test_wrong_centres_are_refused() -> None:
    with pytest.raises(HarnessError, match="centres=-1"):
        Clips(centres=-1)


@pytest.mark.parametrize(("centres", "expected"), [(1, 1), (5, 5), (0, 264), (1000, 264)])
def test_centres(bundled: Clips, centres: int, expected: int) -> None:
    found = [t for t in Clips(centres=centres).test if (t.level, t.clip) == ("hard", "cockatoo")]
    assert len(found) == expected


def digests(folder: Path, **options: object) -> tuple[str, str]:
    clips = Clips(root=str(folder), **options)
    return clips.digest("train"), clips.digest("test")


def test_digests_follow_content_and_options_not_paths(tmp_path: Path) -> None:
    """Of each split its own: other test triplets are no reason to train again."""
    folder_of(tmp_path / "a", 2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    train, test = digests(tmp_path / "a")
    assert digests(tmp_path / "b") == (train, test)
    assert train != test

    def changed(**options: object) -> tuple[bool, bool]:
        now = digests(tmp_path / "a", **options)
        return now[0] != train, now[1] != test

    assert changed(gaps="1-2") == (True, False)
    assert changed(centres=1) == (False, True)
    assert changed(half=False) == (True, True)
    manifest(tmp_path / "b", clip0_mp4={"scale": 0.5})
    assert digests(tmp_path / "b")[0] != train
    (tmp_path / "b/clips.yaml").unlink()
    write(tmp_path / "b/clip0.mp4", scene(9, 20))
    assert digests(tmp_path / "b")[0] != train
    assert digests(tmp_path / "b")[1] == test


# --- lists

HEADER = "level,clip,frame0,frame_gt,frame1,flow\n"


def test_a_list_decides_the_test_triplets(tmp_path: Path) -> None:
    folder_of(tmp_path, 3)
    (tmp_path / "list.csv").write_text(
        HEADER + "extreme,clip0.mp4,0,8,16,1.5\neasy,clip0,3,4,5,\neasy,clip2.mp4,0,1,4,9\n"
    )
    benchmark = Clips(root=str(tmp_path), list="list.csv")
    assert benchmark.levels == ("extreme", "easy")
    assert [(t.id, t.level, t.t) for t in benchmark.test] == [
        ("clip0/00000-00008-00016", "extreme", 0.5),
        ("clip0/00003-00004-00005", "easy", 0.5),
        ("clip2/00000-00001-00004", "easy", 0.25),
    ]
    assert of(benchmark, benchmark.train) == {"clip1"}
    assert Clips(root=str(tmp_path), list=str(tmp_path / "list.csv")).digest("test") == benchmark.digest("test")


def test_a_single_video_with_a_list_is_for_testing(tmp_path: Path) -> None:
    folder_of(tmp_path, 1)
    (tmp_path / "list.csv").write_text(HEADER + "easy,clip0.mp4,0,1,2,\n")
    benchmark = Clips(root=str(tmp_path), list="list.csv")
    assert (len(benchmark.train), len(benchmark.test)) == (0, 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEADER + "easy,clip0.mp4,0,1,2,\neasy,clip9.mp4,0,1,2,\n", r"list\.csv:3: clip 'clip9\.mp4' is not here"),
        (HEADER + "easy,clip0.mp4,18,19,20,\n", r"list\.csv:2: clip clip0\.mp4 has no frame 20, it has frames 0 to 19"),
        (HEADER + "easy,clip0.mp4,2,1,3,\n", r"list\.csv:2: frames 2, 1, 3 are out of order"),
        (HEADER + "easy,clip0.mp4,-1,1,3,\n", r"list\.csv:2: frames -1, 1, 3 are out of order"),
        (HEADER + "easy,clip0.mp4,a,1,3,\n", r"list\.csv:2: frame numbers are not whole numbers"),
        (HEADER + "easy,clip0.mp4,1\n", r"list\.csv:2: frame numbers are not whole numbers"),
        (HEADER + "train,clip0.mp4,0,1,2,\n", r"list\.csv:2: level 'train'"),
        (HEADER + "easy,clip0.mp4,0,1,2,\nhard,clip0.mp4,0,1,2,\n", r"list\.csv:3: the same triplet as .*list\.csv:2"),
        (HEADER + "easy,clip1.mp4,0,1,2,\n", r"list\.csv:2: clip clip1\.mp4 is for training"),
        (HEADER + "easy,clip2.mp4,5,6,12,\n", r"list\.csv:2: frames 5 to 12 of clip2\.mp4 are not within one shot"),
        ("frame0,frame_gt,frame1,level,clip\n0,1,2,easy\n", r"list\.csv:2: names no clip"),
        (HEADER, r"list\.csv: lists no triplet"),
        ("level,clip,frame0\n", r"list\.csv:1: column frame_gt, frame1 is missing"),
        (None, r"list\.csv: cannot be read"),
    ],
)
def test_wrong_lists_are_refused(tmp_path: Path, text: str | None, complaint: str) -> None:
    folder_of(tmp_path, 3)
    manifest(tmp_path, clip1_mp4={"split": "train"}, clip2_mp4={"shots": [[0, 9], [10, 19]]})
    if text is not None:
        (tmp_path / "list.csv").write_text(text)
    with pytest.raises(HarnessError, match=complaint):
        Clips(root=str(tmp_path), list="list.csv")
