"""The pages in docs/, block by block, and the running of what they show: as a reader would who types it in, in order.

What a fence is, its language says; a caption is the name of the file that it is.

    python     with a caption it is written to that file; else it runs, in one namespace a page (`>>>`: as doctests)
    console    each `$ harness ...` runs, as does `$ pip install -e FOLDER`; printed must be what the page shows, if it
               shows any, where `...` stands for any text. It ends well, or in the one line of an error that is shown
    yaml       written to the file, and read as what its name ends in: recipe, suite, clips or config
    toml, text  written to the file; toml must be that
    sh         not run: its caption says why
"""

from __future__ import annotations

import doctest
import gc
import importlib
import json
import logging
import os
import re
import shlex
import sys
import tomllib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

DOCS = Path(__file__).parents[1] / "docs"
RUN = ("python", "console", "yaml", "toml", "text")
KEPT = ("harness.registry.code", "harness.data.textures")
NOT_RUN = "Not run by the tests: "
GENERATED = ("_build", "reference/names/")


@dataclass(frozen=True)
class Block:
    """A fence, or an indented block, of which the language is "indented"."""

    where: str
    language: str
    file: str
    text: str


def pages() -> list[Path]:
    """Those that are written by hand."""
    found = (path.relative_to(DOCS) for path in DOCS.rglob("*.md"))
    return sorted(path for path in found if not path.as_posix().startswith(GENERATED))


def blocks(page: Path) -> list[Block]:
    """Every code block of a page, in order."""
    return list(parsed((DOCS / page).read_text("utf-8"), f"docs/{page}"))


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of the second level, by that heading."""
    _, *parts = re.split(r"^## (.*)\n", (DOCS / page).read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def parsed(text: str, where: str) -> Iterator[Block]:
    """The code blocks of a text; what is in other directives, such as a toctree, is no code."""
    for token in MarkdownIt().parse(text):
        at = f"{where}:{(token.map or [0])[0] + 1}"
        if token.type == "code_block":
            yield Block(at, "indented", "", token.content)
        elif token.type == "fence":
            directive, _, language = token.info.strip().partition(" ")
            if directive == "{code-block}":
                caption = re.match(r":caption: (.*)\n+", token.content)
                code = token.content[caption.end() :] if caption else token.content
                yield Block(at, language, caption[1].strip('"`') if caption else "", code)
            elif not directive.startswith("{"):
                yield Block(at, directive, "", token.content)


def run_page(page: Path, folder: Path) -> str:
    """Everything on the page, in a process of its own and in that folder. Returns what went wrong, "" if nothing."""
    log = folder / ".page.log"
    return "" if in_child(lambda: _Reader(folder).read(page), log) == 0 else log.read_text("utf-8")


def in_child(work: Callable[[], Any], log: Path) -> int:
    """Exit code of the work, done in a fork: the libraries are loaded already, and what it changes is lost with it."""
    sys.stdout.flush()
    sys.stderr.flush()
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        gc.freeze()  # or there would be a copy of all that is loaded as soon as it is looked through for garbage
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        logging.root.handlers.clear()
        work()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def answer_of_a_fork(kind: str, words: str) -> dict[str, str]:
    """As `harness.testing.elsewhere.answer`, by a fork of this process."""
    from harness.testing.kinds import found

    log = Path(".answer.log")
    assert in_child(lambda: print(json.dumps(found(kind, words).hashes())), log) == 0, log.read_text("utf-8")
    told: dict[str, str] = json.loads(log.read_text("utf-8").splitlines()[-1])
    return told


class _Reader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "page"}

    def read(self, page: Path) -> None:
        os.chdir(self.folder)
        sys.path.insert(0, str(self.folder))
        _forget()
        for block in blocks(page):
            if block.language in RUN:
                try:
                    getattr(self, block.language)(block)
                except Exception as error:
                    raise AssertionError(f"{block.where}: {error}") from error

    def python(self, block: Block) -> None:
        if block.file:
            compile(block.text, block.file, "exec")
            self._write(block)
        elif block.text.startswith(">>>"):
            runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
            test = doctest.DocTestParser().get_doctest(block.text, self.names, block.where, block.where, 0)
            runner.run(test, out=sys.stdout.write, clear_globs=False)
            self.names.update(test.globs)
            assert not runner.failures, "the page shows another result"
        else:
            exec(compile(block.text, block.where, "exec"), self.names)

    def console(self, block: Block) -> None:
        assert block.text.startswith("$ "), "a console block begins with $"
        for part in re.split(r"^\$ ", block.text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            words = []
            for word in shlex.split(command):
                words += map(str, Path().glob(word)) if "*" in word else [word]
            if words[:2] == ["pip", "install"]:
                assert words[2] == "-e", f"{command}: only `pip install -e FOLDER` can be tried here"
                _installed(self.folder / words[3])
                continue
            assert words[0] == "harness", f"{command}: is no command of the harness"
            log = self.folder / ".command.log"
            code = in_child(lambda words=words: _harness(words), log)
            printed = log.read_text("utf-8")
            wanted = 2 if "harness: error:" in shown else 0
            assert code == wanted, f"$ {command}\nends with {code}, not {wanted}:\n{printed}"
            assert matches(shown, printed), f"$ {command}\nprints\n{printed}\nwhere the page shows\n{shown}"

    def yaml(self, block: Block) -> None:
        from harness.data.manifest import Manifest
        from harness.data.roots import Config
        from harness.suites.suite import Suite
        from harness.train.recipe import Recipe
        from harness.yamlfile import load_yaml

        kinds = {"recipe": Recipe, "suite": Suite, "clips": Manifest, "config": Config}
        kind = re.search(r"(\w+)\.yaml$", block.file)
        assert kind, f"caption '{block.file}' names no YAML file"
        assert kind[1] in kinds, f"caption '{block.file}' ends in none of {', '.join(kinds)}.yaml"
        load_yaml(self._write(block), kinds[kind[1]])

    def toml(self, block: Block) -> None:
        tomllib.loads(block.text)
        self._write(block)

    def text(self, block: Block) -> None:
        self._write(block)

    def _write(self, block: Block) -> Path:
        assert block.file, "a caption must say which file it is"
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")
        importlib.invalidate_caches()
        return path


def matches(shown: str, printed: str) -> bool:
    """Whether a command printed what the page shows; a page that shows nothing asks for nothing."""
    wanted, got = ("".join(f"{line.rstrip()}\n" for line in text.splitlines()) for text in (shown.strip("\n"), printed))
    return not wanted or doctest.OutputChecker().check_output(wanted, got, doctest.ELLIPSIS)


def _harness(words: list[str]) -> None:
    from harness.cli.main import main

    _forget()
    sys.argv = words
    main()


def _forget() -> None:
    """What was found in another folder, by another test; hashes of code are of its text, wherever it lies, and
    photographs are those of scikit-image."""
    for name in [name for name in sys.modules if name.startswith("harness.")]:
        for thing in list(vars(sys.modules[name]).values()):
            if hasattr(thing, "cache_clear") and thing.__module__ not in KEPT:
                thing.cache_clear()


def _installed(folder: Path) -> None:
    """What `pip install -e` leaves behind, here in the folder itself."""
    folder = folder.resolve()
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(exist_ok=True)
    requires = "".join(f"Requires-Dist: {each}\n" for each in project.get("dependencies", ()))
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head + requires)
    entries = project["entry-points"]["harness"]
    (info / "entry_points.txt").write_text("[harness]\n" + "".join(f"{key} = {entries[key]}\n" for key in entries))
    (info / "direct_url.json").write_text(json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}}))
    if str(folder) not in map(os.path.abspath, sys.path):
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
