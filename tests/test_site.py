"""The site: whole, escaped, from records alone, and usable in a browser, where there is one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from harness.cli.main import cli
from harness.cli.show import show
from harness.cli.site import site
from harness.errors import HarnessError
from harness.outcome.pairs import read_pair
from harness.registry.entry import Entry
from harness.registry.options import Option
from harness.registry.specs import Spec
from harness.results.envelope import SCHEMA
from harness.results.records import Asked, SetRecord, Status
from harness.results.rows import Row, prepare, write_rows
from harness.results.store import RunFolder, Store
from harness.results.trail import Given
from harness.site.adapter_page import file_of
from harness.site.boards import Board, Line, Score, Sure, boards, grouped, read_all, suite_boards
from harness.site.pair_page import _clips
from harness.site.write import OWN, POLICY, _distinct, _environment, write_site
from tests.browser import Browser, browser, find_browser
from tests.stores import PROTOCOL, comparison, fingerprint, pair_record, put, put_run, suite

HOSTILE = "<img src=x onerror=document.title='owned'>"
LONG = HOSTILE + "w" * 60  # nothing of it lets a line break


def put_pair(
    store: Store,
    baseline: str,
    triplets: Sequence[str],
    seed: int = 0,
    label: str = "",
    level: str = "easy",
    protocol: str = PROTOCOL,
    losses: Sequence[float] = (),
    gain: float = 0.5,
    **changed: Any,
) -> str:
    """A pair of one test set, whose arms differ by `gain` and a bit, triplet by triplet; its name."""
    asked = Asked(baseline=baseline, plugins="hce", seed=seed)
    labels = (baseline, label or f"{baseline}+hce")
    runs = [store.run(f"{baseline}{plugins}.s{seed}.{protocol[-4:]}") for plugins in ("", "+hce")]
    steps = 10 * len(losses) or 9
    trail = [Given(0, "aa", "", "", "bb", ""), Given(steps, "", "cc", "0.1", "bb", "0.5")]
    for arm, run in enumerate(runs):
        rows = [
            Row(
                data="clips-12345678",
                level=level,
                triplet=triplet,
                clip=triplet.partition("/")[0],
                protocol=protocol,
                weights="w",
                masks="none",
                regions="none",
                values={"psnr": 30 + at % 7 + arm * (gain + at % 3 / 10), "ssim": 0.9},
            )
            for at, triplet in enumerate(triplets)
        ]
        done = Status(state="evaluated", step=steps, steps=steps)
        put_run(run, labels[arm], fingerprint(seed=seed), rows, losses=losses, trail=trail, status=done)
    facts = {
        "labels": labels,
        "tests": (SetRecord(data="clips-12345678", levels={level: tuple(triplets)}),),
        "protocol": protocol,
        "steps": steps,
        "comparison": comparison(asked, protocol=protocol),
    }
    name = f"{runs[1].name}-{protocol[-6:]}"
    store.write_pair(name, pair_record(asked, runs, **(facts | changed)))
    return name


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def tags_of(text: str) -> list[tuple[str, dict[str, str]]]:
    """Each tag with its attributes, as a browser reads them."""
    found: list[tuple[str, dict[str, str]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, {name: value or "" for name, value in attrs}))

    Reader().feed(text)
    return found


def ids(count: int, clips: int = 10) -> list[str]:
    return [f"clip{at % clips}/{at:05}" for at in range(count)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of names that are no good: of a clip, a triplet, a level, an arm, a title."""
    root = tmp_path_factory.mktemp("site")
    store = Store(root / "results")
    losses = [1 / at for at in range(1, 40)]
    put_pair(store, "aaa", [*ids(30), f"{HOSTILE}/{HOSTILE}"], losses=losses, gain=-0.15)
    put_pair(store, "bbb", ids(5), label=LONG, level=HOSTILE, losses=losses, gain=0.1, title=HOSTILE, train=HOSTILE)
    put_pair(store, "ccc", ids(5), protocol="official-v1-fedcba")
    write_site(store, root / "out", hostile_pictures)
    return root / "out"


def hostile_pictures(pair: Any, folder: Path) -> list[dict[str, Any]]:
    """Two that tell apart, and a title that is no good."""
    shown = []
    for at, title in enumerate((HOSTILE, "another")):
        for number, colour in enumerate(("red", "blue", "green")):
            Image.new("RGB", (320, 180), colour).save(folder / f"{at}-{number}.png")
        pictures = [{"label": f"{HOSTILE}{number}", "file": f"{at}-{number}.png"} for number in range(3)]
        shown.append({"title": title, "note": HOSTILE, "pictures": pictures})
    return shown


class TestPages:
    def test_no_name_is_html_anywhere(self, made: Path) -> None:
        pages = list(made.rglob("*.html"))
        assert len(pages) > 20
        for page in pages:
            assert "<img src=x" not in text_of(page), page
        assert any("&lt;img src=x" in text_of(page) for page in pages)

    def test_every_page_has_the_policy_and_nothing_inline(self, made: Path) -> None:
        """No script or style but a file of the site; nothing that has an address elsewhere."""
        assert "unsafe" not in POLICY
        for page in made.rglob("*.html"):
            text = text_of(page)
            head = text.partition("</head>")[0]
            assert head.index("Content-Security-Policy") < head.index("<link"), page
            assert POLICY.replace("'", "&#39;") in head, page
            assert re.findall(r"<script(?! defer src=\"[\w./]+\"></script>)", text) == [], page
            for tag, attributes in tags_of(text):
                assert tag != "style", page
                assert not [name for name in attributes if name == "style" or name.startswith("on")], page
                assert not [at for name in ("src", "href") if re.match("[a-z]+:|//", at := attributes.get(name, ""))], (
                    page
                )

    def test_every_link_leads_to_a_file_of_the_site(self, made: Path) -> None:
        for page in made.rglob("*.html"):
            for link in re.findall(r"(?:href|src)=\"([^\"#]+)\"", text_of(page)):
                target = (page.parent / unquote(link)).resolve()
                assert target.is_file(), (page, link)
                assert target.is_relative_to(made), (page, link)

    def test_data_is_one_line_of_a_script_that_holds_json(self, made: Path) -> None:
        for file in made.rglob("*.js"):
            if file.parent.name != "static":
                text = text_of(file)
                assert text.isascii()
                json.loads(text.removeprefix("window.harnessPage=").removesuffix(";\n"))

    def test_protocols_stand_in_tables_of_their_own(self, made: Path) -> None:
        sections = text_of(made / "index.html").split("<section")[1:]
        of = {section.partition("Protocol ")[2].partition("<")[0]: section for section in sections}
        assert set(of) == {PROTOCOL, "official-v1-fedcba"}
        assert "aaa+hce" in of[PROTOCOL]
        assert "ccc+hce" not in of[PROTOCOL]
        assert "ccc+hce" in of["official-v1-fedcba"]

    def test_a_pair_tells_how_it_is_made_again(self, made: Path) -> None:
        (page,) = made.glob("pairs/aaa*/index.html")
        assert "<code>harness run --baseline aaa --with hce</code>" in text_of(page)

    def test_a_file_of_an_adapter_stays_in_its_folder(self) -> None:
        assert file_of("plug-in", "../../x") == "plug-in-=2e=2e=2f=2e=2e=2fx.html"
        assert file_of("mask source", "sam-2") == "mask-source-sam-2.html"


class TestAdapters:
    def test_options_say_what_they_take_and_mean_as_show_does(self, tmp_path: Path) -> None:
        put_pair(Store(tmp_path / "results"), "aaa", ids(3))
        done = CliRunner().invoke(site, ["-o", str(tmp_path / "out"), "--results", str(tmp_path / "results")])
        assert done.exit_code == 0, done.output
        page = unescape(text_of(tmp_path / "out/adapters/plug-in-hir.html"))
        terms = re.findall(r"<dt><code>(.*?)</code></dt><dd>(.*?)<span class=\"meaning\">(.*?)</span></dd>", page)
        said = " ".join(CliRunner().invoke(show, ["hir"]).output.split())
        assert [name for name, *_ in terms] == ["stages", "inject", "radius", "similarity"]
        for name, takes, meaning in terms:
            assert f"option {name} {takes} {meaning}" in said
        assert terms[2] == (
            "radius",
            "int, by default 3",
            "of HIR-S's window, in cells, 1 or more: (2 radius + 1)^2 positions",
        )

    def test_one_that_cannot_be_imported_says_why_on_its_page_alone(self, tmp_path: Path) -> None:
        put_pair(Store(tmp_path / "results"), "aaa", ids(3))

        def options(entry: Entry[Spec]) -> Mapping[str, Option]:
            if entry.spec.name == "hir":
                raise HarnessError(f"{HOSTILE} cannot be imported")
            return {"side": Option("side", int, 3, HOSTILE)}

        write_site(Store(tmp_path / "results"), tmp_path / "out", options=options)
        pages = {path.name: text_of(path) for path in (tmp_path / "out/adapters").iterdir()}
        assert f"not known here: {HOSTILE} cannot be imported" in unescape(pages["plug-in-hir.html"])
        assert '<h2 id="options">' not in pages["plug-in-hir.html"]
        assert f'int, by default 3<span class="meaning">{HOSTILE}</span>' in unescape(pages["plug-in-hce.html"])
        assert not [name for name, text in pages.items() if HOSTILE in text]


def boards_of(store: Store) -> list[Board]:
    read = read_all(store)
    return boards(read, grouped(store, read))


class TestWhatIsWritten:
    def test_leaderboards_mark_what_tables_mark(self, tmp_path: Path) -> None:
        """A part of a test set, and arms that have learnt nothing: of a pair, and of a suite."""
        store = Store(tmp_path)
        put(tmp_path, suite("table1").pairs()[0], (25.0, 25.1), partial="309 of 310 hard")
        (run,) = (run for run in store.runs() if "+" not in run.name)
        rows = [
            row.model_copy(update={"weights": "none", "values": {**row.values, "psnr": 40.0}})
            for row in run.read_rows()
        ]
        write_rows(store.reference, prepare(store.reference, rows[0].values), rows)
        (board,) = boards_of(store)
        (of_suite,) = [each for each in suite_boards(store) if each.name == "table1"]
        missing, untrained = "snu-film-12345678 is PARTIAL: 309 of 310 hard", "no motion is learnt yet"
        assert {missing in line.note for line in board.lines if line.test == "snu-film"} == {True}
        assert {untrained in line.note for line in board.lines} == {True}
        assert [sum(word in note for note in of_suite.notes) for word in (missing, untrained)] == [1, 1]

    def test_seeds_are_one_line_with_their_mean(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        names = [put_pair(store, "aaa", ids(6, 3), seed=seed, gain=gain) for seed, gain in enumerate((0.2, 0.4, 0.6))]
        (board,) = boards_of(store)
        (line,) = board.lines
        assert list(line.pages.values()) == names
        assert line.sure.mean == pytest.approx(0.4 + 0.1)
        assert line.plain.psnr == pytest.approx(32.5)
        assert line.plugged.psnr == pytest.approx(33.0)
        assert line.sure.low is not None
        assert line.sure.low < 0.5

    def test_a_strip_is_of_clips_by_test_set_and_of_frames_that_are_not_exact(self, tmp_path: Path) -> None:
        """Both test sets have clips a and b; one frame is equal to the truth, and its 100 dB are no gain."""
        exact = {("easy", 0): 75.0}
        asked = suite("table1").pairs()[0]
        name = put(tmp_path, asked, (25.0, 25.1), added=lambda level, at: exact.get((level, at), 0.0))
        lines, words = _clips(read_pair(Store(tmp_path), name))
        assert {line["clip"] for line in lines} == {"snu-film a", "snu-film b", "vimeo90k a", "vimeo90k b"}
        assert [line["value"] for line in lines] == pytest.approx([0.1] * 9)
        assert words == "Without 1 triplet that an arm has exactly."

    def test_a_gain_and_its_interval_have_the_digits_of_its_metric(self) -> None:
        macro = '{% import "parts.html" as parts %}{{ parts.difference(sure, 5) }}'
        text = _environment(1).from_string(macro).render(sure=Sure(-0.00051, -0.00052, -0.0005))
        assert re.findall(r"[-+][\d.]+(?=[<,\]])", text) == ["-0.00051", "-0.00052", "-0.00050"]

    def test_a_line_of_a_chart_is_named_by_as_little_as_tells_it_apart(self) -> None:
        def named(*of: tuple[str, str, str, str]) -> list[str]:
            of_lines = [
                Line(label, "", "", trained, masks, "clips", level, 1, {}, Score(), Score(), Sure())
                for label, masks, trained, level in of
            ]
            return _distinct(of_lines)

        two = ("a+b", "truth", "x", "easy"), ("a+b", "truth", "x", "hard")
        assert named(("a+c", "", "x", "easy"), *two) == ["a+c", "a+b", "a+b"]
        assert named(*two, ("a+b", "global", "x", "easy")) == ["a+b, truth", "a+b", "a+b, global"]
        assert named(*two, ("a+b", "truth", "y", "easy")) == ["a+b, truth, x", "a+b", "a+b, truth, y"]
        assert named(two[0], two[0]) == ["a+b, truth, x (1)", "a+b, truth, x (2)"]

    def test_a_refusal_stands_in_words_and_no_difference(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "results")
        name = put(store.root, Asked(baseline="aaa", plugins="hce"), (30, 31), batch=16)
        (board,) = boards_of(store)
        assert {line.sure.mean for line in board.lines} == {None}
        assert all(line.note.startswith("refused: ") and "batch" in line.note for line in board.lines)
        write_site(store, tmp_path / "out")
        page = text_of(tmp_path / "out" / "pairs" / name / "index.html")
        assert "No difference is given" in page
        data = text_of(tmp_path / "out" / "pairs" / name / "data.js")
        assert '"clips":[]' in data
        assert "difference" not in data.partition('"columns":')[2].partition("]")[0]

    def test_a_suite_has_published_measured_and_difference(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "results")
        asked = Asked(baseline="ifrnet", plugins="hce,hir", recipe="paper", data="vimeo90k", test="vimeo90k,snu-film")
        put(store.root, asked, (35.5, 35.75))
        write_site(store, tmp_path / "out")
        section = text_of(tmp_path / "out" / "index.html").partition('id="suite-table1"')[2]
        assert "Difference: measured minus published." in section
        heads = re.findall("<th[ >][^<]*?>?([^<>]+)</th>", section.partition("<tbody>")[0])
        row = section.partition('<th scope="row">IFRNet + HCE, HIR</th>')[2].partition("</tr>")[0]
        found = dict(zip(heads[1:], re.findall(r"<td[^>]*>(?:<strong>)?([^<]*)", row), strict=True))
        shown = [found[name] for name in ("published", "measured", "difference", "measured gain")]
        assert shown == ["35.68", "35.58", "-0.10", "+0.250"]  # two triplets, the second 1/3 dB less

    def test_no_note_is_of_what_a_page_has_not(self, tmp_path: Path) -> None:
        """Other forms of a table, and published numbers where there are none."""
        store = Store(tmp_path / "results")
        for seed in (0, 1):
            asked = suite("layers1").pairs((seed,))[0]
            levels = {"layers-fast-12345678": ("test",)}
            put(store.root, asked, (30.0, 30.5 + seed / 10), levels=levels, added=lambda level, at: at / 10)
        write_site(store, tmp_path / "out")
        section = text_of(tmp_path / "out" / "index.html").partition('id="suite-layers1"')[2]
        assert "Holm" in section
        assert not re.search("CSV|JSON|minus published", section)

    def test_what_is_not_finished_says_how_far_it_is(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "results")
        name = put_pair(store, "aaa", ids(3))
        store.run("aaa+hce.s0.cdef").rows.unlink()
        write_site(store, tmp_path / "out")
        assert "aaa+hce: " in text_of(tmp_path / "out" / "index.html")
        assert "not evaluated yet" in text_of(tmp_path / "out" / "pairs" / name / "index.html")

    def test_records_are_all_that_it_reads(self, tmp_path: Path) -> None:
        """It imports no torch: no network could run."""
        put_pair(Store(tmp_path / "results"), "aaa", ids(3))
        script = (
            "import sys; from pathlib import Path; from harness.results.store import Store; "
            "from harness.site.write import write_site; write_site(Store(Path('results')), Path('out')); "
            "print('torch' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"

    def test_pictures_that_cannot_be_made_are_a_reason_on_the_page(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "results")
        name = put_pair(store, "aaa", ids(3))

        def refuse(pair: Any, folder: Path) -> Any:
            raise HarnessError("the weights are gone")

        write_site(store, tmp_path / "out", refuse)
        assert "No pictures of this pair: the weights are gone." in text_of(
            tmp_path / "out" / "pairs" / name / "index.html"
        )


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a pair that was trained, by a step, with what its networks make of a few triplets."""
    folder = tmp_path_factory.mktemp("pictures")
    recipe = {"steps": 1, "batch": 1, "augment": {"crop": 32}, "checkpoint_every": 1, "test_triplets": 2}
    (folder / "tiny.yaml").write_text(json.dumps(recipe))
    asked = ["--baseline", "ifrnet-s", "--with", "hce", "--masks", "truth", "--data", "layers:size=64,tests=8"]
    to = ["--results", str(folder / "results"), "--device", "cpu"]
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr("harness.report.figures.draw_figures", lambda *_: folder)
        for words in (
            ["run", *asked, "--recipe", str(folder / "tiny.yaml"), *to],
            ["site", "-o", str(folder / "out"), "--pictures", "1", *to],
        ):
            done = CliRunner().invoke(cli, words)
            assert done.exit_code == 0, (done.output, done.exception)
    (page,) = (folder / "out").glob("pairs/*/index.html")
    return page


class TestPictures:
    def test_both_arms_errors_flows_and_masks_of_what_gains_and_of_what_loses_most(self, looked_at: Path) -> None:
        folder = looked_at.parent
        shown = json.loads(text_of(folder / "data.js").removeprefix("window.harnessPage=").removesuffix(";\n"))["shown"]
        assert ["rank 1 of" in each["title"] for each in shown] == [True, False]
        first, *_ = shown
        labels = [re.sub(r", \d+\.\d\d dB$", "", picture["label"]) for picture in first["pictures"]]
        arms = ["ifrnet-s", "ifrnet-s+hce"]
        named = [*(f"flow of {arm}" for arm in arms), "true flow"]
        flows = [f"{name} to the {which} input" for name in named for which in ("first", "last")]
        masks = ["masks of the first input", "masks of the last input"]
        assert labels == [
            *arms,
            "truth",
            "first input",
            "last input",
            *(f"error of {arm}" for arm in arms),
            *flows,
            *masks,
        ]
        files = [picture["file"] for each in shown for picture in each["pictures"]]
        assert {path.name for path in folder.glob("*.png")} == {*files, "key.png"}
        assert {Image.open(folder / file).size for file in files} == {(64, 64)}
        assert [label for label, picture in zip(labels, first["pictures"], strict=True) if "key" in picture] == flows
        assert "Flows, from the middle to an input" in first["note"]

    def test_a_picture_is_what_was_measured(self, looked_at: Path) -> None:
        """The PSNR of each arm's picture against that of the truth is the one beside its name."""
        folder = looked_at.parent
        shown = json.loads(text_of(folder / "data.js").removeprefix("window.harnessPage=").removesuffix(";\n"))["shown"]
        for each in shown:
            frames = [np.asarray(Image.open(folder / each["pictures"][at]["file"]), float) for at in range(3)]
            for at in range(2):
                psnr = 10 * np.log10(255**2 / ((frames[at] - frames[2]) ** 2).mean())
                assert each["pictures"][at]["label"].endswith(f", {psnr:.2f} dB")


class TestBadInput:
    def test_a_newer_folder_is_one_line_and_a_site_stays(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = Store(tmp_path / "results")
        put_pair(store, "aaa", ids(3))
        run = CliRunner().invoke(site, ["-o", str(tmp_path / "out"), "--results", str(store.root)])
        assert run.exit_code == 0, run.output
        before = text_of(tmp_path / "out" / "index.html")
        newer(store, monkeypatch)
        run = CliRunner().invoke(site, ["-o", str(tmp_path / "out"), "--results", str(store.root)])
        assert isinstance(run.exception, HarnessError)
        assert "of schema 3; this version reads up to 2: update vfi-harness" in str(run.exception)
        assert "\n" not in str(run.exception)
        assert text_of(tmp_path / "out" / "index.html") == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "results"]

    def test_a_damaged_pair_is_named_and_stops_no_other(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "results")
        put_pair(store, "aaa", ids(3))
        name = put_pair(store, "bbb", ids(3))
        store.pair_file(name).write_text("{")
        (line,) = write_site(store, tmp_path / "out")
        assert name in line
        index = text_of(tmp_path / "out" / "index.html")
        assert "Left out" in index
        assert "aaa+hce" in index

    def test_a_folder_that_is_not_a_site_is_not_touched(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "results")
        put_pair(store, "aaa", ids(3))
        own = tmp_path / "own"
        own.mkdir()
        (own / "thesis.tex").write_text("mine")
        with pytest.raises(HarnessError, match="not empty"):
            write_site(store, own)
        assert [path.name for path in own.iterdir()] == ["thesis.tex"]

    def test_what_is_no_page_in_the_folder_of_a_site_is_not_lost(self, tmp_path: Path) -> None:
        """Be it the results, and wherever the command is given."""
        store = Store(tmp_path / "out" / "results")
        put_pair(Store(tmp_path / "results"), "aaa", ids(3))
        write_site(Store(tmp_path / "results"), tmp_path / "out")
        assert {path.name for path in (tmp_path / "out").iterdir()} == OWN
        put_pair(store, "aaa", ids(3))
        with pytest.raises(HarnessError, match="out/results is no file of a site, and would be lost"):
            write_site(store, tmp_path / "out")
        assert store.pairs()

    def test_a_folder_is_not_replaced_from_inside(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Names that are relative to it would lead elsewhere."""
        put_pair(Store(tmp_path / "results"), "aaa", ids(3))
        write_site(Store(tmp_path / "results"), tmp_path / "out")
        monkeypatch.chdir(tmp_path / "out" / "static")
        for out in ("../../out", tmp_path / "out", "."):
            with pytest.raises(HarnessError, match=r"is replaced as a whole|not empty"):
                write_site(Store(Path("../../results")), Path(out))
        assert {path.name for path in tmp_path.iterdir()} == {"out", "results"}

    def test_nothing_to_show_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(HarnessError, match="no such folder"):
            write_site(Store(tmp_path / "none"), tmp_path / "out")
        (tmp_path / "empty").mkdir()
        with pytest.raises(HarnessError, match="no pair in"):
            write_site(Store(tmp_path / "empty"), tmp_path / "out")
        assert not (tmp_path / "out").exists()


def newer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pairs as a later harness writes them."""
    found = store.pair_records()
    with monkeypatch.context() as later:
        later.setattr("harness.results.envelope.SCHEMA", SCHEMA + 1)
        for name, record in found.items():
            store.write_pair(name, record)


WEB = Path(__file__).resolve().parents[1] / "web"


def test_the_bundle_is_what_its_sources_make() -> None:
    """By what `make web` wrote down: no source was changed since, no file of the bundle by hand."""
    sums = [line.split("  ") for line in text_of(WEB / "made.sha256").splitlines()]
    files = {WEB.parent / name: checksum for checksum, name in sums}
    static = WEB.parent / "harness/site/static"
    sources = {WEB / "build.mjs", WEB / "package-lock.json", *(WEB / "src").rglob("*.*")}
    assert files.keys() == {path for path in {*sources, *static.iterdir()} if path.is_file()}
    assert not [path for path, checksum in files.items() if sha256(path.read_bytes()).hexdigest() != checksum]


def test_what_is_bundled_is_pinned_and_has_its_licence() -> None:
    """Every package that is asked for; no address of a registry is committed."""
    notices = text_of(WEB.parent / "harness/site/static/LICENSES.txt")
    lock = json.loads(text_of(WEB / "package-lock.json"))
    for name, version in json.loads(text_of(WEB / "package.json"))["dependencies"].items():
        assert f"\n{name} {version} (" in notices
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    assert all(each.get("integrity") for name, each in lock["packages"].items() if name)
    assert '"resolved"' not in text_of(WEB / "package-lock.json")
    assert "http" not in re.sub(r'"(url|funding)": ?"[^"]*"', "", text_of(WEB / "package-lock.json"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if find_browser() is None:
        pytest.skip("no Chromium on this machine")
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def cells(page: Browser, column: int, of: str = "table") -> Any:
    return page.ask(
        f"[...document.querySelectorAll('{of} tbody tr')].map((row) => row.children[{column}].textContent.trim())"
    )


class TestInABrowser:
    @pytest.mark.parametrize("dark", [False, True])
    def test_all_pages_open_from_files_alone_and_complain_of_nothing(
        self, made: Path, page: Browser, dark: bool
    ) -> None:
        for file in [
            made / "index.html",
            made / "pairs.html",
            made / "adapters.html",
            *made.glob("pairs/*/index.html"),
        ]:
            page.open(file, width=400, dark=dark)
            assert page.said == [], file
            assert {url.partition(":")[0] for url in page.asked} == {"file"}
            assert page.ask("document.documentElement.scrollWidth") <= 400, file
            assert page.ask("document.title") != "owned"
            assert page.ask("document.querySelectorAll('img[src=x]').length") == 0

    def test_charts_are_drawn_with_their_intervals(self, made: Path, page: Browser) -> None:
        (file,) = made.glob("pairs/aaa*/index.html")
        page.open(file)
        assert page.ask("document.querySelectorAll('.chart').length") == 4
        assert page.ask("document.querySelectorAll('.chart svg path').length") > 10
        assert page.ask("document.querySelectorAll('[data-from=levels] .mark-rule path, .mark-rule line').length") > 1

    def test_a_chart_zooms_and_comes_back(self, made: Path, page: Browser) -> None:
        (file,) = made.glob("pairs/aaa*/index.html")
        page.open(file)
        axis = "[...document.querySelectorAll('[data-from=curves] .role-axis-label text')].map((at) => at.textContent)"
        before = page.ask(axis)
        place = "document.querySelector('[data-from=curves] svg')"
        page.ask(f"{place}.scrollIntoView()")
        at = page.ask(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 3])({place}.getBoundingClientRect())"
        )
        wheel = {"type": "mouseWheel", "x": at[0], "y": at[1], "deltaX": 0, "deltaY": -400}
        page.call("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])
        page.call("Input.dispatchMouseEvent", **wheel)
        page.wait(
            f"JSON.stringify({axis}) !== {json.dumps(json.dumps(before, separators=(',', ':'), ensure_ascii=False))}"
        )
        fields = "[...document.querySelectorAll('[data-from=curves] input[type=number]')].map((field) => field.value)"
        page.wait(f"{fields}.join() !== '0,400'")  # which say so
        page.ask("document.querySelector('[data-from=curves] button').click()")
        page.wait(
            f"JSON.stringify({axis}) === {json.dumps(json.dumps(before, separators=(',', ':'), ensure_ascii=False))}"
        )

    def test_a_chart_zooms_by_two_fields_without_a_mouse(self, made: Path, page: Browser) -> None:
        (file,) = made.glob("pairs/aaa*/index.html")
        page.open(file)
        fields = "[...document.querySelectorAll('[data-from=curves] input[type=number]')]"
        ends = f"{fields}.map((field) => field.valueAsNumber)"
        axis = (
            "[...document.querySelectorAll('[data-from=curves] .role-axis-label text')]"
            ".map((at) => Number(at.textContent.replace('\u2212', '-'))).filter((at) => at > 10)"
        )
        assert page.ask(ends) == [0, 400]  # as it is drawn
        assert max(page.ask(axis)) > 300
        page.ask(f"{fields}[0].select()")
        page.call("Input.insertText", text="100")
        page.press("Tab", 9)
        page.call("Input.insertText", text="200")
        page.press("Enter", 13, "\r")
        page.wait(f"Math.max(...{axis}) <= 200 && Math.min(...{axis}) >= 100")
        assert page.ask(ends) == [100, 200]
        page.ask(f"{fields}[1].select()")
        page.call("Input.insertText", text="50")  # before where it begins: it stays as it was
        page.press("Enter", 13, "\r")
        page.wait(f"{fields}[1].valueAsNumber === 200")
        assert page.ask(f"Math.min(...{axis})") >= 100
        page.ask("document.querySelector('[data-from=curves] button').focus()")
        page.press("Enter", 13, "\r")
        page.wait(f"JSON.stringify({ends}) === '[0,400]'")

    def test_the_numbers_of_a_chart_are_a_table_too(self, made: Path, page: Browser) -> None:
        (file,) = made.glob("pairs/aaa*/index.html")
        page.open(file)
        page.ask("document.querySelector('[data-from=clips] summary').focus()")
        page.press("Enter", 13, "\r")
        page.wait("document.querySelector('[data-from=clips] .numbers tbody tr')")
        of = "[data-from=clips] table"
        heads = page.ask(f"[...document.querySelectorAll('{of} thead th')].map((head) => head.textContent.trim())")
        assert heads == ["clip", "level", "triplet", "value"]
        assert page.ask("window.harnessPage.clips.length") == 31
        assert [float(value) for value in cells(page, 3, of)] == page.ask(
            "window.harnessPage.clips.slice(0, 25).map(({ value }) => value)"
        )
        page.ask("document.querySelector('[data-from=clips] .dt-search input').focus()")
        page.call("Input.insertText", text="onerror")
        page.wait(f"document.querySelectorAll('{of} tbody tr').length === 1")
        assert cells(page, 0, of) == [HOSTILE]
        assert page.ask("document.querySelectorAll('img[src=x]').length") == 0

    def test_a_table_fits_or_scrolls_in_a_box_of_its_own_that_shows_so(self, made: Path, page: Browser) -> None:
        box = "document.querySelector('.board .scroll')"
        fits = f"{box}.scrollWidth <= {box}.clientWidth"
        page.open(made / "index.html")
        assert page.ask(fits)
        assert not page.ask(f"{box}.classList.contains('cut')")
        assert page.ask(f"{box}.previousElementSibling.hidden")
        page.open(made / "index.html", width=400)
        assert not page.ask(fits)
        page.wait(f"{box}.classList.contains('cut')")
        assert "scroll to the right" in page.ask(f"{box}.previousElementSibling.innerText")
        first = f"{box}.querySelector('tbody th').getBoundingClientRect().left"
        before = page.ask(first)
        page.ask(f"{box}.focus()")
        page.press("ArrowRight", 39, until=f"{box}.scrollLeft > 0")
        page.ask(f"{box}.scrollLeft = {box}.scrollWidth")
        page.wait(f"!{box}.classList.contains('cut')")
        assert page.ask(first) == before  # the name of the line stays in sight

    def test_a_difference_is_in_sight_on_a_phone(self, made: Path, page: Browser) -> None:
        page.open(made / "index.html", width=400)
        of = "[...document.querySelectorAll('.board')[0].querySelectorAll('thead th')]"
        head = f"{of}.find((head) => head.innerText.includes('difference')).getBoundingClientRect()"
        assert 0 < page.ask(f"{head}.left") < page.ask(f"{head}.right") <= 400

    def test_columns_that_say_the_same_everywhere_wait(self, made: Path, page: Browser) -> None:
        page.open(made / "index.html")
        heads = (
            "[...document.querySelectorAll('.board')[0].querySelectorAll('thead th')].map((at) => at.innerText.trim())"
        )
        few = page.ask(heads)
        assert few == ["arm", "difference (dB)", "95 % interval", "seeds", "plain PSNR (dB)", "with plug-ins PSNR (dB)"]
        told = page.ask("document.querySelectorAll('.board')[0].querySelector('.notes').textContent")
        assert told == "In every line: level clips easy; trained clips, quick; triplets 5."
        every = "document.querySelectorAll('.board')[0].querySelector('input[type=checkbox]')"
        page.ask(f"{every}.focus()")
        page.press(" ", 32, " ")
        page.wait(f"{heads}.length === 14")
        page.press(" ", 32, " ")
        page.wait(f"{heads}.length === {len(few)}")

    def test_a_column_sorts_by_its_numbers_from_the_keyboard(self, made: Path, page: Browser) -> None:
        (file,) = made.glob("pairs/aaa*/index.html")
        page.open(file)
        heads = "[...document.querySelectorAll('table.triplets thead th')]"
        at = page.ask(f"{heads}.findIndex((head) => head.textContent.includes('difference'))")
        page.ask(f"{heads}[{at}].querySelector('[tabindex], button').focus()")
        page.press("Enter", 13, "\r")
        page.wait(f"{heads}[{at}].getAttribute('aria-sort') === 'ascending'")
        shown = list(map(float, cells(page, at, "table.triplets")))
        assert shown == sorted(shown)
        assert len(set(shown)) > 1
        page.press("Enter", 13, "\r")
        page.wait(f"{heads}[{at}].getAttribute('aria-sort') === 'descending'")
        assert float(cells(page, at, "table.triplets")[0]) == max(shown)

    def test_names_of_triplets_are_text(self, made: Path, page: Browser) -> None:
        (file,) = made.glob("pairs/aaa*/index.html")
        page.open(file)
        page.ask("document.querySelector('.dt-search input').focus()")
        page.call("Input.insertText", text="onerror")
        page.wait("document.querySelectorAll('table.triplets tbody tr').length === 1")
        assert cells(page, 0, "table.triplets") == [f"{HOSTILE}/{HOSTILE}"]
        assert page.ask("document.title") != "owned"
        texts = "[...document.querySelectorAll('[data-from=clips] svg text')]"
        assert page.ask(f"{texts}.some((at) => at.textContent.startsWith('<img'))")

    def test_a_filter_shows_these_lines_alone(self, made: Path, page: Browser) -> None:
        page.open(made / "index.html")
        choose = """(() => {
            const select = [...document.querySelectorAll('.filters label')]
                .find((label) => label.textContent.startsWith('Baseline')).querySelector('select');
            select.value = '=aaa'; select.dispatchEvent(new Event('change'));
        })()"""
        assert set(cells(page, 0)) == {"aaa+hce", LONG, "ccc+hce"}
        page.ask(choose)
        assert set(cells(page, 0)) == {"aaa+hce", "ccc+hce"}  # the table of the other protocol is its own

    def test_the_slider_moves_by_keys_and_the_pictures_change(self, made: Path, page: Browser) -> None:
        (file,) = made.glob("pairs/aaa*/index.html")
        page.open(file)
        slider = "document.querySelector('img-comparison-slider')"
        page.wait(f"{slider}.shadowRoot && [...{slider}.querySelectorAll('img')].every((img) => img.complete)")
        assert page.ask(f"[...{slider}.querySelectorAll('img')].map((img) => [img.alt, img.naturalWidth])") == [
            [f"{HOSTILE}0", 320],
            [f"{HOSTILE}1", 320],
        ]
        before = page.ask(f"{slider}.value")
        page.ask(f"{slider}.focus()")
        page.press("ArrowRight", 39, until=f"{slider}.value > {before}")
        page.wait(f"Number({slider}.getAttribute('aria-valuenow')) === Math.round({slider}.value)")
        page.ask("((s) => { s.value = 1; s.dispatchEvent(new Event('change')); })(document.querySelector('.which'))")
        page.wait(f"{slider}.querySelector('img').src.endsWith('1-0.png')")

    def test_every_control_has_a_name(self, made: Path, page: Browser) -> None:
        """As a screen reader has it."""
        (file,) = made.glob("pairs/aaa*/index.html")
        for opened in (made / "index.html", file):
            page.open(opened)
            nodes = page.call("Accessibility.getFullAXTree")["nodes"]
            roles = {
                "button",
                "link",
                "combobox",
                "checkbox",
                "searchbox",
                "slider",
                "spinbutton",
                "DisclosureTriangle",
                "region",
                "graphics-document",
                "image",
                "columnheader",
                "table",
            }
            nameless = [
                node
                for node in nodes
                if not node.get("ignored")
                and node["role"]["value"] in roles
                and not node.get("name", {}).get("value", "").strip()
            ]
            assert nameless == []
            assert roles - {"graphics-document", "slider", "image", "checkbox"} <= {
                node["role"]["value"] for node in nodes
            }

    def test_the_dark_one_is_dark(self, made: Path, page: Browser) -> None:
        for dark, least, most in ((True, 0, 60), (False, 200, 255)):
            page.open(made / "index.html", dark=dark)
            colour = page.ask("getComputedStyle(document.body).backgroundColor")
            assert all(least <= int(value) <= most for value in re.findall(r"\d+", colour)[:3])

    def test_pictures_lie_under_a_slider_that_keys_and_mouse_move(self, looked_at: Path, page: Browser) -> None:
        page.open(looked_at)
        assert page.said == []  # not its policy either
        slider = "document.querySelector('img-comparison-slider')"
        page.wait(f"[...{slider}.querySelectorAll('img')].every((img) => img.complete && img.naturalWidth === 64)")
        assert page.ask(f"{slider}.value") == 50
        page.ask(f"{slider}.focus()")
        page.press("ArrowLeft", 37, until=f"{slider}.value < 50")
        page.ask(f"{slider}.scrollIntoView({{block: 'center'}})")
        left, top, width = page.ask(
            f"(({{left, top, width, height}}) => [left, top + height / 2, width])({slider}.getBoundingClientRect())"
        )
        at = {"button": "left", "buttons": 1, "clickCount": 1, "y": top}
        page.call("Input.dispatchMouseEvent", type="mousePressed", x=left + width * 0.5, **at)
        page.call("Input.dispatchMouseEvent", type="mouseMoved", x=left + width * 0.9, **at)
        page.call("Input.dispatchMouseEvent", type="mouseReleased", x=left + width * 0.9, **at)
        page.wait(f"{slider}.value > 80")
        page.wait(f"Number({slider}.getAttribute('aria-valuenow')) === Math.round({slider}.value)")

    def test_flows_and_masks_are_chosen_and_a_flow_has_its_key(self, looked_at: Path, page: Browser) -> None:
        page.open(looked_at)
        key = "document.querySelector('.viewer .key')"
        assert page.ask(f"{key}.hidden")
        for name in ("flow of ifrnet-s to the last input", "masks of the first input"):
            page.ask(f"""((select) => {{
                select.value = [...select.options].find((option) => option.text === '{name}').value;
                select.dispatchEvent(new Event('change'));
            }})(document.querySelector('.viewer .right'))""")
            second = "document.querySelector('.viewer img[slot=second]')"
            page.wait(f"{second}.alt === '{name}' && {second}.complete && {second}.naturalWidth === 64")
            assert page.ask(f"{key}.hidden") == name.startswith("masks")
            assert name.startswith("masks") or page.ask(f"{key}.alt").startswith("Key: ")
        page.wait(f"{key}.complete && {key}.naturalWidth > 64")
        assert page.said == []
        assert {url.rpartition("/")[0] for url in page.asked} <= {
            looked_at.parent.as_uri(),
            (looked_at.parents[2] / "static").as_uri(),
        }

    def test_sixty_pairs_of_a_thousand_triplets_are_loaded_one_by_one(
        self, tmp_path: Path, page: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a page reads and draws does not grow with what it does not show. How long it takes is not asserted:
        other processes run here too."""
        store, names = Store(tmp_path / "results"), []
        triplets = tuple(ids(1000, 20))
        put_pair(store, "net0", triplets)
        rows = {arm: store.run(f"net0{arm}.s0.cdef").read_rows() for arm in ("", "+hce")}
        tests = (SetRecord(data="clips-12345678", levels={"easy": triplets}),)
        for at in range(60):
            names.append(put_pair(store, f"net{at // 10}", triplets[:1], seed=at % 10, tests=tests))
        # all have the same rows, and these are read once
        monkeypatch.setattr(RunFolder, "read_rows", lambda run: rows["+hce" if "+hce" in run.name else ""])
        write_site(store, tmp_path / "out")
        out, static = tmp_path / "out", (tmp_path / "out/static").as_uri()
        for file, lines in ((out / "index.html", 6), (out / "pairs" / names[7] / "index.html", 25)):
            page.open(file)
            read = [Path(unquote(urlparse(url).path)) for url in page.asked if not url.startswith(static)]
            own = "index.js" if lines == 6 else "data.js"
            assert read == [file, file.parent / own]
            assert sum(path.stat().st_size for path in read) < 200_000
            assert (
                page.ask("document.querySelectorAll('table.sortable tbody tr, table.triplets tbody tr').length")
                == lines
            )
            assert page.ask("document.querySelectorAll('*').length") < 3000
        assert page.ask("window.harnessPage.triplets.length") == 1000
        page.open(out / "pairs.html")
        assert page.ask("document.querySelectorAll('tbody tr').length") == 25
