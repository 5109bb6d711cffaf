"""Pages into a folder: everything that they need is in it, and all that names may hold is escaped."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.errors import HarnessError
from harness.outcome.pairs import PairOutcome
from harness.printable import printable
from harness.registry.catalog import catalog
from harness.report.tables import state_of
from harness.results.store import Store
from harness.site.adapter_page import AdapterPage, Options, adapter_pages, no_options
from harness.site.boards import Board, Groups, Line, Read, boards, grouped, read_all, refused, suite_boards
from harness.site.pair_page import Made, number, pair_page

if TYPE_CHECKING:
    from jinja2 import Environment

STATIC = Path(__file__).parent / "static"
MARK = "harness-site.json"
"""In every site: a folder without it that is not empty is somebody's own."""

OWN = {MARK, "static", "index.html", "index.js", "pairs.html", "pairs", "adapters.html", "adapters"}
"""What is in a site: all else in its folder is somebody's own, too."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; object-src 'none'"
)
"""Of every page: nothing from a network, no code or style that is not a file of the site, none made of text."""

OF_A_PAGE = ("levels", "parts", "clips", "curves", "band", "triplets", "shown")
"""What the page of a pair may have."""

Pictures = Callable[[PairOutcome, Path], Sequence[Mapping[str, Any]]]
"""Writes a pair's pictures into its folder and says what they show, as `harness.site.pictures` does; raises
HarnessError where there can be none."""

ON_REQUEST = "harness site --pictures 1 makes them, where its networks and data are"


def check_out(out: Path) -> None:
    """Raises HarnessError for what a site may not be written over: it is replaced as a whole."""
    if out.is_dir():
        found = {path.name for path in out.iterdir()}
        if found and not (out / MARK).is_file():
            raise HarnessError(f"{out} is not empty, and no site that harness site made: name another folder")
        if others := sorted(found - OWN):
            raise HarnessError(
                f"{out / others[0]} is no file of a site, and would be lost: move it, or name another folder"
            )
        if Path.cwd().is_relative_to(out.resolve()):
            raise HarnessError(f"{out} is replaced as a whole, and is or holds the current folder: go to another one")
    elif out.exists() or out.is_symlink():
        raise HarnessError(f"{out} is no folder: name another one")


def write_site(store: Store, out: Path, pictures: Pictures | None = None, options: Options = no_options) -> list[str]:
    """Write the pages; what could not be read is left out, and returned in a line each. `options` reads those of each
    adapter, for its page.

    The site that was there is replaced by a whole one, or stays. The page of a pair that there can be no pictures of
    says why.

    Raises HarnessError where there is nothing to show, or `out` is not a site.
    """
    check_out(out)
    read = read_all(store)
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        made.chmod(0o755)
        _write(store, read, made, pictures, options)
        _replace(made, out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return read.left_out


def _replace(made: Path, out: Path) -> None:
    if not out.exists():
        made.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    out.rename(old / "site")
    made.rename(out)
    shutil.rmtree(old)


def _write(store: Store, read: Read, out: Path, pictures: Pictures | None, options: Options) -> None:
    env = _environment(len(read.pairs))
    shutil.copytree(STATIC, out / "static")
    adapters = adapter_pages(catalog(), read.records, options)
    made, groups = Made(), grouped(store, read)
    for name, pair in read.pairs.items():
        folder = out / "pairs" / name
        folder.mkdir(parents=True)
        _pair(env, (store, read, groups, made), pair, folder, adapters, pictures)
    for page in adapters:
        _page(env, out / "adapters" / page.file, "adapter.html", "../", page=page)
    _page(env, out / "adapters.html", "adapters.html", "", adapters=adapters)
    _page(env, out / "pairs.html", "pairs.html", "", pairs=[_listed(pair) for pair in read.pairs.values()])
    of_protocols = boards(read, groups)
    charts = {f"board{at}": lines for at, board in enumerate(of_protocols) if (lines := _charted(board))}
    _data(out / "index.js", charts)
    charted = {at for at in range(len(of_protocols)) if f"board{at}" in charts}
    _page(
        env,
        out / "index.html",
        "index.html",
        "",
        boards=of_protocols,
        charted=charted,
        suites=suite_boards(store),
        left_out=read.left_out,
    )
    (out / MARK).write_text(json.dumps({"made by": f"vfi-harness {__version__}", "schema": 1}) + "\n", "utf-8")


def _pair(
    env: Environment,
    of: tuple[Store, Read, Groups, Made],
    pair: PairOutcome,
    folder: Path,
    adapters: Sequence[AdapterPage],
    pictures: Pictures | None,
) -> None:
    (store, read, groups, made), missing = of, ON_REQUEST
    page = pair_page(store, pair, groups[pair.name], read.records, made)
    data: dict[str, Any] = {**dict.fromkeys(OF_A_PAGE, ()), **page.data}
    if pictures is not None:
        try:
            data["shown"] = pictures(pair, folder)
        except HarnessError as error:
            missing = str(error)
    _data(folder / "data.js", data)
    used = [each for each in adapters if pair.name in each.pairs]
    command = pair.record.command or pair.record.asked.command()
    context = {"page": replace(page, data=data), "adapters": used, "command": command, "pictures": missing}
    _page(env, folder / "index.html", "pair.html", "../../", **context)


def _listed(pair: PairOutcome) -> dict[str, Any]:
    state = next((f"{arm.label}: {state_of(arm)}" for arm in pair.arms if not arm.evaluated), "evaluated")
    asked = pair.record.asked
    return {
        "name": pair.name,
        "baseline": asked.baseline,
        "plugins": asked.plugins,
        "recipe": pair.record.recipe,
        "seed": pair.record.seed,
        "protocol": pair.record.protocol,
        "state": state,
        "refusal": refused([pair]),
    }


def _charted(board: Board) -> list[dict[str, Any]]:
    """Lines whose difference is known."""
    return [
        {
            "label": label,
            "level": f"{line.test} {line.level}",
            "mean": number(line.sure.mean),
            "low": number(line.sure.low),
            "high": number(line.sure.high),
        }
        for line, label in zip(board.lines, _distinct(board.lines), strict=True)
        if line.sure.mean is not None
    ]


def _distinct(lines: Sequence[Line]) -> list[str]:
    """A name for each line that no other of its level has: its arm, where that is not enough with its masks, then with
    what it was trained by, and with a number where nothing is."""
    levels = [(line.test, line.level) for line in lines]
    names = [
        (line.label, _joined(line.label, line.masks), _joined(line.label, line.masks, line.trained)) for line in lines
    ]
    found = []
    for at, (level, of_line) in enumerate(zip(levels, names, strict=True)):
        others = [names[other] for other in range(len(lines)) if other != at and levels[other] == level]
        alone = (name for nth, name in enumerate(of_line) if name not in {other[nth] for other in others})
        before = sum(names[other] == of_line for other in range(at) if levels[other] == level)
        found.append(next(alone, f"{of_line[-1]} ({before + 1})"))
    return found


def _joined(*words: str) -> str:
    return ", ".join(filter(None, words))


def _environment(pairs: int) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    env = Environment(
        loader=PackageLoader("harness.site"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_text,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.globals |= {"policy": POLICY, "version": __version__, "pair_count": pairs}
    env.filters |= {"digits": _digits}
    return env


def _text(value: Any) -> Any:
    """Names come from anywhere: what is no character, or turns a line round, is written as its code."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value


def _digits(value: float, digits: int, sign: str = "") -> str:
    """Never -0.00."""
    text = f"{value:{sign}.{digits}f}"
    return text.replace("-", "+" if sign else "", 1) if float(text) == 0 else text


def _page(env: Environment, path: Path, template: str, root: str, **context: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = env.get_template(template).render(root=root, **context)
    path.write_text(text, encoding="utf-8", errors="replace")


def _data(path: Path, data: Mapping[str, Any]) -> None:
    """A script, since a page that is opened from a file may read no other file."""
    text = json.dumps(_printable(data), allow_nan=False, separators=(",", ":"))
    path.write_text(f"window.harnessPage={text};\n", "ascii")


def _printable(data: Any) -> Any:
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, Mapping):
        return {key: _printable(value) for key, value in data.items()}
    return [_printable(each) for each in data] if isinstance(data, list | tuple) else data
