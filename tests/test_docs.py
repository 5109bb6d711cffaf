"""What the pages in docs/ show is so, and what there is has its page."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import click
import numpy as np
import pytest

import harness
from tests.pages import DOCS, NOT_RUN, RUN, Block, blocks, matches, pages, run_page

ROOT = DOCS.parent
LOADED = (
    *("matplotlib.pyplot", "matplotlib.backends.backend_pdf", "matplotlib.backends.backend_svg", "scipy.stats"),
    *("skimage.data", "skimage.segmentation", "torch._dynamo", "torch.utils.flop_counter", "torch._decomp"),
    *("harness.pair.run", "harness.report.figures", "harness.statistics.estimate", "harness.testing"),
)
"""What most commands import: once, here, and not anew in each."""

DRAWN = "tutorial/first.md"
"""The page that shows figures. On others they are not drawn, which takes longer than a training of four steps."""

BLOCKS = [block for page in pages() for block in blocks(page)]
MOST_NOT_RUN = 8


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's own footage: two clips of 20 frames of a texture that moves, `garden.mp4` and `street.mp4`."""
    folder = tmp_path_factory.mktemp("footage") / "videos"
    folder.mkdir()
    for seed, name in enumerate(("garden", "street")):
        squares = np.random.default_rng(seed).integers(0, 256, (12, 32, 3), np.uint8)
        texture = squares.repeat(8, 0).repeat(8, 1)
        with av.open(str(folder / f"{name}.mp4"), "w") as container:
            stream: Any = container.add_stream("libx264", rate=Fraction(25))
            stream.width = stream.height = 96
            stream.pix_fmt = "yuv420p"
            for at in range(20):
                image = np.ascontiguousarray(texture[:, 3 * at : 3 * at + 96])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
    return folder


@pytest.fixture(scope="module")
def warm() -> None:
    """What most commands need is loaded, and what torch keeps of operators that it has counted is there: each page is read
    in a fork of this process."""
    for module in LOADED:
        importlib.import_module(module)
    from harness.measure.cost import cost

    cost(harness.load("ifrnet-s"))


@pytest.fixture
def reader(warm: None, tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a page is read: with footage, and with nothing else."""
    for variable in ("HARNESS_RESULTS", "HARNESS_DATA", "HARNESS_WEIGHTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / "videos").mkdir()
    for video in videos.iterdir():
        (folder / "videos" / video.name).write_bytes(video.read_bytes())
    return folder


# --- what the pages show


@pytest.mark.parametrize("page", [page for page in pages() if any(b.language in RUN for b in blocks(page))], ids=str)
def test_a_page_does_what_it_shows(page: Path, reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if str(page) != DRAWN:
        monkeypatch.setattr("harness.report.figures.draw_figures", lambda *_: reader)
    assert not (wrong := run_page(page, reader)), wrong


def test_every_block_is_run_or_says_why_not() -> None:
    """An indented block has no language; in one, commands are looked at below."""
    for block in BLOCKS:
        assert block.language in (*RUN, "sh", "indented"), f"{block.where}: nothing is done with '{block.language}'"
    not_run = [block for block in BLOCKS if block.language == "sh"]
    assert not [block.where for block in not_run if not block.file.startswith(NOT_RUN)]
    assert len(not_run) <= MOST_NOT_RUN


def commands() -> list[tuple[str, str]]:
    """Those that stand where they are not run: in indented blocks, in `sh`, in the README. With the place of each."""
    readme = Block("README.md", "indented", "", (ROOT / "README.md").read_text("utf-8"))
    unrun = [readme, *(block for block in BLOCKS if block.language in ("indented", "sh"))]
    return [
        (block.where, line)
        for block in unrun
        for line in re.findall(r"^ *(harness \w.*)$", block.text.replace("\\\n", " "), re.MULTILINE)
        if block is not readme or "    harness" in block.text
    ]


@pytest.mark.parametrize(("where", "line"), commands())
def test_commands_that_are_not_run_exist(where: str, line: str) -> None:
    """With their options; capitals stand for values, and what stands beside it in a second column is no part of it."""
    from harness.cli.main import cli

    for one in alternatives(line):
        at: click.Command = cli
        words = shlex.split(one)[1:]
        while isinstance(at, click.Group) and words:
            assert words[0] in at.commands, f"{where}: {one}"
            at = at.commands[words.pop(0)]
        known = {option for parameter in at.params for option in parameter.opts}
        given = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert given <= known | {"--help"}, f"{where}: {one}"


def alternatives(line: str) -> list[str]:
    """`harness data list | verify NAME   what it does` -> both commands, without the text."""
    line = re.split(r"\s{2,}|\s+#", line.strip())[0].replace("[", "").replace("]", "").replace("...", "")
    first, *others = re.split(r"\s*\|\s*|, (?=harness )", line)
    stem = " ".join(first.split()[:2])
    return [first, *(other if other.startswith("harness") else f"{stem} {other}" for other in others)]
