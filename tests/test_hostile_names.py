"""Names and labels from a folder of results that may be anybody's: data in every format, never a command."""

from __future__ import annotations

import csv
import io
import logging
import unicodedata
import xml.dom.minidom
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import files
from harness.cli import main as command_line
from harness.cli.common import say
from harness.errors import HarnessError
from harness.files import inside, replacing, write_text
from harness.launch.local import run_jobs
from harness.masks import Masks
from harness.printable import printable
from harness.registry.launching import Job
from harness.report.curves import Curves, draw_curves
from harness.report.exhibit import Exhibit, Place, View
from harness.report.formats import FORMATS
from harness.report.gallery_page import draw_gallery
from harness.report.overlay import Masked, draw_overlays
from harness.report.sheet import Cell, Line, Sheet
from harness.results.store import Store

CODES = "a\x1b[2Jb\x1b]0;title\x07c\rd\x9b1me\u202ef\u2066g\u2028h\x00i\x7fj\u200bk\ufffel\udcffm\nn\to"
VALUE = Cell("1.00", (("psnr", 1.0),))


def harmless(text: str) -> bool:
    return all(sign == "\n" or sign.isprintable() or unicodedata.category(sign) == "Zs" for sign in text)


def sheet(*labels: str, title: str = "t", columns: tuple[str, ...] = ("c",), notes: tuple[str, ...] = ()) -> Sheet:
    return Sheet(title, columns, tuple(Line(label, (VALUE,) * len(columns)) for label in labels), notes)


@given(st.text())
def test_printable_is_one_line_that_says_all(text: str) -> None:
    shown = printable(text)
    assert harmless(shown)
    assert "\n" not in shown
    assert printable(shown) == shown
    if harmless(text) and "\n" not in text:
        assert shown == text


def test_letters_stay_and_codes_are_seen() -> None:
    assert printable("Zürich 東京 سلام α±Δ−→ 1\u00a02\u202f3") == "Zürich 東京 سلام α±Δ−→ 1\u00a02\u202f3"
    assert printable("a\x1b[31m\n\r\t\u202e\udcff") == r"a\x1b[31m\n\r\t\u202e\udcff"


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=20, deadline=None)
@given(text=st.text(min_size=1, max_size=20))
def test_no_format_passes_a_code_on(form: str, text: str) -> None:
    written = FORMATS[form]([sheet(text, title=text, columns=(text,), notes=(text,))])
    assert harmless(written)
    written.encode()  # no half of a surrogate pair
    if form == "svg":
        xml.dom.minidom.parseString(written.encode())


@pytest.mark.parametrize("form", FORMATS)
def test_every_line_of_a_table_is_whole(form: str) -> None:
    """A label of two lines makes no second line."""
    clean, broken = (
        FORMATS[form]([sheet(label, title=label, columns=(label,), notes=(label,))]) for label in ("axxb", "a\nb")
    )
    assert broken.count("\n") == clean.count("\n")
    assert harmless(FORMATS[form]([sheet(CODES)]))


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", '=cmd|"/C calc"!A0'])
def test_csv_has_no_formula(label: str) -> None:
    rows = list(csv.reader(io.StringIO(FORMATS["csv"]([sheet(label, title=label, columns=(label,))]))))
    for text in rows[1][:3]:
        assert text.strip()[0] not in "=+-@＝\t\r"
    assert rows[1][4] == "1.0"
    negative = Sheet("t", ("c",), (Line("x", (Cell("-1", (("psnr", -1.5),)),)),))
    assert FORMATS["csv"]([negative]).splitlines()[1] == "t,x,c,psnr,-1.5"


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("[a](http://x)", r"[a\](http\://x)"), ("![a](b)", r"![a\](b)"), ("[a][b]", r"[a\][b]"),
        ("www.x.y", r"www\.x.y"), ("<b>x</b>", r"\<b>x\</b>"), ("__init__", r"\_\_init\_\_"), ("a_b", "a_b"),
        ("&#91;x", r"\&#91;x"), ("a | b", r"a \| b"), ("$x$ ~~y~~", r"\$x\$ \~\~y\~\~"), ("[-0.1, 0.2]", "[-0.1, 0.2]"),
    ],
)  # fmt: skip
def test_markdown_has_no_link_and_no_tag(label: str, shown: str) -> None:
    assert f"| {shown} " in FORMATS["markdown"]([sheet(label)])
    assert FORMATS["markdown"]([sheet("x", notes=("# [a]: b",))]).endswith("- \\# [a\\]: b\n")


def test_latex_rows_begin_with_no_option() -> None:
    latex = FORMATS["latex"]([sheet("[9cm]x", "*x", "a\\\\b\nc")])
    assert r"    {}[9cm]x & " in latex
    assert r"    {}*x & " in latex
    assert r"    a\textbackslash{}\textbackslash{}b\textbackslash{}nc & 1.00 \\" in latex


def test_html_has_only_its_own_tags() -> None:
    tags: set[str] = set()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.add(tag)  # type: ignore[method-assign]
    parser.feed(FORMATS["html"]([sheet("<script>x</script>", title="<img src=x>", notes=("</li><a href=x>",))]))
    assert tags <= {
        "html",
        "meta",
        "title",
        "style",
        "h2",
        "div",
        "table",
        "thead",
        "tr",
        "th",
        "tbody",
        "td",
        "span",
        "ul",
        "li",
    }


def test_the_terminal_shows_markup_and_emoji_as_they_are() -> None:
    drawn = FORMATS["terminal"]([sheet("[red]x[/red] :smile: \\", title="[b]t :x:", notes=("[/]",))])
    assert "[red]x[/red] :smile: \\" in drawn
    assert drawn.startswith("[b]t :x:\n")


FORMULA = r"$\frac{x$ $^$ \$ _{"
"""Whatever matplotlib takes for a formula, it fails to set."""


@pytest.fixture
def small() -> np.ndarray:
    return np.zeros((32, 32, 3), np.uint8)


def test_pictures_set_no_formula(small: np.ndarray, tmp_path: Path) -> None:
    label = FORMULA + CODES.replace("\ufffe", "").replace("\udcff", "")
    losses = pd.DataFrame({"seed": 0, "step": [1, 2, 3, 4], label: [1.0, 0.5, 0.4, 0.3]})
    draw_curves([Curves("=pair", label, (label,), losses, None, 1, (label,))], tmp_path)
    assert "'=pair" in (tmp_path / "curves.csv").read_text()
    xml.dom.minidom.parse(str(tmp_path / "curves.svg"))
    view = View(label, small, np.ones((32, 32), np.float32), 30.0, 30.0)
    exhibit = Exhibit(label, (32, 32), Place(0, 0, 8, 8), small, None, 0, small, small, (view, view))
    draw_gallery([exhibit], tmp_path / "gallery.svg")
    xml.dom.minidom.parse(str(tmp_path / "gallery.svg"))
    masks = Masks(np.ones((2, 32, 32), np.uint16), tags=(label,), dropped=(label,))
    draw_overlays([Masked(label, np.stack([small, small]), masks)], tmp_path / "masks.png")


# --- the terminal


def test_lines_and_warnings_are_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    say(CODES)
    record = logging.LogRecord("harness", logging.WARNING, "", 0, "%s is damaged", (CODES,), None)
    print(command_line.OneLine("%(levelname)s: %(message)s").format(record))
    monkeypatch.setattr("sys.argv", ["harness", "table", CODES.replace("\x00", ""), "--results", str(tmp_path)])
    with pytest.raises(SystemExit):
        command_line.main()
    printed = capsys.readouterr()
    assert harmless(printed.out + printed.err)
    assert len(printed.out.splitlines()) == 2
    assert len(printed.err.splitlines()) == 1


# --- links


def test_a_link_is_replaced_and_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside, link = tmp_path / "outside", tmp_path / "table.md"
    outside.write_text("mine")
    link.symlink_to(outside)
    write_text(link, "new")
    assert not link.is_symlink()
    monkeypatch.setattr(files, "token_hex", lambda count: "guessed")
    with replacing(tmp_path / "b") as out:
        first = Path(out.name)
    first.symlink_to(outside)  # where the next write begins
    with pytest.raises(FileExistsError):
        write_text(tmp_path / "b", "new")
    assert outside.read_text() == "mine"


def test_figures_that_lead_out_of_the_results_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    (store.root / "figures").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (store.root / "figures" / "pair").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HarnessError, match=r"figures/pair: is a link that leads out of .*; remove it"):
        store.figures("pair")
    assert store.figures("other") == store.root / "figures" / "other"
    (tmp_path / "linked").symlink_to(store.root)  # the whole folder may well be on another disk
    assert inside(tmp_path / "linked" / "figures", tmp_path / "linked")


def test_a_log_that_is_a_link_is_not_followed_and_stops_no_other_job(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "a.log").symlink_to(tmp_path / "mine")
    runs = Job("b", ("sh", "-c", "sleep 0.2; echo done"), tmp_path / "b.log")
    (failure,) = run_jobs([runs, Job("a", ("true",), tmp_path / "a.log")], 2, (), lambda line: None, lambda: 0)
    assert str(failure).startswith("a failed (exit code 2): cannot be started: Too many levels of symbolic links; see ")
    assert (tmp_path / "mine").read_text() == "mine"
    assert (tmp_path / "b.log").read_text() == "done\n"
