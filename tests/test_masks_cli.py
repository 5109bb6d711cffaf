"""harness masks build, stats, show, on the bundled clips."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness.cli.masks import masks
from harness.data.sets.clips import Clips
from harness.errors import HarnessError

Run = Callable[..., Result]

CLIPS = "clips:centres=5"
"""80 test triplets: of four clips, on four levels."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Masks in a cache of the test's own; decoded clips in that of all tests."""
    clips = Path(os.environ["HARNESS_CACHE"])
    clips.mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache").mkdir()
    for folder in ("clips", "masks"):
        (clips / folder).mkdir(exist_ok=True)
    for path in clips.iterdir():
        if path.name != "masks":
            (tmp_path / "cache" / path.name).symlink_to(path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(masks, arguments, catch_exceptions=False)

    return run


def build(run: Run, *arguments: str) -> str:
    return run("build", CLIPS, "--source", "global", "--split", "test", *arguments).output


def test_build_says_what_it_did_and_what_the_rest_takes(run: Run) -> None:
    first = build(run, "--triplets", "3")
    assert "made 3 pairs, 0 were there, 0 are left" in first
    assert re.search(r"a pair: \d+\.\d\d s and \d+\.\d kB", first)
    assert re.search(r"80 all pairs here: .*\d (s|min), .*\d kB", first)
    assert re.search(r"51,313 pairs of Vimeo90K: .*, [\d.]+ MB", first)
    again = build(run, "--triplets", "3")
    assert "made 0 pairs, 3 were there, 0 are left" in again
    assert "Vimeo90K" not in again


def test_shards_are_the_whole_and_do_not_overlap(run: Run) -> None:
    parts = [build(run, "--shard", f"{number}/3") for number in (1, 2, 3)]
    made = [int(re.search(r"made (\d+) pairs", part)[1]) for part in parts]  # type: ignore[index]
    assert sum(made) == 80
    assert max(made) - min(made) <= 1
    assert "made 0 pairs, 80 were there" in build(run)


@pytest.mark.parametrize("text", ["0/3", "4/3", "half", "1/0"])
def test_wrong_shards_are_refused(run: Run, text: str) -> None:
    with pytest.raises(HarnessError, match=f"--shard {text}: give I/N"):
        build(run, "--shard", text)


def test_stats_counts_what_is_there(run: Run) -> None:
    assert "0 of 80 pairs" in run("stats", CLIPS, "--source", "global", "--split", "test").output
    build(run, "--triplets", "2")
    told = run("stats", CLIPS, "--source", "global", "--split", "test").output
    assert "2 of 80 pairs have label maps of global" in told
    assert "masks a pair: 0.0 on average, 0 to 0" in told
    assert "uncovered area: 100.0% on average" in told
    assert f"harness masks build {CLIPS} --source global --split test\n" in told


def test_show_draws_pairs(run: Run, tmp_path: Path) -> None:
    told = run("show", "clips", "--source", "global", "--split", "test", "--count", "2", "--output", "two.png")
    assert told.output == "two.png\n"
    with Image.open(tmp_path / "two.png") as two:
        assert two.width == 1432  # 7.16 inches
        tall = two.height
    run("show", "clips", "--source", "global", "--triplet", Clips().test[0].id, "--output", "one.png")
    with Image.open(tmp_path / "one.png") as one:
        assert tall == pytest.approx(2 * one.height, abs=20)  # margins


def test_show_writes_no_png_under_another_name(run: Run) -> None:
    with pytest.raises(HarnessError, match=r"one\.jpg: the picture is written as png"):
        run("show", "clips", "--source", "global", "--output", "one.jpg")


def test_show_names_the_nearest_triplet(run: Run) -> None:
    wrong = Clips().test[0].id[:-1]
    with pytest.raises(HarnessError, match=f"clips has no triplet '{wrong}'; did you mean '{wrong}"):
        run("show", "clips", "--source", "global", "--triplet", wrong)


def test_unknown_names_are_refused(run: Run) -> None:
    with pytest.raises(HarnessError, match="unknown mask source 'globe'; did you mean 'global'"):
        run("build", "clips", "--source", "globe")
    with pytest.raises(HarnessError, match="unknown benchmark 'clip'"):
        run("build", "clip", "--source", "global")
