"""What the pages in docs/ show is so, and what there is has its page."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import math
import re
import shlex
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import click
import numpy as np
import pluggy
import pytest
import torch

import harness
from harness import (
    BaselineSpec,
    BenchmarkSpec,
    Job,
    LauncherSpec,
    MaskSourceSpec,
    MetricSpec,
    PluginSpec,
    Protocol,
)
from harness.arm import Arm
from harness.cli.main import cli
from harness.data.textures import Textures
from harness.registry import hookspecs
from harness.registry.catalog import catalog
from harness.registry.code import TABLE, core
from harness.registry.options import parse_choice, parse_choices
from harness.registry.plugins import discover
from harness.suites.suite import suite_files
from harness.template.distribution import KINDS
from harness.testing.light import FACTS
from harness.train.library import recipe_files
from tests.forks import LOADED
from tests.pages import DOCS, NOT_RUN, RUN, answer_of_a_fork, blocks, pages, parsed, run_page, sections
from tests.test_public_names import PUBLIC

ROOT = DOCS.parent
README = (ROOT / "README.md").read_text("utf-8")
DRAWN = "tutorial/first.md"
"""The page that shows figures. On others they are not drawn, which takes longer than a training of four steps."""

CHECKED = "adapters/baseline.md"
"""The page on which another process that `harness check` asks is started anew. On others it is a fork of the first,
without the seconds that torch takes to load."""

BLOCKS = [block for page in pages() for block in blocks(page)]
MOST_NOT_RUN = 9


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's own footage: two clips of 20 frames of a texture that moves, `garden.mp4` and `street.mp4`. They are
    as small as what is cut out of them to train on."""
    folder = tmp_path_factory.mktemp("footage") / "videos"
    folder.mkdir()
    for seed, name in enumerate(("garden", "street")):
        squares = np.random.default_rng(seed).integers(0, 256, (12, 32, 3), np.uint8)
        texture = squares.repeat(8, 0).repeat(8, 1)
        with av.open(str(folder / f"{name}.mp4"), "w") as container:
            stream: Any = container.add_stream("libx264", rate=Fraction(25))
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            for at in range(20):
                image = np.ascontiguousarray(texture[:64, 3 * at : 3 * at + 64])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
    return folder


@pytest.fixture(scope="module")
def warm() -> None:
    """Loaded is what most commands need, and counted what arms on many pages cost: each page is read in a fork of this
    process. What `layers` draws with is read, and code is hashed."""
    for module in LOADED:
        importlib.import_module(module)
    from harness.measure.cost import cost_of

    for plugins in ("", "hce", "hce,hir"):
        arm = Arm.of(catalog(), parse_choice("ifrnet-s"), parse_choices(plugins))
        cost_of(arm, arm.build(0))
    for what in TABLE:
        core(what)
    photographs = Textures("", 64)
    for split in ("train", "test"):
        photographs.digest(split)


@pytest.fixture
def reader(warm: None, tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a page is read: with footage, and with nothing else. How far a slow command is, as it says
    every 20 seconds where there is no terminal, is on no page."""
    monkeypatch.setattr("harness.cli.progress.PLAIN_EVERY", math.inf)
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
    if str(page) != CHECKED:
        monkeypatch.setattr("harness.testing.common.answer", answer_of_a_fork)
    assert not (wrong := run_page(page, reader)), wrong


def test_every_block_is_run_or_says_why_not() -> None:
    """An indented block has no language. It has commands, of which the next test knows, or the layers of the core."""
    for block in BLOCKS:
        assert block.language in (*RUN, "sh", "indented"), f"{block.where}: nothing is done with '{block.language}'"
        if block.language == "indented" and not block.where.startswith("docs/architecture.md"):
            assert all(re.match("(harness|pip install) ", line) for line in block.text.splitlines()), block.where
    not_run = [block for block in BLOCKS if block.language == "sh"]
    assert not [block.where for block in not_run if not block.file.startswith(NOT_RUN)]
    assert len(not_run) <= MOST_NOT_RUN


def commands() -> list[tuple[str, str]]:
    """Those that stand where they are not run: in indented blocks, in `sh`, in the README. With the place of each."""
    unrun = [*parsed(README, "README.md"), *(block for block in BLOCKS if block.language in ("indented", "sh"))]
    return [
        (block.where, line)
        for block in unrun
        for line in re.findall(r"^ *(harness \w.*)$", block.text.replace("\\\n", " "), re.MULTILINE)
    ]


@pytest.mark.parametrize(("where", "line"), commands())
def test_commands_that_are_not_run_exist(where: str, line: str) -> None:
    """With their options; capitals stand for values, and what stands beside it in a second column is no part of it."""
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


# --- what there is has its page

HOOKS = [name for name in vars(hookspecs) if name.startswith("harness_")]
HOOKS_PAGE = Path("reference/hooks.md")
ADAPTERS = [page for page in pages() if page.parent == Path("adapters") and page.stem != "index"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page of hooks implements, by hook: in the section of that hook and in no other."""
    folder, names, found = tmp_path_factory.mktemp("hooks"), dict[str, Any](), {}
    with contextlib.chdir(folder):
        for title, text in sections(HOOKS_PAGE).items():
            for block in parsed(text, title):
                if block.file:
                    Path(block.file).write_text(block.text)
                else:
                    exec(compile(block.text, title, "exec"), names)
            if title in names:
                found[title] = names.pop(title)
    assert not [name for name in names if name.startswith("harness_")]
    return found


def test_the_page_of_hooks_has_every_hook() -> None:
    assert sorted(sections(HOOKS_PAGE)) == sorted(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_a_hook_keeps_its_contract(hook: str, shown: dict[str, Any], tmp_path: Path) -> None:
    """It takes arguments that there are, and gives back what the hook's signature says."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(SimpleNamespace(**{hook: shown[hook]}))
    manager.check_pending()
    job = Job("a pair", ("harness", "run"), tmp_path / "log")
    note = SimpleNamespace(launcher="note", options={}, results=tmp_path, jobs=(job,), wait=False)
    facts = {
        **FACTS,
        "info": harness.RunInfo(name="a-run", folder=tmp_path, record={"label": "a"}, steps=2),
        "plan": harness.LaunchPlan(**vars(note), note=lambda line: None, stop=lambda: 0),
        "cli": click.Group(),
    }
    signature = inspect.signature(getattr(hookspecs, hook))
    given = getattr(manager.hook, hook)(**{name: facts[name] for name in signature.parameters})
    wanted = str(signature.return_annotation)
    if each := re.fullmatch(r"Iterable\[(\w+)\]", wanted):
        assert [each[1] in {kind.__name__ for kind in type(thing).__mro__} for things in given for thing in things] == [
            True
        ]
    elif wanted == "Launched | None":
        assert given == harness.Launched(pending=("a pair",))
    elif wanted.startswith("Mapping"):
        shape = torch.Size([2, 3, 4, 5])
        ((formula,),) = (costs.values() for costs in given)
        assert isinstance(formula(shape, shape, out_shape=shape), int)
    else:
        assert wanted == "None"
        assert given == []


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_page_on_how_it_is_used(hook: str) -> None:
    """The last line of its section leads there, and a block of that page, which is run, implements it."""
    link = re.fullmatch(r"\[.*\]\(\.\./(adapters/[\w-]+\.md)\)", sections(HOOKS_PAGE)[hook].rstrip().splitlines()[-1])
    assert link
    assert any(f"def {hook}(" in block.text for block in blocks(Path(link[1])) if block.language == "python")


@pytest.mark.parametrize("page", ADAPTERS, ids=str)
def test_a_page_of_adapters_begins_with_new_and_ends_with_check(page: Path) -> None:
    """New, of the kinds that it knows."""
    run = [line for block in blocks(page) if block.language == "console" for line in block.text.splitlines()]
    given = [line for line in run if line.startswith("$ harness")]
    if page.stem in KINDS:
        assert given[0].startswith(f"$ harness new {page.stem} ")
    title, text = list(sections(page).items())[-1]
    assert title == "Check it"
    assert "\n$ harness check " in text


def leaves(command: click.Command, path: str) -> Iterator[str]:
    """`harness data list` and the like."""
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from leaves(each, f"{path} {name}")
    else:
        yield path


@pytest.mark.parametrize("command", list(leaves(cli, "harness")))
def test_a_command_is_shown_on_a_page(command: str) -> None:
    """Beside the reference, which has all of them with their options, made from the commands themselves."""
    told = [path.read_text("utf-8") for path in map(DOCS.joinpath, pages()) if path.name != "commands.md"]
    assert any(re.search(rf"[$`] ?{command}\b|^ *{command}\b", text, re.MULTILINE) for text in told)


def test_what_is_installed_is_told() -> None:
    known = catalog()
    kinds = (BaselineSpec, PluginSpec, MaskSourceSpec, BenchmarkSpec, MetricSpec, LauncherSpec, Protocol)
    names = {entry.spec.name for kind in kinds for entry in known.entries(kind)}
    names |= suite_files(discover()).keys() | recipe_files(discover()).keys()
    told = (DOCS / "guide/names.md").read_text("utf-8")
    assert not [name for name in sorted(names) if f"`{name}`" not in told]


def test_a_public_name_has_its_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make docs` makes entries of what has a docstring: the text of other names is beside that code. It fails where
    one is missing after all, as for a link without a target, a page without a place and a key without a text."""
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    names: Any = importlib.import_module("public_names")
    assert set(names.public_modules()) == set(PUBLIC)
    things = {
        name: getattr(importlib.import_module(at), name.rpartition(".")[2]) for name, at in names.public_names().items()
    }
    assert {
        name for name, thing in things.items() if not inspect.isroutine(thing) and not inspect.isclass(thing)
    } == set(names.DATA)
    assert all(inspect.getdoc(thing) for thing in things.values())


def test_the_commands_have_their_reference() -> None:
    page = (DOCS / "reference/commands.md").read_text("utf-8")
    assert ".. click:: harness.cli.main:cli\n   :prog: harness\n   :nested: full\n" in page


def test_what_the_readme_leads_to_is_there() -> None:
    assert len(README.splitlines()) <= 110
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target
