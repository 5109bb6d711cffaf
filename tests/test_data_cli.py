"""harness data: the list of data sets, and the check of one that goes on after a stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.cli.main import main
from harness.data import verify
from harness.data.leaks import Content
from harness.data.prints import prints_of
from harness.data.sets.clips import Clips
from harness.data.sets.ucf101 import UCF101
from harness.report.contact_sheet import draw_triplets
from harness.report.triplet_list import lines
from tests import miniatures
from tests.miniatures import frame
from tests.squares import Squares
from tests.test_clips import scene, write

Harness = Callable[..., tuple[int, str, str]]


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Harness:
    """Call the command line in this process, with a cache of its own: exit code, stdout, stderr."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setattr(UCF101, "totals", {"test": 3})

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", "data", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    return call


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The files that are decoded."""
    paths: list[Path] = []
    decode = verify.decode

    def remembered(content: bytes, path: Path) -> object:
        paths.append(path)
        return decode(content, path)

    monkeypatch.setattr(verify, "decode", remembered)
    return paths


@pytest.fixture
def ucf101(tmp_path: Path) -> Path:
    return miniatures.ucf101(tmp_path / "ucf101")


def hash_in(out: str) -> str:
    return out.split("sha256 ")[1].split()[0]


def test_list(harness: Harness, ucf101: Path) -> None:
    code, out, err = harness("list")
    assert code == 0, err
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert set(lines) >= {"vimeo90k", "snu-film", "ucf101", "middlebury", "xiph-2k", "xiph-4k", "x4k1000fps", "clips"}
    assert lines["ucf101"].rstrip().endswith(str(ucf101))
    assert lines["gopro"].rstrip().endswith("not found")
    assert lines["clips"].rstrip().endswith("comes with vfi-harness")


def test_list_of_one(harness: Harness) -> None:
    code, out, _ = harness("list", "snu-film")
    assert code == 0
    for text in ("https://myungsub.github.io/CAIN", "GOPRO_test/GOPR0384_11_00/", "eval_modes", "not found"):
        assert text in out
    code, _, err = harness("list", "snufilm")
    assert (code, "did you mean 'snu-film'?" in err) == (2, True)


def clips_in(folder: Path) -> str:
    """Three clips, of which one is too short to be tested on."""
    for name, length in (("train/a", 20), ("test/b", 30), ("test/short", 10)):
        write(folder / f"{name}.mp4", scene(len(name), length))
    return f"clips:root={folder},centres=2"


def test_triplets_are_listed_with_levels_shots_times_and_what_is_left_out(
    harness: Harness, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code, out, err = harness("list", clips_in(tmp_path / "clips"), "--split", "test")
    assert (code, err, caplog.messages) == (0, "", [])  # what is left out is said once, below
    levels, clip, triplets, notes = (
        [line for line in out.splitlines() if line.startswith(words)]
        for words in ("level ", "clip ", ("easy ", "medium ", "hard ", "extreme "), "note: ")
    )
    assert levels == [f"level {level}: 2 triplets" for level in ("easy", "medium", "hard", "extreme")]
    assert clip == ["clip b: 8 triplets; shots 0-29"]
    assert triplets[:2] == [
        "easy b/00007-00008-00009 frames 7 8 9 t 0.5",
        "easy b/00020-00021-00022 frames 20 21 22 t 0.5",
    ]
    assert len(triplets) == 8
    assert sum("clip short: its longest shot has 10 distinct frames" in note for note in notes) == 1
    assert len(out.splitlines()) == len(levels) + len(clip) + len(triplets) + len(notes)
    assert out.splitlines()[-len(notes) :] == notes
    code, out, err = harness("list", f"clips:root={tmp_path / 'clips'},gaps=9", "--split", "train")
    assert out.splitlines()[:3] == [
        "level train: 2 triplets",
        "clip a: 2 triplets; shots 0-19",
        "train a/00000-00009-00018 frames 0 9 18 t 0.5",
    ]


def test_many_shots_make_no_line_wider_than_120(tmp_path: Path) -> None:
    class Cut(Squares):
        def contents(self, split: str) -> list[Content]:
            shots = tuple((10 * i, 10 * i + 9) for i in range(60))
            return [Content(name="clip0", shots=shots, sums=frozenset(), prints=prints_of([]))]

    listed = list(lines(Cut(), "test"))
    assert max(map(len, listed)) <= 120
    assert "590-599" in " ".join(listed)


def test_triplets_of_images_are_listed_with_what_is_missing(harness: Harness, ucf101: Path) -> None:
    (ucf101 / "11" / "frame_02.png").unlink()
    code, out, err = harness("list", "ucf101", "--split", "test")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == ["level test: 2 triplets", "2 clips, whose shots are not known"]
    assert out.splitlines()[-1] == "note: only 2 of 3 test triplets"
    code, out, err = harness("list", "ucf101", "--split", "train")
    assert (code, err) == (2, "harness: error: ucf101 has no train triplets\n")


def test_warnings_are_not_lost_where_the_list_fails(
    harness: Harness, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    choice = clips_in(tmp_path / "clips")
    (tmp_path / "clips/test/b.mp4").unlink()
    code, out, _ = harness("list", choice, "--split", "test")
    assert (code, out) == (2, "")
    assert sum("clip short: its longest shot" in line for line in caplog.messages) == 1


def test_a_contact_sheet_of_triplets_has_their_middle_frames(harness: Harness, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    code, out, _ = harness("list", clips_in(tmp_path / "clips"), "--split", "test", "--contact-sheet", str(sheet))
    assert code == 0
    assert out.splitlines()[-1] == (f"{sheet}: the middle frames of 8 of 8 triplets, the first 3 of a clip on a level")
    benchmark = Clips(root=str(tmp_path / "clips"), centres=2)
    with Image.open(sheet) as image:
        pixels = np.asarray(image).astype(int)
    assert pixels.shape[1] == 3 * 246 + 6
    strip = pixels.shape[0] // 4
    shown = pixels[6 + 14 + 40 : 6 + 14 + 150, 6 + 4 : 6 + 236]
    whole = np.asarray(Image.fromarray(benchmark.read(benchmark.test[0])[1]).resize((240, 160), Image.Resampling.BOX))
    assert np.abs(shown - whole[40:150, 4:236].astype(int)).max() == 0
    second = pixels[6 + 14 + 40 : 6 + 14 + 150, 252 + 4 : 252 + 236]
    assert np.abs(second - shown).mean() > 10
    assert strip == 160 + 14 + 8 + 12 + 1


def test_a_contact_sheet_is_bounded_and_says_so(tmp_path: Path) -> None:
    benchmark = Squares(count=50)
    words = draw_triplets(benchmark, benchmark.test, tmp_path / "sheet.png")
    assert words.endswith("40 of 100 triplets, the first 3 of a clip on a level, of 40 of 100 clips and levels")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size[1] == 40 * (240 + 14 + 8 + 12) + 6


def test_wrong_requests_for_triplets(harness: Harness, tmp_path: Path) -> None:
    for arguments in (("--split", "test"), ("clips", "--contact-sheet", "a.png"), ("--contact-sheet", "a.png")):
        code, _, err = harness("list", *arguments)
        assert (code, "--split needs the NAME of a benchmark" in err) == (2, True)
    code, out, err = harness("list", "clips", "--split", "test", "--contact-sheet", str(tmp_path / "a.gif"))
    assert (code, out, "end the name in .png" in err) == (2, "", True)
    assert not (tmp_path / "cache").exists()


def test_a_list_of_triplets_pipes(tmp_path: Path) -> None:
    command = f"{sys.executable} -m harness data list layers --split train | head -n 2; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "level train: 100000 triplets",
        "100000 clips, whose shots are not known",
        "141",
    ]
    assert done.stderr == ""


def test_all_sound(harness: Harness, ucf101: Path, looked_at: list[Path]) -> None:
    code, out, err = harness("verify", "ucf101")
    assert code == 0, err
    assert out.endswith("ucf101: 9 files are sound\n")
    assert len(looked_at) == 9
    again = harness("verify", "ucf101", "--root", str(ucf101))[1]
    assert hash_in(again) == hash_in(out)
    assert len(looked_at) == 9


def test_the_hash_over_all_does_not_depend_on_the_folder(harness: Harness, tmp_path: Path, ucf101: Path) -> None:
    first = hash_in(harness("verify", "ucf101")[1])
    other = miniatures.ucf101(tmp_path / "elsewhere")
    assert hash_in(harness("verify", "ucf101", "--root", str(other))[1]) == first
    miniatures.write(other / "1" / "frame_00.png", frame(7, 256, 256))
    assert hash_in(harness("verify", "ucf101", "--root", str(other))[1]) != first


def test_every_bad_file_is_named(harness: Harness, ucf101: Path) -> None:
    names = [f"{folder}/{name}.png" for folder in ("1", "11") for name in ("frame_00", "frame_01_gt", "frame_02")]
    empty, cut, flipped, grey, small, gone = (ucf101 / name for name in names)
    empty.write_bytes(b"")
    cut.write_bytes(cut.read_bytes()[:9000])
    content = bytearray(flipped.read_bytes())
    content[-14] ^= 1  # in a checksum: it still decodes
    flipped.write_bytes(content)
    Image.open(grey).convert("L").save(grey)
    miniatures.write(small, frame(0, 256, 240))
    gone.unlink()
    code, out, err = harness("verify", "ucf101")
    assert code == 2
    assert err.endswith("6 of 9 files are missing or bad; only 2 of 3 test triplets\n")
    lines = dict(line.split(": ", 1) for line in out.splitlines())
    assert lines[str(empty)].startswith("the file is empty")
    assert lines[str(cut)].startswith("cannot be decoded")
    assert lines[str(flipped)].startswith("a checksum is wrong")
    assert lines[str(grey)] == "is grey; expected 8-bit RGB"
    assert lines[str(small)] == "is 256x240; expected 256x256"
    assert lines[str(gone)] == "no such file"
    assert len(lines) == 7


def test_partial_allows_what_is_missing_and_nothing_else(harness: Harness, ucf101: Path) -> None:
    (ucf101 / "11" / "frame_02.png").unlink()
    code, out, _ = harness("verify", "ucf101", "--partial")
    assert (code, out.splitlines()[-1]) == (0, "ucf101: 8 files are sound, but only 2 of 3 test triplets")
    (ucf101 / "1" / "frame_02.png").write_bytes(b"")
    assert harness("verify", "ucf101", "--partial")[0] == 2


def test_fewer_folders_than_published_are_no_whole_data_set(harness: Harness, tmp_path: Path) -> None:
    miniatures.ucf101(tmp_path / "ucf101", names=("1", "11"))
    code, _, err = harness("verify", "ucf101")
    assert code == 2
    assert "0 of 6 files are missing or bad; only 2 of 3 test triplets" in err


def test_a_changed_file_is_looked_at_again(harness: Harness, ucf101: Path, looked_at: list[Path]) -> None:
    harness("verify", "ucf101")
    looked_at.clear()
    changed = ucf101 / "21" / "frame_00.png"
    os.utime(changed, ns=(0, changed.stat().st_mtime_ns + 1))
    assert harness("verify", "ucf101")[0] == 0
    assert looked_at == [changed]
    looked_at.clear()
    changed.write_bytes(b"")
    assert harness("verify", "ucf101")[0] == 2
    miniatures.write(changed, frame(2, 256, 256))
    assert harness("verify", "ucf101")[0] == 0
    assert looked_at == [changed]


def test_a_stopped_check_goes_on(
    harness: Harness, ucf101: Path, tmp_path: Path, looked_at: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = verify.append_line
    known: list[str] = []

    def stopping(path: Path, line: str, durable: bool) -> None:
        append(path, line, durable)
        known.append(line.split(",")[0])
        if len(known) == 4:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(verify, "append_line", stopping)
    monkeypatch.setattr(verify, "CHUNK", 2)
    code, _, err = harness("verify", "ucf101")
    assert code == 130
    assert "the same command goes on from here" in err
    (record,) = (tmp_path / "cache" / "verify").glob("ucf101-*.csv")
    assert len(record.read_text().splitlines()) == 4
    with record.open("a") as file:
        file.write("21/frame_02.png,12")  # a crash tore this line
    looked_at.clear()
    assert harness("verify", "ucf101")[0] == 0
    assert {path.relative_to(ucf101).as_posix() for path in looked_at} == {
        f"{folder}/{name}.png" for folder in ("1", "11", "21") for name in ("frame_00", "frame_01_gt", "frame_02")
    } - set(known[:4])
    looked_at.clear()
    assert harness("verify", "ucf101")[0] == 0
    assert looked_at == []


def test_one_size_in_a_folder(harness: Harness, tmp_path: Path) -> None:
    root = miniatures.snu_film(tmp_path / "SNU-FILM")
    odd = miniatures.write(root / "YouTube_test" / "0000" / "00003.png", frame(0, 96, 96))
    code, out, _ = harness("verify", "snu-film", "--partial")
    assert code == 2
    assert out.splitlines()[0] == f"{odd}: is 96x96; expected 160x96, as the others in its folder"


@pytest.mark.parametrize("name", ["a,b", "fps=24", "x:y", 'say "a,b"', "a, b"])
def test_folders_may_be_called_anything(harness: Harness, tmp_path: Path, name: str) -> None:
    """What has a comma in quotes; the message of what has it without them says how."""
    for i in range(2):
        write(tmp_path / name / f"{i}.mp4", scene(i, 20))
    path = str(tmp_path / name)
    quoted = '"{}"'.format(path.replace('"', '""'))
    assert harness("verify", f"clips:root={quoted}")[1] == f"clips:root={quoted}: has no files of its own to verify\n"
    code, out, err = harness("verify", f"clips:root={path}")
    if "," not in name:
        assert (code, out) == (0, f"clips:root={path}: has no files of its own to verify\n")
    else:
        assert code == 2
        assert f"""'NAME:root="{path.partition(",")[0]},..."'""" in err


def test_wrong_requests(harness: Harness, tmp_path: Path) -> None:
    assert harness("verify", "layers")[1] == "layers: has no files of its own to verify\n"
    code, _, err = harness("verify", "ucf101", "--root", str(tmp_path / "nowhere"))
    assert (code, "nowhere: no such folder" in err) == (2, True)
    code, _, err = harness("verify", "vimeo")
    assert (code, "did you mean 'vimeo90k'?" in err) == (2, True)
    (tmp_path / "file").write_text("")
    code, _, err = harness("list", "--data-root", str(tmp_path / "file"))
    assert (code, "HARNESS_DATA" in err) == (2, True)
