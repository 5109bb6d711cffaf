"""Clips that are for training and for testing at once, whatever was done to their files: refused, or warned of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data.cropped import cropped
from harness.data.leaks import Content, check, leaks
from harness.data.prints import NEAR, found, prints_of, told, waves_of
from harness.data.sets.clips import Clips
from harness.data.shots import cells_of
from harness.data.video import images
from harness.distributed import World
from harness.errors import HarnessError
from harness.pair import seen
from harness.pair.plan import settle
from harness.pair.run import Shared
from harness.registry.catalog import catalog
from harness.results.records import Asked
from harness.results.store import Store
from tests.squares import Squares
from tests.test_clips import scene, write
from tests.test_shots import filmed

Video = NDArray[np.uint8]
LENGTH = 40


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def video() -> Video:
    return scene(1, LENGTH)


def remuxed(source: Path, path: Path, **tags: str) -> Path:
    """The same packets in another container."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(source)) as whole, av.open(str(path), "w") as copy:
        stream = copy.add_stream_from_template(whole.streams.video[0])
        copy.metadata.update(tags)
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    return path


def halved(video: Video) -> Video:
    count, height, width = video.shape[:3]
    return video.reshape(count, height // 2, 2, width // 2, 2, 3).mean(axis=(2, 4)).round().astype(np.uint8)


EQUAL: dict[str, Callable[[Path, Path], Path]] = {
    "remuxed": lambda source, test: remuxed(source, test / "b.mkv"),
    "tagged": lambda source, test: remuxed(source, test / "b.mp4", title="holiday"),
    "decoded and stored": lambda source, test: write(test / "b.mkv", decoded(source), "ffv1", "bgr0"),
    "its second half": lambda source, test: write(test / "b.mkv", decoded(source)[LENGTH // 2 :], "ffv1", "bgr0"),
}

NEARLY: dict[str, Callable[[Video, Path], Path]] = {
    "crf 18": lambda video, test: write(test / "b.mp4", video, crf="18"),
    "crf 35": lambda video, test: write(test / "b.mp4", video, crf="35"),
    "half the size": lambda video, test: write(test / "b.mp4", halved(video)),
    "cropped by 2 pixels": lambda video, test: write(test / "b.mp4", video[:, 2:-2, 2:-2]),
    "its second half, crf 35": lambda video, test: write(test / "b.mp4", video[LENGTH // 2 :], crf="35"),
    "darker": lambda video, test: write(test / "b.mp4", video // 2),
}


def decoded(path: Path) -> Video:
    return np.stack([shown.image for shown in images(path, 1, 1, "", "no")])


def folder(tmp_path: Path, video: Video) -> Path:
    """With one clip for training, and another one that is nothing like it for testing."""
    write(tmp_path / "clips/train/a.mp4", video)
    write(tmp_path / "clips/test/other.mp4", scene(2, LENGTH))
    return tmp_path / "clips"


@pytest.mark.parametrize("how", EQUAL)
def test_the_same_pixels_in_another_file_are_refused(how: str, tmp_path: Path, video: Video) -> None:
    root = folder(tmp_path, video)
    EQUAL[how](root / "train/a.mp4", root / "test")
    words = r"/clips: clip b, for testing, has the very frames of clip a, for training \(100% of .*\); remove one$"
    with pytest.raises(HarnessError, match=words):
        Clips(root=str(root))


@pytest.mark.parametrize("how", NEARLY)
def test_nearly_the_same_is_warned_of_with_both_names_and_the_share(
    how: str, tmp_path: Path, video: Video, caplog: pytest.LogCaptureFixture
) -> None:
    root = folder(tmp_path, video)
    NEARLY[how](video, root / "test")
    assert {triplet.clip for triplet in Clips(root=str(root)).test} == {"b", "other"}
    (line,) = warnings(caplog)
    assert "b nearly equals a (" in line
    assert int(line.split("a (")[1].split("%")[0]) > 90


def test_other_clips_are_not_warned_of(tmp_path: Path, video: Video, caplog: pytest.LogCaptureFixture) -> None:
    """Nor are those of which the one goes on where the other ends, nor nearly black ones."""
    root = folder(tmp_path, video[: LENGTH // 2])
    write(root / "test/continued.mp4", video[LENGTH // 2 :])
    dark = np.random.default_rng(0).integers(16, 18, (2, LENGTH, 96, 128, 3), np.uint8)
    for split, frames in zip(("train", "test"), dark, strict=True):
        write(root / f"{split}/dark_{split}.mkv", frames, "ffv1", "bgr0")
    assert len(Clips(root=str(root)).contents("test")) == 3
    assert warnings(caplog) == []


def test_frames_out_of_use_do_not_count(tmp_path: Path, video: Video, caplog: pytest.LogCaptureFixture) -> None:
    """Two shots of one video, in two files: which is for what is the user's business."""
    root = folder(tmp_path, video)
    remuxed(root / "train/a.mp4", root / "test/b.mkv")
    half = LENGTH // 2
    (root / "clips.yaml").write_text(
        f"clips: {{train/a.mp4: {{shots: [[0, {half - 1}]]}}, test/b.mkv: {{shots: [[{half}, {LENGTH - 1}]]}}}}"
    )
    assert next(content.shots for content in Clips(root=str(root)).contents("test")) == ((half, LENGTH - 1),)
    assert warnings(caplog) == []


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Of clips alike, each in one line."""
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    return [line for line in lines if "equal" in line]


# --- between benchmarks


def two_folders(tmp_path: Path, copy: Path | None) -> Shared:
    """What a run trained on the one and tested on the other shares, `copy` being of the other."""
    for name, seed in (("a", 1), ("b", 3)):
        for split, length in (("train", LENGTH), ("test", LENGTH)):
            place = tmp_path / name / split / f"{name}_{split}.mp4"
            if not place.exists():
                write(place, scene(seed + len(split), length))
    words = {"data": f"clips:root={tmp_path / 'a'}", "test": f"clips:root={tmp_path / 'b'}", "recipe": "smoke"}
    cpu = torch.device("cpu")
    plan = settle(Asked(baseline="ifrnet-s", **words), catalog(), cpu)
    return Shared.of(plan, Store(tmp_path / "results"), World(0, 1, cpu))


def test_training_on_what_another_benchmark_tests_is_refused_before_anything_is_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two_folders(tmp_path, None)
    assert warnings(caplog) == []
    remuxed(tmp_path / "b/test/b_test.mp4", tmp_path / "a/train/copy.mkv")
    words = r"clip b_test of clips\(root=.*b\), for testing, has .* of clip copy of clips\(root=.*a\), for training"
    made = sorted((tmp_path / "results").rglob("*"))
    with pytest.raises(HarnessError, match=words):
        two_folders(tmp_path, None)
    assert sorted((tmp_path / "results").rglob("*")) == made


def test_training_on_nearly_that_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    two_folders(tmp_path, None)
    write(tmp_path / "a/train/copy.mp4", decoded(tmp_path / "b/test/b_test.mp4"), crf="35")
    two_folders(tmp_path, None)
    (line,) = warnings(caplog)
    assert f"clips(root={tmp_path / 'a'})" in line
    assert f"clips(root={tmp_path / 'b'})" in line
    assert "b_test nearly equals copy (100%)" in line


def test_a_start_that_has_seen_a_test_set_is_warned_of(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = folder(tmp_path, video)
    tested = Clips(root=str(root))
    words = {"data": "layers:tests=1", "test": f"clips:root={root}", "recipe": "smoke", "start": "ifrnet-s-own"}
    plan = settle(Asked(baseline="ifrnet-s", **words), catalog(), torch.device("cpu"))
    assert plan.start is not None
    assert plan.start.trained_on == ("layers:train", "clips:train")
    monkeypatch.setattr(seen, "_contents", lambda word, known: tested.contents("test") if "clips" in word else ())
    Shared.of(plan, Store(tmp_path / "results"), World(0, 1, torch.device("cpu")))
    (line,) = warnings(caplog)
    assert line.endswith(
        "trained on clip other (layers:train, clips:train), and clip other of test set clips equals it"
    )


def test_what_weights_have_seen_goes_by_the_split(
    tmp_path: Path, video: Video, caplog: pytest.LogCaptureFixture
) -> None:
    choice = f"clips:root={folder(tmp_path, video)}"
    sets = {"clips": Clips(root=str(tmp_path / "clips"))}
    for word in (f"{choice}:train", "ucf101:test", "nowhere:train", "layers:train"):
        seen.warn_of_seen("w", (word,), sets, catalog())
    assert warnings(caplog) == []
    seen.warn_of_seen("w", (f"{choice}:test",), sets, catalog())
    assert len(warnings(caplog)) == 1


def test_what_is_known_is_known_of_the_middle_of_frames_too(tmp_path: Path, video: Video) -> None:
    whole = Clips(root=str(folder(tmp_path, video)))
    for split in ("train", "test"):
        names = [content.name for content in cropped(whole, 32).contents(split)]
        assert names == [content.name for content in whole.contents(split)] != []
    assert cropped(Squares(), 32).contents("test") == ()


# --- prints


def content(name: str, prints: list[int], sums: str = "") -> Content:
    return Content(name=name, shots=(), sums=frozenset(sums), prints=np.array(prints, np.uint64))


def test_the_shorter_one_decides_and_most_of_it_must_be_there() -> None:
    far = [int(word, 16) for word in ("ffff0000ffff0000", "00ff00ff00ff00ff", "0f0f0f0f0f0f0f0f", "3333333333333333")]
    whole = content("whole", [*far, *(0xAAAAAAAAAAAAAAAA for _ in range(50))])
    near = content("near", [far[0] ^ 0x7, far[1] ^ 0x1010, far[2] ^ 1, 0])
    half = content("half", [far[0], far[1], 0, (1 << 64) - 1])
    assert [(leak.test, leak.equal, leak.share) for leak in leaks([whole], [near, half])] == [("near", False, 0.75)]
    assert [(leak.test, leak.share) for leak in leaks([near, half], [whole])] == [("whole", 0.75)]
    beyond = content("beyond", [each ^ ((1 << (NEAR + 1)) - 1) for each in far])
    within = content("within", [each ^ ((1 << NEAR) - 1) for each in far])
    assert [leak.test for leak in leaks([whole], [beyond, within])] == ["within"]


def test_clips_of_which_nothing_is_known_leak_nothing() -> None:
    assert list(leaks([content("a", [])], [content("b", []), content("c", [5])])) == []
    found_equal = leaks([content("a", [], "xyz")], [content("b", [], "yz"), content("c", [], "zuv")])
    assert [leak.test for leak in found_equal] == ["b"]


def test_equal_ones_are_refused_though_near_ones_come_first(caplog: pytest.LogCaptureFixture) -> None:
    train = [content("a", [7]), content("b", [0xFF << 40], "xy")]
    with pytest.raises(HarnessError, match="clip d, for testing, has the very frames of clip b, for training"):
        check(train, [content("c", [7]), content("d", [0xFF << 40], "xy")])
    many = [content(f"t{i}", [7]) for i in range(8)]
    caplog.clear()
    check(train[:1], many)
    (line,) = warnings(caplog)
    assert line.count("nearly equals") == 5
    assert "and 3 more" in line


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(0, 40))
def test_a_print_goes_by_the_picture_and_not_by_its_size_or_brightness(seed: int, times: int, more: int) -> None:
    small = scene(seed, 1)[0] // 2
    large = small.repeat(times, axis=0).repeat(times, axis=1) + np.uint8(more)
    one, other = (prints_of(told([waves_of(cells_of(frame))])) for frame in (small, large))
    assert len(one) == len(other)
    assert found(one, other).all()


def test_a_print_needs_contrast() -> None:
    noise = np.random.default_rng(0).integers(0, 3, (96, 128, 3), np.uint8)
    assert told([waves_of(cells_of(noise))]) == [""]
    (digits,) = told([waves_of(cells_of(scene(0, 1, height=96, width=128)[0] // 8))])
    assert len(digits) == 16
    assert len(prints_of(["", "00000000000000ff", ""])) == 1


def test_a_real_clip_is_found_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Encoded coarsely at half its size, its second half alone; what goes on where it ends is another clip."""
    drone, after = (filmed(f"perception_v{i}.m4v", first, 60) for i, first in ((1, 60), (2, 0)))
    write(tmp_path / "train/v1.mkv", drone, "ffv1", "bgr0")
    write(tmp_path / "test/small.mp4", halved(drone[30:]), crf="35")
    write(tmp_path / "test/v2.mkv", after, "ffv1", "bgr0")
    Clips(root=str(tmp_path))
    (line,) = warnings(caplog)
    assert "small nearly equals v1 (" in line
    assert "v2" not in line
