"""Wrong input of every kind ends in one clear line and exit code 2, and costs nothing that was computed before."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
import safetensors.torch
import yaml
from PIL import Image

from harness.cli import main as command_line
from harness.controls.null import Null
from harness.model import Features
from harness.registry.catalog import catalog
from harness.registry.plugins import discover
from harness.results.envelope import write
from harness.results.records import PairRecord
from harness.results.store import RunFolder, Store

TOYVFI = Path(__file__).parent / "third_party" / "toyvfi"
TINY = "steps: 2\nbatch: 1\naugment: {crop: 32}\ncheckpoint_every: 1\ntest_triplets: 1\n"
NULL = ("run", "--baseline", "toy", "--with", "null")


class Outcome(NamedTuple):
    """What a command left behind on the terminal."""

    code: int
    out: str
    err: str


Harness = Callable[..., Outcome]


def install_toyvfi(info: Path) -> None:
    """toyvfi's source as it would be after an editable installation."""
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toyvfi\nVersion: 1.2.3\n")
    (info / "entry_points.txt").write_text("[harness]\ntoy = toyvfi\n")


@pytest.fixture(scope="module", autouse=True)
def _toyvfi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("toyvfi")
    install_toyvfi(folder / "toyvfi-1.2.3.dist-info")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOYVFI)
        patch.syspath_prepend(folder)
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        patch.delenv("HARNESS_RESULTS", raising=False)
        discover.cache_clear()
        catalog.cache_clear()
        yield
    discover.cache_clear()
    catalog.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "toyvfi"]:
        del sys.modules[name]


@pytest.fixture
def harness(capsys: pytest.CaptureFixture[str]) -> Harness:
    """The command line, in this process."""

    def call(*arguments: object) -> Outcome:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["harness", *map(str, arguments)])
            patch.setattr(command_line.cli, "commands", dict(command_line.cli.commands))
            capsys.readouterr()
            with pytest.raises(SystemExit) as stop:
                command_line.main()
        printed = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of 20 frames."""
    folder = tmp_path_factory.mktemp("videos")
    for seed in (0, 1):
        write_video(folder / f"clip{seed}.mp4", seed, 20)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of two steps."""
    file = tmp_path_factory.mktemp("recipes") / "tiny.yaml"
    file.write_text(TINY)
    return file


@pytest.fixture
def train(harness: Harness, videos: Path, tiny: Path, tmp_path: Path) -> Harness:
    """`harness run --baseline toy`, tiny, with results in `tmp_path / "results"`, and more arguments."""

    def call(*arguments: object) -> Outcome:
        base = ("--baseline", "toy", "--recipe", tiny, "--data", f"clips:root={videos}")
        return harness("run", *base, "--device", "cpu", "--results", tmp_path / "results", *arguments)

    return call


def write_video(path: Path, seed: int, count: int, **flags: str) -> Path:
    """A texture that moves to the left, 96x96."""
    texture = np.random.default_rng(seed).integers(0, 256, (12, 12 + count, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=flags) as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(25))
        stream.width = stream.height = 96
        stream.pix_fmt = "yuv420p"
        for at in range(count):
            image = np.ascontiguousarray(texture[:, 3 * at : 3 * at + 96])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def refusal(outcome: Outcome) -> str:
    """The one line of an error."""
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.out + outcome.err
    [line] = [line for line in outcome.err.splitlines() if not is_note(line)]
    assert line.startswith("harness: error: ")
    return line.removeprefix("harness: error: ")


def is_note(line: str) -> bool:
    """Warnings, and the lines that tell how far a run is."""
    return line.startswith(
        ("harness: warning: ", "harness: WARNING: ", "harness: drawing ", "harness: testing ", "harness: toy")
    )


def content(folder: Path) -> dict[str, str]:
    """sha256 of every file, locks aside."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def runs(results: Path) -> dict[str, Path]:
    """Run folders by arm."""
    return {run.name.split(".s")[0]: run for run in results.glob("runs/*")}


# --- names and options


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("run", "--baseline", "tou"), "unknown baseline 'tou'; did you mean 'toy'?"),
        (("run", "--baseline", "zzzzzz"), "unknown baseline 'zzzzzz'; there are: "),
        (("run", "--baseline", ""), "'': expected one name"),
        (("run", "--baseline", "toy,ifrnet"), "'toy,ifrnet': expected one name"),
        (("run", "--baseline", "toy", "--with", "nul"), "unknown plug-in 'nul'; did you mean 'null'?"),
        (("run", "--baseline", "toy", "--with", "toy-men"), "unknown plug-in 'toy-men'; did you mean 'toy-mean'?"),
        (("run", "--baseline", "toy", "--masks", "gloabl"), "unknown mask source 'gloabl'; did you mean 'global'?"),
        (("run", "--baseline", "toy", "--data", "clip"), "unknown benchmark 'clip'; did you mean 'clips'?"),
        (("run", "--baseline", "toy", "--recipe", "smok"), "unknown recipe 'smok'; did you mean 'smoke'?"),
        (("run", "--baseline", "toy", "--recipe", "x.yml/y"), "unknown recipe 'x.yml/y'"),
        (("show", "toy-plan"), "nothing is called 'toy-plan'; did you mean 'toy-plain'?"),
        (("table", "toy"), "no pair 'toy' in "),
        (("curves", "toy"), "no pair 'toy' in "),
        (("table",), "no pair in "),
        (("run", "--baseline", "toy:chanels=8"), "toy has no option 'chanels'; did you mean 'channels'?"),
        (("run", "--baseline", "toy:channels=0"), "toy(channels=0): toy: channels is 1 or more"),
        (("run", "--baseline", "toy:channels=many"), "toy: channels=many: expected int"),
        (("run", "--baseline", "toy-plain:channels=8"), "toy-plain has no option 'channels'; it has: none"),
        (("run", "--baseline", "toy", "--with", "hir:stage=L"), "hir has no option 'stage'; did you mean 'stages'?"),
        (("run", "--baseline", "toy", "--with", "hir:stages=X"), "hir: stages=X: expected L | S | SL | LS"),
        (("run", "--baseline", "toy", "--with", "hir:radius=1,radius=2"), "hir: the option 'radius' is given twice"),
        (("run", "--baseline", "toy", "--with", "radius=1"), "'radius=1': an option without a name"),
        (("run", "--baseline", "toy", "--with", "hir:radius=0"), "hir(radius=0): hir: radius is 1 or more"),
        (("run", "--baseline", "toy", "--with", "hce,hce"), "plug-in 'hce' is given twice"),
        (("run", "--baseline", "toy", "--masks", "toy-halves:lvl=3"), "toy-halves has no option 'lvl'; did you mean"),
        (("run", "--baseline", "toy", "--device", "abacus"), "device 'abacus' cannot be used: "),
        (("run", "--baseline", "toy", "--device", "cuda:99"), "device 'cuda:99' cannot be used: "),
    ],
)  # fmt: skip
def test_names_and_options(arguments: tuple[str, ...], line: str, harness: Harness, tmp_path: Path) -> None:
    where = () if arguments[0] == "show" else ("--results", tmp_path / "results")
    recipe = ("--recipe", "smoke") if arguments[0] == "run" and "--recipe" not in arguments else ()
    assert refusal(harness(*arguments, *recipe, *where)).startswith(line)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("run",), "--baseline"),
        (("run", "--baseline"), "--baseline"),
        (("run", "--baseline", "toy", "--sed", "1"), "--seed"),
        (("run", "--baseline", "toy", "--seed", "-1"), "-1"),
        (("run", "--baseline", "toy", "--seed", "one"), "one"),
        (("run", "--baseline", "toy", "--seed", "4294967296"), "4294967296"),
        (("run", "--baseline", "toy", "--workers", "-1"), "-1"),
        (("run", "--baseline", "toy", "surplus"), "surplus"),
        (("rnu",), "rnu"),
        (("table", "--format", "pdf"), "pdf"),
        (("show",), "NAME"),
    ],
)
def test_usage(arguments: tuple[str, ...], word: str, harness: Harness) -> None:
    assert word in refusal(harness(*arguments))


def test_no_command_shows_help(harness: Harness) -> None:
    outcome = harness()
    assert outcome.code == 2
    assert "Commands:" in outcome.err


@pytest.mark.parametrize(
    ("plugins", "line"),
    [
        ("hir", "toy-plain has no seam for plug-ins: hir cannot act on it"),
        ("hce,hir", "toy-plain has no seam for plug-ins: hce cannot act on it"),
    ],
)
def test_a_baseline_without_the_seam(plugins: str, line: str, train: Harness, tmp_path: Path) -> None:
    assert refusal(train("--baseline", "toy-plain", "--with", plugins)) == line
    assert not runs(tmp_path / "results")  # not after the training of the other arm


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--with", "toy-mean", "--masks", "toy-halves:level=300"), "toy-halves: level=300 is not in 0 to 255"),
        (("--with", "hce:spatial=false,temporal=false"), "hce(spatial=false,temporal=false): "),
    ],
)
def test_what_only_the_second_arm_needs_is_refused_first(
    arguments: tuple[str, ...], line: str, train: Harness, tmp_path: Path
) -> None:
    assert refusal(train(*arguments)).startswith(line)
    assert not runs(tmp_path / "results")


# --- recipes

BOMB = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 7))
RECIPES: dict[str, tuple[str | bytes, int | None, str]] = {
    "unknown key": ("stps: 4\nbatch: 2\naugment: {}\n", 1, "unknown key 'stps'; did you mean 'steps'?"),
    "unknown key like none": ("steps: 4\nbatch: 2\naugment: {}\nqqq: 1\n", 4, "unknown key 'qqq'"),
    "unknown nested key": ("steps: 4\nbatch: 2\naugment:\n  crp: 64\n", 4, "'augment.crp'; did you mean 'crop'?"),
    "unknown key in flow style": ("steps: 4\nbatch: 2\naugment: {hflp: 0}\n", 3, "; did you mean 'hflip'"),
    "duplicate key": ("steps: 4\nbatch: 2\nsteps: 5\naugment: {}\n", 3, "the key 'steps' appears twice"),
    "duplicate nested key": ("steps: 4\nbatch: 2\naugment: {crop: 1, crop: 2}\n", 3, "the key 'crop' appears twice"),
    "key that is no word": ("steps: 4\n5: 2\n", 2, "the key 5 is not a word"),
    "key that is a list": ("steps: 4\n? [a, b]\n: 2\n", 2, "is not a word"),
    "merge key": ("base: &b {steps: 4}\n<<: *b\n", 2, "merge"),
    "tab": ("steps: 4\nbatch: 2\naugment:\n\tcrop: 64\n", 4, "cannot start any token"),
    "unclosed": ("steps: 4\naugment: {crop: 64\n", None, "expected ',' or '}'"),
    "alias bomb": ("x0: &x0 [1]\n" + BOMB, 2, "alias"),
    "alias": ("steps: &n 4\nbatch: *n\naugment: {}\n", 2, "an alias; write its value out"),
    "alias of itself": ("augment: &a [*a]\n", 1, "alias"),
    "undefined alias": ("steps: *n\n", 1, "an alias"),
    "deep": ("steps: " + "[" * 20000, None, "nested too deeply"),
    "python object": ("steps: !!python/name:os.getcwd ''\n", 1, "could not determine a constructor"),
    "python call": ("steps: !!python/object/apply:os.getcwd []\n", 1, "steps: input should be a valid integer"),
    "two documents": ("steps: 4\n---\nbatch: 2\n", None, "but found another document"),
    "impossible date": ("steps: 2026-13-45\n", 1, "steps: input should be a valid integer"),
    "word for a number": ("steps: many\nbatch: 2\naugment: {}\n", 1, "steps: input should be a valid integer"),
    "string for a number": ("steps: '4'\nbatch: 2\naugment: {}\n", 1, "steps: input should be a valid integer"),
    "string for a rate": ("steps: 4\nbatch: 2\naugment: {}\nlearning_rate: '0.1'\n", 4, "learning_rate: input should"),
    "truth for a rate": ("steps: 4\nbatch: 2\naugment: {}\nlearning_rate: yes\n", 4, "yes is one thing in YAML 1.1"),
    "true for a rate": ("steps: 4\nbatch: 2\naugment: {}\nlearning_rate: true\n", 4, "learning_rate: input should be"),
    "key that is true": ("steps: 4\ntrue: 2\n", 2, "the key True is not a word"),
    "truth for a number": ("steps: true\nbatch: 2\naugment: {}\n", 1, "steps: input should be a valid integer"),
    "truth for a probability": ("steps: 4\nbatch: 2\naugment: {hflip: true}\n", 3, "augment.hflip: input should be"),
    "fraction for a count": ("steps: 4\nbatch: 2.5\naugment: {}\n", 2, "batch: input should be a valid integer"),
    "negative": ("steps: -4\nbatch: 2\naugment: {}\n", 1, "steps: input should be greater than or equal to 1"),
    "zero": ("steps: 4\nbatch: 0\naugment: {}\n", 2, "batch: input should be greater than or equal to 1"),
    "zero rate": ("steps: 4\nbatch: 2\nlearning_rate: 0\naugment: {}\n", 3, "input should be greater than 0"),
    "nan": ("steps: 4\nbatch: 2\nlearning_rate: .nan\naugment: {}\n", 3, "learning_rate: input should be"),
    "inf": ("steps: 4\nbatch: 2\naugment: {}\nweight_decay: .inf\n", 4, "weight_decay: input should be"),
    "nan nested": ("steps: 4\nbatch: 2\naugment:\n  crop: 64\n  hflip: .NaN\n", 5, "augment.hflip: input should be"),
    "probability above one": ("steps: 4\nbatch: 2\naugment:\n  rotate: 1.5\n", 4, "augment.rotate: input should"),
    "nothing for a number": ("steps: 4\nbatch:\naugment: {}\n", 2, "batch: input should be a valid integer"),
    "list for a mapping": ("- steps: 4\n- batch: 2\n", 1, "valid dictionary"),
    "list for a nested mapping": ("steps: 4\nbatch: 2\naugment: [64]\n", 3, "augment: input should be a valid"),
    "mapping for a number": ("steps: {a: 1}\nbatch: 2\naugment: {}\n", 1, "steps: input should be a valid integer"),
    "one word": ("steps\n", 1, "valid dictionary"),
    "null": ("~\n", 1, "valid dictionary"),
    "empty": ("", 1, "batch: field required"),
    "comments only": ("# nothing\n", 1, "batch: field required"),
    "missing key": ("steps: 4\nbatch: 2\n", 1, "augment: field required"),
    "steps and epochs": ("steps: 4\nepochs: 1\nbatch: 2\naugment: {}\n", 1, "give either steps or epochs"),
    "neither": ("batch: 2\naugment: {}\n", 1, "give either steps or epochs"),
    "rates crossed": ("steps: 4\nbatch: 2\naugment: {}\nlearning_rate: 1e-6\n", 1, "final_learning_rate is above"),
    "capital letters": ("Steps: 4\nbatch: 2\naugment: {}\n", 1, "unknown key 'Steps'; did you mean 'steps'?"),
    "unknown key, British": ("steps: 4\nbatch: 2\naugment: {}\nchannels-last: true\n", 4, "mean 'channels_last'?"),
    "empty key": ("steps: 4\nbatch: 2\naugment: {}\n'': 2\n", 4, "unknown key ''"),
    "key of nothing": ("steps: 4\n~: 2\n", 2, "the key None is not a word"),
    "key that is a truth": ("steps: 4\non: 2\n", 2, "on is one thing in YAML 1.1 and another in 1.2"),
    "minus infinity": ("steps: 4\nbatch: 2\naugment: {}\nlearning_rate: -.inf\n", 4, "learning_rate: input should be"),
    "rate above one": ("steps: 4\nbatch: 2\naugment: {}\nlearning_rate: 3\n", 4, "learning_rate: input should be less"),
    "unknown precision": ("steps: 4\nbatch: 2\naugment: {}\nprecision: half\n", 4, "precision: input should be"),
    "number for a truth": ("steps: 4\nbatch: 2\naugment: {}\ncompile: 1\n", 4, "compile: input should be a valid bool"),
    "parts that are not equal": ("steps: 4\nbatch: 3\naugment: {}\naccumulate: 2\n", 1, "batch=3 does not divide into"),
    "crop of nothing": ("steps: 4\nbatch: 2\naugment: {crop: 0}\n", 3, "augment.crop: input should be greater"),
    "bad indentation": ("steps: 4\n  batch: 2\naugment: {}\n", 2, "mapping values are not allowed here"),
    "no space after the colon": ("steps:4\nbatch: 2\n", 2, "not valid YAML"),
    "not UTF-8": (b"steps: 4\nbatch: \xff\xfe\n", None, "not valid YAML"),
    "NUL": (b"steps: 4\nbatch: \x00\n", None, "not valid YAML"),
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name: str, harness: Harness, tmp_path: Path) -> None:
    text, number, message = RECIPES[name]
    file = tmp_path / "mine.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refusal(harness("run", "--baseline", "toy", "--recipe", file, "--results", tmp_path / "results"))
    assert line.startswith(f"{file}:{number}: " if number else str(file))
    assert message in line
    assert not (tmp_path / "results").exists()


def test_recipe_that_is_no_file(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    for name, reason in (("folder.yaml", "Is a directory"), ("absent.yaml", "No such file or directory")):
        line = refusal(harness("run", "--baseline", "toy", "--recipe", tmp_path / name))
        assert line == f"{tmp_path / name}: cannot be read: {reason}"


@pytest.mark.parametrize(
    ("recipe", "line"),
    [
        (TINY.replace("crop: 32", "crop: 128"), "frames of 96x96 are smaller than the crop of 128"),
        (TINY.replace("crop: 32", "crop: 40"), "augment.crop=40 is no multiple of 16, which toy needs"),
        (TINY.replace("batch: 1", "batch: 10000"), "training triplets do not fill one batch of 10000"),
    ],
)
def test_recipe_that_does_not_suit_the_data(recipe: str, line: str, train: Harness, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(recipe)
    assert line in refusal(train("--recipe", tmp_path / "mine.yaml"))


# --- data


def test_no_folder_of_videos(train: Harness, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("no video")
    assert refusal(train("--data", f"clips:root={tmp_path / 'absent'}")).startswith(f"{tmp_path / 'absent'}: no such")
    for name in ("empty", "notes"):
        assert refusal(train("--data", f"clips:root={tmp_path / name}")).startswith(f"{tmp_path / name}: no video in")


def break_video(path: Path, how: str) -> None:
    if how == "cut":
        write_video(path, 2, 20, movflags="faststart")
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    else:
        path.write_bytes({"empty": b"", "text": b"not a video\n" * 99}[how])


@pytest.mark.parametrize(
    ("how", "reason"), [("cut", "copy it anew"), ("empty", "the file is empty"), ("text", "cannot be decoded")]
)
def test_video_that_is_damaged(how: str, reason: str, train: Harness, videos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(videos, tmp_path / "videos")
    break_video(folder / "clip2.mp4", how)
    line = refusal(train("--data", f"clips:root={folder}"))
    assert line.startswith(f"{folder / 'clip2.mp4'}: ")
    assert reason in line
    assert not runs(tmp_path / "results")


def test_video_shorter_than_the_gap(train: Harness, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    write_video(folder / "long.mp4", 0, 20)
    write_video(folder / "short.mp4", 1, 10)
    line = refusal(train("--data", f"clips:root={folder}"))
    assert "clip short: its longest shot has 10 distinct frames, a test clip needs 17" in line
    line = refusal(train("--data", f"clips:root={folder},gaps=30"))
    assert "gaps=30" in line or "clip short" in line


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("gaps=0", "gaps=0: "),
        ("gaps=8-1", "gaps=8-1: "),
        ("gaps=30", "no training clip is long enough for gaps=30"),
        ("centres=-1", "centres=-1: "),
        ("half=perhaps", "clips: half=perhaps: expected true | false"),
        ("list=absent.csv", "absent.csv: cannot be read"),
        ("rot=x", "clips has no option 'rot'; did you mean 'root'?"),
    ],
)
def test_data_options(options: str, reason: str, train: Harness, videos: Path) -> None:
    assert reason in refusal(train("--data", f"clips:root={videos},{options}"))


# --- results


def test_results_that_are_a_file(train: Harness, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine")
    assert str(tmp_path / "results") in refusal(train())
    assert (tmp_path / "results").read_text() == "mine"


@pytest.mark.parametrize("name", ["init", "pairs", "reference", "runs", "figures"])
def test_results_with_a_file_in_the_way(name: str, train: Harness, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / name).write_text("mine")
    assert str(tmp_path / "results" / name) in refusal(train())
    assert (tmp_path / "results" / name).read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_results_that_cannot_be_written(train: Harness) -> None:
    assert refusal(train("--results", "/proc/nowhere")).startswith("/proc/nowhere")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_cache_that_cannot_be_written(train: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", "/proc/nowhere")
    line = refusal(train())
    assert line.startswith("/proc/nowhere")
    assert "set HARNESS_CACHE" in line


@pytest.fixture(scope="module")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finished") / "results"


@pytest.fixture
def finished(_finished: Path, train: Harness, tmp_path: Path) -> Path:
    """A copy of a finished run; `train()` finds it."""
    if not _finished.exists():
        outcome = train("--results", _finished)
        assert outcome.code == 0, outcome.err
    return shutil.copytree(_finished, tmp_path / "results")


def test_a_finished_run_is_found_again(finished: Path, train: Harness) -> None:
    before = content(finished / "runs")
    assert train().code == 0
    assert content(finished / "runs") == before


def test_a_run_made_under_other_settings(finished: Path, train: Harness) -> None:
    run = runs(finished)["toy"]
    record = RunFolder(run).record()
    other = record.fingerprint.model_copy(update={"recipe": {**record.fingerprint.recipe, "batch": 7}})
    write(run / "run.json", record.model_copy(update={"fingerprint": other}))
    before = content(run)
    line = refusal(train())
    assert line.startswith(f"{run} was made under other settings: recipe.batch: 7 -> 1")
    assert content(run) == before


@pytest.mark.parametrize("name", ["run.json", "status.json", "measured.json"])
@pytest.mark.parametrize("text", ["", '{"record": [', "just a word\n", "[]"])
def test_a_run_whose_record_is_damaged(text: str, name: str, finished: Path, train: Harness, harness: Harness) -> None:
    """A table names it, with the command that makes it anew; that command does."""
    run = runs(finished)["toy"]
    before = content(run)
    (run / name).write_text(text)
    line = refusal(harness("table", "--results", finished))
    assert line.startswith(f"{run / name}: damaged")
    assert "harness run --baseline toy --seeds 0" in line
    assert train().code == 0
    assert content(run) == before


def test_a_pair_whose_record_is_damaged(finished: Path, train: Harness, harness: Harness) -> None:
    [pair] = finished.glob("pairs/*.json")
    whole = pair.read_text()
    pair.write_text(whole[: len(whole) // 2])
    assert refusal(harness("table", "--results", finished)).startswith(f"{pair}: damaged")
    assert train().code == 0
    assert Store(finished).pair(pair.stem).runs == PairRecord.model_validate(json.loads(whole)["record"]).runs


def test_a_control_that_holds_passes(undrawn: None, train: Harness) -> None:
    outcome = train("--with", "null")
    assert outcome.code == 0, outcome.err
    assert "control of seed 0: PASS" in outcome.out


def test_a_control_that_fails_says_where_and_ends_with_1(
    undrawn: None, train: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "harness.controls.null.Null.forward"

    def forward(self: Null, features: Features, regions: object) -> Features:
        """Wrong in training alone: what is no identity at its start is refused before."""
        return features.refined(2 * features.f0, features.f1) if self.training else features

    monkeypatch.setattr(wrong, forward)
    outcome = train("--with", "null")
    assert outcome.code == 1, outcome.err
    assert "control of seed 0: FAIL: step 2: gradient_norm" in outcome.out
    assert "Noise floor" not in outcome.out


def test_two_processes_on_one_run(finished: Path, train: Harness) -> None:
    run = runs(finished)["toy"]
    script = (
        "import sys; from pathlib import Path; from harness.results.store import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        before = content(run)
        line = refusal(train())
        assert line.startswith(f"run {run.name} is in use by process {other.pid} on ")
        assert content(run) == before
        other.communicate("")
    assert train().code == 0


# --- no space


def whole(results: Path) -> None:
    """No file under its final name is torn; what is appended to may end in half a line."""
    for path in results.rglob("*"):
        assert not path.name.endswith(".tmp"), path
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".yaml":
            assert yaml.safe_load(path.read_text())
        elif path.suffix == ".safetensors":
            safetensors.torch.load_file(path)
        elif path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
    for manifest in results.rglob("step-*"):
        record = json.loads((manifest / "manifest.json").read_text())
        for name, expected in record["sha256"].items():
            assert sha256((manifest / name).read_bytes()).hexdigest() == expected


def measured(results: Path) -> dict[str, Any]:
    """What a run's numbers are: everything but times."""
    run = runs(results)["toy"]
    curve = [line.rsplit(",", 2)[0] for line in (run / "curve.csv").read_text().splitlines()]
    rows = [(results / name).read_text() for name in ("reference/rows.csv", run / "rows.csv")]
    return {
        "curve": curve,
        "rows": rows,
        "weights": content(run / "checkpoints")["step-00000002/model.safetensors"],
        "table": next(results.glob("figures/*/table.csv")).read_text().count("\n"),
    }


def test_a_disk_that_is_full_again_and_again(
    finished: Path, train: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first write, then at the second, ...: each attempt goes on from what the one before it saved."""
    results = tmp_path / "again"
    left = 0
    sync = os.fsync

    def fsync(handle: int) -> None:
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left -= 1
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    for allowed in range(60):
        left = allowed
        outcome = train("--results", results)
        whole(results)
        if outcome.code == 0:
            break
        line = refusal(outcome)
        assert line.startswith(str(results))
        assert ": No space left on device; free some space" in line
    assert outcome.code == 0
    assert allowed > 5
    assert measured(results) == measured(finished)


@pytest.mark.parametrize("limit", [200, 2000, 20_000, 60_000])
def test_a_write_that_stops_half_way(limit: int, finished: Path, train: Harness, tmp_path: Path) -> None:
    """No file may grow beyond `limit` bytes: what is written is cut off there, as on a disk that fills up."""
    results = tmp_path / "cut"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        outcome = train("--results", results)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    line = refusal(outcome)
    assert line.startswith(str(results))
    assert line.endswith(": File too large")
    whole(results)
    assert train("--results", results).code == 0
    whole(results)
    assert measured(results) == measured(finished)
